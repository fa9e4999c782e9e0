// What only pi 1.6 has: the capabilities tell it before, the events of its own come, and the older engine says that it
// lacks a thing.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { Gate, OPENAI, status, text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { Entries, header } from "../../support/model/session_file.ts";
import { withSummary } from "../../support/model/summaries.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const OWN = [
  ...["thinking_level_max", "entry_appended", "summarization_retry"],
  ...["mcp", "codemode", "tool_search", "virtual_models"],
];

/** Gives the first scripted model every level of thinking, and lets pi try again at once. */
async function everyLevel(bench: Bench): Promise<void> {
  const file = `${bench.home.agentDir}/models.json`;
  const models: JsonObject = JSON.parse(await Deno.readTextFile(file));
  const first = arrayAt(models, "providers", OPENAI.provider, "models")[0] as JsonObject;
  first["thinkingLevelMap"] = { xhigh: "xhigh", max: "max" };
  await Deno.writeTextFile(file, JSON.stringify(models));
  const path = `${bench.home.agentDir}/settings.json`;
  const settings: JsonObject = JSON.parse(await Deno.readTextFile(path));
  const changed = { ...settings, retry: { enabled: true, maxRetries: 2, baseDelayMs: 1 } };
  await Deno.writeTextFile(path, JSON.stringify(changed));
  await bench.home.extension(
    "notes",
    `export default (pi) => {
       pi.on("input", async (event) => {
         if (!event.text.includes("swallow")) return;
         await new Promise((resolve) => setTimeout(resolve, 1));
         return { action: "handled" };
       });
       pi.registerCommand("keep", { description: "Keeps", handler: async (what) => pi.appendEntry("kept", { what }) });
     };`,
  );
}

const test = shared([], everyLevel);

async function levelsOf(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_available_thinking_levels", sessionId }), "levels").map(String);
}

test("engine features: greeting and hello name what this engine can", async (bench) => {
  const wire = await bench.connect();
  const greeted = arrayAt(wire.messages[0], "data", "capabilities").map(String);
  assertEquals(OWN.filter((one) => greeted.includes(one)), ON_1_6 ? OWN : []);
  assert(greeted.includes("thinking_levels"));
  assertEquals(arrayAt(await wire.ok({ type: "hello" }), "capabilities"), greeted);
});

test("engine features: the levels of a model, with max where this pi has it", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const usual = ["off", "minimal", "low", "medium", "high", "xhigh"];
  assertEquals(await levelsOf(wire, id), ON_1_6 ? [...usual, "max"] : usual);
  const { id: dull } = await bench.session(wire, { provider: OPENAI.provider, modelId: "gpt-other" });
  assertEquals(await levelsOf(wire, dull), ["off"]);
  const most = { type: "set_thinking_level", sessionId: id, level: "max" };
  const created = { type: "create_session", sessionId: "most", cwd: await bench.home.folder("most") };
  if (!ON_1_6) {
    for (const command of [most, { ...created, thinkingLevel: "max" }]) {
      const refusal = await wire.refused("not_supported_by_engine", command, 60_000);
      assertStringIncludes(stringAt(refusal, "error"), "xhigh");
    }
    return;
  }
  assertEquals((await wire.ok(most)).level, "max");
  assertEquals(at(await wire.event(id, "thinking_level_changed"), "event", "level"), "max");
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).thinkingLevel, "max");
  const marker = bench.name("deep");
  bench.model.script(marker, text(["thought"]));
  assertEquals((await settled(wire, id, marker)).text, "thought");
  assertEquals((await bench.model.request(marker)).body["reasoning_effort"], "max");
  const info = await wire.ok({ ...created, thinkingLevel: "max" }, 60_000);
  assertEquals(at(info, "sessionInfo", "thinkingLevel"), "max");
});

