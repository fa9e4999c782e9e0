// Does: a link over WebSocket. The token goes in a subprotocol, because browsers send no headers.
// Used by: browser.ts with the page's class, and mod.ts, before Node 22 with the one of the package `ws`.
import { deadline } from "../../base/async/deadline.ts";
import { deferred } from "../../base/async/deferred.ts";
import type { Dial, Link, LinkListener } from "./link.ts";

/** The common part of all WebSocket classes. */
interface Socket {
  onopen: unknown;
  onclose: unknown;
  onerror: unknown;
  onmessage: unknown;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** A class of such sockets. */
export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** Milliseconds that a closing handshake may take. */
const CLOSE_MS = 2000;

/** The platform's own class. Undefined without one. */
export function platformSocket(): SocketClass | undefined {
  const own: unknown = Reflect.get(globalThis, "WebSocket");
  return typeof own === "function" ? own as SocketClass : undefined;
}

/** The address of a dial. */
export interface Address {
  /** The WebSocket's address. */
  readonly url: string;
  /** The token. Absent when the server asks for none. */
  readonly token?: string;
}

/**
 * Dials the address that `find` returns. It asks again for each dial, because a restarted server may listen elsewhere.
 *
 * @param explain turns the failure of a dial into a more exact one
 */
export function webSocketDial(
  find: () => Address | Promise<Address>,
  socketClass: (url: string) => SocketClass | Promise<SocketClass>,
  explain?: (address: Address, error: unknown) => Promise<unknown>,
): Dial {
  return async (listener, signal) => {
    const address = await find();
    const { url, token } = address;
    const Socket = await socketClass(url);
    signal.throwIfAborted();
    const protocols = ["pi-server.v1", ...token === undefined ? [] : [`pi-server.bearer.${token}`]];
    try {
      return await open(new Socket(url, protocols), url, listener, signal);
    } catch (error) {
      throw await explain?.(address, error) ?? error;
    }
  };
}

function open(socket: Socket, url: string, listener: LinkListener, signal: AbortSignal): Promise<Link> {
  const gone = deferred<void>();
  return new Promise((resolve, reject) => {
    let opened = false;
    let trouble = "";
    const abort = (): void => {
      reject(signal.reason);
      socket.close();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.onopen = () => {
      opened = true;
      signal.removeEventListener("abort", abort);
      resolve({
        send: (text) => socket.send(text),
        close: () => end(socket, gone.promise),
      });
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (typeof data === "string" || data instanceof Uint8Array) listener.message(data);
    };
    socket.onerror = (event: { message?: unknown }) => {
      if (typeof event?.message === "string") trouble = event.message;
    };
    socket.onclose = ({ code, reason }: { code?: number; reason?: string }) => {
      signal.removeEventListener("abort", abort);
      gone.resolve();
      const why = reason || trouble || `code ${code ?? "none"}`;
      // Browsers hide why an upgrade was refused.
      if (!opened) {
        reject(new Error(`${url} cannot be reached (${why}); is the server up, and is the token right?`));
      } else listener.closed(`the connection to ${url} was closed (${why})`);
    };
  });
}

function startTimer(ms: number, fn: () => void): { clear(): void } {
  const timer = setTimeout(fn, ms);
  return { clear: () => clearTimeout(timer) };
}

/** Waits for the close frame of the other side, but not for long, because a dead peer sends none. */
async function end(socket: Socket, gone: Promise<void>): Promise<void> {
  socket.close(1000, "done");
  await deadline({ after: startTimer }, CLOSE_MS, gone, undefined);
}
