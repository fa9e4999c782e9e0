// Hooks of extensions in front of a client's commands: `user_bash` and `input` see all of them, one that throws
// refuses, listeners do not pile up over reloads, and a faulty registration reaches neither client nor provider.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { Gate, status, text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

/** A trusted session with one extension, whose body has `pi` in scope. */
async function withExtension(bench: Bench, wire: Wire, body: string): Promise<{ id: string; cwd: string }> {
  const name = bench.name("hook");
  const cwd = await bench.home.folder(name);
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(`${cwd}/.pi/extensions/hook.ts`, `export default function (pi) { ${body} }`);
  await bench.watched(wire, { sessionId: name, cwd, trustProject: true });
  return { id: name, cwd };
}

const isThere = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);

const BASH = `
  const answer = (output) => ({ output, exitCode: 0, cancelled: false, truncated: false });
  pi.on("user_bash", async (event) => {
    const { command } = event;
    if (command.includes("replace")) return { result: answer("replaced " + event.excludeFromContext + " " + event.cwd) };
    if (command.includes("remote")) {
      return { operations: { exec: async (_command, _cwd, { onData }) => {
        onData(new TextEncoder().encode("far away\\n"));
        return { exitCode: 7 };
      } } };
    }
    if (command.includes("throw")) throw new Error("not with me");
    if (command.includes("wrong")) return { result: { output: 5 } };
    if (command.includes("hang")) await new Promise(() => {});
  });`;

test("user_bash handlers replace, redirect and leave a client's bash", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await withExtension(bench, wire, BASH);
  const bash = (command: string, more: JsonObject = {}) =>
    wire.ok({ type: "bash", sessionId: id, command: `touch ran; echo ${command}`, ...more });
  const replaced = await bash("replace", { excludeFromContext: true });
  assertEquals([replaced.output, replaced.exitCode], [`replaced true ${cwd}`, 0]);
  const remote = await bash("remote");
  assertEquals([remote.output, remote.exitCode], ["far away\n", 7]);
  assert(!await isThere(`${cwd}/ran`));
  assertEquals((await bash("here")).output, "here\n");
  assert(await isThere(`${cwd}/ran`));
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
  const outputs = arrayAt({ messages }, "messages").map((each) => at(each, "output"));
  assertEquals(outputs, [`replaced true ${cwd}`, "far away\n", "here\n"]);
});

test("a user_bash handler that throws or returns nonsense refuses the command", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await withExtension(bench, wire, BASH);
  for (const word of ["throw", "wrong"]) {
    const command = { type: "bash", sessionId: id, command: `touch ran; echo ${word}` };
    const { error } = await wire.refused("agent_error", command);
    assertStringIncludes(String(error), word === "throw" ? "not with me" : "A result needs");
    const told = await wire.event(id, "extension_error", (event) => event.event === "user_bash");
    assert(stringAt(told, "event", "extensionPath").endsWith("hook.ts"));
  }
  assert(!await isThere(`${cwd}/ran`));
});

test("abort_bash does not wait for a user_bash handler", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await withExtension(bench, wire, BASH);
  const running = wire.request({ type: "bash", sessionId: id, command: "touch ran; echo hang" });
  await wire.ok({ type: "abort_bash", sessionId: id });
  assertEquals(at(await running, "data", "cancelled"), true);
  assertEquals((await wire.ok({ type: "bash", sessionId: id, command: "echo next" })).output, "next\n");
  assert(!await isThere(`${cwd}/ran`));
});

const INPUT = `
  pi.on("input", async (event) => {
    if (event.text.includes("taken")) return { action: "handled" };
    if (event.text.includes("broken")) throw new Error("cannot redact");
    return { action: "transform", text: event.text.replaceAll("secret", "[" + event.source + "]") };
  });`;

/** The bodies of all requests that contain the marker, as text. */
function sent(bench: Bench, marker: string): string {
  return bench.model.requests.map(({ body }) => JSON.stringify(body)).filter((body) => body.includes(marker))
    .join();
}

const QUEUED: readonly JsonObject[] = [
  { type: "steer" },
  { type: "follow_up" },
  { type: "prompt", streamingBehavior: "steer" },
  { type: "prompt", streamingBehavior: "followUp" },
];

test("input handlers see messages that are queued while the model talks", async (bench) => {
  const wire = await bench.connect();
  const { id } = await withExtension(bench, wire, INPUT);
  for (const command of QUEUED) {
    const marker = bench.name("talk");
    const gate = new Gate();
    bench.model.script(marker, text(["a", "b"], { gate }));
    const run = settled(wire, id, marker);
    await bench.model.request(marker);
    const next = bench.name("queued");
    await wire.ok({ ...command, sessionId: id, message: `secret ${next}` });
    const handled = await wire.ok({ ...command, sessionId: id, message: `taken secret ${next}` });
    assertEquals(handled.disposition, "handled");
    await wire.refused("agent_error", { ...command, sessionId: id, message: `broken secret ${next}` });
    gate.open();
    await run;
    await bench.model.request(next);
    const all = sent(bench, next);
    assertStringIncludes(all, `[rpc] ${next}`, JSON.stringify(command));
    assert(!all.includes("secret"), JSON.stringify(command));
  }
});

