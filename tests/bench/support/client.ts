// A client of the protocol over `lean_socket.ts`: requests by promise, events as bytes with their type found by
// a short search. Any `rate_limited` or `overloaded` answer is an error that ends the run.

import { at, brief, isObject, type JsonObject, stringAt } from "../../support/base/json.ts";
import { deadline } from "../../support/base/wait.ts";
import { LeanSocket } from "./lean_socket.ts";

const WAIT_MS = 120_000;
const EVENT = ascii('{"type":"event"');
const EVENT_TYPE = ascii('"event":{"type":"');
const FAILED = ascii('"success":false');
/** How far into a message its envelope may reach. */
const ENVELOPE_BYTES = 400;
/** How far into a response `success` may stand. */
const HEAD_BYTES = 160;

const decoder = new TextDecoder();

/** The bytes of a text. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Where `wanted` starts within the first `most` bytes; -1 when it doesn't. */
export function find(bytes: Uint8Array, wanted: Uint8Array, most: number = ENVELOPE_BYTES): number {
  const end = Math.min(bytes.length, most) - wanted.length;
  search: for (let at = 0; at <= end; at++) {
    for (let n = 0; n < wanted.length; n++) if (bytes[at + n] !== wanted[n]) continue search;
    return at;
  }
  return -1;
}

function isEvent(payload: Uint8Array): boolean {
  for (let at = 0; at < EVENT.length; at++) if (payload[at] !== EVENT[at]) return false;
  return true;
}

const UPDATE = ascii('message_update"');

/** The type of the event in an event message. */
export function eventType(payload: Uint8Array): string {
  const start = find(payload, EVENT_TYPE);
  if (start < 0) return "";
  const from = start + EVENT_TYPE.length;
  // The most common one is recognised without making a string.
  let same = 0;
  while (same < UPDATE.length && payload[from + same] === UPDATE[same]) same++;
  if (same === UPDATE.length) return "message_update";
  const end = payload.indexOf(0x22, from);
  return decoder.decode(payload.subarray(from, end));
}

/** The whole message, parsed. */
export function parsed(payload: Uint8Array): JsonObject {
  const message: unknown = JSON.parse(decoder.decode(payload));
  if (isObject(message)) return message;
  throw new Error(`expected an object, got ${brief(message)}`);
}

/** Throws when an answer is a failure. */
export function checked(response: JsonObject): JsonObject {
  if (response.success === true) return response;
  throw new Error(`${response.command} failed, which spoils the run: ${brief(response)}`);
}

/** One connection to the server. */
export class Client {
  readonly socket: LeanSocket;
  /** Every event message, as bytes that are only valid during the call. */
  onEvent: (payload: Uint8Array) => void = () => {};
  /** Every other message without an id, such as `lagged`. */
  onOther: (message: JsonObject) => void = () => {};
  greeting: JsonObject | undefined;
  readonly #greeted = Promise.withResolvers<void>();
  readonly #waiting = new Map<
    string,
    { resolve: (response: JsonObject) => void; reject: (why: Error) => void }
  >();
  #ids = 0;

  private constructor(socket: LeanSocket) {
    this.socket = socket;
    socket.onText = (payload) => this.#take(payload);
    void socket.closed.then((code) => {
      const why = new Error(`the connection closed with ${code}`);
      this.#greeted.reject(why);
      for (const { reject } of this.#waiting.values()) reject(why);
    });
    this.#greeted.promise.catch(() => {});
  }

  /** Connects and waits for the greeting. */
  static async connect(server: { url: string; token: string }): Promise<Client> {
    const client = new Client(await LeanSocket.connect(server.url, server.token));
    await deadline(client.#greeted.promise, WAIT_MS, () => "no greeting");
    return client;
  }

  /** Whether the greeting lists that capability. */
  can(capability: string): boolean {
    const list = at(this.greeting, "data", "capabilities");
    return Array.isArray(list) && list.includes(capability);
  }

  /** The answer to a command, success or not. */
  ask(command: JsonObject, timeoutMs: number = WAIT_MS): Promise<JsonObject> {
    const id = `q${++this.#ids}`;
    const answer = Promise.withResolvers<JsonObject>();
    this.#waiting.set(id, answer);
    this.socket.send(JSON.stringify({ id, ...command }));
    return deadline(answer.promise, timeoutMs, () => `no answer to ${brief(command)}`);
  }

  /** The `data` of a command that must succeed. */
  async ok(command: JsonObject, timeoutMs?: number): Promise<JsonObject> {
    const { data } = checked(await this.ask(command, timeoutMs));
    return isObject(data) ? data : {};
  }

  close(): void {
    this.socket.close();
  }

  #take(payload: Uint8Array): void {
    if (isEvent(payload)) return this.onEvent(payload);
    const message = parsed(payload);
    const waiting = typeof message.id === "string" ? this.#waiting.get(message.id) : undefined;
    if (waiting !== undefined) {
      this.#waiting.delete(stringAt(message, "id"));
      waiting.resolve(message);
    } else if (message.type === "server_ready") {
      this.greeting = message;
      this.#greeted.resolve();
    } else this.onOther(message);
  }
}

/** Sends one message at a time; the round trips in milliseconds. */
export async function oneAtATime(
  socket: LeanSocket,
  text: (n: number) => string,
  count: number,
): Promise<number[]> {
  const times: number[] = [];
  const done = Promise.withResolvers<void>();
  let sentAt = 0;
  const next = (): void => {
    const message = text(times.length);
    sentAt = performance.now();
    socket.send(message);
  };
  await taking(socket, done, () => {
    times.push(performance.now() - sentAt);
    if (times.length === count) done.resolve();
    else next();
  }, next);
  return times;
}

/** Keeps `window` messages under way until `count` are answered; answers per second. */
export async function pipelined(
  socket: LeanSocket,
  text: (n: number) => string,
  count: number,
  window: number,
): Promise<number> {
  const done = Promise.withResolvers<void>();
  let sent = 0;
  let answered = 0;
  const fill = (): void => {
    const texts: string[] = [];
    while (sent < count && sent - answered < window) texts.push(text(sent++));
    if (texts.length > 0) socket.send(...texts);
  };
  const started = performance.now();
  socket.onBatch = fill;
  await taking(socket, done, () => {
    if (++answered === count) done.resolve();
  }, fill);
  socket.onBatch = () => {};
  return count / ((performance.now() - started) / 1000);
}

/** Takes over the socket's messages while a measurement runs; any failure ends it. */
async function taking(
  socket: LeanSocket,
  done: PromiseWithResolvers<void>,
  answered: () => void,
  begin: () => void,
): Promise<void> {
  const before = socket.onText;
  socket.onText = (payload) => {
    if (find(payload, FAILED, HEAD_BYTES) >= 0) {
      done.reject(new Error(`a command failed: ${decoder.decode(payload)}`));
    } else answered();
  };
  void socket.closed.then((code) => done.reject(new Error(`the connection closed with ${code}`)));
  begin();
  try {
    await deadline(done.promise, WAIT_MS, () => "a measurement did not end");
  } finally {
    socket.onText = before;
  }
}
