// Does: accepts connections on Deno, and passes each one to `Deno.serveHttp`, so that it can be closed at any time.
// Used by: deno.ts, which answers the requests. `Deno.serve` has no limit for peers that never finish a request.
// Invariant: every Deno 2 has that function, but not in its types. Without it, Deno.serve serves and a warning is logged.
import { errorMessage } from "../../base/error_message.ts";
import type { Listener } from "../runtime.ts";
import { HandshakeLimiter } from "../websocket/handshake_limiter.ts";

/** The answer to a request. */
export interface Reply {
  readonly response: Response;
  /** Called when the response cannot be sent. */
  readonly lost: () => void;
}

/** Where a request came from, and at which port. */
export interface Arrival {
  readonly peer: { readonly hostname: string; readonly port: number };
  readonly localPort: number;
}

/** Answers a request. Calls `letIn` as soon as the peer is a WebSocket. */
export type Replying = (request: Request, arrival: Arrival, letIn: () => void) => Promise<Reply>;

/** An HTTP connection, as Deno.serveHttp gives it. */
interface HttpConnection {
  /** `null` when the peer has gone, or has become a WebSocket. */
  nextRequest(): Promise<{ request: Request; respondWith(response: Response): Promise<void> } | null>;
  close(): void;
}

/** What a listener uses. */
export interface ListenerParts {
  readonly reply: Replying;
  warn(line: string): void;
  /** Calls a function in the next turn of the event loop. */
  nextTick(fn: () => void): void;
  /** Cuts off those of the peers whose requests have too long a head. */
  cutLongHeads(peers: Iterable<Deno.NetAddr>, localPort: number): void;
}

type ServeHttp = (conn: Deno.Conn) => HttpConnection;

/**
 * The most unauthenticated peers at one time. Deno keeps up to 400 KB of headers of each before it refuses them, and
 * has no setting for that.
 */
const STRANGERS = 128;

/** The most connections accepted in one turn of the event loop: some milliseconds of work. */
const ACCEPTED_IN_A_TURN = 16;

/** Incomplete heads from which the server accepts no more connections before the next look at them. */
const MANY_HEADS = 16;

/** Milliseconds between two looks at the heads of requests, while some are not complete. */
const HEADS_MS = 5;

/** Milliseconds before the next try when the machine had no descriptors. */
const RETRY_MS = 100;

/** Listens. Throws when the address is not available. */
export function listen(hostname: string, port: number, parts: ListenerParts): Listener {
  const found: unknown = Reflect.get(Deno, "serveHttp");
  if (typeof found === "function") {
    return new OwnListener(hostname, port, parts, (conn) => Reflect.apply(found, Deno, [conn]));
  }
  parts.warn(
    "this Deno has no Deno.serveHttp, so requests that never end have no time limit (docs/SECURITY.md)",
  );
  return new ServingListener(hostname, port, parts);
}

class OwnListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #parts: ListenerParts;
  readonly #serveHttp: ServeHttp;
  readonly #strangers = new HandshakeLimiter<HttpConnection>(hangUp, STRANGERS);
  /** The peers whose requests are not complete. */
  readonly #heads = new Map<HttpConnection, Deno.NetAddr>();
  #headsTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(hostname: string, port: number, parts: ListenerParts, serveHttp: ServeHttp) {
    this.#parts = parts;
    this.#serveHttp = serveHttp;
    this.#listener = Deno.listen({ hostname, port });
    this.hostname = this.#listener.addr.hostname;
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  close(): Promise<void> {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
    clearTimeout(this.#headsTimer);
    this.#strangers.dropAll();
    return Promise.resolve();
  }

  async #accept(): Promise<void> {
    let told = false;
    for (let count = 1; !this.#closed; count++) {
      try {
        void this.#attend(await this.#listener.accept());
        told = false;
        if (count % ACCEPTED_IN_A_TURN === 0) await this.#turn();
      } catch (error) {
        if (this.#closed) return;
        if (!told) this.#parts.warn(`no more connections can be taken for now: ${errorMessage(error)}`);
        told = true;
        this.#strangers.dropHalf();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Serves one connection from its first byte to its last, or until it is a WebSocket. */
  async #attend(conn: Deno.TcpConn): Promise<void> {
    const http = this.#httpOn(conn);
    if (http === undefined) return;
    this.#strangers.came(http);
    let lost = (): void => {};
    try {
      this.#heads.set(http, conn.remoteAddr);
      this.#headsTimer ??= setTimeout(() => this.#lookAtHeads(), HEADS_MS);
      const asked = await http.nextRequest().finally(() => this.#heads.delete(http));
      if (asked === null) return;
      const letIn = (): void => this.#strangers.left(http);
      const said = await this.#parts.reply(
        asked.request,
        { peer: conn.remoteAddr, localPort: this.port },
        letIn,
      );
      lost = said.lost;
      await asked.respondWith(said.response);
      // Every answer is the last of its connection. This wait ends with the peer, or with its deadline.
      await http.nextRequest();
    } catch {
      // The peer speaks no HTTP, or has gone away.
      lost();
    } finally {
      this.#strangers.left(http);
      hangUp(http);
    }
  }

  /** Resolves in the next turn, or after the next look at the heads when many are not complete. */
  #turn(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#heads.size <= MANY_HEADS) this.#parts.nextTick(resolve);
      else setTimeout(resolve, HEADS_MS);
    });
  }

  /** Until all requests are complete. */
  #lookAtHeads(): void {
    this.#headsTimer = undefined;
    if (this.#heads.size === 0 || this.#closed) return;
    this.#parts.cutLongHeads(this.#heads.values(), this.port);
    this.#headsTimer = setTimeout(() => this.#lookAtHeads(), HEADS_MS);
  }

  /** Undefined when the peer has gone. */
  #httpOn(conn: Deno.TcpConn): HttpConnection | undefined {
    try {
      conn.setNoDelay(true);
      return this.#serveHttp(conn);
    } catch {
      hangUp(conn);
      return undefined;
    }
  }
}

function hangUp(connection: { close(): void }): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

/**
 * Uses Deno.serve, which ends at the first connection that it cannot accept. Open WebSockets stay open, and the
 * listener listens again as soon as there is room.
 */
class ServingListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #parts: ListenerParts;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #again: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(hostname: string, port: number, parts: ListenerParts) {
    this.#parts = parts;
    this.hostname = hostname;
    this.port = port;
    this.#server = this.#listen();
    const { addr } = this.#server;
    this.hostname = addr.hostname;
    this.port = addr.port;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#server.shutdown().catch(() => {});
  }

  #listen(): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, port } = this;
    const server = Deno.serve({ hostname, port, onListen: () => {} }, async (request, info) => {
      const { response } = await this.#parts.reply(
        request,
        { peer: info.remoteAddr, localPort: this.port },
        () => {},
      );
      return response;
    });
    server.finished.catch((error) => this.#listenAgain(error));
    return server;
  }

  #listenAgain(error: unknown): void {
    if (this.#closed) return;
    this.#parts.warn(`no more connections can be taken for now: ${errorMessage(error)}`);
    const retry = (): void => {
      try {
        this.#server = this.#listen();
      } catch {
        this.#again = setTimeout(retry, RETRY_MS);
      }
    };
    this.#again = setTimeout(retry, RETRY_MS);
  }
}
