// The checker on made-up transcripts: what the contract allows passes, each way to break it is a fault.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../base/json.ts";
import { checkTranscript, type Entry } from "./wire_checker.ts";

const sent = (id: string | null, type: string, sessionId?: string, events = false): Entry => ({
  kind: "sent",
  id,
  type,
  sessionId,
  events,
});
const got = (message: JsonObject): Entry => ({ kind: "received", text: JSON.stringify(message) });
const GREETING = got({ type: "server_ready", data: {} });
const answer = (id: string, command: string, data: JsonObject = {}): Entry =>
  got({ id, type: "response", command, success: true, protocolVersion: "1.0", data });
const event = (sessionId: string, seq: number, event: JsonObject): Entry =>
  got({ type: "event", sessionId, seq, event });
const delta = (text: string): JsonObject => ({
  type: "message_update",
  assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: text },
});
const start: JsonObject = { type: "message_start", message: { role: "assistant", content: [] } };
const end = (text: string): JsonObject => ({
  type: "message_end",
  message: { role: "assistant", content: [{ type: "text", text }] },
});
const subscribed = (id: string): Entry[] => [
  sent(`s-${id}`, "subscribe", id),
  answer(`s-${id}`, "subscribe", { mode: "live", epoch: "e", seq: 0 }),
];

/** Two sessions in lockstep: the same types under the same numbers, so that only the texts tell them apart. */
function lockstep(): Entry[] {
  return [
    GREETING,
    ...subscribed("a"),
    ...subscribed("b"),
    event("a", 1, start),
    event("b", 1, start),
    event("a", 2, delta("from a")),
    event("b", 2, delta("from b")),
    event("a", 3, end("from a")),
    event("b", 3, end("from b")),
  ];
}

function only(faults: string[], word: string): void {
  assert(faults.length > 0, `expected a fault with "${word}"`);
  for (const fault of faults) assertStringIncludes(fault, word);
}

Deno.test("checker: a clean transcript has no faults", () => {
  assertEquals(checkTranscript(lockstep()), []);
});

Deno.test("checker: events of two sessions in lockstep, swapped, are a fault", () => {
  const entries = lockstep();
  entries[7] = event("a", 2, delta("from b"));
  entries[8] = event("b", 2, delta("from a"));
  only(checkTranscript(entries), "deltas add up");
});

Deno.test("checker: responses that are missing, doubled or uncalled for are faults", () => {
  only(checkTranscript([GREETING, sent("1", "ping")]), "no response to 1");
  only(
    checkTranscript([GREETING, sent("1", "ping"), answer("1", "ping"), answer("1", "ping")]),
    "second response",
  );
  only(checkTranscript([GREETING, answer("x", "ping")]), "never sent");
  assertEquals(checkTranscript([GREETING, sent("1", "ping")], false), []);
});

Deno.test("checker: gaps, repeats and unsubscribed events are faults", () => {
  const base = [GREETING, ...subscribed("a"), event("a", 1, { type: "agent_start" })];
  only(checkTranscript([...base, event("a", 3, { type: "agent_end" })]), "seq of a");
  only(checkTranscript([...base, event("a", 1, { type: "agent_end" })]), "seq of a");
  only(checkTranscript([...base, event("b", 1, { type: "agent_end" })]), "not subscribed");
  const left = [...base, sent("u", "unsubscribe", "a"), answer("u", "unsubscribe")];
  assertEquals(checkTranscript(left), []);
  only(checkTranscript([...left, event("a", 2, { type: "agent_end" })]), "not subscribed");
});

Deno.test("checker: coalesced events and filtered subscriptions may skip numbers", () => {
  const merged = got({ type: "event", sessionId: "a", seq: 4, coalesced: 4, event: delta("x") });
  assertEquals(checkTranscript([GREETING, ...subscribed("a"), merged]), []);
  const filtered = [sent("f", "subscribe", "a", true), answer("f", "subscribe", { epoch: "e", seq: 5 })];
  assertEquals(checkTranscript([GREETING, ...filtered, event("a", 9, { type: "agent_settled" })]), []);
  only(checkTranscript([GREETING, ...filtered, event("a", 5, { type: "agent_settled" })]), "seq of a");
});

Deno.test("checker: stray lines, unknown types and malformed failures are faults", () => {
  only(checkTranscript([GREETING, { kind: "received", text: "noise" }]), "not a JSON object");
  only(checkTranscript([GREETING, got({ type: "log" })]), "unknown message type");
  only(checkTranscript([got({ type: "server_shutdown" })]), "not a greeting");
  const failure = { id: "1", type: "response", command: "ping", success: false, protocolVersion: "1.0" };
  const faults = checkTranscript([GREETING, sent("1", "ping"), got(failure)]);
  assertEquals(faults.map((fault) => fault.split(":")[0]), [
    "failure without error text",
    "failure with unknown code",
    "failure without retryable",
  ]);
});
