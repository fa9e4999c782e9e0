/**
 * A small typed client for pi-server, for browsers, Deno and Node. It connects over WebSocket or starts a server of
 * its own, and a dropped connection is invisible: subscriptions go on where they were, commands are sent again
 * where that is safe.
 *
 * @example
 * ```ts
 * import { connect } from "@pi/server/client";
 *
 * await using client = await connect();
 * const { sessionId } = await client.request("create_session", {});
 * const events = await client.subscribe(sessionId);
 * const done = client.prompt(sessionId, "Hello");
 * for await (const item of events) {
 *   if (item.kind === "event" && item.event.type === "agent_settled") break;
 * }
 * console.log((await done).text);
 * ```
 *
 * @module
 */
import { isLoopback } from "../base/loopback.ts";
import { childDial, type SpawnCommand } from "./transports/child_process.ts";
import { Client, type ClientOptions, timeoutsOf } from "./client.ts";
import { discover } from "./transports/discover.ts";
import { platformSocket, type SocketClass, webSocketDial } from "./transports/websocket.ts";

export { AnswerText } from "./answer_text.ts";
export type { SpawnCommand } from "./transports/child_process.ts";
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

/** Where to connect. On Deno and Node, missing values come from this machine. */
export interface ConnectOptions extends ClientOptions {
  /** The WebSocket's address. Default: the one in `endpoint.json` in the state folder. */
  readonly url?: string;
  /**
   * The token. Default: `PI_SERVER_TOKEN`, `PI_SERVER_TOKEN_FILE`, or the one in the state folder, which another
   * machine's url gets only when `stateDir` names the folder.
   */
  readonly token?: string;
  /** The server's state folder. Default: `PI_SERVER_STATE_DIR`, or `~/.pi/server`. */
  readonly stateDir?: string;
}

/** How to start a server as a child. */
export interface SpawnOptions extends ClientOptions, SpawnCommand {}

/** The platform's WebSocket and, on Node before 22, the one of the package `ws`. */
async function socketClass(): Promise<SocketClass> {
  const own = platformSocket();
  if (own !== undefined) return own;
  const { WebSocket } = await import("ws");
  return WebSocket as unknown as SocketClass;
}

/** For programs that pass messages on: from this machine they come as bytes, so that no string is made of them. */
async function passingSocketClass(url: string): Promise<SocketClass> {
  const { protocol, hostname } = new URL(url);
  if (protocol !== "ws:" || !isLoopback(hostname)) return await socketClass();
  return (await import("./transports/bytes_socket.ts")).BytesSocket;
}

/**
 * Connects to a running server over WebSocket.
 *
 * @param options its address; by default the server of this machine
 * @returns the client, after the greeting
 * @throws {Error} when there is no server, or it refuses the token
 *
 * @example
 * ```ts
 * import { connect } from "@pi/server/client";
 *
 * await using client = await connect({ url: "ws://127.0.0.1:3141/", token: "…" });
 * console.log(client.greeting.data.version);
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  return await Client.open(
    webSocketDial(
      () => discover(options),
      options.readUnparsed === undefined ? socketClass : passingSocketClass,
    ),
    timeoutsOf(options, 10_000),
    options,
  );
}

/**
 * Starts a server as a child and speaks with it over stdio. On Deno and Node.
 *
 * @param options the program; by default `pi-server --no-ws` with a state folder of its own
 * @returns the client, once the server has greeted; `close` lets the server finish and end
 * @throws {Error} when it cannot be started
 *
 * @example
 * ```ts
 * import { spawn } from "@pi/server/client";
 *
 * await using client = await spawn({ command: "pi-server" });
 * const { sessionId } = await client.request("create_session", {});
 * console.log((await client.prompt(sessionId, "Hello")).text);
 * ```
 */
export async function spawn(options: SpawnOptions = {}): Promise<Client> {
  const { connectMs } = timeoutsOf(options, 60_000);
  // A child that has ended does not return, and its pipes report its end.
  return await Client.open(childDial(options), { connectMs, reconnectMs: 0, heartbeatMs: 0 }, options);
}
