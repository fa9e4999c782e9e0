// WebSocket on `GET /` (PROTOCOL §1, §9): the gate, then room, then the upgrade; whole text messages to the
// router and back. The same for Deno and Node, which differ only behind `Runtime.serve`.
import type { Governor, Permit } from "../governor/governor.ts";
import type { Router } from "../router/router.ts";
import type { Connection } from "../router/connection.ts";
import type { Closing, Wire } from "../router/wire.ts";
import type { HttpRequest, HttpVerdict, Listener, Runtime, SocketHandle, Timer } from "../runtime/runtime.ts";
import type { Access } from "../governor/access.ts";
import { check, type GateConfig } from "./gate.ts";
import { answerHttp, type HttpState, refusal } from "./http.ts";
import { Pace } from "./pace.ts";
import type { Endpoint, Transport } from "./transport.ts";

/** What the transport is made of. */
export interface WebSocketParts {
  readonly runtime: Runtime;
  readonly router: Router;
  readonly governor: Governor;
  readonly hostname: string;
  readonly port: number;
  readonly gate: GateConfig;
  readonly http: HttpState;
}

const NO_BINARY: Closing = { code: 1003, reason: "Send text messages with one JSON object each" };

function wireOf(socket: SocketHandle): Wire {
  return {
    transport: "websocket",
    waits: false,
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

/** A loopback wildcard is no address to connect to. */
function urlOf(listener: Listener): string {
  const name = listener.hostname === "0.0.0.0" || listener.hostname === "::"
    ? "127.0.0.1"
    : listener.hostname;
  return `ws://${name.includes(":") ? `[${name}]` : name}:${listener.port}/`;
}

/** The WebSocket transport, listening. */
export class WebSocketTransport implements Transport {
  readonly #parts: WebSocketParts;
  readonly #open = new Map<Connection, () => void>();
  #listener: Listener | undefined;
  #refusing = false;

  private constructor(parts: WebSocketParts) {
    this.#parts = parts;
  }

  /** Listens. Throws `ListenError` when the address cannot be had. */
  static async listen(parts: WebSocketParts): Promise<WebSocketTransport> {
    const transport = new WebSocketTransport(parts);
    const { runtime, hostname, port } = parts;
    transport.#listener = await runtime.serve(hostname, port, (request) => transport.#decide(request));
    return transport;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#listener === undefined ? [] : [{ transport: "websocket", url: urlOf(this.#listener) }];
  }

  refuse(): void {
    this.#refusing = true;
  }

  async close(withinMs: number): Promise<void> {
    const { runtime } = this.#parts;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => timer = runtime.after(withinMs, resolve));
    await Promise.race([
      late,
      Promise.all([...this.#open.keys()].map((connection) => this.#part(connection))),
    ]);
    timer?.clear();
    await this.#listener?.close();
  }

  /** Everything out, then 1001, then gone. */
  async #part(connection: Connection): Promise<void> {
    await connection.outbox.flushed();
    const gone = new Promise<void>((resolve) => {
      if (this.#open.has(connection)) this.#open.set(connection, resolve);
      else resolve();
    });
    connection.wire.close(1001, "The server is shutting down");
    await gone;
  }

  #decide(request: HttpRequest): HttpVerdict {
    const { gate, governor, http } = this.#parts;
    const verdict = check(request, gate);
    if (verdict.kind === "refuse") return { kind: "answer", answer: refusal(verdict.status, verdict.reason) };
    if (verdict.kind === "page") return { kind: "answer", answer: answerHttp(verdict.page, http) };
    if (this.#refusing) {
      return { kind: "answer", answer: refusal(503, "The server is shutting down; try again later") };
    }
    const permit = governor.connection();
    if (permit === undefined) {
      const sentence = "As many connections are open as --max-connections allows; try again later";
      return { kind: "answer", answer: refusal(503, sentence) };
    }
    return {
      kind: "upgrade",
      peerSilentMs: governor.limits.peerSilentMs,
      ...(verdict.protocol === undefined ? {} : { protocol: verdict.protocol }),
      accept: (socket) => this.#accept(socket, verdict.access, permit),
      abandon: () => permit.release(),
    };
  }

  #accept(socket: SocketHandle, access: Access, permit: Permit): void {
    const { router, gate, runtime } = this.#parts;
    if (gate.holds?.(access.id) === false) {
      // The token ended between the gate and now. The router does not know this connection, so it cannot close it.
      socket.onClose = () => permit.release();
      const expired = (access.expiresAt ?? Infinity) <= runtime.now();
      return socket.close(1008, expired ? "The token has expired" : "The token was revoked");
    }
    const connection = router.accept(wireOf(socket), access);
    this.#open.set(connection, () => {});
    let leaving = false;
    /** Ends a connection that broke a rule, once it has been told; what it still sends is not looked at. */
    const goAway = ({ code, reason }: Closing): void => {
      if (leaving || !connection.open) return;
      leaving = true;
      void connection.outbox.flushed().then(() => connection.wire.close(code, reason));
    };
    const pace = new Pace((fn) => this.#parts.runtime.soon(fn), (text) => {
      const closing = connection.open && !leaving ? router.receive(connection, text) : undefined;
      if (closing !== undefined) goAway(closing);
    });
    socket.onText = (text) => pace.push(text);
    socket.onBinary = () => goAway(NO_BINARY);
    socket.onClose = () => {
      pace.close();
      const parted = this.#open.get(connection);
      this.#open.delete(connection);
      permit.release();
      router.closed(connection);
      parted?.();
    };
  }
}
