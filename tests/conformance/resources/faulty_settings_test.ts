// Faults in the files of pi's users: each is one sentence with the file's name, in the answer that creates a session,
// in its state, an event, health_check and the log. What can be read is used.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, objectAt, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench, settled } from "../suite.ts";

const MARK = "\ufeff";

async function put(path: string, content: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, content);
}

/** Starts a server on the files, and expects each of the faults in each of the places; returns the connection. */
async function expectFaults(bench: Bench, faults: readonly RegExp[]) {
  const server = await bench.start([], { env: { npm_config_prefix: `${bench.home.dir}/npm` } });
  const wire = await bench.connect();
  const cwd = await bench.home.folder("s");
  const creation = wire.ok({ type: "create_session", sessionId: "s", cwd }, 60_000);
  const subscription = wire.ok({ type: "subscribe", sessionId: "s" }, 60_000);
  const sentences = (info: unknown): string[] =>
    at(info, "extensionErrors") === undefined
      ? []
      : arrayAt(info, "extensionErrors").map((one) => stringAt(one, "error"));
  const answered = sentences(at(await creation, "sessionInfo"));
  await subscription;
  const state = sentences(await wire.ok({ type: "get_state", sessionId: "s" }));
  const health = arrayAt(await wire.ok({ type: "health_check" }), "issues").map(String);
  for (const fault of faults) {
    for (const [place, list] of Object.entries({ answered, state, health })) {
      assert(list.some((one) => fault.test(one)), `${fault} is not in ${place}: ${list.join("\n")}`);
    }
    await wire.event("s", "extension_error", (event) => fault.test(String(event.error)));
    // The log escapes quotes.
    const log = (): string => server.stderr.replaceAll('\\"', '"');
    await until(() => fault.test(log()), 10_000, () => `${fault} in the log: ${server.stderr}`);
  }
  assertEquals(answered.length, faults.length, answered.join("\n"));
  return wire;
}

alone(
  "faulty settings: keys of a wrong type, a comma, paths and packages that are not there",
  async (bench) => {
    const { agentDir } = bench.home;
    const settings = {
      compaction: "yes",
      packages: { a: 1 },
      shellPath: 4,
      extensions: ["/nowhere/ext.ts", 7],
      defaultProvider: "scripted",
      defaultModel: "no-such",
    };
    const withComma = JSON.stringify(settings).replace(/\}$/, ",}");
    await put(`${agentDir}/settings.json`, withComma);
    await put(
      `${agentDir}/extensions/pk/package.json`,
      JSON.stringify({ name: "pk", pi: { extensions: "x" } }),
    );
    await put(
      `${agentDir}/extensions/gone/package.json`,
      JSON.stringify({ name: "g", pi: { extensions: ["./g.ts"] } }),
    );
    await put(`${agentDir}/skills/bad/SKILL.md`, "---\nname: bad\ndescription: a: b: [c\n---\nx\n");
    await put(`${agentDir}/prompts/bad.md`, "---\ndescription: a: b: [c\n---\nx\n");
    const wire = await expectFaults(bench, [
      /settings\.json: the comma in line 1/,
      /settings\.json: "compaction" must be an object/,
      /settings\.json: "packages" must be a list/,
      /settings\.json: "shellPath" must be a text/,
      /settings\.json: "extensions\[1\]" must be a text/,
      /\/nowhere\/ext\.ts, which .*settings\.json names, does not exist/,
      /settings\.json names the model scripted\/no-such/,
      /pk\/package\.json: "pi\.extensions" must be a list/,
      /gone\/package\.json names the extension \.\/g\.ts/,
      /skills\/bad\/SKILL\.md: /,
      // pi 1.6 itself says what is wrong with it.
      ON_1_6
        ? /prompts\/bad\.md: Nested mappings/
        : /prompts\/bad\.md: its head between the lines --- is not valid YAML/,
    ]);
    bench.model.script("still", text(["works"]));
    assertEquals((await settled(wire, "s", "still")).text, "works");
  },
);

