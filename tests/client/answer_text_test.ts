// The text of an answer from deltas, whole messages and snapshots.
import { assertEquals } from "@std/assert";
import { AnswerText, type SubscriptionItem } from "../../src/client/mod.ts";

const event = (type: string, more: Record<string, unknown> = {}): SubscriptionItem => ({
  kind: "event",
  sessionId: "a",
  seq: 1,
  event: { type, ...more },
});
const message = (...texts: string[]) => ({
  role: "assistant",
  content: texts.map((text) => ({ type: "text", text })),
});
const delta = (text: string, contentIndex = 0, type = "text_delta") =>
  event("message_update", { assistantMessageEvent: { type, contentIndex, delta: text } });

function snapshot(more: Record<string, unknown>): SubscriptionItem {
  const state = {
    messages: [],
    messageCount: 0,
    runningTools: [],
    queue: { steering: [], followUp: [] },
    ...more,
  };
  const item = {
    kind: "snapshot",
    sessionId: "a",
    epoch: "e",
    seq: 1,
    missed: true,
    snapshot: state,
    sessionInfo: {},
  };
  return item as unknown as SubscriptionItem;
}

function after(...items: SubscriptionItem[]): [text: string, streaming: boolean, known: boolean] {
  const answer = new AnswerText();
  for (const item of items) answer.apply(item);
  return [answer.text, answer.streaming, answer.known];
}

const START = event("message_start", { message: message() });

Deno.test("answer text: deltas of text add up, thinking and tool calls do not count", () => {
  const items = [START, delta("hm", 0, "thinking_delta"), delta("A", 1), delta("C", 3), delta("B", 1)];
  assertEquals(after(...items), ["ABC", true, true]);
  const user = event("message_end", { message: { role: "user", content: [{ type: "text", text: "no" }] } });
  assertEquals(after(...items, user), ["ABC", true, true]);
  assertEquals(after(...items, event("message_end", { message: message("AB", "C!") })), [
    "ABC!",
    false,
    true,
  ]);
});

Deno.test("answer text: a full update replaces, a snapshot takes over in the middle", () => {
  assertEquals(after(START, event("message_update", { message: message("AB") })), ["AB", true, true]);
  const middle = snapshot({ streamingMessage: message("AB"), messages: [message("old")] });
  assertEquals(after(START, delta("A"), middle, delta("C")), ["ABC", true, true]);
  assertEquals(after(START, delta("A"), snapshot({ messages: [message("ABC")] })), ["ABC", false, true]);
});

Deno.test("answer text: a snapshot that leaves the answer out says so, until the next one", () => {
  const cut = snapshot({ truncated: true });
  assertEquals(after(START, delta("A"), cut), ["", false, false]);
  assertEquals(after(cut, START, delta("B")), ["B", true, true]);
});
