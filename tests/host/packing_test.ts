// A batch that crosses a thread's edge comes out as it went in.
import { assertEquals } from "@std/assert";
import type { EventRecord, FromHost } from "../../src/host/edge.ts";
import { pack, unpack } from "../../src/host/packing.ts";
import { Recorder } from "../../src/host/recorder.ts";

const RECORDER = new Recorder("a");
const piece = (seq: number, contentIndex: number, full = false): EventRecord => {
  const assistantMessageEvent = { type: "text_delta", contentIndex, delta: `d${seq}` };
  return RECORDER.record(seq, { type: "message_update", assistantMessageEvent }, full);
};
const other = (seq: number, type: string, fields: Record<string, unknown> = {}): EventRecord =>
  RECORDER.record(seq, { type, ...fields }, true);

Deno.test("packing: every message comes out as it went in, through a copy as threads make it", () => {
  const batch: FromHost[] = [
    { kind: "taken" },
    { kind: "events", sessionId: "a", events: [piece(7, 0), piece(8, 0, true), piece(9, 1), piece(10, 0)] },
    { kind: "reply", ref: 3, reply: { ok: true, dataText: "{}", sessionVersion: 2 } },
    {
      kind: "events",
      sessionId: "b",
      events: [
        other(1, "turn_start"),
        other(2, "tool_execution_update", { toolCallId: "t" }),
        other(3, "tool_execution_update", { toolCallId: "u" }),
        other(4, "agent_end", { messages: [] }),
        other(5, "turn_start"),
      ],
    },
    { kind: "events", sessionId: "__proto__", events: [other(1, "constructor")] },
  ];
  const crossed = unpack(structuredClone(pack(batch)));
  assertEquals(crossed, batch);
});

Deno.test("packing: events of one kind share one head", () => {
  const events = Array.from({ length: 20 }, (_, at) => piece(at + 1, 0));
  const [packed] = pack([{ kind: "events", sessionId: "a", events }]);
  assertEquals(packed?.kind === "packed" ? packed.heads.length : 0, 1);
});
