// Characters whose halves come in two pieces: joined within one content block, replaced where the second never comes.

import { assertEquals } from "@std/assert";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { WholeDeltas, WholeText } from "../../../../src/worker/session/events/whole_text.ts";

const piece = (delta: string, contentIndex = 0, type = "text_delta"): SessionEvent => ({
  type: "message_update",
  assistantMessageEvent: { type, contentIndex, delta },
});
const ended = (contentIndex = 0, type = "text_end"): SessionEvent => ({
  type: "message_update",
  assistantMessageEvent: { type, contentIndex, content: "" },
});

function passed(...events: SessionEvent[]): SessionEvent[] {
  const out: SessionEvent[] = [];
  const deltas = new WholeDeltas((event) => out.push(event));
  for (const event of events) deltas.pass(event);
  return out;
}

Deno.test("whole text: a half waits for the other one, and a half that stays alone is replaced at the end", () => {
  const text = new WholeText();
  assertEquals(["x\ud83d", "\ude00y", "\ud83d", "\ud83d", "\ude00", ""].map((next) => text.push(next)), [
    "x",
    "😀y",
    "",
    "\ud83d",
    "😀",
    "",
  ]);
  assertEquals(text.end(), "");
  assertEquals([text.push("a\ud83d"), text.end(), text.push("b")], ["a", "\ufffd", "b"]);
});

Deno.test("whole text: deltas of each kind are joined, blocks that stream at the same time by themselves", () => {
  for (const type of ["text_delta", "thinking_delta", "toolcall_delta"]) {
    assertEquals(
      passed(piece("x\ud83d", 0, type), piece("\ude00y", 0, type)),
      [piece("x", 0, type), piece("😀y", 0, type)],
    );
  }
  assertEquals(
    passed(piece("a\ud83d", 1), piece("b\ud83d", 2), piece("\ude00", 2), piece("\ude80", 1)),
    [piece("a", 1), piece("b", 2), piece("😀", 2), piece("🚀", 1)],
  );
});

Deno.test("whole text: a half that stays alone is sent before its block or its message ends", () => {
  assertEquals(passed(piece("a\ud83d"), ended()), [piece("a"), piece("\ufffd"), ended()]);
  assertEquals(passed(piece("a\ud83d"), ended(1)), [piece("a"), ended(1)]);
  const end: SessionEvent = { type: "message_end", message: {} };
  assertEquals(passed(piece("a\ud83d"), end, end), [piece("a"), piece("\ufffd"), end, end]);
  const start: SessionEvent = { type: "message_start", message: {} };
  assertEquals(passed(piece("a\ud83d"), start, piece("\ude00")), [piece("a"), start, piece("\ude00")]);
});

Deno.test("whole text: every other event passes as the very same object", () => {
  const events: SessionEvent[] = [
    piece("whole"),
    { type: "message_update" },
    { type: "agent_start" },
    { type: "message_update", assistantMessageEvent: { type: "start" } },
  ];
  passed(...events).forEach((event, at) => assertEquals(event === events[at], true));
});
