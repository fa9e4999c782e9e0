// A batch that crosses a thread's edge comes out as it went in.
import { assertEquals } from "@std/assert";
import type { EncodedEvent, FromWorker, ToWorker } from "../../src/ipc/messages.ts";
import { decodeBatch, decodeCalls, encodeBatch, encodeCalls } from "../../src/ipc/codec.ts";
import { EventEncoder } from "../../src/worker/session/events/event_encoder.ts";

const RECORDER = new EventEncoder("a");
const piece = (seq: number, contentIndex: number, full = false): EncodedEvent => {
  const assistantMessageEvent = { type: "text_delta", contentIndex, delta: `d${seq}` };
  return RECORDER.encode(seq, { type: "message_update", assistantMessageEvent }, full);
};
const other = (seq: number, type: string, fields: Record<string, unknown> = {}): EncodedEvent =>
  RECORDER.encode(seq, { type, ...fields }, true);

Deno.test("ipc codec: every message comes out as it went in, through a copy as threads make it", () => {
  const batch: FromWorker[] = [
    { kind: "batch_ack" },
    { kind: "events", sessionId: "a", events: [piece(7, 0), piece(8, 0, true), piece(9, 1), piece(10, 0)] },
    { kind: "reply", ref: 3, reply: { ok: true, dataText: "{}", sessionVersion: 2 } },
    { kind: "reply", ref: 9, reply: { ok: true, dataText: "[]" } },
    { kind: "reply", ref: 4, reply: { ok: false, failure: { code: "timeout", message: "m" } } },
    { kind: "reply", ref: 5, reply: { ok: true, dataText: "1", replayed: true } },
    { kind: "reply", ref: 6, reply: { ok: true, dataText: '"größe"', sessionVersion: 0 } },
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
  const crossed = decodeBatch(structuredClone(encodeBatch(batch)));
  assertEquals(crossed, batch);
});

Deno.test("ipc codec: events of one kind share one head", () => {
  const events = Array.from({ length: 20 }, (_, at) => piece(at + 1, 0));
  const [packed] = encodeBatch([{ kind: "events", sessionId: "a", events }]);
  assertEquals(packed?.kind === "packed" ? packed.heads.length : 0, 1);
});

Deno.test("ipc codec: calls come out as they went in, commands between others, with names of JavaScript's own", () => {
  const command = (ref: number, fields: string): ToWorker => ({
    kind: "command",
    ref,
    connection: ref % 3,
    command: JSON.parse(`{"type":"get_state","sessionId":"a"${fields}}`),
  });
  const batch: ToWorker[] = [
    command(1, ""),
    command(2, ',"id":"😀\\u2028\\"","limit":1.5,"__proto__":{"x":[null,true]}'),
    { kind: "count_busy", ref: 3, stop: false },
    command(4, ""),
    { kind: "subscribers", sessionId: "a", demand: { full: true, subscribers: 2 } },
    { kind: "ping", ref: 5 },
  ];
  const crossed = decodeCalls(structuredClone(encodeCalls(batch)));
  assertEquals(JSON.stringify(crossed), JSON.stringify(batch));
  assertEquals(encodeCalls([]), []);
});
