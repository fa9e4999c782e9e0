// Subscribers that count: how many deltas and bytes each got, when the first and the last came, and whether
// anything was merged or left out on the way.

import { ascii, Client, eventType, find, parsed } from "./client.ts";
import { LeanSocket } from "./lean_socket.ts";
import { at, brief, type JsonObject } from "../../support/base/json.ts";
import { deadline } from "../../support/base/wait.ts";

const COALESCED = ascii('"coalesced":');
const COALESCED_BYTES = 120;
const WAIT_MS = 120_000;

/** One subscriber of pi-server. */
export class Reader {
  readonly client: Client;
  updates = 0;
  /** Payload bytes of events, and of `message_update` alone. */
  bytes = 0;
  updateBytes = 0;
  /** Messages that stand for several events. */
  merged = 0;
  lagged: JsonObject[] = [];
  firstAt = 0;
  lastAt = 0;
  /** Runs that have settled. */
  settled = 0;
  #wake: () => void = () => {};

  private constructor(client: Client) {
    this.client = client;
    client.onEvent = (payload) => this.#take(payload);
    client.onOther = (message) => {
      if (message.type === "lagged") this.lagged.push(message);
      this.#wake();
    };
  }

  /** Connects and subscribes. */
  static async subscribe(
    server: { url: string; token: string },
    command: JsonObject,
  ): Promise<Reader> {
    const reader = new Reader(await Client.connect(server));
    await reader.client.ok({ type: "subscribe", ...command });
    return reader;
  }

  /** Forgets what it has counted. */
  reset(): void {
    this.updates =
      this.bytes =
      this.updateBytes =
      this.merged =
      this.firstAt =
      this.lastAt =
      this.settled =
        0;
  }

  /** Waits for the end of that many runs. */
  async ended(runs = 1, timeoutMs: number = WAIT_MS): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#wake = () => {
      if (this.settled >= runs) done.resolve();
      const [lagged] = this.lagged;
      if (lagged !== undefined) {
        done.reject(new Error(`a reader lags, which spoils the run: ${brief(lagged)}`));
      }
    };
    void this.client.socket.closed.then((code) =>
      done.reject(new Error(`a reader's connection closed: ${code}`))
    );
    this.#wake();
    await deadline(done.promise, timeoutMs, () => `${this.settled} of ${runs} runs, ${this.updates} updates`);
  }

  #take(payload: Uint8Array): void {
    const type = eventType(payload);
    this.bytes += payload.length;
    if (type === "agent_settled") {
      this.settled++;
      this.lastAt = performance.now();
      return this.#wake();
    }
    if (type !== "message_update") return;
    this.updates++;
    this.updateBytes += payload.length;
    if (find(payload, COALESCED, COALESCED_BYTES) >= 0) this.merged++;
    this.lastAt = performance.now();
    if (this.firstAt === 0) this.firstAt = this.lastAt;
  }
}

/** A connection to the bare server that counts what it sends. */
export class BareReader {
  readonly socket: LeanSocket;
  readonly #most: number;
  messages = 0;
  bytes = 0;
  firstAt = 0;
  lastAt = 0;
  #done = Promise.withResolvers<void>();

  private constructor(socket: LeanSocket, most: number) {
    this.socket = socket;
    this.#most = most;
    socket.onText = (payload) => {
      // The same look at each message as a reader of pi-server takes.
      eventType(payload);
      find(payload, COALESCED, COALESCED_BYTES);
      this.bytes += payload.length;
      this.lastAt = performance.now();
      if (this.messages++ === 0) this.firstAt = this.lastAt;
      if (this.messages === this.#most) this.#done.resolve();
    };
  }

  /** @param most how many messages are to come */
  static async connect(url: string, most: number): Promise<BareReader> {
    return new BareReader(await LeanSocket.connect(url), most);
  }

  reset(): void {
    this.messages =
      this.bytes =
      this.firstAt =
      this.lastAt =
        0;
    this.#done = Promise.withResolvers<void>();
  }

  async ended(): Promise<void> {
    await deadline(this.#done.promise, WAIT_MS, () => `${this.messages} of ${this.#most} messages`);
  }
}

/** The events of one run, as they came over the wire. */
export async function recorded(
  server: { url: string; token: string },
  sessionId: string,
  message: string,
): Promise<string[]> {
  const client = await Client.connect(server);
  const texts: string[] = [];
  const decoder = new TextDecoder();
  client.onEvent = (payload) => texts.push(decoder.decode(payload));
  await client.ok({ type: "subscribe", sessionId });
  await client.ok({ type: "prompt", sessionId, message, waitFor: "settled" });
  client.close();
  const odd = texts.find((text) => at(parsed(ascii(text)), "coalesced") !== undefined);
  if (odd !== undefined) throw new Error(`events were merged while recording: ${brief(odd)}`);
  return texts;
}
