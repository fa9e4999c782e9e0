// Real extensions from a project's `.pi/extensions` on every build: one that registers a tool, ones that throw
// where they can, one that prints everywhere, ones that never return. What they break stays theirs.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { SPINNER } from "../../support/extensions/spinner.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, listed, settled, shared } from "../suite.ts";

const test = shared();

/** A trusted session in a folder with these extensions. */
async function withExtensions(
  bench: Bench,
  wire: Wire,
  sources: Record<string, string>,
): Promise<{ id: string; cwd: string }> {
  const cwd = await bench.home.folder(bench.name("ext"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  for (const [name, source] of Object.entries(sources)) {
    await Deno.writeTextFile(`${cwd}/.pi/extensions/${name}.ts`, source);
  }
  const { id } = await bench.watched(wire, { sessionId: bench.name("ext"), cwd, trustProject: true });
  return { id, cwd };
}

/** A tool whose body is given; `ctx`, `params`, `signal` and `update` are in scope. */
function tool(name: string, body: string): string {
  return `pi.registerTool({
    name: "${name}", label: "${name}", description: "Does ${name}",
    parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"] },
    async execute(_id, params, signal, update, ctx) { ${body} },
  });`;
}

const extension = (body: string, head = "") => `${head}\nexport default function (pi) { ${body} }`;
const result = (expression: string) =>
  `return { content: [{ type: "text", text: ${expression} }], details: {} };`;

async function stillWorks(bench: Bench, wire: Wire, id: string): Promise<void> {
  const marker = bench.name("alive");
  bench.model.script(marker, text(["alive"]));
  assertEquals((await settled(wire, id, marker)).text, "alive");
}

test("a project's tool: the model is offered it, calls it, sees updates and result", async (bench) => {
  const wire = await bench.connect();
  const source = extension(tool(
    "shout",
    `update?.({ content: [{ type: "text", text: "half" }], details: { n: 1 } });
     ${result("params.word.toUpperCase() + ' ' + ctx.cwd")}`,
  ));
  const { id, cwd } = await withExtensions(bench, wire, { shout: source });
  const marker = bench.name("shout");
  bench.model.script(marker, calls([{ name: "shout", args: { word: "naïve" } }]), text(["heard"]));
  assertEquals((await settled(wire, id, marker)).text, "heard");
  const request = await bench.model.request(marker);
  const offered = arrayAt(request.body, "tools").map((each) => stringAt(each, "function", "name"));
  assert(offered.includes("shout"), offered.join());
  assertEquals((await bench.model.request(marker, 1)).toolResults, [`NAÏVE ${cwd}`]);
  const end = await wire.event(id, "tool_execution_end");
  assertEquals([at(end, "event", "toolName"), at(end, "event", "isError")], ["shout", false]);
  const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId: id }), "tools");
  const mine = tools.find((each) => at(each, "name") === "shout");
  assertEquals([at(mine, "description"), at(mine, "active")], ["Does shout", true]);
});

