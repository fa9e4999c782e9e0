// The transcript of an editor: each piece once, whatever order pieces, whole messages and snapshots come in.
import { assertEquals } from "@std/assert";
import { Transcript } from "../../../../src/cli/fronts/acp/transcript.ts";

const user = (text: string, timestamp: number) => ({
  role: "user",
  content: [{ type: "text", text }],
  timestamp,
});
const answer = (content: unknown[], timestamp: number) => ({ role: "assistant", content, timestamp });
const said = (text: string) => ({ type: "text", text });
const call = (id: string) => ({ type: "toolCall", id, name: "bash", arguments: { command: "ls" } });
const result = (toolCallId: string, timestamp: number) => ({
  ...{ role: "toolResult", toolCallId, toolName: "bash", isError: false, timestamp },
  content: [said("out")],
});
const delta = (text: string, contentIndex = 0, type = "text_delta") => ({
  type: "message_update",
  assistantMessageEvent: { type, contentIndex, delta: text },
});

function snapshot(messages: Record<string, unknown>[], more: Record<string, unknown> = {}) {
  const queue = { steering: [], followUp: [] };
  return { messages, messageCount: messages.length, runningTools: [], queue, ...more };
}

/** A transcript whose editor has sent the texts of `own`. */
function make(own: string[] = []) {
  return new Transcript("/w", (text) => {
    const at = own.indexOf(text);
    if (at >= 0) own.splice(at, 1);
    return at >= 0;
  });
}

/** The updates in a few words. */
function short(updates: readonly Record<string, unknown>[]): string[] {
  return updates.map((update) => {
    const kind = String(update["sessionUpdate"]).replace("_chunk", "");
    const content = update["content"];
    const text = typeof content === "object" && content !== null ? Reflect.get(content, "text") : undefined;
    const status = update["status"] ?? (Array.isArray(content) ? "output" : "");
    return typeof text === "string" ? `${kind}: ${text}` : `${kind} ${update["toolCallId"]} ${status}`;
  });
}

Deno.test("transcript: pieces as they come, and of the whole message only what is missing", () => {
  const transcript = make();
  const message = answer([{ type: "thinking", thinking: "hm" }, said("Hello."), call("c1")], 5);
  assertEquals(transcript.event({ type: "message_start", message: answer([], 5) }), []);
  assertEquals(short(transcript.event(delta("h", 0, "thinking_delta"))), ["agent_thought: h"]);
  assertEquals(short(transcript.event(delta("Hel", 1))), ["agent_message: Hel"]);
  assertEquals(short(transcript.event({ type: "message_end", message })), [
    "agent_thought: m",
    "agent_message: lo.",
    "tool_call c1 pending",
  ]);
  assertEquals(transcript.event({ type: "message_end", message }), []);
});

Deno.test("transcript: a call begins once, and ends once, by its event or by its message", () => {
  const transcript = make();
  transcript.event({ type: "message_start", message: answer([], 5) });
  const end = { type: "toolcall_end", contentIndex: 0, toolCall: call("c1") };
  const named = { toolCallId: "c1", toolName: "bash" };
  assertEquals(short(transcript.event({ type: "message_update", assistantMessageEvent: end })), [
    "tool_call c1 pending",
  ]);
  assertEquals(transcript.event({ type: "message_end", message: answer([call("c1")], 5) }), []);
  assertEquals(short(transcript.event({ type: "tool_execution_start", ...named, args: {} })), [
    "tool_call_update c1 in_progress",
  ]);
  const partialResult = { content: [said("o")] };
  assertEquals(short(transcript.event({ type: "tool_execution_update", ...named, partialResult })), [
    "tool_call_update c1 output",
  ]);
  assertEquals(short(transcript.event({ type: "tool_execution_end", ...named, result: result("c1", 6) })), [
    "tool_call_update c1 completed",
  ]);
  assertEquals(transcript.event({ type: "message_end", message: result("c1", 6) }), []);
  assertEquals(transcript.settle(), []);
});

Deno.test("transcript: calls that never ran have failed once the run is over", () => {
  const transcript = make();
  transcript.event({ type: "message_end", message: answer([call("c1")], 5) });
  assertEquals(short(transcript.settle()), ["tool_call_update c1 failed"]);
  assertEquals(transcript.settle(), []);
});

