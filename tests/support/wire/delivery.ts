// Steps that the cases about delivery share: clients over plain TCP that come and go, texts in many pieces, and
// what a session says when it is idle.
import { assertEquals } from "@std/assert";
import type { Bench } from "../../conformance/suite.ts";
import { RawSocket } from "../network/channel.ts";
import { Follower } from "./follower.ts";
import { arrayAt, type Json, type JsonObject } from "../base/json.ts";
import { Gate, type Held, type Hold, text } from "../model/model_server.ts";

/** Flags for cases that count every event: however fast the stream, nothing is merged for a client that reads it. */
export const UNMERGED: string[] = [
  ...["--outbox-soft-bytes", "64MiB"],
  ...["--outbox-hard-bytes", "128MiB"],
  ...["--outbox-close-bytes", "256MiB"],
];

/** A new connection to the bench's server; with `before`, the next one of a client that knows what that one did. */
export async function follow(bench: Bench, before?: Follower): Promise<Follower> {
  const { url } = await bench.server.endpoint();
  const channel = await RawSocket.connect(url, await bench.server.token());
  return new Follower(channel, before?.sessions);
}

/** The connection is lost, with all that was on its way, and the client comes back. */
export async function comeBack(bench: Bench, client: Follower): Promise<Follower> {
  client.channel.onText = () => {};
  client.channel.drop();
  return await follow(bench, client);
}

/** That many pieces of a text, all different. */
export function pieces(count: number, chars = 16): string[] {
  return Array.from({ length: count }, (_, index) => `${index} `.padEnd(chars, "."));
}

/** The end of a stream of that many pieces, which does not come before its release, however fast the rest was. */
export class Ending extends Gate {
  readonly hold: Hold;

  constructor(pieces: number) {
    super();
    this.hold = (index) => index >= pieces - 1 ? this.opened : undefined;
  }
}

/** Keeps a stream from running ahead of who reads it by more than `most` pieces. */
export class Lead {
  readonly hold: Hold;
  readonly #most: number;
  #read = 0;
  #waiting: { index: number; go: () => void }[] = [];

  constructor(most: number) {
    this.#most = most;
    this.hold = (index) => {
      if (index < this.#read + most) return undefined;
      return new Promise((go) => this.#waiting.push({ index, go }));
    };
  }

  /** The reader has come that far. */
  read(pieces: number): void {
    this.#read = pieces;
    const ready = this.#waiting.filter(({ index }) => index < pieces + this.#most);
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { go } of ready) go();
  }
}

/** Scripts one answer and sends the prompt for it. */
export function stream(
  bench: Bench,
  client: Follower,
  sessionId: string,
  deltas: string[],
  options: Held = {},
): Promise<JsonObject> {
  const marker = bench.name("stream");
  bench.model.script(marker, text(deltas, options));
  return client.ok({ type: "prompt", sessionId, message: marker });
}

/** A turn from prompt to end. */
export async function turn(
  bench: Bench,
  client: Follower,
  sessionId: string,
  deltas: string[] = ["said"],
): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text(deltas));
  await client.ok({ type: "prompt", sessionId, message: marker, waitFor: "settled" });
  return marker;
}

/** A message, short enough to be shown: all that is in it decides. */
export function summary(message: Json): string {
  const text = JSON.stringify(message);
  if (text.length < 2_000) return text;
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return `${text.slice(0, 200)}… ${text.length} characters, hash ${hash}`;
}

/** The session's messages as it tells them itself. */
export async function messagesOf(client: Follower, sessionId: string): Promise<Json[]> {
  const messages: Json[] = [];
  // One answer may hold less than all.
  for (let before: JsonObject = {};;) {
    const data = await client.ok({ type: "get_messages", sessionId, ...before });
    messages.unshift(...arrayAt(data, "messages"));
    if (data.before === undefined) return messages;
    before = { before: data.before };
  }
}

/** What the client ended up with is what the session has, and nothing was missed or repeated on the way. */
export async function assertCaughtUp(client: Follower, control: Follower, sessionId: string): Promise<void> {
  const { seq } = await control.ok({ type: "get_state", sessionId });
  await client.until(() => client.session(sessionId).seq === seq, `event ${seq} of ${sessionId}`);
  client.check();
  const messages = await messagesOf(control, sessionId);
  assertEquals(client.session(sessionId).messages.map(summary), messages.map(summary));
  assertEquals(client.session(sessionId).streaming, undefined);
}

/** The client got everything that the witness got after `seq`. The witness has heard everything from 1 on. */
export async function assertHeard(
  client: Follower,
  witness: Follower,
  sessionId: string,
  seq: number,
): Promise<void> {
  const state = await witness.ok({ type: "get_state", sessionId });
  for (const each of [witness, client]) {
    await each.until(() => each.session(sessionId).seq === state.seq, `event ${state.seq} of ${sessionId}`);
    each.check();
  }
  assertEquals(client.session(sessionId).types, witness.session(sessionId).types.slice(seq), sessionId);
}

/** A session with its own folder. */
export async function open(bench: Bench, client: Follower, fields: JsonObject = {}): Promise<string> {
  const sessionId = typeof fields.sessionId === "string" ? fields.sessionId : bench.name();
  const cwd = await bench.home.folder(sessionId);
  await client.ok({ type: "create_session", sessionId, cwd, ...fields });
  return sessionId;
}
