// The state that events tell: folding each of them, what is read anew from the agent, and what fits.
import { assertEquals } from "@std/assert";
import { SNAPSHOT_BYTES } from "../../../../src/governor/limits.ts";
import { SnapshotState } from "../../../../src/worker/session/events/snapshot.ts";
import type { SessionEvent } from "../../../../src/protocol/events.ts";

const user = (text: string) => ({ role: "user", content: [{ type: "text", text }] });
const assistant = (text: string) => ({ role: "assistant", content: [{ type: "text", text }], model: "m" });
const bash = (output: string) => ({ role: "bashExecution", output });

const ended = (message: unknown): SessionEvent => ({ type: "message_end", message });
const started = (message: unknown): SessionEvent => ({ type: "message_start", message });
const update = (type: string, contentIndex: number, more: object = {}): SessionEvent => ({
  type: "message_update",
  assistantMessageEvent: { type, contentIndex, ...more },
});
const tool = (type: string, toolCallId: string, more: object = {}): SessionEvent => ({
  type: `tool_execution_${type}`,
  toolCallId,
  toolName: "bash",
  args: { command: "ls" },
  ...more,
});

/** A state over an agent whose messages the test sets. */
function make(...before: unknown[]) {
  const agent = { messages: before };
  const state = new SnapshotState(() => agent.messages);
  const fold = (...events: SessionEvent[]): void => {
    for (const event of events) state.fold(event);
  };
  return { agent, state, fold };
}

const NOTHING = { runningTools: [], queue: { steering: [], followUp: [] } };

Deno.test("snapshot: begins with what the agent has, and is not changed behind its back", () => {
  const { agent, state } = make(user("q"), assistant("a"));
  agent.messages.push(user("ahead of its event"));
  assertEquals(state.read(), { messages: [user("q"), assistant("a")], messageCount: 2, ...NOTHING });
});

Deno.test("snapshot: a message is there when it has ended", () => {
  const { state, fold } = make();
  fold(started(user("q")));
  assertEquals(state.read(), { messages: [], messageCount: 0, ...NOTHING });
  fold(ended(user("q")));
  assertEquals(state.read(), { messages: [user("q")], messageCount: 1, ...NOTHING });
});

Deno.test("snapshot: an assistant's message streams from its start to its end, block by block", () => {
  const { state, fold } = make();
  fold(started({ ...assistant(""), content: [] }));
  const streaming = () => state.read().streamingMessage;
  assertEquals(streaming(), { role: "assistant", model: "m", content: [] });
  fold(update("thinking_start", 0), update("thinking_delta", 0, { delta: "hm" }));
  fold(update("thinking_delta", 0, { delta: "m" }), update("thinking_end", 0, { content: "hmm" }));
  fold(update("text_start", 1), update("text_delta", 1, { delta: "Hel" }));
  const [thinking, text] = [{ type: "thinking", thinking: "hmm" }, { type: "text", text: "Hel" }];
  assertEquals(streaming(), { role: "assistant", model: "m", content: [thinking, text] });
  assertEquals(state.read().messages, []);
  fold(update("text_delta", 1, { delta: "lo" }), ended(assistant("Hello")));
  assertEquals(state.read(), { messages: [assistant("Hello")], messageCount: 1, ...NOTHING });
});

Deno.test("snapshot: a tool call streams as partial JSON, and is whole once it has ended", () => {
  const { state, fold } = make();
  const partial = { content: [{ type: "toolCall", id: "t1", name: "bash", arguments: {} }] };
  fold(started({ role: "assistant" }), update("toolcall_start", 0, { partial }));
  fold(update("toolcall_delta", 0, { delta: '{"com' }), update("toolcall_delta", 0, { delta: "mand" }));
  const content = (): unknown => Reflect.get(Object(state.read().streamingMessage), "content");
  const head = { type: "toolCall", id: "t1", name: "bash", arguments: {} };
  assertEquals(content(), [{ ...head, partialJson: '{"command' }]);
  const toolCall = { ...head, arguments: { command: "ls" } };
  fold(update("toolcall_end", 0, { toolCall }));
  assertEquals(content(), [toolCall]);
});

