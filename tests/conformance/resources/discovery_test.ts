// What a session has at hand (docs/PROTOCOL.md#commands-on-history-and-discovery): slash commands, prompt templates, skills and tools, from the user's folder
// and from a trusted project; and reload, which loads new files and harms no other session.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { hang, text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, DEMO, settled, shared } from "../suite.ts";

const skill = (name: string, body: string) =>
  `---\nname: ${name}\ndescription: Knows ${name}\n---\n\n# ${name}\n\n${body}\n`;
const template = (body: string) => `---\ndescription: Says ${body.slice(0, 5)}\n---\n${body}\n`;
const commandExtension = (name: string) =>
  `export default function (pi) {
  pi.registerCommand("${name}", { description: "Does ${name}", handler: async () => {} });
}`;

async function write(path: string, content: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, content);
}

/** The user's own template, skill and extension. */
async function userResources(bench: Bench): Promise<void> {
  const { agentDir } = bench.home;
  await write(`${agentDir}/prompts/greet.md`, template("Greet $1 and then $@"));
  await write(`${agentDir}/skills/baking/SKILL.md`, skill("baking", "Preheat the oven."));
  await write(`${agentDir}/extensions/user.ts`, commandExtension("user-command"));
}

const test = shared([], userResources);

async function commandsOf(wire: Wire, sessionId: string): Promise<Map<string, JsonObject>> {
  const data = await wire.ok({ type: "get_commands", sessionId });
  return new Map(arrayAt(data, "commands").map((each) => [stringAt(each, "name"), each as JsonObject]));
}

async function activeTools(wire: Wire, sessionId: string): Promise<string[]> {
  const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId }), "tools");
  return tools.filter((tool) => at(tool, "active") === true).map((tool) => stringAt(tool, "name")).sort();
}

/** What the model was offered in the request with that marker. */
async function offered(bench: Bench, marker: string, n = 0): Promise<string[]> {
  const { body } = await bench.model.request(marker, n);
  const tools = Array.isArray(body.tools) ? body.tools : [];
  return tools.map((tool) => stringAt(tool, "function", "name")).sort();
}

test("get_commands: extension, prompt and skill commands with their source", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const commands = await commandsOf(wire, id);
  const source = (name: string) => at(commands.get(name), "source");
  assertEquals(
    [source("user-command"), source("greet"), source("skill:baking")],
    ["extension", "prompt", "skill"],
  );
  assertEquals(at(commands.get("user-command"), "description"), "Does user-command");
  assertEquals(at(commands.get("greet"), "description"), "Says Greet");
  assertEquals(at(commands.get("skill:baking"), "description"), "Knows baking");
  const skills = arrayAt(await wire.ok({ type: "get_skills", sessionId: id }), "skills");
  const baking = skills.find((each) => at(each, "name") === "baking");
  const dir = `${bench.home.agentDir}/skills/baking`;
  assertEquals(
    [at(baking, "description"), at(baking, "filePath"), at(baking, "baseDir")],
    ["Knows baking", `${dir}/SKILL.md`, dir],
  );
});

test("templates, skills and slash commands work through prompt", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const name = bench.name("guest");
  bench.model.script(name, text(["greeted"]));
  assertEquals((await settled(wire, id, `/greet ${name} twice`)).text, "greeted");
  assertEquals((await bench.model.request(name)).userText.trim(), `Greet ${name} and then ${name} twice`);
  const bread = bench.name("bread");
  bench.model.script(bread, text(["baked"]));
  assertEquals((await settled(wire, id, `/skill:baking ${bread}`)).text, "baked");
  const seen = (await bench.model.request(bread)).userText;
  assertStringIncludes(seen, "Preheat the oven.");
  assertStringIncludes(seen, '<skill name="baking"');
  const handled = await wire.ok({
    type: "prompt",
    sessionId: id,
    message: "/user-command",
    waitFor: "settled",
  });
  assertEquals([handled.disposition, handled.text], ["handled", null]);
  // An unknown command goes to the model unchanged.
  for (const unknown of ["/constructor", "/__proto__", "/skill:none"]) {
    const marker = `${unknown} ${bench.name("unknown")}`;
    bench.model.script(marker, text(["as it is"]));
    assertEquals((await settled(wire, id, marker)).text, "as it is");
  }
});

