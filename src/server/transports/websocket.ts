// Does: WebSocket on `GET /`: the gate, then a reservation, then the upgrade (docs/PROTOCOL.md#http-and-who-may-connect).
// Used by: server.ts. Deno and Node differ only behind `Runtime.serve`.
import { deadline } from "../../base/async/deadline.ts";
import type { Governor, Permit } from "../../governor/governor.ts";
import type { Router } from "../router/router.ts";
import type { Connection } from "../router/connection.ts";
import type { CloseFrame, Peer } from "../router/peer.ts";
import type {
  HttpAnswer,
  HttpRequest,
  HttpVerdict,
  Listener,
  Runtime,
  SocketHandle,
  Timer,
} from "../../runtime/runtime.ts";
import { type Access, ADMIN } from "../auth/access.ts";
import { check, type GateConfig } from "../auth/http_gate.ts";
import type { RefusedFor } from "../../governor/counters.ts";
import { preflight, readable } from "./cors.ts";
import { RefusalLog } from "./refusal_log.ts";
import { ContentPages } from "./content_pages.ts";
import { answerHttp, type HttpState, redirect, refusal } from "./http_pages.ts";
import { Backlog, FairInbox } from "./fair_inbox.ts";
import type { Endpoint, Transport } from "./transport.ts";

export interface WebSocketParts {
  readonly runtime: Runtime;
  readonly router: Router;
  readonly governor: Governor;
  readonly hostname: string;
  readonly port: number;
  readonly gate: GateConfig;
  readonly http: HttpState;
}

const TOO_FAST: CloseFrame = {
  code: 1013,
  reason: "Too many messages wait; connect again, and read answers as you send",
};

/** Milliseconds for the last answers of a closing connection. */
const FAREWELL_MS = 2_000;

/**
 * Bytes that such a connection may go on sending meanwhile, and what a message counts beside its text. Deno reads on,
 * and a flood would keep the server busy for all of that time.
 */
const [FAREWELL_BYTES, MESSAGE_BYTES] = [16 * 1024 * 1024, 64];

const NO_BINARY: CloseFrame = { code: 1003, reason: "Send text messages with one JSON object each" };

function peerOf(socket: SocketHandle): Peer {
  return {
    transport: "websocket",
    blocksWhenFull: false,
    send: (text) => socket.send(text),
    get buffered() {
      return socket.buffered;
    },
    set onDrain(fn: () => void) {
      socket.onDrain = fn;
    },
    get onDrain() {
      return socket.onDrain;
    },
    close: (code, reason) => socket.close(code, reason),
  };
}

/** A loopback wildcard is not an address to connect to. */
function urlOf(listener: Listener): string {
  const name = listener.hostname === "0.0.0.0" || listener.hostname === "::"
    ? "127.0.0.1"
    : listener.hostname;
  return `ws://${name.includes(":") ? `[${name}]` : name}:${listener.port}/`;
}

/** Refusals of where a request comes from, not of what it asks for. */
const FOREIGN: ReadonlySet<RefusedFor> = new Set(["host", "origin", "peer"]);

/** The WebSocket transport. */
export class WebSocketTransport implements Transport {
  readonly #parts: WebSocketParts;
  readonly #open = new Map<Connection, () => void>();
  readonly #backlog = new Backlog();
  #listener: Listener | undefined;
  readonly #refusals: RefusalLog;
  readonly #contents: ContentPages;
  #refusing = false;

  private constructor(parts: WebSocketParts) {
    this.#parts = parts;
    this.#contents = new ContentPages(parts.router);
    this.#refusals = new RefusalLog(parts.runtime, parts.router.parts.log, parts.governor.counters);
  }

  /** Listens. Throws `ListenError` when the address is not available. */
  static async listen(parts: WebSocketParts): Promise<WebSocketTransport> {
    const transport = new WebSocketTransport(parts);
    const { runtime, hostname, port, governor } = parts;
    const { frameBytes } = governor.limits;
    const decide = (request: HttpRequest): HttpVerdict => transport.#decide(request);
    transport.#listener = await runtime.serve(hostname, port, frameBytes, decide);
    return transport;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#listener === undefined ? [] : [{ transport: "websocket", url: urlOf(this.#listener) }];
  }

  refuse(): void {
    this.#refusing = true;
  }

