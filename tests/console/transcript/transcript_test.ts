// The transcript of a session, folded from a snapshot and events.
import { assert, assertEquals } from "@std/assert";
import type { Snapshot } from "../../../src/client/browser.ts";
import { Transcript } from "../../../src/console/transcript/transcript.ts";

const user = (words: string) => ({ role: "user", content: [{ type: "text", text: words }], timestamp: 1 });
const answer = (words: string, ...calls: object[]) => ({
  role: "assistant",
  content: [{ type: "text", text: words }, ...calls],
  stopReason: "stop",
});
const call = (id: string) => ({ type: "toolCall", id, name: "bash", arguments: { command: "ls" } });
const result = (id: string, text: string, isError = false) => ({
  role: "toolResult",
  toolCallId: id,
  toolName: "bash",
  content: [{ type: "text", text }],
  isError,
});
const delta = (text: string, contentIndex = 0) => ({
  type: "message_update",
  assistantMessageEvent: { type: "text_delta", contentIndex, delta: text },
});

function open(messages: readonly Record<string, unknown>[], more: Partial<Snapshot> = {}): Transcript {
  const transcript = new Transcript();
  const snapshot = {
    ...{ messages: [...messages], messageCount: messages.length, runningTools: [] },
    queue: { steering: [], followUp: [] },
    ...more,
  };
  transcript.reset({ snapshot });
  return transcript;
}

const roles = ({ rows }: Transcript): unknown[] => rows.map(({ message }) => message["role"]);

Deno.test("a result belongs to its call and makes no row", () => {
  const transcript = open([user("go"), answer("ok", call("c1")), result("c1", "file")]);
  assertEquals(roles(transcript), ["user", "assistant"]);
  assertEquals(transcript.tool("c1").value.status, "done");
  assertEquals(transcript.tool("c1").value.content, [{ type: "text", text: "file" }]);
});

Deno.test("an answer grows by its deltas and keeps its row when it is complete", () => {
  const transcript = open([user("go")]);
  transcript.apply({ type: "message_start", message: { role: "assistant", content: [] } });
  transcript.apply(delta("Hel"));
  transcript.apply(delta("lo"));
  const row = transcript.rows.at(-1);
  assertEquals(row?.streaming?.[0]?.text.tail, "Hello");
  assert(transcript.streaming);
  transcript.apply({ type: "message_end", message: answer("Hello") });
  assertEquals(transcript.rows.at(-1)?.key, row?.key);
  assertEquals(transcript.rows.at(-1)?.streaming, undefined);
  assertEquals([transcript.streaming, transcript.count], [false, 2]);
});

Deno.test("a snapshot in the middle of an answer goes on with the next delta", () => {
  const streamingMessage = { role: "assistant", content: [{ type: "text", text: "Hel" }] };
  const runningTools = [{
    toolCallId: "c9",
    toolName: "bash",
    partialResult: { content: [{ type: "text", text: "x" }] },
  }];
  const transcript = open([user("go")], { streamingMessage, runningTools });
  transcript.apply(delta("lo"));
  assertEquals(transcript.rows.at(-1)?.streaming?.[0]?.text.tail, "Hello");
  assertEquals(transcript.tool("c9").value.status, "running");
});

Deno.test("a tool runs, tells what it has, and ends", () => {
  const transcript = open([user("go"), answer("", call("c1"))]);
  assertEquals(transcript.tool("c1").value.status, "waiting");
  transcript.apply({ type: "tool_execution_start", toolCallId: "c1", toolName: "bash", args: {} });
  transcript.apply({
    ...{ type: "tool_execution_update", toolCallId: "c1" },
    partialResult: { content: [{ type: "text", text: "half" }] },
  });
  assertEquals(transcript.tool("c1").value.content, [{ type: "text", text: "half" }]);
  transcript.apply({
    ...{ type: "tool_execution_end", toolCallId: "c1", isError: true },
    result: { content: [{ type: "text", text: "no" }] },
  });
  assertEquals(transcript.tool("c1").value.status, "failed");
});

Deno.test("a failed answer goes before the next try", () => {
  const transcript = open([user("go")]);
  transcript.apply({ type: "message_start", message: { role: "assistant", content: [] } });
  transcript.apply({ type: "message_end", message: { ...answer(""), stopReason: "error" } });
  transcript.apply({ type: "auto_retry_start" });
  assertEquals(roles(transcript), ["user"]);
  assertEquals(transcript.count, 1);
});

Deno.test("older messages come in front, with results whose call comes with them", () => {
  const transcript = open([result("c1", "late"), user("two")], { messageCount: 4 });
  assertEquals([roles(transcript), transcript.first], [["user"], 2]);
  transcript.older([user("one"), answer("", call("c1"))]);
  assertEquals([roles(transcript), transcript.first], [["user", "assistant", "user"], 0]);
  assertEquals(transcript.tool("c1").value.content, [{ type: "text", text: "late" }]);
  assertEquals([transcript.takeShift(), transcript.takeShift()], [2, 0]);
});

Deno.test("what a shell prints is a row until its message is read", () => {
  const transcript = open([user("go")]);
  transcript.shellCommand("ls");
  transcript.apply({ type: "bash_output", chunk: "a\n" });
  transcript.apply({ type: "bash_output", chunk: "b\n" });
  assertEquals(transcript.rows.at(-1)?.message["output"], "a\nb\n");
  assertEquals(transcript.rows.at(-1)?.message["command"], "ls");
  transcript.newest([user("go"), { role: "bashExecution", command: "ls", output: "a\nb\n", exitCode: 0 }], 2);
  assertEquals(roles(transcript), ["user", "bashExecution"]);
  assertEquals(transcript.rows.at(-1)?.message["exitCode"], 0);
});

Deno.test("a rewritten history is read anew", () => {
  const transcript = open([user("go")]);
  assertEquals(transcript.apply({ type: "compaction_end" }), "reload");
  assertEquals(transcript.apply({ type: "session_replaced" }), "reload");
  assertEquals(transcript.apply({ type: "agent_start" }), undefined);
});

Deno.test("a session that never ends stays within its bounds", () => {
  const transcript = open([user("go")]);
  const large = "x".repeat(50_000);
  for (let i = 0; i < 700; i++) {
    transcript.apply({ type: "message_end", message: answer(large, call(`c${i}`)) });
    transcript.apply({ type: "message_end", message: result(`c${i}`, large) });
    if (transcript.tooLarge) transcript.trim();
  }
  assert(transcript.rows.length < 400, `${transcript.rows.length} rows are kept`);
  assertEquals(transcript.count, 1401);
  assert(
    transcript.first > 1000 && transcript.takeShift() < 0,
    "the oldest have gone, and can be loaded again",
  );
});

Deno.test("events of an unknown kind, and without their fields, change nothing", () => {
  const transcript = open([user("go")]);
  for (
    const type of [
      "message_start",
      "message_update",
      "message_end",
      "tool_execution_start",
      "bash_output",
      "new",
    ]
  ) {
    transcript.apply({ type });
    transcript.apply({
      type,
      message: "text",
      assistantMessageEvent: { type: "text_delta", contentIndex: -1 },
    });
  }
  assertEquals(transcript.rows[0]?.message["role"], "user");
});
