// Where peers come in on Deno. `Deno.serve` tells nothing of a peer before its request is complete, and has neither a
// time for that nor a number; so connections are accepted here, one HTTP connection each (`Deno.serveHttp`), which
// can be hung up on. That function is in every Deno 2, though no longer in its types; where it is missing, Deno.serve
// serves, and says so. What a request is answered with is deno.ts's business.
import { errorMessage } from "../../base/error_message.ts";
import type { Listener } from "../runtime.ts";
import { HandshakeLimiter } from "../handshake_limiter.ts";

/** What is said to a request. */
export interface Reply {
  readonly response: Response;
  /** To be called when the response cannot be sent. */
  readonly lost: () => void;
}

/** Says it; `letIn` is called as soon as the peer is a WebSocket. */
export type Replying = (request: Request, peer: string, letIn: () => void) => Promise<Reply>;

/** An HTTP connection, as Deno.serveHttp gives it. */
interface HttpConnection {
  /** `null` once the peer has gone, or has become a WebSocket. */
  nextRequest(): Promise<{ request: Request; respondWith(response: Response): Promise<void> } | null>;
  close(): void;
}

type ServeHttp = (conn: Deno.Conn) => HttpConnection;

/**
 * Most peers that may be waited for at once. Deno keeps up to 400 KB of headers of each before it refuses them, and
 * has no setting for that.
 */
const STRANGERS = 128;

/** Milliseconds after which is tried again what the machine had no descriptors for. */
const RETRY_MS = 100;

/** Listens. Throws when the address cannot be had. */
export function listen(
  hostname: string,
  port: number,
  reply: Replying,
  warn: (line: string) => void,
): Listener {
  const found: unknown = Reflect.get(Deno, "serveHttp");
  if (typeof found === "function") {
    return new OwnListener(hostname, port, reply, warn, (conn) => Reflect.apply(found, Deno, [conn]));
  }
  warn(
    "this Deno serves HTTP on its own terms: who never ends his request has no time limit (docs/SECURITY.md)",
  );
  return new ServingListener(hostname, port, reply, warn);
}

class OwnListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #reply: Replying;
  readonly #warn: (line: string) => void;
  readonly #serveHttp: ServeHttp;
  readonly #strangers = new HandshakeLimiter<HttpConnection>(hangUp, STRANGERS);
  #closed = false;

  constructor(
    hostname: string,
    port: number,
    reply: Replying,
    warn: (line: string) => void,
    serveHttp: ServeHttp,
  ) {
    this.#reply = reply;
    this.#warn = warn;
    this.#serveHttp = serveHttp;
    this.#listener = Deno.listen({ hostname, port });
    this.hostname = this.#listener.addr.hostname;
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  close(): Promise<void> {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
    this.#strangers.dropAll();
    return Promise.resolve();
  }

  async #accept(): Promise<void> {
    let told = false;
    while (!this.#closed) {
      try {
        void this.#attend(await this.#listener.accept());
        told = false;
      } catch (error) {
        if (this.#closed) return;
        if (!told) this.#warn(`no more connections can be taken for now: ${errorMessage(error)}`);
        told = true;
        this.#strangers.dropHalf();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** From its first byte to its last, or until it is a WebSocket. */
  async #attend(conn: Deno.TcpConn): Promise<void> {
    const http = this.#httpOn(conn);
    if (http === undefined) return;
    this.#strangers.came(http);
    let lost = (): void => {};
    try {
      const asked = await http.nextRequest();
      if (asked === null) return;
      const letIn = (): void => this.#strangers.left(http);
      const said = await this.#reply(asked.request, conn.remoteAddr.hostname, letIn);
      lost = said.lost;
      await asked.respondWith(said.response);
      // Every answer is the last of its connection; this is the end of it, or of the peer's time.
      await http.nextRequest();
    } catch {
      // A peer that speaks no HTTP, or went away; nobody is left to be told.
      lost();
    } finally {
      this.#strangers.left(http);
      hangUp(http);
    }
  }

  /** Undefined when the peer has gone by now. */
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
 * Deno.serve, which ends for good at the first connection that it cannot accept. WebSockets that are open live on,
 * and as soon as there is room it listens again.
 */
class ServingListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #reply: Replying;
  readonly #warn: (line: string) => void;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #again: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(hostname: string, port: number, reply: Replying, warn: (line: string) => void) {
    this.#reply = reply;
    this.#warn = warn;
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
      const { response } = await this.#reply(request, info.remoteAddr.hostname, () => {});
      return response;
    });
    server.finished.catch((error) => this.#listenAgain(error));
    return server;
  }

  #listenAgain(error: unknown): void {
    if (this.#closed) return;
    this.#warn(`no more connections can be taken for now: ${errorMessage(error)}`);
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
