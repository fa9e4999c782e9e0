// health_check names a fault for as long as it lasts, and not longer: a model, a tool, a handler, a command or a login
// that does not answer, and a session file that cannot be loaded. docs/OPERATIONS.md has the table.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, stringAt } from "../../support/base/json.ts";
import { calls, hang, text } from "../../support/model/model_server.ts";
import { modelOf, RawModel, say } from "../../support/model/raw_model.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, settled } from "../suite.ts";

const SOON = ["--turn-stall-ms", "1000"];

/** A tool, a handler and a command that never answer. */
const STUCK = `export default function (pi) {
  const never = () => new Promise(() => {});
  pi.on("input", ({ text }) => text.startsWith("stuck-input") ? never() : undefined);
  pi.on("session_before_compact", never);
  pi.registerCommand("never", { description: "never", handler: never });
  pi.registerTool({
    name: "wait", label: "wait", description: "Waits", parameters: { type: "object", properties: {} },
    execute: never,
  });
}`;

async function issues(wire: Wire): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "health_check" }, 60_000), "issues").map(String);
}

/** Waits until health_check has exactly these issues. Each is a text within its sentence. */
async function hasIssues(wire: Wire, ...parts: string[]): Promise<void> {
  let seen: string[] = [];
  await until(
    async () => {
      seen = await issues(wire);
      return seen.length === parts.length && parts.every((part, index) => seen[index]?.includes(part)) ||
        undefined;
    },
    30_000,
    () => `health_check says ${JSON.stringify(seen)} instead of ${JSON.stringify(parts)}`,
  );
}

alone("health: a run that waits for its model is named until it is aborted", async (bench) => {
  await bench.start(SOON);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("silent");
  bench.model.script(marker, hang());
  const run = wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
  await bench.model.request(marker);
  await hasIssues(wire, `The run of session "${id}" has been silent`);
  await wire.event(id, "turn_stalled");
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await run).code, "cancelled");
  assertEquals(await issues(wire), []);
});

alone("health: a tool, a handler and commands of an extension that never answer are named", async (bench) => {
  await bench.home.extension("stuck", STUCK);
  await bench.start(SOON);
  const wire = await bench.connect();
  const sessions = [];
  for (const name of ["tool", "input", "never"]) {
    sessions.push(await bench.watched(wire, { sessionId: bench.name(name) }));
  }
  const [tool, input, never] = sessions.map(({ id }) => id);
  const marker = bench.name("call");
  bench.model.script(marker, calls([{ name: "wait", args: {} }]), text(["done"]));
  const run = wire.request(
    { type: "prompt", sessionId: tool, message: marker, waitFor: "settled" },
    60_000,
  );
  await hasIssues(wire, `"${tool}" has been silent`);
  assertStringIncludes((await issues(wire))[0] ?? "", "it waits for the tool wait; abort ends the wait");
  await wire.ok({ type: "abort", sessionId: tool });
  await run;
  assertEquals(await issues(wire), []);

  const prompt = wire.request({ type: "prompt", sessionId: input, message: "stuck-input" }, 60_000);
  await hasIssues(wire, `"${input}" has been silent`);
  assertStringIncludes((await issues(wire))[0] ?? "", "its command prompt has not ended");
  await wire.ok({ type: "abort", sessionId: input });
  assertEquals((await prompt).success, false);
  assertEquals(await issues(wire), []);

  // Nothing ends this one but the end of its session.
  await wire.ok({ type: "prompt", sessionId: never, message: "/never with words" });
  await hasIssues(wire, `"${never}" has been silent`);
  assertStringIncludes((await issues(wire))[0] ?? "", "its command /never has not ended");
  await wire.ok({ type: "delete_session", sessionId: never });
  assertEquals(await issues(wire), []);
});

alone("health: a compaction that an extension holds up is named", async (bench) => {
  await bench.home.extension("stuck", STUCK);
  await using model = new RawModel(({ api }) => say(api, "long enough to be summarized ".repeat(20)));
  await model.register(bench.home.agentDir, { compaction: { keepRecentTokens: 10, reserveTokens: 1000 } });
  await bench.start(SOON);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { ...modelOf("openai-completions") });
  for (let i = 0; i < 2; i++) await settled(wire, id, bench.name("talk"));
  const compacting = wire.request({ type: "compact", sessionId: id }, 60_000);
  await hasIssues(wire, `"${id}" has been silent`);
  assertStringIncludes((await issues(wire))[0] ?? "", "its command compact has not ended");
  await wire.ok({ type: "abort_compaction", sessionId: id });
  assertEquals((await compacting).success, false);
  assertEquals(await issues(wire), []);
});

