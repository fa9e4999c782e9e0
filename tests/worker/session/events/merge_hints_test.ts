// Which events may be merged while a reader lags: pieces of a block and states of a tool, and nothing else.
import { assertEquals } from "@std/assert";
import { pieceOf, stateOf } from "../../../../src/worker/session/events/merge_hints.ts";

const update = (fields: unknown) => pieceOf({ type: "message_update", assistantMessageEvent: fields });

Deno.test("merge: a delta is a piece of its block", () => {
  for (const kind of ["text_delta", "thinking_delta", "toolcall_delta"]) {
    const fields = { type: kind, contentIndex: 2, delta: "x", partial: { content: [] } };
    assertEquals(update(fields), { of: kind, contentIndex: 2, delta: "x" });
  }
  assertEquals(update({ type: "text_delta", contentIndex: 0, delta: "" })?.delta, "", "an empty one, too");
});

Deno.test("merge: a delta with further fields is not joined, because joining would lose them", () => {
  const piece = { type: "text_delta", contentIndex: 0, delta: "x" };
  assertEquals(update({ ...piece, signature: "s" }), undefined);
  assertEquals(
    pieceOf({ type: "message_update", assistantMessageEvent: piece, message: {}, more: 1 }),
    undefined,
  );
});

Deno.test("merge: starts, ends and other events stand for themselves", () => {
  for (
    const type of [
      "text_start",
      "text_end",
      "thinking_end",
      "toolcall_start",
      "toolcall_end",
      "start",
      "done",
    ]
  ) {
    assertEquals(update({ type, contentIndex: 0, delta: "x" }), undefined, type);
  }
  const odd = [
    undefined,
    null,
    "text_delta",
    {},
    { type: "text_delta" },
    { type: "text_delta", contentIndex: 0 },
    { type: "text_delta", contentIndex: "0", delta: "x" },
    { type: "text_delta", contentIndex: 0.5, delta: "x" },
    { type: "odd_delta", contentIndex: 0, delta: "x" },
    { type: "text_delta", contentIndex: 0, delta: 7 },
    { type: 7, contentIndex: 0, delta: "x" },
  ];
  for (const fields of odd) assertEquals(update(fields), undefined, JSON.stringify(fields));
});

Deno.test("merge: a running tool's update is the state of that call", () => {
  assertEquals(stateOf({ type: "tool_execution_update", toolCallId: "t1", partialResult: {} }), {
    kind: "state",
    key: "t1",
  });
  assertEquals(stateOf({ type: "tool_execution_update" }), undefined);
  for (const type of ["tool_execution_start", "tool_execution_end"]) {
    assertEquals(stateOf({ type, toolCallId: "t1" }), undefined, type);
  }
});

Deno.test("merge: all other events stay single", () => {
  const types = [
    "message_start",
    "message_end",
    "queue_update",
    "bash_output",
    "agent_settled",
    "constructor",
  ];
  for (const type of types) {
    assertEquals(stateOf({ type, toolCallId: "t", delta: "x", contentIndex: 0 }), undefined);
  }
});