Deno.test("transcript: a snapshot after lost events adds what is missing, also within an answer", () => {
  const transcript = make();
  for (const message of [user("one", 1), answer([said("first")], 2)]) {
    transcript.event({ type: "message_end", message });
  }
  transcript.event({ type: "message_start", message: answer([], 4) });
  transcript.event(delta("sec"));
  const history = [user("one", 1), answer([said("first")], 2), user("two", 3)];
  const streamingMessage = answer([said("second ha"), call("c0")], 4);
  const later = transcript.catchUp(snapshot(history, { streamingMessage }));
  assertEquals(short(later), ["user_message: two", "agent_message: ond ha"]);
  assertEquals(short(transcript.event(delta("lf"))), ["agent_message: lf"]);
  // Lost again: the answer has ended meanwhile, and its tool runs.
  const whole = answer([said("second half"), call("c1")], 4);
  const runningTools = [{ toolCallId: "c1", toolName: "bash", args: { command: "ls" } }];
  assertEquals(short(transcript.catchUp(snapshot([...history, whole], { runningTools }))), [
    "tool_call c1 pending",
    "tool_call_update c1 in_progress",
  ]);
  assertEquals(transcript.catchUp(snapshot([...history, whole], { runningTools })), []);
  assertEquals(short(transcript.catchUp(snapshot([...history, whole, result("c1", 6)]))), [
    "tool_call_update c1 completed",
  ]);
});

Deno.test("transcript: after a compaction none of the kept messages comes again", () => {
  const transcript = make();
  for (const message of [user("one", 1), answer([said("a")], 2), user("two", 3), answer([said("b")], 4)]) {
    transcript.event({ type: "message_end", message });
  }
  const summary = { role: "compactionSummary", summary: "short", timestamp: 5 };
  assertEquals(short(transcript.catchUp(snapshot([summary, user("two", 3), answer([said("b")], 4)]))), []);
  assertEquals(short(transcript.catchUp(snapshot([summary, user("three", 6)]))), [
    "agent_message: Earlier messages, summarised:\n\nshort",
    "user_message: three",
  ]);
});

Deno.test("transcript: the editor's own messages are left out once, those of others are not", () => {
  const transcript = make(["mine"]);
  const end = (text: string, at: number) =>
    transcript.event({ type: "message_end", message: user(text, at) });
  assertEquals(end("mine", 1), []);
  assertEquals(short(end("mine", 2)), ["user_message: mine"]);
  assertEquals(short(end("theirs", 3)), ["user_message: theirs"]);
});

Deno.test("transcript: what is skipped is not shown, and what follows is", () => {
  const transcript = make();
  transcript.skip(snapshot([user("one", 1)], { streamingMessage: answer([said("half ")], 2) }));
  assertEquals(transcript.event({ type: "message_end", message: user("one", 1) }), []);
  assertEquals(short(transcript.event(delta("way"))), ["agent_message: way"]);
  const message = answer([said("half way there")], 2);
  assertEquals(short(transcript.event({ type: "message_end", message })), ["agent_message:  there"]);
});

Deno.test("transcript: shell commands, messages of extensions and summaries; odd values are nothing", () => {
  const transcript = make();
  const shown = (message: unknown) => short(transcript.message(message));
  const shell = { role: "bashExecution", command: "ls", output: "a", cancelled: false, timestamp: 1 };
  assertEquals(shown({ ...shell, exitCode: 0 }), ["tool_call bashExecution-1 completed"]);
  assertEquals(shown({ ...shell, timestamp: 2, cancelled: true }), ["tool_call bashExecution-2 failed"]);
  assertEquals(shown({ role: "custom", content: "note", display: true, timestamp: 3 }), [
    "agent_message: note",
  ]);
  assertEquals(shown({ role: "custom", content: "note", display: false, timestamp: 4 }), []);
  for (
    const odd of [null, "text", 7, [], {}, { role: "user" }, { role: "assistant", content: 7, timestamp: 9 }]
  ) {
    assertEquals(shown(odd), [], JSON.stringify(odd));
  }
});
