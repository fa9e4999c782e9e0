/**
 * The client for a web page: the same as `mod.ts` without what needs a file system or a child process. It never
 * gives up a server that is down, dials at once when the network or the page is back, and tells a token that the
 * server refuses from a server that cannot be reached.
 *
 * @module
 */
import { errorMessage } from "../base/error_message.ts";
import { Client, type ClientOptions, timeoutsOf } from "./client.ts";
import { TokenRefusedError } from "./errors.ts";
import { type Address, platformSocket, type SocketClass, webSocketDial } from "./transports/websocket.ts";

export { AnswerText } from "./answer_text.ts";
export type { Answer, ClientOptions, FieldsOf, RequestOptions } from "./client.ts";
export { Client } from "./client.ts";
export type { ConnectionTimeouts } from "./connection.ts";
export type { Dialog, DialogAnswer, DialogHandler } from "./dialogs.ts";
export { ConnectionLostError, RequestError, TokenRefusedError } from "./errors.ts";
export {
  contentRefOf,
  type EntriesOptions,
  entryPages,
  fillTexts,
  messagesIn,
  readBase64,
  readContent,
} from "./history.ts";
export { type ListCommand, pages } from "./pages.ts";
export type { Dial, Link, LinkListener } from "./transports/link.ts";
export * from "./subscription_types.ts";
export type * from "../protocol/generated/mod.ts";
export type * from "../protocol/pi_events.ts";

/** Where to connect. */
export interface ConnectOptions extends ClientOptions {
  /** The WebSocket's address, also a relative one. Default: the page's own folder on its own server. */
  readonly url?: string;
  /** The token; without one the server must have been started with `--no-auth`. */
  readonly token?: string;
}

/** How long the question whether the token is right may take. */
const QUESTION_MS = 5000;

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The address as a WebSocket's, from what the page calls it. */
function socketUrl(url: string | undefined): string {
  const base = field(Reflect.get(globalThis, "document"), "baseURI") ??
    field(Reflect.get(globalThis, "location"), "href");
  const full = new URL(url ?? ".", typeof base === "string" ? base : undefined);
  full.protocol = full.protocol.replace("http", "ws");
  full.hash = "";
  return full.href;
}

function socketClass(): SocketClass {
  const own = platformSocket();
  if (own === undefined) throw new Error("this platform has no WebSocket; import the client for Node");
  return own;
}

/** Browsers tell nothing of a refused handshake, but a plain request to the same server shows its status. */
async function refusal({ url, token }: Address, error: unknown): Promise<unknown> {
  try {
    const page = new URL("metrics", url);
    page.protocol = page.protocol.replace("ws", "http");
    const answer = await fetch(page, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      cache: "no-store",
      signal: AbortSignal.timeout(QUESTION_MS),
    });
    await answer.body?.cancel();
    if (answer.status !== 401) return error;
    return new TokenRefusedError(
      token === undefined
        ? "The server asks for a token"
        : "The server does not accept this token; it may have expired or been revoked",
    );
  } catch {
    // The server is down, or it does not admit pages of this origin. Browsers do not say which.
    const origin = field(Reflect.get(globalThis, "location"), "origin");
    if (typeof origin !== "string" || origin === new URL(url.replace("ws", "http")).origin) return error;
    const said = errorMessage(error);
    return new Error(`${said} The server must also allow this page: --allow-origin ${origin}`);
  }
}

/**
 * Connects to a server over WebSocket.
 *
 * @param options where it is; by default where the page came from
 * @returns the client, once the server has greeted
 * @throws {TokenRefusedError} when the server does not accept the token
 * @throws {Error} when the server cannot be reached
 *
 * @example
 * ```ts
 * import { connect } from "@pi/server/client";
 *
 * await using client = await connect({ url: "wss://pi.example/", token: "…" });
 * console.log(client.greeting.data.version);
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const url = socketUrl(options.url);
  const { token } = options;
  const address: Address = token === undefined ? { url } : { url, token };
  const timeouts = timeoutsOf({ reconnectTimeoutMs: Infinity, ...options }, 10_000);
  const over = new AbortController();
  const client = await Client.open(webSocketDial(() => address, socketClass, refusal), timeouts, {
    ...options,
    onConnection: (state, reason, error) => {
      if (state === "closed") over.abort();
      options.onConnection?.(state, reason, error);
    },
  });
  hurryWhenBack(client, over.signal);
  return client;
}

/** Hurries when the network is there again or the page is seen again, until the client is closed. */
function hurryWhenBack(client: Client, signal: AbortSignal): void {
  const page: unknown = Reflect.get(globalThis, "document");
  const hurry = (): void => {
    if (field(page, "visibilityState") !== "hidden") client.hurry();
  };
  globalThis.addEventListener?.("online", hurry, { signal });
  if (page instanceof EventTarget) page.addEventListener("visibilitychange", hurry, { signal });
}
