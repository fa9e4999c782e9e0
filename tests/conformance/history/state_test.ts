// State of a session (docs/PROTOCOL.md#session-commands): statistics, model and thinking level, queue modes and retry. Each
// change is this session's alone: no other session and no byte of the user's files knows of it.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, numberAt, stringAt } from "../../support/base/json.ts";
import {
  ANTHROPIC,
  Gate,
  OPENAI,
  OTHER,
  status,
  text,
  writeModels,
} from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const test = shared();

const state = (wire: Wire, sessionId: string) => wire.ok({ type: "get_state", sessionId });

async function turn(bench: Bench, wire: Wire, id: string, said: string): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return marker;
}

/** The response's data, which may be null. */
async function dataOf(wire: Wire, command: JsonObject): Promise<Json | undefined> {
  const response = await wire.request(command);
  assertEquals(response.success, true, JSON.stringify(response));
  return response.data;
}

test("get_last_assistant_text: null, then the last answer", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const command = { type: "get_last_assistant_text", sessionId: id };
  assertEquals(await wire.ok(command), { text: null });
  await turn(bench, wire, id, "first");
  await turn(bench, wire, id, "naïve 😀");
  assertEquals(await wire.ok(command), { text: "naïve 😀" });
});

test("get_session_stats and get_context_usage count what the model reported", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const before = await wire.ok({ type: "get_session_stats", sessionId: id });
  assertEquals([before.sessionId, before.totalMessages, at(before, "tokens", "total")], [id, 0, 0]);
  const marker = bench.name("stats");
  const call = { name: "bash", args: { command: "echo counted" } };
  bench.model.script(marker, { kind: "answer", deltas: [], calls: [call], gateAfter: 0 }, text(["done"]));
  await settled(wire, id, marker);
  const stats = await wire.ok({ type: "get_session_stats", sessionId: id });
  const { sessionFile } = await state(wire, id);
  assertEquals(stats.sessionFile, sessionFile);
  const counts = ["userMessages", "assistantMessages", "toolCalls", "toolResults", "totalMessages"];
  assertEquals(counts.map((count) => stats[count]), [1, 2, 1, 1, 4]);
  assertEquals(stats.tokens, { input: 20, output: 10, cacheRead: 0, cacheWrite: 0, total: 30 });
  assertEquals(numberAt(stats, "cost").toFixed(8), ((20 * 1 + 10 * 2) / 1e6).toFixed(8));
  const usage = await dataOf(wire, { type: "get_context_usage", sessionId: id });
  assertEquals(at(usage, "contextWindow"), 100_000);
  assertEquals(numberAt(usage, "percent"), numberAt(usage, "tokens") / 1000);
  assertEquals(stats.contextUsage, usage);
});

test("cycle_model: once around, forward and backward, in pi's order", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const models = arrayAt(await wire.ok({ type: "get_available_models", sessionId: id }), "models");
  const names = models.map((model) => stringAt(model, "id"));
  assert(names.length >= 3);
  const start = names.indexOf(OPENAI.modelId);
  const step = async (direction: JsonObject) => {
    const data = await wire.ok({ type: "cycle_model", sessionId: id, ...direction });
    assertEquals(data.isScoped, false);
    const changed = await wire.event(id, "model_changed");
    assertEquals(at(changed, "event", "model"), data.model);
    const now = await state(wire, id);
    assertEquals([now.model, now.thinkingLevel], [data.model, data.thinkingLevel]);
    for (const secret of ["baseUrl", "headers", "apiKey"]) assertEquals(at(data, "model", secret), undefined);
    return stringAt(data, "model", "id");
  };
  const forward: string[] = [];
  for (const _ of names) forward.push(await step({ direction: "forward" }));
  assertEquals(forward, names.map((_, n) => names[(start + n + 1) % names.length]));
  const back = await step({ direction: "backward" });
  assertEquals(back, names.at(start - 1));
  assertEquals(await step({}), OPENAI.modelId, "forward is the default");
  // The model that was cycled to is the one that answers.
  const marker = await turn(bench, wire, id, "cycled");
  assertEquals((await bench.model.request(marker)).model, OPENAI.modelId);
});

