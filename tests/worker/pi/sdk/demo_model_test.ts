// The answers of the demo model. pi-ai's faux provider, which streams it, is not at stake here.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { AssistantMessage, Context } from "@mariozechner/pi-ai";
import { demoAnswer, type ProviderRegistry, registerDemo } from "../../../../src/worker/pi/sdk/demo_model.ts";

type Message = Context["messages"][number];

const said = (...messages: Message[]): AssistantMessage => demoAnswer({ messages });
const user = (content: string): Message => ({ role: "user", content, timestamp: 1 });
const result = (text: string, isError = false): Message => ({
  role: "toolResult",
  toolCallId: "t",
  toolName: "bash",
  content: [{ type: "text", text }],
  isError,
  timestamp: 1,
});

function textOf(message: AssistantMessage): string {
  return message.content.map((block) => block.type === "text" ? block.text : "").join("");
}

Deno.test("demo: it repeats what was said, and ends its turn", () => {
  const answer = said(user("hello you"));
  assertStringIncludes(textOf(answer), 'You said: "hello you"');
  assertEquals([answer.stopReason, answer.content.length], ["stop", 1]);
});

Deno.test("demo: a long message is quoted short", () => {
  const answer = textOf(said(user("x".repeat(5_000))));
  assert(answer.includes(`"${"x".repeat(200)}…"`) && answer.length < 400, answer);
});

Deno.test("demo: blocks are read as text, images are passed over", () => {
  const content: Message = {
    role: "user",
    content: [{ type: "text", text: "see " }, { type: "image", data: "", mimeType: "image/png" }, {
      type: "text",
      text: "this",
    }],
    timestamp: 1,
  };
  assertStringIncludes(textOf(said(content)), '"see this"');
});

Deno.test("demo: the word tool calls bash, as a word only", () => {
  for (const text of ["use a tool", "TOOL!", "the Tool, please"]) {
    const answer = said(user(text));
    const calls = answer.content.filter((block) => block.type === "toolCall");
    assertEquals([answer.stopReason, calls.length], ["toolUse", 1], text);
    assertEquals(calls.map(({ name }) => name), ["bash"]);
  }
  assertEquals(said(user("toolbox and stools")).stopReason, "stop");
});

Deno.test("demo: it says what a tool has printed, and calls no second one", () => {
  const worked = said(user("tool"), said(user("tool")), result(" hi \n"));
  assertEquals([textOf(worked), worked.stopReason], ["The command worked. It printed: hi", "stop"]);
  const failed = said(user("tool"), said(user("tool")), result("no", true));
  assertEquals(textOf(failed), "The command failed. It printed: no");
});

Deno.test("demo: a story is long enough to be seen streaming", () => {
  assert(textOf(said(user("tell me a story"))).length > 500);
  assertEquals(textOf(said(user("history"))).includes("heron"), false);
});

Deno.test("demo: without a user message it still answers", () => {
  assertStringIncludes(textOf(said()), 'You said: ""');
});

Deno.test("demo: sessions that ask at the same moment all get an answer", async () => {
  let registered: Parameters<ProviderRegistry["registerProvider"]>[1] | undefined;
  registerDemo({ registerProvider: (_name, config) => void (registered = config) });
  assert(registered !== undefined);
  const { api, baseUrl, models: [model], streamSimple } = registered;
  assert(model !== undefined);
  const asked = ["one", "two", "three"].map((word) =>
    streamSimple({ ...model, api, baseUrl, provider: "demo" }, { messages: [user(word)] }).result()
  );
  assertEquals((await Promise.all(asked)).map(({ stopReason }) => stopReason), ["stop", "stop", "stop"]);
});