test("a trusted project's template, skill and command are there; an untrusted one's are not", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("project"));
  await write(`${cwd}/.pi/prompts/local.md`, template("Local words"));
  await write(`${cwd}/.pi/skills/gardening/SKILL.md`, skill("gardening", "Water it."));
  await write(`${cwd}/.pi/extensions/mine.ts`, commandExtension("project-command"));
  const names = ["local", "skill:gardening", "project-command"];
  const trusted = await bench.watched(wire, { sessionId: bench.name("t"), cwd, trustProject: true });
  const there = await commandsOf(wire, trusted.id);
  assertEquals(names.filter((name) => there.has(name)), names);
  assert(there.has("greet") && there.has("skill:baking"), "the user's own are gone");
  const untrusted = await bench.watched(wire, { sessionId: bench.name("u"), cwd: await copyOf(bench, cwd) });
  const here = await commandsOf(wire, untrusted.id);
  assertEquals(names.filter((name) => here.has(name)), []);
  assert(here.has("greet") && here.has("skill:baking"));
});

/** A folder with the same `.pi` that is not trusted. */
async function copyOf(bench: Bench, from: string): Promise<string> {
  const to = await bench.home.folder(bench.name("copy"));
  for (const path of ["prompts/local.md", "skills/gardening/SKILL.md", "extensions/mine.ts"]) {
    await write(`${to}/.pi/${path}`, await Deno.readTextFile(`${from}/.pi/${path}`));
  }
  return to;
}

test("get_tools, set_tools: the model is offered exactly those; unknown names change nothing", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const other = await bench.watched(wire);
  const all = arrayAt(await wire.ok({ type: "get_tools", sessionId: id }), "tools");
  const names = all.map((tool) => stringAt(tool, "name")).sort();
  for (const name of ["bash", "edit", "find", "grep", "ls", "read", "write"]) {
    assert(names.includes(name), name);
  }
  assertEquals(await activeTools(wire, id), ["bash", "edit", "read", "write"]);
  const turn = async (sessionId: string) => {
    const marker = bench.name("tools");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, sessionId, marker);
    return await offered(bench, marker);
  };
  assertEquals(await turn(id), ["bash", "edit", "read", "write"]);
  await wire.ok({ type: "set_tools", sessionId: id, tools: ["read", "grep"] });
  assertEquals(await activeTools(wire, id), ["grep", "read"]);
  assertEquals(await turn(id), ["grep", "read"]);
  const wrong = [["read", "reed"], ["constructor"], ["READ"]];
  for (const tools of wrong) {
    await wire.refused("invalid_params", { type: "set_tools", sessionId: id, tools });
  }
  await wire.refused("invalid_params", { type: "set_tools", sessionId: id, tools: "read" });
  assertEquals(await activeTools(wire, id), ["grep", "read"]);
  await wire.ok({ type: "set_tools", sessionId: id, tools: [] });
  assertEquals(await activeTools(wire, id), []);
  assertEquals(await turn(id), []);
  assertEquals(await activeTools(wire, other.id), ["bash", "edit", "read", "write"]);
  assertEquals(await turn(other.id), ["bash", "edit", "read", "write"]);
});

test("set_tools: the tools of create_session bound it", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { tools: ["read", "grep"] });
  await wire.ok({ type: "set_tools", sessionId: id, tools: ["grep"] });
  assertEquals(await activeTools(wire, id), ["grep"]);
  await wire.refused("invalid_params", { type: "set_tools", sessionId: id, tools: ["read", "bash"] });
  assertEquals(await activeTools(wire, id), ["grep"]);
});

test("reload: new templates, skills, extensions and settings; history, model and id stay", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const cwd = await bench.home.folder(bench.name("reloads"));
  const { id } = await bench.watched(wire, { sessionId: bench.name("r"), cwd, trustProject: true });
  await second.ok({ type: "subscribe", sessionId: id });
  await wire.ok({ type: "set_thinking_level", sessionId: id, level: "high" });
  const first = bench.name("before");
  bench.model.script(first, text(["remembered"]));
  await settled(wire, id, first);
  for (const each of [wire, second]) await each.event(id, "agent_settled");
  const before = await wire.ok({ type: "get_state", sessionId: id });
  await write(`${cwd}/.pi/prompts/fresh.md`, template("Fresh $1"));
  await write(`${cwd}/.pi/skills/fresh/SKILL.md`, skill("fresh", "New words."));
  await write(`${cwd}/.pi/extensions/fresh.ts`, commandExtension("fresh-command"));
  const names = ["fresh", "skill:fresh", "fresh-command"];
  const early = await commandsOf(wire, id);
  assertEquals(names.filter((name) => early.has(name)), []);
  await wire.ok({ type: "reload", sessionId: id });
  const late = await commandsOf(wire, id);
  assertEquals(names.filter((name) => late.has(name)), names);
  const after = await wire.ok({ type: "get_state", sessionId: id });
  for (const field of ["sessionFile", "model", "thinkingLevel", "messageCount", "epoch", "cwd"]) {
    assertEquals(after[field], before[field], field);
  }
  const marker = bench.name("after");
  bench.model.script(marker, text(["still here"]));
  assertEquals((await settled(wire, id, `/fresh ${marker}`)).text, "still here");
  assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "remembered");
  await second.event(id, "agent_settled");
  assertEquals(wire.events(id).filter((event) => event.type === "agent_settled").length, 2);
});