Deno.test("snapshot: blocks stand in the order of their index; a delta without a start changes nothing", () => {
  const { state, fold } = make();
  fold(update("text_delta", 0, { delta: "before any message" }));
  assertEquals(state.read(), { messages: [], messageCount: 0, ...NOTHING });
  fold(started({ role: "assistant" }), update("text_start", 2), update("text_start", 0));
  fold(update("text_delta", 0, { delta: "first" }), update("text_delta", 2, { delta: "last" }));
  fold(update("text_delta", 7, { delta: "never begun" }), update("text_delta", 0, { delta: 9 }));
  fold({ type: "message_update" }, { type: "message_update", assistantMessageEvent: { type: "text_delta" } });
  const content = [{ type: "text", text: "first" }, { type: "text", text: "last" }];
  assertEquals(state.read().streamingMessage, { role: "assistant", content });
});

Deno.test("snapshot: what was read before does not change with what is folded later", () => {
  const { state, fold } = make(user("q"));
  fold(started({ role: "assistant" }), update("text_start", 0), tool("start", "t"));
  fold({ type: "queue_update", steering: ["s"], followUp: [] });
  const before = state.read();
  const text = JSON.stringify(before);
  fold(
    update("text_delta", 0, { delta: "x" }),
    tool("update", "t", { partialResult: "p" }),
    ended(assistant("x")),
  );
  fold({ type: "queue_update", steering: [], followUp: [] }, { type: "agent_end" });
  assertEquals(JSON.stringify(before), text);
});

Deno.test("snapshot: tools run from start to end, with their last state", () => {
  const { state, fold } = make();
  const about = (toolCallId: string) => ({ toolCallId, toolName: "bash", args: { command: "ls" } });
  fold(tool("start", "t1"), tool("start", "t2"), tool("update", "t1", { partialResult: "one" }));
  fold(tool("update", "t1", { partialResult: "two" }));
  assertEquals(state.read().runningTools, [{ ...about("t1"), partialResult: "two" }, about("t2")]);
  fold(tool("end", "t1", { result: "r" }), tool("end", "never begun"), { type: "tool_execution_start" });
  assertEquals(state.read().runningTools, [about("t2")]);
  fold({ type: "agent_end", messages: [] });
  assertEquals(state.read().runningTools, [], "an aborted run leaves none behind");
});

Deno.test("snapshot: tools with names of JavaScript's own are tools", () => {
  const { state, fold } = make();
  for (const id of ["__proto__", "constructor"]) fold(tool("start", id));
  assertEquals(state.read().runningTools.length, 2);
  for (const id of ["__proto__", "constructor"]) fold(tool("end", id));
  assertEquals(state.read().runningTools, []);
});

Deno.test("snapshot: the queue is what the last update said", () => {
  const { state, fold } = make();
  fold({ type: "queue_update", steering: ["s"], followUp: ["f", "g"] });
  assertEquals(state.read().queue, { steering: ["s"], followUp: ["f", "g"] });
  fold({ type: "agent_end" });
  assertEquals(state.read().queue, { steering: ["s"], followUp: ["f", "g"] }, "the end of a run leaves it");
  fold({ type: "queue_update" });
  assertEquals(state.read().queue, NOTHING.queue);
});

Deno.test("snapshot: the queue of a session that was replaced is gone", () => {
  const { state, fold } = make();
  fold({ type: "queue_update", steering: ["s"], followUp: ["f"] }, {
    type: "session_replaced",
    reason: "fork",
  });
  assertEquals(state.read().queue, NOTHING.queue);
});