test("input handlers see messages that are queued while a retry waits", async (bench) => {
  const wire = await bench.connect();
  const { id } = await withExtension(bench, wire, INPUT);
  for (const command of QUEUED) {
    const marker = bench.name("wait");
    bench.model.script(marker, status(503, "overloaded"), text(["fine"]));
    const run = settled(wire, id, marker);
    await wire.event(id, "auto_retry_start", undefined, 15_000);
    const next = bench.name("queued");
    await wire.ok({ ...command, sessionId: id, message: `secret ${next}` });
    await run;
    await bench.model.request(next);
    const all = sent(bench, next);
    assert(all.includes(`[rpc] ${next}`) && !all.includes("secret"), JSON.stringify(command));
  }
});

test("an input handler that throws refuses a prompt, and the next one works", async (bench) => {
  const wire = await bench.connect();
  const { id } = await withExtension(bench, wire, INPUT);
  const marker = bench.name("prompt");
  const failed = await wire.refused("agent_error", {
    type: "prompt",
    sessionId: id,
    message: `broken ${marker}`,
  });
  assertStringIncludes(String(failed.error), "cannot redact");
  await wire.event(id, "extension_error", (event) => event.event === "input");
  await settled(wire, id, `fine ${marker}`);
  assert(!sent(bench, marker).includes("broken"));
});

test("listeners of pi.events do not pile up over reloads", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await withExtension(
    bench,
    wire,
    `const { appendFileSync } = process.getBuiltinModule("node:fs");
     pi.events.on("bell", (path) => appendFileSync(path, "x"));
     pi.registerCommand("ring", { handler: async (path) => pi.events.emit("bell", path) });`,
  );
  for (let i = 0; i < 5; i++) await wire.ok({ type: "reload", sessionId: id });
  await settled(wire, id, `/ring ${cwd}/bells`);
  assertEquals(await Deno.readTextFile(`${cwd}/bells`), "x");
});

const FAULTY = `
  const good = { label: "x", description: "d", parameters: { type: "object", properties: {} }, execute: async () => ({}) };
  const attempt = (fn) => { try { fn(); } catch {} };
  const register = () => {
    attempt(() => pi.registerTool({}));
    attempt(() => pi.registerTool({ ...good, name: 5 }));
    attempt(() => pi.registerTool({ ...good, name: "" }));
    attempt(() => pi.registerTool({ ...good, name: "no_description", description: undefined }));
    attempt(() => pi.registerTool({ ...good, name: "no_parameters", parameters: "none" }));
    attempt(() => pi.registerTool({ ...good, name: "no_execute", execute: 1 }));
    attempt(() => pi.registerCommand(undefined, { handler: async () => {} }));
    attempt(() => pi.registerCommand({}, { handler: async () => {} }));
    attempt(() => pi.registerCommand("no_handler", {}));
    attempt(() => pi.registerCommand("odd", { description: { a: 1 }, handler: async () => {} }));
  };
  register();
  pi.registerTool({ ...good, name: "good_tool" });
  pi.registerCommand("good", { description: "d", handler: async () => {} });
  pi.registerCommand("again", { handler: async () => register() });`;

test("faulty tools and commands are an extension_error, and go to neither client nor provider", async (bench) => {
  const wire = await bench.connect();
  await wire.ok({ type: "subscribe", sessionId: "*" });
  const { id } = await withExtension(bench, wire, FAULTY);
  const faults = () =>
    wire.events(id).filter(({ type, error }) => type === "extension_error" && String(error).includes(": "))
      .length;
  const listed = async () => {
    const { tools } = await wire.ok({ type: "get_tools", sessionId: id });
    const { commands } = await wire.ok({ type: "get_commands", sessionId: id });
    const own = arrayAt({ commands }, "commands").filter((each) =>
      at(each, "source") === "extension" && at(each, "sourceInfo", "source") !== "builtin"
    );
    const builtin = ["read", "bash", "edit", "write", "grep", "find", "ls", "powershell"];
    // pi 1.6 has these built in as extensions.
    builtin.push("codemode", "tool_search");
    const names = arrayAt({ tools }, "tools").map((each) => stringAt(each, "name"));
    const commandNames = own.map((each) => at(each, "name"));
    return [names.filter((name) => !builtin.includes(name)), commandNames];
  };
  const good = [["good_tool"], ["good", "again"]];
  await wire.event(id, "extension_error", (event) => String(event.error).includes("needs a name"));
  assertEquals(await listed(), good);
  const atLoad = faults();
  // pi 1.6 throws at the extension for five of them, which this extension catches.
  assert(atLoad >= (ON_1_6 ? 5 : 8), `${atLoad} faults reported`);
  await settled(wire, id, "/again");
  assertEquals(await listed(), good);
  assert(faults() >= 2 * atLoad - 1, `${faults()} faults reported`);
  await wire.ok({ type: "reload", sessionId: id });
  assertEquals(await listed(), good);
  const marker = bench.name("offer");
  await settled(wire, id, marker);
  const { body } = await bench.model.request(marker);
  for (const tool of arrayAt(body, "tools")) {
    assertEquals(typeof at(tool, "function", "name"), "string");
    assertEquals(typeof at(tool, "function", "description"), "string");
  }
});
