// Records of events: what is put together by hand is what JSON would have been, and a piece's place in it is right.
import { assertEquals } from "@std/assert";
import { DELTA_SUFFIX } from "../../../../src/ipc/messages.ts";
import { EventEncoder } from "../../../../src/worker/session/events/event_encoder.ts";
import { encodeEvent, type SessionEvent, toDelta } from "../../../../src/protocol/events.ts";

const update = (fields: Record<string, unknown>): SessionEvent => ({
  type: "message_update",
  message: { role: "assistant", content: "so far" },
  assistantMessageEvent: { contentIndex: 0, partial: { content: "so far" }, ...fields },
});

const DELTAS = ["Hel", "", 'quote " back \\ \n\t\u0000\u2028', "größe 😀", "\ud83d", "\ude00", '"}}}'];

Deno.test("event encoder: a piece is encoded as any other event would be, and can be found in it", () => {
  for (const sessionId of ["a", "odd.id_-"]) {
    const encoder = new EventEncoder(sessionId);
    let seq = 0;
    for (const type of ["text_delta", "thinking_delta", "toolcall_delta"]) {
      for (const delta of DELTAS) {
        const event = update({ type, contentIndex: seq % 3, delta });
        const record = encoder.encode(++seq, event, true);
        const { text, full, at = 0 } = record;
        assertEquals(JSON.parse(text), JSON.parse(encodeEvent(sessionId, seq, toDelta(event))));
        assertEquals(full, encodeEvent(sessionId, seq, event));
        assertEquals(text.slice(at, -DELTA_SUFFIX.length), JSON.stringify(delta.toWellFormed()).slice(1, -1));
        assertEquals(text.slice(-DELTA_SUFFIX.length), DELTA_SUFFIX);
        assertEquals([record.seq, record.type], [seq, "message_update"]);
        assertEquals(record.coalesce, { kind: "delta", of: type, contentIndex: (seq - 1) % 3 });
      }
    }
  }
});

Deno.test("event encoder: an event that is not a piece is encoded in both forms where they differ, and pieces of one block share", () => {
  const encoder = new EventEncoder("a");
  const [one, two] = [1, 2].map((seq) =>
    encoder.encode(seq, update({ type: "text_delta", delta: "x" }), false)
  );
  assertEquals([one?.coalesce === two?.coalesce, one?.full], [true, undefined]);
  const end = update({ type: "text_end", content: "whole" });
  const { text, full, coalesce: merge } = encoder.encode(3, end, true);
  assertEquals([text, full, merge], [encodeEvent("a", 3, toDelta(end)), encodeEvent("a", 3, end), undefined]);
  const start = encoder.encode(4, { type: "turn_start" }, true);
  assertEquals([start.full, start.coalesce], [undefined, undefined], "one form stands in for both");
  const tool = encoder.encode(5, { type: "tool_execution_update", toolCallId: "t" }, true);
  assertEquals(tool.coalesce, { kind: "state", key: "t" });
});