Deno.test("snapshot: an answer that is tried again is taken back, and nothing else is", () => {
  const { state, fold } = make(user("q"), assistant("a"));
  fold(ended(user("again")), ended(assistant("failed")), { type: "agent_end" }, { type: "auto_retry_start" });
  assertEquals(state.read().messages, [user("q"), assistant("a"), user("again")]);
  fold({ type: "auto_retry_start" });
  assertEquals(state.read().messageCount, 3, "a question is never taken back");
  fold({ type: "auto_retry_end" }, ended(assistant("b")));
  assertEquals(state.read().messages.at(-1), assistant("b"));
});

Deno.test("snapshot: an abort in the middle of a message leaves none that streams", () => {
  const { state, fold } = make();
  fold(started({ role: "assistant" }), update("text_start", 0), { type: "agent_end" });
  assertEquals(state.read(), { messages: [], messageCount: 0, ...NOTHING });
});

Deno.test("snapshot: compaction and replacement are read from the agent, streams and tools end", () => {
  for (const type of ["compaction_start", "compaction_end", "session_replaced"]) {
    const { agent, state, fold } = make(user("q"));
    fold(started({ role: "assistant" }), tool("start", "t"));
    agent.messages = [{ role: "compactionSummary", summary: "s" }, user("kept")];
    fold({ type });
    assertEquals(state.read(), { messages: agent.messages, messageCount: 2, ...NOTHING }, type);
  }
});

Deno.test("snapshot: what changed without an event is read when it is said to have", () => {
  const { agent, state } = make(user("q"));
  agent.messages = [user("another branch")];
  assertEquals(state.read().messages, [user("q")]);
  state.reread();
  assertEquals(state.read().messages, [user("another branch")]);
});

Deno.test("snapshot: results of bash that waited join as a run starts, up to the first other message", () => {
  const { agent, state, fold } = make(user("q"));
  agent.messages.push(bash("one"), bash("two"), user("ahead of its event"), bash("later"));
  fold({ type: "agent_start" });
  assertEquals(state.read().messages, [user("q"), bash("one"), bash("two")]);
  fold(ended(user("ahead of its event")));
  assertEquals(state.read().messageCount, 4);
  fold({ type: "agent_start" });
  assertEquals(state.read().messageCount, 5, "and no result twice");
});

Deno.test("snapshot: the newest messages that fit, to the byte", () => {
  const most = SNAPSHOT_BYTES - JSON.stringify(user("")).length - 1;
  const { state, fold } = make(user("old"));
  fold(ended(user("x".repeat(most))));
  assertEquals([state.read().truncated, state.read().messageCount, state.read().messages.length], [
    true,
    2,
    1,
  ]);
  const larger = make(user("x".repeat(most + 1)));
  assertEquals([larger.state.read().truncated, larger.state.read().messages], [true, []]);
  const [one, two, three] = ["a", "b", "c"].map((letter) =>
    user(letter.repeat(Math.floor(SNAPSHOT_BYTES / 2) - 100))
  );
  const many = make(one, two);
  assertEquals([many.state.read().truncated, many.state.read().messages.length], [undefined, 2]);
  many.fold(ended(three));
  assertEquals(many.state.read().messages, [two, three], "in their order");
});

Deno.test("snapshot: what fits is counted in bytes", () => {
  const third = Math.floor(SNAPSHOT_BYTES / 3) + 1;
  const { state } = make(user("old"), user("語".repeat(third)));
  assertEquals(state.read().truncated, true);
});

Deno.test("snapshot: events that say nothing of the state leave it", () => {
  const { state, fold } = make(user("q"));
  const before = JSON.stringify(state.read());
  const types = [
    "turn_start",
    "turn_end",
    "agent_settled",
    "bash_output",
    "model_changed",
    "constructor",
    "__proto__",
  ];
  for (const type of types) {
    fold({ type, message: user("no"), messages: [], steering: ["no"], toolCallId: "t" });
  }
  assertEquals(JSON.stringify(state.read()), before);
});
