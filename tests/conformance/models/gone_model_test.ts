// A session whose model is gone continues with another one, and says so: in the answer, an event and its state. A
// model that an extension registers can be chosen at the creation, and is the session's after a restart.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, OPENAI, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire, WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const WANTED = { provider: ANTHROPIC.provider, id: ANTHROPIC.modelId };

/** The sentence about a model that a session's information holds. */
function told(info: unknown): string | undefined {
  if (at(info, "extensionErrors") === undefined) return undefined;
  const found = arrayAt(info, "extensionErrors").find((one) => at(one, "event") === "model");
  return found === undefined ? undefined : stringAt(found, "error");
}

/** Ends the server in peace, changes files, and starts it again. */
async function restarted(bench: Bench, change: () => Promise<void>): Promise<WsWire> {
  await bench.judge();
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
  await change();
  await bench.start();
  return await bench.connect();
}

/** Gives a provider another name in models.json. */
async function rename(bench: Bench, from: string, to: string): Promise<void> {
  const path = `${bench.home.agentDir}/models.json`;
  const content = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, content.replace(`"${from}":`, `"${to}":`));
}

async function stateOf(wire: Wire, sessionId: string): Promise<unknown> {
  return await wire.ok({ type: "get_state", sessionId }, 60_000);
}

/** The sentence names both models and the next step. */
function assertTells(sentence: string | undefined): void {
  for (const part of [`${WANTED.provider}/${WANTED.id}`, `${OPENAI.provider}/`, "set_model", "models.json"]) {
    assertStringIncludes(String(sentence), part);
  }
}

for (const [kind, spoken] of [["that has an answer", true], ["without a message", false]] as const) {
  alone(
    `gone model: a session ${kind} reports it after a restart, until a model is chosen`,
    async (bench) => {
      await bench.start();
      let wire = await bench.connect();
      const { id } = await bench.session(wire, ANTHROPIC);
      if (spoken) {
        bench.model.script("first-x", text(["hi"]));
        assertEquals((await settled(wire, id, "first-x")).text, "hi");
      }
      assertEquals(told(await stateOf(wire, id)), undefined);
      wire = await restarted(bench, () => rename(bench, ANTHROPIC.provider, "renamed"));
      await wire.ok({ type: "subscribe", sessionId: "*" });
      const resumed = await wire.ok({ type: "subscribe", sessionId: id }, 60_000);
      assertTells(told(at(resumed, "sessionInfo")));
      const state = await stateOf(wire, id);
      assertTells(told(state));
      assertEquals(at(state, "model", "provider"), OPENAI.provider);
      assertTells(stringAt(await wire.event(id, "extension_error"), "event", "error"));
      const issues = arrayAt(await wire.ok({ type: "health_check" }), "issues").map(String);
      assert(issues.some((one) => one.includes(`${WANTED.provider}/${WANTED.id}`)), issues.join("\n"));
      await until(
        () => bench.server.stderr.includes(`${WANTED.provider}/${WANTED.id}`),
        10_000,
        () => "the log to name the model",
      );
      // It stays until a model is chosen, also over a reload.
      await wire.ok({ type: "reload", sessionId: id }, 60_000);
      assertTells(told(await stateOf(wire, id)));
      await wire.ok({
        type: "set_model",
        sessionId: id,
        provider: "renamed",
        modelId: ANTHROPIC.modelId,
      });
      assertEquals(told(await stateOf(wire, id)), undefined);
    },
  );
}

alone("gone model: choosing the model that the session continues with ends the report", async (bench) => {
  await bench.start();
  let wire = await bench.connect();
  const { id } = await bench.session(wire, ANTHROPIC);
  wire = await restarted(bench, () => rename(bench, ANTHROPIC.provider, "renamed"));
  await wire.ok({ type: "subscribe", sessionId: id }, 60_000);
  const state = await stateOf(wire, id);
  assertTells(told(state));
  const model = { provider: stringAt(state, "model", "provider"), modelId: stringAt(state, "model", "id") };
  await wire.ok({ type: "set_model", sessionId: id, ...model });
  assertEquals(told(await stateOf(wire, id)), undefined);
  const issues = arrayAt(await wire.ok({ type: "health_check" }), "issues").map(String);
  assert(!issues.some((one) => one.includes(`${WANTED.provider}/${WANTED.id}`)), issues.join("\n"));
  // What was loaded anew knows nothing of it.
  await wire.ok({ type: "reload", sessionId: id }, 60_000);
  assertEquals(told(await stateOf(wire, id)), undefined);
});

alone("gone model: a file from elsewhere names it in the answer of load_session", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id, info } = await bench.session(wire, ANTHROPIC);
  bench.model.script("once-x", text(["hi"]));
  await settled(wire, id, "once-x");
  const state = await stateOf(wire, id);
  assertEquals(told(info), undefined);
  const content = (await Deno.readTextFile(stringAt(state, "sessionFile")))
    .replaceAll(ANTHROPIC.provider, "of-elsewhere");
  const path = `${await bench.home.folder("files")}/elsewhere.jsonl`;
  await Deno.writeTextFile(path, content);
  const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
  assertStringIncludes(String(told(at(loaded, "sessionInfo"))), `of-elsewhere/${ANTHROPIC.modelId}`);
  // The same in a session that switches to the file.
  await wire.ok({ type: "delete_session", sessionId: stringAt(loaded, "sessionId") });
  await wire.ok({ type: "subscribe", sessionId: id });
  await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: path }, 60_000);
  assertStringIncludes(String(told(await stateOf(wire, id))), `of-elsewhere/${ANTHROPIC.modelId}`);
  await wire.event(id, "extension_error");
});

const PROVIDER = (url: string): string =>
  `export default function (pi) {
  pi.registerProvider("homemade", {
    baseUrl: "${url}/v1", apiKey: "none", api: "openai-completions",
    models: [{ id: "hm-1", name: "HM", reasoning: false, input: ["text"],
      cost: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0 }, contextWindow: 1000, maxTokens: 100 }],
  });
}`;

alone("extension's model: create_session takes it, and a restart keeps it", async (bench) => {
  await bench.home.extension("provider", PROVIDER(bench.model.url));
  await bench.start();
  let wire = await bench.connect();
  const model = { provider: "homemade", modelId: "hm-1" };
  const { id, info } = await bench.session(wire, model);
  assertEquals(at(info, "sessionInfo", "model", "provider"), "homemade");
  for (const [marker, restart] of [["one-x", true], ["two-x", false]] as const) {
    bench.model.script(marker, text(["homemade answer"]));
    assertEquals((await settled(wire, id, marker)).text, "homemade answer");
    if (restart) wire = await restarted(bench, () => Promise.resolve());
  }
  const state = await stateOf(wire, id);
  assertEquals([at(state, "model", "provider"), told(state)], ["homemade", undefined]);
  const missing = { provider: "homemade", modelId: "hm-2" };
  await wire.refused("model_not_found", { type: "create_session", inMemory: true, ...missing }, 60_000);
});
