// What the checks on an event's way cost: halves of characters (whole_text.ts, wellFormed) and cut tool calls
// (tool_call_guard.ts), each alone, as a share of what one event costs in pi and in our encoder.
// Usage: deno run -A tests/bench/delivery/event_checks.ts. It takes processor time, and the median of alternating rounds.

import { type AssistantMessageEvent, createAssistantMessageEventStream } from "@mariozechner/pi-ai";
import { wellFormed } from "../../../src/base/text.ts";
import { watchAnswers } from "../../../src/worker/pi/guards/tool_call_guard.ts";
import { EventEncoder } from "../../../src/worker/session/events/event_encoder.ts";
import { WholeDeltas } from "../../../src/worker/session/events/whole_text.ts";
import process from "node:process";

/** Nanoseconds that pi alone takes for a delta, in fan_out.ts without a subscriber: 185,000 a second. */
const PI_NS = 5_400;
const EVENTS = 20_000;
const ROUNDS = 12;

const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2 };
const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
const partial: Extract<AssistantMessageEvent, { type: "start" }>["partial"] = {
  role: "assistant",
  content: [{ type: "text", text: "some text that has arrived" }],
  api: "openai-completions",
  provider: "p",
  model: "m",
  usage: { ...usage, cost },
  stopReason: "stop",
  timestamp: 0,
};
const delta: AssistantMessageEvent = {
  type: "text_delta",
  contentIndex: 0,
  delta: "twenty characters ok",
  partial,
};
const update = { type: "message_update", message: partial, assistantMessageEvent: delta };

/** Nanoseconds of processor time for each call. */
async function measure(call: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let n = 0; n < EVENTS; n++) {
    const waiting = call();
    if (waiting instanceof Promise) await waiting;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000 / EVENTS;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** A stream that takes one event and gives it to its reader, as the agent loop does. */
function passer(): () => Promise<unknown> {
  const stream = createAssistantMessageEventStream();
  const reader = stream[Symbol.asyncIterator]();
  return () => {
    stream.push(delta);
    return reader.next();
  };
}

const encoder = new EventEncoder("s");
let seq = 0;
const emit = (): void => {};
const whole = new WholeDeltas(emit);
const json = JSON.stringify(update);
const plain = passer();
const plainPrototype: object = Object.getPrototypeOf(createAssistantMessageEventStream());
const unwatchedPush: unknown = Reflect.get(plainPrototype, "push");
watchAnswers(createAssistantMessageEventStream());
const watchedPush: unknown = Reflect.get(plainPrototype, "push");
const use = (push: unknown): void => void Reflect.set(plainPrototype, "push", push);

/** The parts, in the order in which each round takes them. */
const parts: Readonly<Record<string, () => Promise<number>>> = {
  "push, unwatched": () => (use(unwatchedPush), measure(plain)),
  "push, watched": () => (use(watchedPush), measure(plain)),
  "encoding": () => measure(() => void encoder.encode(++seq, update, false)),
  "pieces, checked": () => measure(() => whole.pass(update)),
  "pieces, passed on": () => measure(() => emit()),
  "text, checked": () => measure(() => void wellFormed(json)),
};
const found = new Map<string, number[]>(Object.keys(parts).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, part] of Object.entries(parts)) {
    const value = await part();
    // The first rounds compile.
    if (round > 2) found.get(name)?.push(value);
  }
}
const of = (name: string): number => median(found.get(name) ?? []);
const event = of("encoding");
const checks = {
  "halves of characters": of("pieces, checked") - of("pieces, passed on") + of("text, checked"),
  "cut tool calls": of("push, watched") - of("push, unwatched"),
};
console.log(`our encoder: ${event.toFixed(0)} ns for each event; pi: ${PI_NS} ns`);
for (const [name, ns] of Object.entries(checks)) {
  console.log(`${name}: ${ns.toFixed(0)} ns, ${(100 * ns / (PI_NS + event)).toFixed(1)} % of both together`);
}