test("an extension that throws while it loads is an extension_error with event load, and the others work", async (bench) => {
  const wire = await bench.connect();
  await wire.ok({ type: "subscribe", sessionId: "*" });
  const cwd = await bench.home.folder(bench.name("load"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  const write = (name: string, source: string) =>
    Deno.writeTextFile(`${cwd}/.pi/extensions/${name}.ts`, source);
  await write("broken", extension("throw new Error('broken on purpose');"));
  await write("syntax", "export default function (pi) {");
  await write("fine", extension(tool("fine", result('"fine"'))));
  const { id } = await bench.session(wire, { sessionId: bench.name("load"), cwd, trustProject: true });
  for (const name of ["broken.ts", "syntax.ts"]) {
    const isIt = (event: JsonObject) => String(event.extensionPath).endsWith(name);
    const error = at(await wire.event(id, "extension_error", isIt), "event");
    assertEquals(at(error, "event"), "load");
    if (name === "broken.ts") assertStringIncludes(stringAt(error, "error"), "broken on purpose");
  }
  const marker = bench.name("fine");
  bench.model.script(marker, calls([{ name: "fine", args: { word: "x" } }]), text(["ok"]));
  await settled(wire, id, marker);
  assertEquals((await bench.model.request(marker, 1)).toolResults, ["fine"]);
});

test("extensions that throw in hooks and tools are reported, and the turn goes on", async (bench) => {
  const wire = await bench.connect();
  const hooks = ["turn_start", "message_end", "agent_end", "tool_call_never"]
    .map((name) => `pi.on("${name}", async () => { throw new Error("thrown in ${name}"); });`).join("\n");
  const { id } = await withExtensions(bench, wire, {
    throws: extension(`${hooks}\n${tool("fails", "throw new Error('tool broke');")}`),
  });
  const marker = bench.name("throws");
  bench.model.script(marker, calls([{ name: "fails", args: { word: "x" } }]), text(["went on"]));
  assertEquals((await settled(wire, id, marker)).text, "went on");
  const failed = await wire.event(id, "tool_execution_end");
  assertEquals(at(failed, "event", "isError"), true);
  assertStringIncludes((await bench.model.request(marker, 1)).toolResults.join(), "tool broke");
  for (const name of ["turn_start", "message_end", "agent_end"]) {
    const isIt = (event: JsonObject) => event.event === name;
    const error = await wire.event(id, "extension_error", isIt);
    assertStringIncludes(stringAt(error, "event", "error"), `thrown in ${name}`);
    assert(stringAt(error, "event", "extensionPath").endsWith("throws.ts"));
  }
  await stillWorks(bench, wire, id);
  const settles = wire.events(id).filter((event) => event.type === "agent_settled").length;
  assertEquals(settles, 2);
});

test("a tool whose details can't be encoded harms neither the order of events nor others", async (bench) => {
  const wire = await bench.connect();
  const source = extension(
    tool(
      "cyclic",
      `const details = {}; details.self = details; details.big = 1n;
       return { content: [{ type: "text", text: "odd" }], details };`,
    ),
  );
  const { id } = await withExtensions(bench, wire, { cyclic: source });
  const bystander = await bench.watched(wire);
  const marker = bench.name("cyclic");
  bench.model.script(marker, calls([{ name: "cyclic", args: { word: "x" } }]), text(["coped"]));
  const response = await wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
  assertEquals(response.type, "response");
  await wire.event(id, "agent_settled");
  const broken = wire.events(id).filter((event) => event.unencodable === true);
  assert(broken.length > 0, "no event says that it could not be encoded");
  await stillWorks(bench, wire, bystander.id);
  const messages = await wire.request({ type: "get_messages", sessionId: id });
  assert(messages.success === true || messages.code === "internal", JSON.stringify(messages));
  // The state has its form all the same, with a mark in place of the value that cannot be encoded.
  const { snapshot } = await wire.ok({ type: "subscribe", sessionId: id, snapshot: true });
  const told = arrayAt(snapshot, "messages").map((one) => [at(one, "role"), at(one, "unencodable")]);
  assertEquals(told, [["user", undefined], ["assistant", undefined], ["toolResult", true], [
    "assistant",
    undefined,
  ]]);
  assertEquals([at(snapshot, "messageCount"), at(snapshot, "runningTools")], [4, []]);
});

alone("an extension that prints in every way: stdout carries only the protocol", async (bench) => {
  const wire = await bench.startStdio(["--trust-projects"]);
  const noise = (where: string) =>
    `console.log("NOISE log ${where}"); console.info("NOISE info ${where}"); console.table([{ n: 1 }]);
     console.debug("NOISE debug ${where}"); console.dir({ NOISE: "${where}" });
     process.stdout.write("NOISE raw ${where}\\n");
     globalThis.Deno?.stdout.writeSync(new TextEncoder().encode("NOISE deno ${where}\\n"));`;
  const source = extension(
    `${noise("load")}
     pi.on("session_start", async () => { ${noise("start")} });
     pi.on("turn_start", async () => { ${noise("turn")} });
     pi.on("session_shutdown", async () => { ${noise("end")} });
     ${tool("noisy", `${noise("tool")} setTimeout(() => { ${noise("later")} }, 1); ${result('"quiet"')}`)}`,
  );
  const { id } = await withExtensions(bench, wire, { noisy: source });
  const marker = bench.name("noisy");
  bench.model.script(marker, calls([{ name: "noisy", args: { word: "x" } }]), text(["done"]));
  assertEquals((await settled(wire, id, marker)).text, "done");
  await wire.ok({ type: "delete_session", sessionId: id });
  await wire.close();
  assertEquals(await bench.server.exitCode(), 0);
  // The checker refuses every line that is not a protocol message; the noise must be on stderr instead.
  for (const where of ["load", "start", "turn", "tool", "later", "end"]) {
    for (const how of ["log", "info", "raw"]) {
      assertStringIncludes(bench.server.stderr, `NOISE ${how} ${where}`);
    }
  }
});

test("a tool that never returns: abort answers at once, the run ends, deletion frees the id, others live", async (bench) => {
  const wire = await bench.connect();
  const source = extension(
    tool("forever", "update?.({ content: [], details: {} }); await new Promise(() => {});"),
  );
  const { id, cwd } = await withExtensions(bench, wire, { forever: source });
  const bystander = await bench.watched(wire);
  const marker = bench.name("forever");
  bench.model.script(marker, calls([{ name: "forever", args: { word: "x" } }]));
  wire.send({ type: "prompt", id: "w", sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "tool_execution_start");
  const start = performance.now();
  await wire.ok({ type: "abort", sessionId: id });
  assert(performance.now() - start < 1000, "abort waited for a tool that ignores its signal");
  assertEquals((await wire.response("w")).code, "cancelled");
  await stillWorks(bench, wire, id);
  await stillWorks(bench, wire, bystander.id);
  await wire.ok({ type: "delete_session", sessionId: id });
  assert(!(await listed(wire)).includes(id));
  await bench.session(wire, { sessionId: id, cwd });
});

test("a slash command that never returns blocks nothing, and waitMs bounds its waiter", async (bench) => {
  const wire = await bench.connect();
  const source = extension(
    'pi.registerCommand("never", { description: "x", handler: () => new Promise(() => {}) });',
  );
  const { id } = await withExtensions(bench, wire, { never: source });
  const never = { type: "prompt", sessionId: id, message: "/never" };
  assertEquals(await wire.ok(never), { disposition: "handled" });
  const late = await wire.refused("timeout", { ...never, waitFor: "settled", waitMs: 50 });
  assertEquals(late.timedOut, true);
  await wire.ok({ type: "set_session_name", sessionId: id, name: "not blocked" });
  await stillWorks(bench, wire, id);
  wire.send({ ...never, id: "w", waitFor: "settled" });
  await wire.ok({ type: "delete_session", sessionId: id });
  assertEquals((await wire.response("w")).code, "cancelled");
});

test("a session_shutdown that never returns holds up neither deletion nor the id", async (bench) => {
  const wire = await bench.connect();
  const source = extension('pi.on("session_shutdown", () => new Promise(() => {}));');
  const { id, cwd } = await withExtensions(bench, wire, { stays: source });
  const start = performance.now();
  await wire.ok({ type: "delete_session", sessionId: id });
  assert(performance.now() - start < 1000, "deletion waited for an extension");
  await bench.session(wire, { sessionId: id, cwd });
});

test("a session_start that never returns: reads, deletion and other sessions go on", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const source = extension('pi.on("session_start", () => new Promise(() => {}));');
  const { id } = await withExtensions(bench, wire, { starts: source });
  await other.ok({ type: "get_state", sessionId: id });
  wire.send({ type: "bash", id: "b", sessionId: id, command: "echo never" });
  const free = await bench.watched(other);
  await stillWorks(bench, other, free.id);
  await other.ok({ type: "delete_session", sessionId: id });
  assertEquals((await wire.response("b")).code, "cancelled");
});

alone("shutdown is bounded when extensions never return from session_shutdown", async (bench) => {
  await bench.start(["--shutdown-timeout", "500ms"]);
  const wire = await bench.connect();
  const source = extension(
    `pi.on("session_shutdown", () => new Promise(() => {}));
     pi.registerCommand("never", { description: "x", handler: () => new Promise(() => {}) });`,
  );
  const { id } = await withExtensions(bench, wire, { stays: source });
  await wire.ok({ type: "prompt", sessionId: id, message: "/never" });
  wire.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  assertEquals((await wire.closed).code, 1001);
  assertEquals(await bench.server.exitCode(20_000), 0);
});

alone("shutdown is bounded when an extension spins", async (bench) => {
  await bench.home.extension("spinner", SPINNER);
  await bench.start(["--shutdown-timeout", "500ms"]);
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  wire.mayLoseResponses = true;
  wire.send({ type: "prompt", id: "spin", sessionId: id, message: "/spin" });
  await wire.ok({ type: "ping" });
  bench.server.signal("SIGTERM");
  assertEquals((await wire.closed).code, 1001);
  assertEquals(await bench.server.exitCode(20_000), 0);
});

test("an extension's own actions reach the session: messages, name, tools, a new session", async (bench) => {
  const wire = await bench.connect();
  const source = extension(
    `pi.registerCommand("act", { description: "Acts", handler: async (what, ctx) => {
       if (what === "say") pi.sendUserMessage("said-by-extension");
       if (what === "name") pi.setSessionName("Named by it");
       if (what === "tools") pi.setActiveTools(["read"]);
       if (what === "new") await ctx.newSession();
       if (what === "reload") await ctx.reload();
     } });`,
  );
  const { id } = await withExtensions(bench, wire, { acts: source });
  const act = (what: string) =>
    wire.ok({ type: "prompt", sessionId: id, message: `/act ${what}`, waitFor: "settled" });
  bench.model.script("said-by-extension", text(["heard you"]));
  await act("say");
  await bench.model.request("said-by-extension");
  await wire.event(id, "agent_settled");
  await act("name");
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).sessionName, "Named by it");
  await act("tools");
  const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId: id }), "tools");
  assertEquals(tools.filter((each) => at(each, "active")).map((each) => at(each, "name")), ["read"]);
  await act("reload");
  await act("new");
  const replaced = await wire.event(id, "session_replaced");
  assertEquals(at(replaced, "event", "reason"), "new_session");
  await until(
    async () => (await wire.ok({ type: "get_state", sessionId: id })).messageCount === 0,
    5000,
    () => "the new session",
  );
  await stillWorks(bench, wire, id);
});
