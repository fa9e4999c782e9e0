// What a run waits for in an extension: a tool, a handler or a provider that never answers and ignores its signal. An
// abort ends each wait within a second, and the session goes on.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { modelOf, RawModel, say } from "../../support/model/raw_model.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

/** The most that an abort may take. */
const ABORT_MS = 1_000;

const HANDLERS = [
  "input",
  "before_agent_start",
  "agent_start",
  "turn_start",
  "message_start",
  "context",
  "before_provider_request",
  "after_provider_response",
  "message_update",
  "message_end",
  "tool_call",
  "tool_execution_start",
  "tool_result",
  "tool_execution_end",
  "turn_end",
  "agent_end",
];

/** Each handler, and the tool `wait`, is stuck while the last prompt names it. */
const STUCK = `import { appendFileSync } from "node:fs";
export default function (pi) {
  let word = "";
  const stuck = (name, ctx) => {
    if (!word.includes("stuck-" + name + "-")) return undefined;
    appendFileSync(ctx.cwd + "/stuck", name + "\\n");
    return new Promise(() => {});
  };
  pi.on("input", (event, ctx) => { word = event.text; return stuck("input", ctx); });
  for (const name of ${JSON.stringify(HANDLERS.slice(1))}) pi.on(name, (_event, ctx) => stuck(name, ctx));
  for (const name of ["session_before_compact", "session_before_tree"]) {
    pi.on(name, (_event, ctx) => stuck(name, ctx));
  }
  pi.registerTool({
    name: "wait", label: "wait", description: "Waits", parameters: { type: "object", properties: {} },
    execute(_id, _params, _signal, _update, ctx) {
      return stuck("tool", ctx) ?? { content: [{ type: "text", text: "waited" }], details: {} };
    },
  });
}`;

/** Waits until the extension is stuck there. */
async function isStuck(cwd: string, name: string): Promise<void> {
  const read = async () => (await Deno.readTextFile(`${cwd}/stuck`).catch(() => "")).includes(`${name}\n`);
  await until(async () => await read() || undefined, 20_000, () => `no call of ${name}`);
}

/** Sends the command that ends the wait, and returns the answer to the other one and its time. */
async function ended(
  wire: Wire,
  command: JsonObject,
  waiting: Promise<JsonObject>,
): Promise<[JsonObject, number]> {
  const before = performance.now();
  await wire.ok(command);
  const answer = await waiting;
  return [answer, performance.now() - before];
}

async function goesOn(bench: Bench, wire: Wire, id: string): Promise<void> {
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, false);
  const marker = bench.name("again");
  bench.model.script(marker, text(["fine"]));
  assertEquals((await settled(wire, id, marker)).text, "fine");
}

alone(
  "a tool or a handler that never answers: an abort ends the run, and the session goes on",
  async (bench) => {
    await bench.home.extension("stuck", STUCK);
    await bench.start();
    const wire = await bench.connect();
    for (const name of ["tool", ...HANDLERS]) {
      const { id, cwd } = await bench.watched(wire, { sessionId: bench.name(name) });
      const marker = bench.name(`stuck-${name}-`);
      bench.model.script(marker, calls([{ name: "wait", args: {} }]), text(["done"]));
      const run = wire.request(
        { type: "prompt", sessionId: id, message: marker, waitFor: "settled" },
        30_000,
      );
      await isStuck(cwd, name);
      const [answer, ms] = await ended(wire, { type: "abort", sessionId: id }, run);
      assertEquals(answer.code, "cancelled", `${name}: ${answer.error}`);
      assert(ms < ABORT_MS, `${name}: ${ms} ms`);
      if (name !== "tool" && name !== "tool_call") {
        const error = await wire.event(id, "extension_error", (event) => event.event === name);
        assertStringIncludes(stringAt(error, "event", "error"), `before this handler of ${name} had ended`);
      } else {
        const end = await wire.event(id, "tool_execution_end");
        assertEquals(at(end, "event", "isError"), true);
        assertStringIncludes(
          JSON.stringify(end),
          name === "tool" ? "before wait had answered" : "of tool_call had ended",
        );
      }
      await goesOn(bench, wire, id);
    }
  },
);