/** A provider with an API of its own, as an extension registers it. */
const PROVIDER = `
import { createAssistantMessageEventStream } from "@mariozechner/pi-ai";
export default function (pi) {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  pi.registerProvider("homemade", {
    baseUrl: "http://127.0.0.1:9", apiKey: "none", api: "homemade-api",
    models: [{ id: "hm-1", name: "HM", reasoning: false, input: ["text"], cost, contextWindow: 1000, maxTokens: 100 }],
    streamSimple(model) {
      const stream = createAssistantMessageEventStream();
      const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, cost: { ...cost, total: 0 } };
      const message = { role: "assistant", content: [{ type: "text", text: "homemade answer" }], api: model.api,
        provider: model.provider, model: model.id, usage, stopReason: "stop", timestamp: Date.now() };
      queueMicrotask(() => {
        const [contentIndex, partial] = [0, message];
        stream.push({ type: "start", partial });
        stream.push({ type: "text_start", contentIndex, partial });
        stream.push({ type: "text_delta", contentIndex, delta: "homemade answer", partial });
        stream.push({ type: "text_end", contentIndex, content: "homemade answer", partial });
        stream.push({ type: "done", reason: "stop", message });
        stream.end();
      });
      return stream;
    },
  });
}`;

alone("reload in one session leaves other sessions' providers and the demo model alone", async (bench) => {
  await bench.start(["--demo"]);
  const wire = await bench.connect();
  const demo = await bench.watched(wire, { provider: DEMO.provider, modelId: DEMO.modelId });
  const cwd = await bench.home.folder("homemade");
  await write(`${cwd}/.pi/extensions/provider.ts`, PROVIDER);
  const own = await bench.watched(wire, { sessionId: "homemade", cwd, trustProject: true });
  await wire.ok({ type: "set_model", sessionId: own.id, provider: "homemade", modelId: "hm-1" });
  assertEquals((await settled(wire, own.id, "hello")).text, "homemade answer");
  const third = await bench.watched(wire);
  // A provider of one session's extension does not exist in another session.
  await wire.refused("model_not_found", {
    type: "set_model",
    sessionId: third.id,
    provider: "homemade",
    modelId: "hm-1",
  });
  const answers = async () => {
    assertStringIncludes(stringAt(await settled(wire, demo.id, "hello"), "text"), "hello");
    assertEquals((await settled(wire, own.id, "hello")).text, "homemade answer");
  };
  await wire.ok({ type: "reload", sessionId: third.id });
  await answers();
  await wire.ok({ type: "reload", sessionId: demo.id });
  await answers();
  await wire.ok({ type: "reload", sessionId: own.id });
  await answers();
  await wire.ok({ type: "delete_session", sessionId: third.id });
  await answers();
});

test("reload while busy is refused; a reload that meets a broken extension keeps the session", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("broken"));
  const { id } = await bench.watched(wire, { sessionId: bench.name("b"), cwd, trustProject: true });
  const marker = bench.name("busy");
  bench.model.script(marker, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await wire.event(id, "message_update");
  await wire.refused("agent_busy", { type: "reload", sessionId: id });
  await wire.ok({ type: "abort", sessionId: id });
  await wire.event(id, "agent_settled");
  await write(`${cwd}/.pi/extensions/broken.ts`, "export default function () { throw new Error('no'); }");
  await wire.ok({ type: "reload", sessionId: id });
  const after = bench.name("after");
  bench.model.script(after, text(["fine"]));
  assertEquals((await settled(wire, id, after)).text, "fine");
  const error = await wire.event(id, "extension_error", () => true, 2000);
  assertEquals(at(error, "event", "event"), "load");
});