alone("health: a run that waits for a person is not named", async (bench) => {
  const ask = `export default function (pi) {
    pi.registerTool({
      name: "ask", label: "ask", description: "Asks", parameters: { type: "object", properties: {} },
      execute: async (_id, _params, _signal, _update, ctx) => {
        const answer = await ctx.ui.confirm("Go on?", "really");
        return { content: [{ type: "text", text: String(answer) }], details: {} };
      },
    });
  }`;
  await bench.home.extension("ask", ask);
  await bench.start(SOON);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("ask");
  bench.model.script(marker, calls([{ name: "ask", args: {} }]), text(["done"]));
  const run = wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
  const asked = await wire.event(id, "extension_ui_request");
  await wire.event(id, "turn_stalled", (event) => event.phase === "ui");
  assertEquals(await issues(wire), []);
  const response = { method: "confirm", confirmed: true };
  const requestId = stringAt(asked, "event", "requestId");
  await wire.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
  await run;
});

alone("health: a login whose refresh is not answered is named until it is", async (bench) => {
  const answered = `${bench.home.agentDir}/answered`;
  const extension = `import { existsSync } from "node:fs";
  export default function (pi) {
    const answer = async () => {
      while (!existsSync(${
    JSON.stringify(answered)
  })) await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error("refused");
    };
    pi.registerProvider("slow", {
      baseUrl: "http://127.0.0.1:9", api: "openai-completions",
      oauth: {
        name: "Slow", login: async () => { throw new Error("no"); },
        refreshToken: answer, getApiKey: (credentials) => credentials.access,
      },
      models: [{ id: "m", name: "m", reasoning: false, input: ["text"], contextWindow: 100000, maxTokens: 4096,
        cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } }],
    });
  }`;
  await using model = new RawModel(({ api }) => say(api, "fine"));
  await model.register(bench.home.agentDir);
  const login = { type: "oauth", access: "a", refresh: "r", expires: 1 };
  await Deno.writeTextFile(`${bench.home.agentDir}/auth.json`, JSON.stringify({ slow: login }));
  await bench.home.extension("slow", extension);
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { ...modelOf("openai-completions") });
  await wire.ok({ type: "set_model", sessionId: id, provider: "slow", modelId: "m" });
  const run = wire.request({ type: "prompt", sessionId: id, message: "go", waitFor: "settled" }, 60_000);
  await hasIssues(wire, "A provider has not answered the refresh of its login");
  await Deno.writeTextFile(answered, "");
  await run;
  assert(!(await issues(wire)).some((issue) => issue.includes("refresh of its login for 5 s")));
});

alone("health: a session file that cannot be loaded is named until it can be", async (bench) => {
  await bench.start(["--max-sessions", "1"]);
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const marker = bench.name("kept");
  bench.model.script(marker, text(["kept"]));
  await settled(wire, id, marker);
  const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
  // Another session takes its place.
  await bench.session(wire);
  const whole = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, circular(whole));
  assertEquals(await issues(wire), []);
  const refused = await wire.request({ type: "get_messages", sessionId: id }, 60_000);
  assertEquals(refused.code, "session_file_damaged");
  const [issue, ...others] = await issues(wire);
  assertStringIncludes(issue ?? "", `Session "${id}" could not be loaded when it was last needed: `);
  assertStringIncludes(issue ?? "", "ancestor");
  assertEquals(others, []);
  await Deno.writeTextFile(file, whole);
  await wire.ok({ type: "get_messages", sessionId: id }, 60_000);
  assertEquals(await issues(wire), []);
});

/** The first entry gets the last one as its parent. */
function circular(file: string): string {
  const [header = "", ...lines] = file.trimEnd().split("\n");
  const entries = lines.map((line): { id: string; parentId: string | null } => JSON.parse(line));
  const [first] = entries;
  if (first !== undefined) first.parentId = entries.at(-1)?.id ?? null;
  return [header, ...entries.map((entry) => JSON.stringify(entry))].join("\n") + "\n";
}