alone("cycle_model with a single model, cycle_thinking_level without reasoning: null", async (bench) => {
  const shared = { input: ["text"], contextWindow: 1000, maxTokens: 100 };
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  const model = { id: OTHER.modelId, name: "Only", reasoning: false, ...shared, cost };
  const provider = {
    baseUrl: `${bench.model.url}/v1`,
    api: "openai-completions",
    apiKey: "k",
    models: [model],
  };
  const models = { providers: { [OTHER.provider]: provider } };
  await Deno.writeTextFile(`${bench.home.agentDir}/models.json`, JSON.stringify(models));
  const settings = { defaultProvider: OTHER.provider, defaultModel: OTHER.modelId };
  await Deno.writeTextFile(`${bench.home.agentDir}/settings.json`, JSON.stringify(settings));
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  assertEquals(await dataOf(wire, { type: "cycle_model", sessionId: id }), null);
  assertEquals(await dataOf(wire, { type: "cycle_thinking_level", sessionId: id }), null);
  const level = { type: "set_thinking_level", sessionId: id, level: "high" };
  assertEquals(await wire.ok(level), { level: "off" });
});

test("thinking levels: exactly pi's, clamped to the model, sent to the model", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const set = (level: string) => wire.ok({ type: "set_thinking_level", sessionId: id, level });
  for (const level of ["off", "minimal", "medium", "high", "low"]) {
    assertEquals(await set(level), { level });
    const changed = await wire.event(id, "thinking_level_changed");
    assertEquals(at(changed, "event", "level"), level);
    assertEquals((await state(wire, id)).thinkingLevel, level);
  }
  // xhigh only where a model maps it: here it is clamped to the nearest below.
  assertEquals(await set("xhigh"), { level: "high" });
  for (const level of ["none", "HIGH", "", "constructor", "x-high"]) {
    await wire.refused("invalid_params", { type: "set_thinking_level", sessionId: id, level });
  }
  assertEquals((await state(wire, id)).thinkingLevel, "high");
  const cycle: Json[] = [];
  for (let n = 0; n < 5; n++) {
    cycle.push(at(await wire.ok({ type: "cycle_thinking_level", sessionId: id }), "level") ?? null);
  }
  assertEquals(cycle, ["off", "minimal", "low", "medium", "high"]);
  const high = await turn(bench, wire, id, "with effort");
  assertEquals((await bench.model.request(high)).body.reasoning_effort, "high");
  await set("off");
  const off = await turn(bench, wire, id, "without");
  assert(!["low", "medium", "high"].includes(String((await bench.model.request(off)).body.reasoning_effort)));
  // A model that does not reason is off, and nothing can be set on it.
  await set("high");
  await wire.ok({ type: "set_model", sessionId: id, ...OTHER });
  assertEquals((await state(wire, id)).thinkingLevel, "off");
  assertEquals(await set("high"), { level: "off" });
  assertEquals(await dataOf(wire, { type: "cycle_thinking_level", sessionId: id }), null);
});

for (
  const [kind, command, mode] of [
    ["steer", "set_steering_mode", "steeringMode"],
    ["follow_up", "set_follow_up_mode", "followUpMode"],
  ] as const
) {
  test(`${command}: "all" delivers what is queued at once, "one-at-a-time" one by one`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    for (const [value, requests] of [["all", 2], ["one-at-a-time", 3]] as const) {
      await wire.ok({ type: command, sessionId: id, mode: value });
      assertEquals((await state(wire, id))[mode], value);
      const [first, a, b] = [bench.name("first"), bench.name("queued-a"), bench.name("queued-b")];
      const gate = new Gate();
      bench.model.script(first, text(["one ", "two"], { gate }));
      const seen = bench.model.requests.length;
      wire.send({ type: "prompt", id: value, sessionId: id, message: first, waitFor: "settled" });
      // An event of the run before must not be taken for this one's.
      await bench.model.request(first);
      await wire.ok({ type: kind, sessionId: id, message: a });
      await wire.ok({ type: kind, sessionId: id, message: b });
      gate.open();
      assertEquals((await wire.response(value)).success, true);
      const made = bench.model.requests.slice(seen);
      assertEquals(made.length, requests, made.map((request) => request.userText).join(" | "));
      assertStringIncludes(JSON.stringify(made.at(-1)?.body), a);
      assertEquals(JSON.stringify(made[1]?.body).includes(b), value === "all");
    }
    await wire.refused("invalid_params", { type: command, sessionId: id, mode: "some" });
  });
}