alone("a message that is queued behind a stuck input handler is cancelled by an abort", async (bench) => {
  await bench.home.extension("stuck", STUCK);
  await bench.start();
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("stuck-tool-");
  bench.model.script(marker, calls([{ name: "wait", args: {} }]), text(["done"]));
  const run = wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 30_000);
  await isStuck(cwd, "tool");
  const steer = wire.request({ type: "steer", sessionId: id, message: bench.name("stuck-input-") }, 30_000);
  await isStuck(cwd, "input");
  const [answer, ms] = await ended(
    wire,
    { type: "abort", sessionId: id },
    Promise.all([run, steer]).then(([a]) => a),
  );
  assertEquals([answer.code, (await steer).code], ["cancelled", "cancelled"]);
  assert(ms < ABORT_MS, `${ms} ms`);
  await goesOn(bench, wire, id);
});

alone("a stuck handler of a compaction or of a branch's summary ends with its abort", async (bench) => {
  await bench.home.extension("stuck", STUCK);
  await using model = new RawModel(({ api }) => say(api, "long enough to be summarized ".repeat(20)));
  await model.register(bench.home.agentDir, { compaction: { keepRecentTokens: 10, reserveTokens: 1000 } });
  await bench.start();
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire, { ...modelOf("openai-completions") });
  await settled(wire, id, bench.name("talk"));
  await settled(wire, id, bench.name("stuck-session_before_compact-"));
  for (const type of ["abort_compaction", "abort"]) {
    await Deno.remove(`${cwd}/stuck`).catch(() => {});
    const compacting = wire.request({ type: "compact", sessionId: id }, 30_000);
    await isStuck(cwd, "session_before_compact");
    const [answer, ms] = await ended(wire, { type, sessionId: id }, compacting);
    assertEquals(answer.code, "cancelled", `${type}: ${answer.error}`);
    assert(ms < ABORT_MS, `${type}: ${ms} ms`);
  }
  await settled(wire, id, bench.name("stuck-session_before_tree-"));
  const { nodes } = await wire.ok({ type: "get_tree", sessionId: id });
  assert(Array.isArray(nodes));
  const first = nodes.find((node) => at(node, "entryType") === "message");
  const back = { type: "navigate_tree", sessionId: id, targetId: stringAt(first, "entryId") };
  const moving = wire.request({ ...back, options: { summarize: true } }, 30_000);
  await isStuck(cwd, "session_before_tree");
  const [answer, ms] = await ended(wire, { type: "abort_compaction", sessionId: id }, moving);
  assert(answer.success === false || at(answer, "data", "cancelled") === true, JSON.stringify(answer));
  assert(ms < ABORT_MS, `${ms} ms`);
  assertStringIncludes(String((await settled(wire, id, bench.name("again"))).text), "long enough");
});

/** A provider of an extension whose stream never has an event, and that knows no signal. */
const DEAF = `import { createAssistantMessageEventStream } from "@mariozechner/pi-ai";
export default function (pi) {
  const never = () => createAssistantMessageEventStream();
  pi.registerProvider("deaf", {
    baseUrl: "http://127.0.0.1:9", apiKey: "x", api: "deaf-api", streamSimple: never,
    models: [{ id: "m", name: "m", reasoning: false, input: ["text"], contextWindow: 100000, maxTokens: 4096,
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } }],
  });
}`;

alone("a provider of an extension that never answers: an abort ends the run", async (bench) => {
  await bench.home.extension("deaf", DEAF);
  await bench.start(["--turn-stall-ms", "1000"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "set_model", sessionId: id, provider: "deaf", modelId: "m" });
  const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 30_000);
  await wire.event(id, "turn_stalled", undefined, 15_000);
  const [answer, ms] = await ended(wire, { type: "abort", sessionId: id }, run);
  assertEquals(answer.code, "cancelled");
  assert(ms < ABORT_MS, `${ms} ms`);
});
