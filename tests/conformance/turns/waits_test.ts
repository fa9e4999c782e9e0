// Waits inside a run or a compaction, with pi's default settings: for a provider that says when to come back, and for
// a login that is never refreshed. Each is reported, and an abort ends it within a second.

import { assert, assertEquals } from "@std/assert";
import { at, type JsonObject } from "../../support/base/json.ts";
import {
  anthropic,
  anthropicStart,
  chunk,
  modelOf,
  type RawApi,
  RawModel,
  refusal,
  say,
} from "../../support/model/raw_model.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const WIRES: readonly RawApi[] = ["openai-completions", "openai-responses", "anthropic-messages"];
/** The most that an abort may take. */
const ABORT_MS = 1_000;

const late = (): Response => refusal(429, "Rate limit reached", { "retry-after": "99999" });

/** Runs the command and returns how long its run took to settle, in milliseconds. */
async function timed(
  wire: Wire,
  command: JsonObject,
  running: Promise<JsonObject>,
): Promise<[number, JsonObject]> {
  const before = performance.now();
  await wire.ok(command);
  const answer = await running;
  return [performance.now() - before, answer];
}

async function afterwards(bench: Bench, id: string, wire: Wire): Promise<JsonObject> {
  const { isStreaming, isCompacting } = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals([isStreaming, isCompacting], [false, false]);
  return await settled(wire, id, bench.name("again"));
}

alone("a provider's long Retry-After is a retry that clients see, and an abort ends it", async (bench) => {
  let fails = true;
  await using model = new RawModel(({ api }) => fails ? late() : say(api, "fine"));
  await model.register(bench.home.agentDir);
  await bench.start();
  const wire = await bench.connect();
  for (const api of WIRES) {
    fails = true;
    const { id } = await bench.watched(wire, { sessionId: bench.name("late"), ...modelOf(api) });
    const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 30_000);
    await wire.event(id, "auto_retry_start", undefined, 5_000);
    const [ms, { code }] = await timed(wire, { type: "abort", sessionId: id }, run);
    assert(ms < ABORT_MS, `${api}: ${ms} ms`);
    assertEquals(code, "cancelled", api);
    fails = false;
    assertEquals((await afterwards(bench, id, wire)).text, "fine", api);
  }
});

alone("an abort ends the wait of an SDK that the user's settings make retry", async (bench) => {
  let fails = true;
  await using model = new RawModel(({ api }) => fails ? late() : say(api, "fine"));
  const provider = { maxRetries: 2, maxRetryDelayMs: 0 };
  await model.register(bench.home.agentDir, { retry: { provider } });
  await bench.start(["--turn-stall-ms", "1000"]);
  const wire = await bench.connect();
  for (const api of WIRES) {
    fails = true;
    const { id } = await bench.watched(wire, { sessionId: bench.name("sdk"), ...modelOf(api) });
    const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 30_000);
    await wire.event(id, "turn_stalled", undefined, 15_000);
    const [ms, { code }] = await timed(wire, { type: "abort", sessionId: id }, run);
    assert(ms < ABORT_MS, `${api}: ${ms} ms`);
    assertEquals(code, "cancelled", api);
    fails = false;
    assertEquals((await afterwards(bench, id, wire)).text, "fine", api);
  }
});

