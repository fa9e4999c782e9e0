// The transcript of one session: from snapshots, pages and events to what is drawn.

import { assert, assertEquals } from "@std/assert";
import { Transcript } from "../../../src/cli/attach/transcript/transcript.ts";
import { OUTPUT_CHARS } from "../../../src/cli/attach/transcript/items.ts";

type Json = Record<string, unknown>;
const user = (text: string): Json => ({ role: "user", content: [{ type: "text", text }] });
const answer = (...content: Json[]): Json => ({ role: "assistant", content, stopReason: "stop" });
const said = (text: string): Json => ({ type: "text", text });
const call = (id: string): Json => ({ type: "toolCall", id, name: "bash", arguments: { command: "ls" } });
const result = (toolCallId: string, text: string, isError = false): Json => ({
  role: "toolResult",
  toolCallId,
  toolName: "bash",
  content: [said(text)],
  isError,
});
const update = (event: Json): Json => ({ type: "message_update", assistantMessageEvent: event });

/** What is drawn, one line for each item. */
function drawn(transcript: Transcript): string[] {
  return transcript.items.map((item) => {
    if (item.kind === "tool") return `tool ${item.name} ${item.state} ${item.output}`;
    if (item.kind === "bash") return `bash ${item.command} ${item.state} ${item.output}`;
    return `${item.kind} ${item.text}`;
  });
}

function begun(...messages: Json[]): Transcript {
  const transcript = new Transcript();
  transcript.begin({ messages, messageCount: messages.length });
  return transcript;
}

Deno.test("a result joins its call, and one without a call stands by itself", () => {
  const transcript = begun(
    user("go"),
    answer(said("ok"), call("1")),
    result("1", "fine"),
    result("9", "lost", true),
  );
  assertEquals(drawn(transcript), ["user go", "text ok", "tool bash done fine", "tool bash failed lost"]);
});

Deno.test("a message streams, and the whole one takes its place without moving the items", () => {
  const transcript = begun(user("go"));
  transcript.apply({ type: "message_start", message: answer() });
  transcript.apply(update({ type: "thinking_delta", contentIndex: 0, delta: "hm" }));
  transcript.apply(update({ type: "text_delta", contentIndex: 1, delta: "Hel" }));
  transcript.apply(update({ type: "text_delta", contentIndex: 1, delta: "lo\x1b[31m" }));
  transcript.apply(update({ type: "toolcall_end", contentIndex: 2, toolCall: call("1") }));
  assertEquals(drawn(transcript), ["user go", "thinking hm", "text Hello", "tool bash waiting "]);
  const before = [...transcript.items];
  const whole = answer({ type: "thinking", thinking: "hmm" }, said("Hello!"), call("1"));
  transcript.apply({ type: "message_end", message: whole });
  assertEquals(drawn(transcript), ["user go", "thinking hmm", "text Hello!", "tool bash waiting "]);
  assert(transcript.items.every((item, index) => item === before[index]));
});

Deno.test("a tool runs, says what it has, and ends", () => {
  const transcript = begun(answer(call("1")));
  transcript.apply({ type: "tool_execution_start", toolCallId: "1", toolName: "bash", args: {} });
  transcript.apply({
    type: "tool_execution_update",
    toolCallId: "1",
    partialResult: { content: [said("so far")] },
  });
  assertEquals(drawn(transcript), ["tool bash running so far"]);
  const end = { content: [said("all")], details: { diff: "+1 new\n-1 old" } };
  transcript.apply({ type: "tool_execution_end", toolCallId: "1", result: end, isError: false });
  transcript.apply({ type: "message_end", message: result("1", "all") });
  assertEquals(drawn(transcript), ["tool bash done all"]);
  assertEquals(transcript.items[0]?.kind === "tool" ? transcript.items[0].diff : "", "+1 new\n-1 old");
});

Deno.test("older messages come before, and a call meets its result", () => {
  const transcript = new Transcript();
  transcript.begin({ messages: [result("1", "fine"), user("later")], messageCount: 4 });
  assertEquals(transcript.first, 2);
  transcript.prepend([user("first"), answer(call("1"))], 0);
  assertEquals(drawn(transcript), ["user first", "tool bash done fine", "user later"]);
  assertEquals(transcript.first, 0);
});

Deno.test("a renewal keeps what is under way, a beginning does not", () => {
  const transcript = begun(user("one"));
  transcript.apply({ type: "message_start", message: answer() });
  transcript.apply(update({ type: "text_delta", contentIndex: 0, delta: "under way" }));
  const shell = transcript.bashStarted("sleep 1", false);
  transcript.renew([user("one"), user("two")], 2);
  assertEquals(drawn(transcript), ["user one", "user two", "text under way", "bash sleep 1 running "]);
  transcript.apply({ type: "bash_output", chunk: "zzz" });
  transcript.bashEnded(shell, { output: "zzz", exitCode: 1, cancelled: false });
  assertEquals(drawn(transcript).at(-1), "bash sleep 1 failed zzz");
  transcript.begin({ messages: [user("three")], messageCount: 1 });
  assertEquals(drawn(transcript), ["user three"]);
});

Deno.test("a snapshot brings the message and the tools that are under way", () => {
  const transcript = new Transcript();
  const runningTools = [{ toolCallId: "1", toolName: "bash", args: { command: "ls" } }];
  transcript.begin({
    messages: [user("go")],
    messageCount: 1,
    streamingMessage: answer(said("Hal")),
    runningTools,
  });
  transcript.apply(update({ type: "text_delta", contentIndex: 0, delta: "lo" }));
  assertEquals(drawn(transcript), ["user go", "text Hallo", "tool bash running "]);
});

Deno.test("outputs keep their end alone, and much of them makes the oldest messages go", () => {
  const transcript = begun(answer(call("1")), result("1", `${"x\n".repeat(OUTPUT_CHARS)}end`));
  const [tool] = transcript.items;
  assert(
    tool?.kind === "tool" && tool.output.length <= OUTPUT_CHARS && tool.output.endsWith("end") &&
      tool.left > 0,
  );
  for (let n = 0; n < 600; n++) {
    transcript.apply({ type: "message_end", message: result(`t${n}`, "y".repeat(OUTPUT_CHARS)) });
  }
  assert(transcript.items.length < 420, `${transcript.items.length} items`);
  assert(transcript.first > 150, `from ${transcript.first}`);
  assertEquals(transcript.items[0]?.message, transcript.first);
});

Deno.test("errors, stops, summaries and shell commands of the history are drawn", () => {
  const transcript = begun(
    { role: "assistant", content: [], stopReason: "error", errorMessage: "no \x1b[31mluck" },
    { role: "assistant", content: [said("half")], stopReason: "aborted" },
    { role: "compactionSummary", summary: "before" },
    { role: "bashExecution", command: "ls", output: "a", exitCode: 0, cancelled: false },
    { role: "custom", customType: "note", content: "hi", display: true },
    { role: "custom", customType: "note", content: "unseen", display: false },
    { role: "unheard-of" },
  );
  assertEquals(drawn(transcript), [
    "note no luck",
    "text half",
    "note stopped",
    "summary before",
    "bash ls done a",
    "summary hi",
  ]);
});
