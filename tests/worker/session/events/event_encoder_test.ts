// Records of events: what is put together by hand is what JSON would have been, and a piece's place in it is right.
import { assertEquals } from "@std/assert";
import { PIECE_END } from "../../../../src/ipc/messages.ts";
import { Recorder } from "../../../../src/worker/session/events/event_encoder.ts";
import { encodeEvent, type SessionEvent, toDelta } from "../../../../src/protocol/events.ts";

const update = (fields: Record<string, unknown>): SessionEvent => ({
  type: "message_update",
  message: { role: "assistant", content: "so far" },
  assistantMessageEvent: { contentIndex: 0, partial: { content: "so far" }, ...fields },
});

const DELTAS = ["Hel", "", 'quote " back \\ \n\t\u0000\u2028', "größe 😀", "\ud83d", "\ude00", '"}}}'];

Deno.test("recorder: a piece is encoded as any other event would be, and can be found in it", () => {
  for (const sessionId of ["a", "odd.id_-"]) {
    const recorder = new Recorder(sessionId);
    let seq = 0;
    for (const type of ["text_delta", "thinking_delta", "toolcall_delta"]) {
      for (const delta of DELTAS) {
        const event = update({ type, contentIndex: seq % 3, delta });
        const record = recorder.record(++seq, event, true);
        const { text, full, at = 0 } = record;
        assertEquals(JSON.parse(text), JSON.parse(encodeEvent(sessionId, seq, toDelta(event))));
        assertEquals(full, encodeEvent(sessionId, seq, event));
        assertEquals(text.slice(at, -PIECE_END.length), JSON.stringify(delta.toWellFormed()).slice(1, -1));
        assertEquals(text.slice(-PIECE_END.length), PIECE_END);
        assertEquals([record.seq, record.type], [seq, "message_update"]);
        assertEquals(record.merge, { kind: "piece", of: type, contentIndex: (seq - 1) % 3 });
      }
    }
  }
});

Deno.test("recorder: what is no piece is encoded in both forms where they differ, and pieces of one block share", () => {
  const recorder = new Recorder("a");
  const [one, two] = [1, 2].map((seq) =>
    recorder.record(seq, update({ type: "text_delta", delta: "x" }), false)
  );
  assertEquals([one?.merge === two?.merge, one?.full], [true, undefined]);
  const end = update({ type: "text_end", content: "whole" });
  const { text, full, merge } = recorder.record(3, end, true);
  assertEquals([text, full, merge], [encodeEvent("a", 3, toDelta(end)), encodeEvent("a", 3, end), undefined]);
  const start = recorder.record(4, { type: "turn_start" }, true);
  assertEquals([start.full, start.merge], [undefined, undefined], "one form stands in for both");
  const tool = recorder.record(5, { type: "tool_execution_update", toolCallId: "t" }, true);
  assertEquals(tool.merge, { kind: "state", key: "t" });
});