test("set_auto_retry: off, an HTTP 500 is final and reported as such; on, it is retried", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("down");
  bench.model.script(marker, status(500, "the model is on fire"), text(["recovered"]));
  await wire.ok({ type: "set_auto_retry", sessionId: id, enabled: false });
  const prompt = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
  const failed = await wire.refused("agent_error", prompt);
  assertStringIncludes(stringAt(failed, "error"), "on fire");
  assertStringIncludes(stringAt(failed, "error"), "500");
  assertEquals(at(failed, "data", "stopReason"), "error");
  assertEquals(wire.events(id).filter((event) => event.type === "auto_retry_start"), []);
  assertEquals(bench.model.requests.filter((request) => request.userText === marker).length, 1);
  const again = bench.name("up");
  bench.model.script(again, status(500, "once"), text(["recovered"]));
  await wire.ok({ type: "set_auto_retry", sessionId: id, enabled: true });
  assertEquals((await settled(wire, id, again)).text, "recovered");
  await wire.event(id, "auto_retry_start");
  assertEquals(wire.events(id).filter((event) => event.type === "agent_settled").length, 2);
});

alone("abort_retry: ends the wait, the error is final, the session goes on", async (bench) => {
  await writeModels(bench.home.agentDir, bench.model.url, { retryBaseDelayMs: 60_000 });
  await bench.start();
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id } = await bench.watched(wire);
  bench.model.script("retry-me", status(500, "down"), text(["again"]));
  wire.send({ type: "prompt", id: "w", sessionId: id, message: "retry-me", waitFor: "settled" });
  await wire.event(id, "auto_retry_start");
  await second.ok({ type: "abort_retry", sessionId: id });
  const end = await wire.event(id, "auto_retry_end");
  assertEquals(at(end, "event", "success"), false);
  const response = await wire.response("w", 5000);
  assertEquals(response.success, false);
  assert(["agent_error", "cancelled"].includes(stringAt(response, "code")), JSON.stringify(response));
  await wire.event(id, "agent_settled");
  assertEquals((await settled(wire, id, "retry-me")).text, "again");
  await wire.ok({ type: "abort_retry", sessionId: id });
});

/** All files of the agent folder but sessions, with their bytes. */
async function userFiles(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile) files[entry.name] = await Deno.readTextFile(`${folder}/${entry.name}`);
  }
  return files;
}

test("none of it changes another session, a new one, or a byte of the user's files", async (bench) => {
  const wire = await bench.connect();
  const mine = await bench.watched(wire);
  const theirs = await bench.watched(wire);
  const project = await bench.home.folder(bench.name("project"));
  await Deno.mkdir(`${project}/.pi`);
  await Deno.writeTextFile(`${project}/.pi/settings.json`, '{ "steeringMode": "one-at-a-time" }');
  const own = await bench.watched(wire, { sessionId: bench.name("own"), cwd: project, trustProject: true });
  const files = await userFiles(bench.home.agentDir);
  const seen = async (id: string) => {
    const { model, thinkingLevel, steeringMode, followUpMode, autoCompactionEnabled } = await state(wire, id);
    return { model, thinkingLevel, steeringMode, followUpMode, autoCompactionEnabled };
  };
  const before = await seen(theirs.id);
  const opposite = (mode: Json | undefined) => mode === "all" ? "one-at-a-time" : "all";
  for (const { id } of [mine, own]) {
    const changes: JsonObject[] = [
      { type: "set_model", ...ANTHROPIC },
      { type: "set_thinking_level", level: "high" },
      { type: "cycle_thinking_level" },
      { type: "cycle_model" },
      { type: "set_steering_mode", mode: opposite(before.steeringMode) },
      { type: "set_follow_up_mode", mode: opposite(before.followUpMode) },
      { type: "set_auto_compaction", enabled: before.autoCompactionEnabled !== true },
      { type: "set_auto_retry", enabled: false },
      { type: "set_tools", tools: ["read"] },
    ];
    for (const change of changes) await wire.request({ sessionId: id, ...change });
    const now = await seen(id);
    assertEquals(now.steeringMode, opposite(before.steeringMode));
    assertEquals(now.autoCompactionEnabled, before.autoCompactionEnabled !== true);
    await turn(bench, wire, id, "with all of that");
  }
  assertEquals(await seen(theirs.id), before);
  assertEquals(await seen((await bench.session(wire)).id), before);
  const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId: theirs.id }), "tools");
  assertEquals(tools.filter((tool) => at(tool, "active")).length, 4);
  assertEquals(await userFiles(bench.home.agentDir), files);
  const text = await Deno.readTextFile(`${project}/.pi/settings.json`);
  assertEquals(text, '{ "steeringMode": "one-at-a-time" }');
  // Auto-retry is still on for the other one.
  const marker = bench.name("retries");
  bench.model.script(marker, status(500, "once"));
  await settled(wire, theirs.id, marker);
  await wire.event(theirs.id, "auto_retry_start");
});