  async close(withinMs: number): Promise<void> {
    const parted = [...this.#open.keys()].map((connection) => this.#part(connection));
    await deadline(this.#parts.runtime, withinMs, Promise.all(parted), undefined);
    await this.#listener?.close();
  }

  /** Sends everything, then closes with 1001. */
  async #part(connection: Connection): Promise<void> {
    await connection.outbox.flushed();
    const gone = new Promise<void>((resolve) => {
      if (this.#open.has(connection)) this.#open.set(connection, resolve);
      else resolve();
    });
    connection.peer.close(1001, "The server is shutting down");
    await gone;
  }

  #decide(request: HttpRequest): HttpVerdict {
    const { gate, governor, http } = this.#parts;
    const toPage = (answer: HttpAnswer | Promise<HttpAnswer>): HttpVerdict => ({
      kind: "answer",
      answer: gate.allowOrigins.size === 0 ? answer : readable(answer, request, gate.allowOrigins),
    });
    const verdict = check(request, gate);
    if (verdict.kind === "refuse") {
      this.#refusals.refused(request, verdict.why, verdict.status);
      // A page that the gate keeps out does not even learn why.
      return FOREIGN.has(verdict.why)
        ? { kind: "answer", answer: refusal(verdict) }
        : toPage(refusal(verdict));
    }
    if (verdict.kind === "preflight") return toPage(preflight(request));
    if (verdict.kind === "page") return toPage(answerHttp(verdict.page, http));
    if (verdict.kind === "console") {
      return { kind: "answer", answer: http.console(verdict.file, request) };
    }
    if (verdict.kind === "content") return toPage(this.#contents.page(request, verdict.access, verdict));
    if (verdict.kind === "redirect") return { kind: "answer", answer: redirect(verdict.location) };
    if (this.#refusing) {
      return {
        kind: "answer",
        answer: refusal({ status: 503, reason: "The server is shutting down; try again later" }),
      };
    }
    const { access } = verdict;
    const permit = this.#reserve(access);
    if (typeof permit === "string") {
      return { kind: "answer", answer: refusal({ status: 503, reason: permit }) };
    }
    return {
      kind: "upgrade",
      peerSilentMs: governor.limits.peerSilentMs,
      ...(verdict.protocol === undefined ? {} : { protocol: verdict.protocol }),
      accept: (socket) => this.#accept(socket, access, permit),
      abandon: () => permit.release(),
    };
  }

  /** Reserves one more connection of that token, or returns why not. */
  #reserve({ id }: Access): Permit | string {
    const { governor } = this.#parts;
    const own = id === ADMIN.id ? undefined : governor.connectionOfToken(id);
    if (id !== ADMIN.id && own === undefined) {
      return "This token has as many connections as --max-connections-per-token allows; close one first";
    }
    const permit = governor.connection();
    if (permit !== undefined) {
      return {
        release() {
          own?.release();
          permit.release();
        },
      };
    }
    own?.release();
    return "As many connections are open as --max-connections allows; try again later";
  }

  #accept(socket: SocketHandle, access: Access, permit: Permit): void {
    const { router, gate, runtime } = this.#parts;
    if (gate.holds?.(access.id) === false) {
      // The token has just ended. The router does not know this connection, so it cannot close it.
      socket.onClose = () => permit.release();
      const expired = (access.expiresAt ?? Infinity) <= runtime.now();
      return socket.close(1008, expired ? "The token has expired" : "The token was revoked");
    }
    const connection = router.accept(peerOf(socket), access);
    this.#open.set(connection, () => {});
    const { outbox, peer } = connection;
    let farewell: Timer | undefined;
    /**
     * Ends a connection that broke a rule, after its answers or a deadline. The server reads no more from it.
     */
    const goAway = ({ code, reason }: CloseFrame): void => {
      if (farewell !== undefined || !connection.open) return;
      pace.close();
      socket.pause();
      const close = (): void => {
        farewell?.clear();
        peer.close(code, reason);
      };
      let dropped = 0;
      socket.onText = (text) => {
        dropped += text.length + MESSAGE_BYTES;
        if (dropped > FAREWELL_BYTES) close();
      };
      farewell = runtime.after(FAREWELL_MS, close);
      void outbox.flushed().then(close);
    };
    const pace = new FairInbox({
      soon: (fn) => runtime.nextTick(fn),
      take: (text) => {
        const closing = connection.open ? router.receive(connection, text) : undefined;
        if (closing !== undefined) goAway(closing);
      },
      room: () => outbox.room(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      full: () => goAway(TOO_FAST),
      backlog: this.#backlog,
    });
    socket.onText = (text) => pace.push(text);
    socket.onBinary = () => goAway(NO_BINARY);
    socket.onTooLarge = () => router.tooLarge(connection);
    socket.onClose = () => {
      farewell?.clear();
      pace.close();
      const parted = this.#open.get(connection);
      this.#open.delete(connection);
      permit.release();
      router.closed(connection);
      parted?.();
    };
  }
}
