// The scripted model against pi-ai's real providers: what a conformance case sees come through the server must
// have been understood by the provider that speaks that wire.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type AssistantMessage, type Context, type Model, stream } from "@mariozechner/pi-ai";
import { objectAt } from "../base/json.ts";
import { API_KEY, calls, Gate, hang, ModelServer, status, type Step, text } from "./model_server.ts";
import { deadline } from "../base/wait.ts";

type Api = "openai-completions" | "anthropic-messages";

function model(server: ModelServer, api: Api): Model<Api> {
  return {
    id: "scripted",
    name: "Scripted",
    api,
    provider: "scripted",
    baseUrl: api === "openai-completions" ? `${server.url}/v1` : server.url,
    reasoning: true,
    input: ["text", "image"],
    cost: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0 },
    contextWindow: 100_000,
    maxTokens: 1000,
  };
}

const context = (content: string): Context => ({ messages: [{ role: "user", content, timestamp: 1 }] });

/** One answer of the provider. */
async function answer(api: Api, step: Step, marker: string): Promise<AssistantMessage> {
  await using server = new ModelServer();
  server.script(marker, step);
  const options = { apiKey: API_KEY, maxRetries: 0 };
  const result = await stream(model(server, api), context(`please ${marker}`), options).result();
  assertEquals(server.requests.map((request) => request.userText), [`please ${marker}`]);
  return result;
}

for (const api of ["openai-completions", "anthropic-messages"] as const) {
  Deno.test(`model server, ${api}: text and thinking`, async () => {
    const message = await answer(api, text(["Hel", "lo 😀"], { thinking: "hm" }), "say");
    const blocks = message.content.map((block) => block.type === "text" ? block.text : block.type);
    assertEquals([blocks, message.stopReason], [["thinking", "Hello 😀"], "stop"]);
    assertEquals(message.usage.totalTokens, 15);
  });

  Deno.test(`model server, ${api}: tool calls`, async () => {
    const step = calls([{ name: "bash", args: { command: "ls" } }, { name: "read", args: { path: "ä" } }], [
      "hm ",
    ]);
    const message = await answer(api, step, "act");
    const called = message.content.flatMap((block) =>
      block.type === "toolCall" ? [[block.name, block.arguments]] : []
    );
    assertEquals([called, message.stopReason], [
      [["bash", { command: "ls" }], ["read", { path: "ä" }]],
      "toolUse",
    ]);
  });

  Deno.test(`model server, ${api}: HTTP errors`, async () => {
    const message = await answer(api, status(500, "boom"), "fail");
    assertEquals(message.stopReason, "error");
    assertStringIncludes(message.errorMessage ?? "", "boom");
  });

  Deno.test(`model server, ${api}: a gate holds the second delta, a hang ends with the client`, async () => {
    await using server = new ModelServer();
    const gate = new Gate();
    server.script("gated", text(["one ", "two"], { gate }));
    const deltas: string[] = [];
    for await (const event of stream(model(server, api), context("gated"), { apiKey: API_KEY })) {
      if (event.type === "text_delta") deltas.push(event.delta);
      // The second can only come because the first was seen.
      if (event.type === "text_delta") gate.open();
    }
    assertEquals(deltas, ["one ", "two"]);
    server.script("hang", hang(["half "]));
    const abort = new AbortController();
    const running = stream(model(server, api), context("hang"), { apiKey: API_KEY, signal: abort.signal });
    for await (const event of running) if (event.type === "text_delta") abort.abort();
    assertEquals((await running.result()).stopReason, "aborted");
    const request = await server.request("hang");
    await deadline(request.aborted, 5000, () => "the server to notice the abort");
    assert(objectAt(request.body).stream === true);
  });
}