alone("faulty settings: packages that are not installed and a broken auth.json", async (bench) => {
  const { agentDir } = bench.home;
  await put(
    `${agentDir}/settings.json`,
    JSON.stringify({ packages: ["npm:no-such-package-of-pi", null, "../gone"] }),
  );
  await put(`${agentDir}/auth.json`, '{"oa": {"type": "api_key", "key": "sk-secret-of-mine"');
  await expectFaults(bench, [
    /The package npm:no-such-package-of-pi is not installed/,
    /settings\.json: "packages\[1\]" must be/,
    /The package \.\.\/gone is not installed/,
    /auth\.json is not valid JSON \(line 1, column \d+/,
  ]);
  assert(!bench.server.stderr.includes("sk-secret"));
});

for (
  const [what, content, fault] of [
    ["an empty file", "", /models\.json is not valid JSON/],
    ["a list", "[]", /models\.json is not used/],
    ["a number as text", undefined, /models\.json is not used: .*contextWindow/],
  ] as const
) {
  alone(`faulty settings: models.json is ${what}`, async (bench) => {
    const path = `${bench.home.agentDir}/models.json`;
    const good = await Deno.readTextFile(path);
    await put(path, content ?? good.replace(/"contextWindow":\s*\d+/, '"contextWindow": "200000"'));
    await expectFaults(bench, [fault, /settings\.json names the model scripted-openai/]);
  });
}

alone("faulty settings: a comma too many in models.json is reported, and the models count", async (bench) => {
  const path = `${bench.home.agentDir}/models.json`;
  await put(path, (await Deno.readTextFile(path)).trimEnd().replace(/\}$/, ",}"));
  const wire = await expectFaults(bench, [/models\.json: the comma in line \d+, column \d+ is too much/]);
  bench.model.script("still", text(["works"]));
  assertEquals((await settled(wire, "s", "still")).text, "works");
});

alone("faulty settings: a byte order mark and comments are read in silence", async (bench) => {
  const { agentDir } = bench.home;
  const models = await Deno.readTextFile(`${agentDir}/models.json`);
  if (!ON_1_6) await put(`${agentDir}/models.json`, `${MARK}/* mine */ // and yours\n${models}`);
  await put(`${agentDir}/settings.json`, `${MARK}{\n// which queue\n"steeringMode": "all"\n}`);
  await put(
    `${agentDir}/skills/tidy/SKILL.md`,
    `${MARK}---\nname: tidy\ndescription: Tidies up\n---\nDo it.\n`,
  );
  await put(`${agentDir}/prompts/review.md`, `${MARK}---\ndescription: Reviews\n---\nReview $1\n`);
  if (!ON_1_6) await put(`${agentDir}/auth.json`, `${MARK}{"scripted": {"type": "api_key", "key": "K"}}`);
  const wire = await expectFaults(bench, []);
  assertEquals(at(await wire.ok({ type: "get_state", sessionId: "s" }), "steeringMode"), "all");
  const skills = arrayAt(await wire.ok({ type: "get_skills", sessionId: "s" }), "skills").map((one) =>
    objectAt(one)
  );
  assertEquals(skills.map(({ name, description }) => [name, description]), [["tidy", "Tidies up"]]);
  const commands = arrayAt(await wire.ok({ type: "get_commands", sessionId: "s" }), "commands");
  assertEquals(at(commands.find((one) => at(one, "name") === "review"), "description"), "Reviews");
  bench.model.script("Review this", text(["reviewed"]));
  assertEquals((await settled(wire, "s", "/review this")).text, "reviewed");
  const { systemPrompt, userText } = await bench.model.request("Review this").then((request) => ({
    systemPrompt: JSON.stringify(request.body),
    userText: request.userText,
  }));
  assertStringIncludes(systemPrompt, "Tidies up");
  assert(!userText.includes("---"), userText);
});