alone("an aborted answer keeps what has arrived, also when its provider is deaf", async (bench) => {
  const head: Partial<Record<RawApi, string[]>> = {
    "openai-completions": [chunk({ role: "assistant", content: "half of it" })],
    "anthropic-messages": [
      anthropicStart(),
      anthropic("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      anthropic("content_block_delta", { index: 0, delta: { type: "text_delta", text: "half of it" } }),
    ],
  };
  const open: ReadableStreamDefaultController<Uint8Array>[] = [];
  await using model = new RawModel(({ api, userText }) => {
    if (userText !== "go") return say(api, "fine");
    const frames = (head[api] ?? []).join("");
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        open.push(controller);
        controller.enqueue(new TextEncoder().encode(frames));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  await model.register(bench.home.agentDir);
  await bench.start();
  const wire = await bench.connect();
  for (const api of ["openai-completions", "anthropic-messages"] as const) {
    const { id } = await bench.watched(wire, { sessionId: bench.name("deaf"), ...modelOf(api) });
    const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 30_000);
    await wire.event(
      id,
      "message_update",
      (event) => at(event, "assistantMessageEvent", "delta") === "half of it",
    );
    const [ms] = await timed(wire, { type: "abort", sessionId: id }, run);
    assert(ms < ABORT_MS, `${api}: ${ms} ms`);
    assertEquals((await afterwards(bench, id, wire)).text, "fine", api);
  }
});

const STUCK = `export default function (pi) {
  pi.registerProvider("stuck", {
    baseUrl: "http://127.0.0.1:9", api: "openai-completions",
    oauth: {
      name: "Stuck", login: async () => { throw new Error("no"); },
      refreshToken: () => new Promise(() => {}), getApiKey: (credentials) => credentials.access,
    },
    models: [{ id: "m", name: "m", reasoning: false, input: ["text"], contextWindow: 100000, maxTokens: 4096,
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } }],
  });
}`;

alone(
  "a login that is never refreshed: aborts end a run and a compaction, and the stall is reported",
  async (bench) => {
    await using model = new RawModel(({ api }) => say(api, "long enough to be summarized ".repeat(20)));
    await model.register(bench.home.agentDir, { compaction: { keepRecentTokens: 10, reserveTokens: 1000 } });
    const login = { type: "oauth", access: "a", refresh: "r", expires: 1 };
    await Deno.writeTextFile(`${bench.home.agentDir}/auth.json`, JSON.stringify({ stuck: login }));
    await bench.home.extension("stuck", STUCK);
    await bench.start(["--turn-stall-ms", "1000"]);
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, {
      sessionId: bench.name("login"),
      ...modelOf("openai-completions"),
    });
    for (let i = 0; i < 2; i++) await settled(wire, id, bench.name("talk"));
    await wire.ok({ type: "set_model", sessionId: id, provider: "stuck", modelId: "m" });

    const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 30_000);
    await wire.event(id, "turn_stalled", undefined, 15_000);
    const [ms, { code }] = await timed(wire, { type: "abort", sessionId: id }, run);
    assert(ms < ABORT_MS, `run: ${ms} ms`);
    assertEquals(code, "cancelled");

    const compacting = wire.request({ type: "compact", sessionId: id }, 30_000);
    await wire.event(id, "compaction_start");
    const [compactMs, answer] = await timed(wire, { type: "abort_compaction", sessionId: id }, compacting);
    assert(compactMs < ABORT_MS, `compaction: ${compactMs} ms`);
    assertEquals(answer.code, "cancelled");
    await wire.ok({ type: "set_model", sessionId: id, ...modelOf("openai-completions") });
    await afterwards(bench, id, wire);
  },
);

alone("a compaction does not sleep for a provider's Retry-After", async (bench) => {
  let fails = false;
  await using model = new RawModel(({ api }) =>
    fails ? late() : say(api, "long enough to be summarized ".repeat(20))
  );
  await model.register(bench.home.agentDir, { compaction: { keepRecentTokens: 10, reserveTokens: 1000 } });
  await bench.start();
  const wire = await bench.connect();
  for (const api of WIRES) {
    fails = false;
    const { id } = await bench.watched(wire, { sessionId: bench.name("sum"), ...modelOf(api) });
    for (let i = 0; i < 2; i++) await settled(wire, id, bench.name("talk"));
    fails = true;
    const compacting = wire.request({ type: "compact", sessionId: id }, 30_000);
    await wire.event(id, "compaction_start");
    const [ms, { code }] = await timed(wire, { type: "abort_compaction", sessionId: id }, compacting);
    assert(ms < ABORT_MS, `${api}: ${ms} ms`);
    assert(code === "cancelled" || code === "agent_error", `${api}: ${code}`);
    fails = false;
    await afterwards(bench, id, wire);
  }
});