alone(
  "engine features: a file with the level max keeps it, or gets the highest of this pi",
  async (bench) => {
    await everyLevel(bench);
    await bench.start(["--root", bench.home.agentDir]);
    const wire = await bench.connect();
    const entries = new Entries();
    entries.custom({ type: "thinking_level_change", thinkingLevel: "max" });
    entries.user("one");
    entries.assistant("two");
    const path = `${await bench.home.folder("levels")}/2025-01-01T00-00-00-000Z_levels.jsonl`;
    const lines = [header("levels", await bench.home.folder("levels")), ...entries.all];
    await Deno.writeTextFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
    assertEquals(at(loaded, "sessionInfo", "thinkingLevel"), ON_1_6 ? "max" : "xhigh");
    await wire.ok({ type: "new_session", sessionId: stringAt(loaded, "sessionId") }, 60_000);
    const id = stringAt(loaded, "sessionId");
    await wire.ok({ type: "set_thinking_level", sessionId: id, level: "low" });
    await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: path }, 60_000);
    const { thinkingLevel } = await wire.ok({ type: "get_state", sessionId: id });
    assertEquals(thinkingLevel, ON_1_6 ? "max" : "xhigh");
  },
);

test("engine features: an entry of an extension is an event on 1.6, and in the tree on both", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("said");
  bench.model.script(marker, text(["said"]));
  await settled(wire, id, marker);
  await wire.ok({ type: "prompt", sessionId: id, message: "/keep this", waitFor: "settled" }, 60_000);
  const nodes = arrayAt(await wire.ok({ type: "get_tree", sessionId: id }), "nodes");
  const kept = nodes.find((node) => at(node, "entryType") === "custom");
  assert(kept !== undefined, JSON.stringify(nodes));
  const told = wire.events(id).filter((event) => event.type === "entry_appended");
  assertEquals(told.length, ON_1_6 ? 1 : 0);
  if (!ON_1_6) return;
  const entry = at(told[0], "entry");
  assertEquals([at(entry, "type"), at(entry, "customType"), at(entry, "data", "what")], [
    "custom",
    "kept",
    "this",
  ]);
  assertEquals(at(entry, "id"), at(kept, "entryId"));
});

test("engine features: a summary that fails is asked for again on 1.6, and the events tell", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  for (const said of ["a long answer ".repeat(20), "the recent answer ".repeat(20)]) {
    const marker = bench.name("turn");
    bench.model.script(marker, text([said]));
    await settled(wire, id, marker);
  }
  let asked = 0;
  const response = await withSummary(
    bench.model,
    () => asked++ === 0 ? status(529, "overloaded_error: busy") : text(["the gist"]),
    () => wire.request({ type: "compact", sessionId: id }, 60_000),
  );
  const retries = wire.events(id).filter((event) => String(event.type).startsWith("summarization_retry"));
  if (!ON_1_6) {
    assertEquals([response.success, retries.length], [false, 0]);
    return;
  }
  assertEquals(response.success, true, JSON.stringify(response));
  assertEquals(retries.map((event) => event.type), [
    "summarization_retry_scheduled",
    "summarization_retry_attempt_start",
    "summarization_retry_finished",
  ]);
  assertStringIncludes(stringAt(retries[0], "errorMessage"), "busy");
  assertEquals([at(retries[1], "source"), at(retries[1], "reason")], ["compaction", "manual"]);
});

test("engine features: clear_queue returns what waits, and each message tells its disposition", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const gate = new Gate();
  const marker = bench.name("held");
  bench.model.script(marker, text(["a", "b"], { gate }));
  const started = await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await bench.model.request(marker);
  const swallowed = await wire.ok({ type: "steer", sessionId: id, message: "swallow this" });
  const steered = await wire.ok({ type: "steer", sessionId: id, message: "left" });
  const followed = await wire.ok({ type: "follow_up", sessionId: id, message: "then right" });
  const also = { type: "prompt", sessionId: id, message: "also", streamingBehavior: "followUp" };
  const queued = await wire.ok(also);
  assertEquals(
    [started, swallowed, steered, followed, queued].map(({ disposition }) => disposition),
    ["started", "handled", "queued", "queued", "queued"],
  );
  const cleared = await wire.ok({ type: "clear_queue", sessionId: id });
  assertEquals(cleared, { steering: ["left"], followUp: ["then right", "also"] });
  gate.open();
  await wire.event(id, "agent_settled");
  const idle = await wire.ok({ type: "prompt", sessionId: id, message: "swallow it idle" });
  assertEquals(idle.disposition, "handled");
});
