// `pi-server rpc` as programs use it: started in the place of pi, ended in all ways, with other clients on its
// session, and with wrong input. rpc_front_test.ts compares its records with pi's own.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, programOf, variables } from "../../support/server/command_line.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at, brief, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { calls, hang, OTHER, text } from "../../support/model/model_server.ts";
import { PiRpc } from "../../support/fronts/pi_rpc.ts";
import { NODE, ON_1_6, REPO } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench, TARGET } from "../suite.ts";

/** A front of that home. Without a server of its own it starts one. */
function front(bench: Bench, args: readonly string[] = [], cwd = bench.home.root): PiRpc {
  const own = programOf();
  // pi's own arguments come behind `--mode rpc`, as programs write them.
  return new PiRpc(bench.home, cwd, {
    program: own.program,
    args: own.args,
    more: args,
    env: variables(bench.home, { PI_SERVER_PORT: "0" }),
  });
}

const endpoint = (bench: Bench): Promise<string | undefined> =>
  Deno.readTextFile(`${bench.home.stateDir}/endpoint.json`).catch(() => undefined);

async function ended(rpc: PiRpc): Promise<{ code: number; stderr: string }> {
  const { code } = await rpc.status;
  return { code, stderr: rpc.stderr };
}

/** Waits until no server is left: a front that started one takes it along. */
async function noServer(bench: Bench): Promise<void> {
  await until(
    async () => await endpoint(bench) === undefined,
    20_000,
    () => "the server to end with its last front",
  );
}

alone("rpc: the end of stdin ends it with 0, and its server with it; the session stays", async (bench) => {
  bench.model.script("first words", text(["answer one"]));
  const rpc = front(bench, ["--name", "kept"]);
  await rpc.settled("first words");
  const state = await rpc.request({ type: "get_state" });
  assertEquals(at(state, "data", "sessionName"), "kept");
  await rpc.endInput();
  assertEquals(await ended(rpc), { code: 0, stderr: "" });
  await noServer(bench);
  const file = stringAt(state, "data", "sessionFile");
  assertStringIncludes(await Deno.readTextFile(file), "answer one");

  // The next one goes on there.
  bench.model.script("second words", text(["answer two"]));
  const next = front(bench, ["--continue"]);
  await next.settled("second words");
  const again = await next.request({ type: "get_state" });
  assertEquals(at(again, "data", "sessionFile"), file);
  assertEquals(at(again, "data", "sessionId"), at(state, "data", "sessionId"), "pi's own id of the session");
  assertEquals(at(again, "data", "messageCount"), 4);
  await next.endInput();
  assertEquals((await ended(next)).code, 0);
  await noServer(bench);
});

alone("rpc: a script that closes stdin behind its commands gets the answers", async (bench) => {
  const input = ["get_state", "get_messages", "no_such"].map((type, id) => JSON.stringify({ type, id })).join(
    "\n",
  );
  const { code, stdout, stderr } = await command(bench.home, ["rpc", "--no-session"], {
    input: `${input}\n`,
  });
  assertEquals([code, stderr], [0, ""]);
  const answers = stdout.trim().split("\n").map((line) => objectAt(JSON.parse(line)));
  assertEquals(
    new Set(answers.map((one) => `${one.command} ${one.success}`)),
    new Set([
      "get_state true",
      "get_messages true",
      "no_such false",
    ]),
  );
});

alone("rpc: SIGTERM aborts what runs and ends it with 143", async (bench) => {
  bench.model.script("for ever", hang());
  const rpc = front(bench);
  await rpc.request({ type: "prompt", message: "for ever" }, 60_000);
  const asked = await bench.model.request("for ever");
  await rpc.message((message) => message.type === "message_update");
  rpc.signal("SIGTERM");
  assertEquals(await ended(rpc), { code: 143, stderr: "" });
  await asked.aborted;
  await noServer(bench);
});

alone("rpc: with --linger the server and the run outlive it", async (bench) => {
  bench.model.script("goes on", hang());
  const rpc = front(bench, ["--linger", "60s"]);
  await rpc.request({ type: "prompt", message: "goes on" }, 60_000);
  await rpc.message((message) => message.type === "message_update");
  await rpc.endInput();
  assertEquals((await ended(rpc)).code, 0);
  assert(await endpoint(bench) !== undefined);
  const { stdout } = await command(bench.home, ["call", "list_sessions", "--data"]);
  assertEquals(arrayAt(objectAt(JSON.parse(stdout)), "sessions").map((one) => at(one, "isStreaming")), [
    true,
  ]);
  assertEquals((await command(bench.home, ["stop", "--now"])).code, 0);
});

alone("rpc: arguments of pi choose model, level, tools, file and name", async (bench) => {
  await bench.start();
  const rpc = front(bench, [
    ...[
      "--provider",
      OTHER.provider,
      "--model",
      "other",
      "--thinking",
      "off",
      "--tools",
      "read,ls",
      "-n",
      "named",
    ],
    ...["--no-session", "--no-themes"],
  ]);
  const { data } = await rpc.request({ type: "get_state" }, 60_000);
  assertEquals(
    [at(data, "model", "id"), at(data, "thinkingLevel"), at(data, "sessionName"), at(data, "sessionFile")],
    [OTHER.modelId, "off", "named", undefined],
  );
  const wire = await bench.connect();
  const [session] = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
  const tools = await wire.ok({ type: "get_tools", sessionId: stringAt(session, "sessionId") });
  const on = arrayAt(tools, "tools").filter((tool) => at(tool, "active") === true).map((tool) =>
    at(tool, "name")
  );
  assertEquals(on.toSorted(), ["ls", "read"]);
  await rpc.endInput();
  assertEquals((await ended(rpc)).code, 0);
  assertEquals(
    arrayAt(await wire.ok({ type: "list_sessions" }), "sessions"),
    [],
    "--no-session leaves nothing",
  );
});

alone(
  "rpc: --session joins the session that another client drives, by file, id or its beginning",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, { sessionId: "shared-one" });
    bench.model.script("from the socket", text(["seen by both"]));
    await wire.ok({ type: "prompt", sessionId: id, message: "from the socket", waitFor: "settled" });
    const { sessionFile } = await wire.ok({ type: "get_state", sessionId: id });
    for (
      const named of [
        String(sessionFile),
        "shared-one",
        /_([0-9a-f]{8})/.exec(String(sessionFile))?.[1] ?? "",
      ]
    ) {
      const rpc = front(bench, ["--session", named]);
      const { data } = await rpc.request({ type: "get_messages" }, 60_000);
      assertEquals(arrayAt(data, "messages").length, 2, named);
      await rpc.endInput();
      assertEquals((await ended(rpc)).code, 0);
    }
    // What one does the other sees.
    const rpc = front(bench, ["--session", id]);
    await rpc.request({ type: "get_state" }, 60_000);
    bench.model.script("once more", text(["both again"]));
    await wire.ok({ type: "prompt", sessionId: id, message: "once more", waitFor: "settled" });
    const end = await rpc.message((message) => message.type === "agent_end");
    assertStringIncludes(brief(end, 5000), "both again");
    await rpc.endInput();
    await ended(rpc);
    // A copy leaves the session of the others alone.
    const copy = front(bench, ["--fork", id]);
    const { code, stderr } = await ended(copy);
    assertEquals(code, 1);
    assertMatch(stderr, /^pi-server rpc: --fork: other clients use this session.*\n$/);
  },
);

alone(
  "rpc: a dialog that another client answers is over here, too; one of ours is answered",
  async (bench) => {
    await installDialogs(`${bench.home.agentDir}/extensions`);
    await bench.start();
    const rpc = front(bench);
    const said = (n: number): JsonObject => ({
      type: "prompt",
      message: `/ui ${JSON.stringify({ out: `out${n}.json`, calls: [["confirm", "Sure?", "really"]] })}`,
    });
    const file = (n: number) =>
      until(
        () => Deno.readTextFile(`${bench.home.root}/out${n}.json`).catch(() => undefined),
        15_000,
        () => `out${n}`,
      );
    const first = rpc.request(said(1), 60_000);
    const asked = await rpc.message((message) => message.method === "confirm");
    const wire = await bench.connect();
    const [open] = arrayAt(await wire.ok({ type: "list_pending_ui" }), "requests");
    await wire.ok({
      type: "extension_ui_response",
      sessionId: stringAt(open, "sessionId"),
      requestId: stringAt(open, "requestId"),
      response: { method: "confirm", confirmed: true },
    });
    assertEquals([(await first).success, await file(1)], [true, "[true]"]);
    // An answer that comes too late has no effect, as under pi.
    await rpc.line(JSON.stringify({ type: "extension_ui_response", id: asked.id, confirmed: false }));
    const from = rpc.messages.length;
    const second = rpc.request(said(2), 60_000);
    const again = await rpc.message((message) => message.method === "confirm", from);
    await rpc.line(JSON.stringify({ type: "extension_ui_response", id: again.id, confirmed: false }));
    assertEquals([(await second).success, await file(2)], [true, "[false]"]);
    await rpc.endInput();
    assertEquals((await ended(rpc)).code, 0);
  },
);

alone("rpc: a server that dies and comes back is not the end; what was missed is made up", async (bench) => {
  await bench.start();
  const rpc = front(bench);
  bench.model.script("before", text(["one"]));
  await rpc.settled("before");
  const { data } = await rpc.request({ type: "get_state" });
  await bench.server.kill();
  // The same address: a client looks for its server where endpoint.json says.
  await bench.start();
  bench.model.script("after", text(["two"]));
  await rpc.settled("after");
  const state = await rpc.request({ type: "get_state" });
  assertEquals(at(state, "data", "sessionFile"), at(data, "sessionFile"));
  assertEquals(at(state, "data", "messageCount"), 4);
  await rpc.endInput();
  assertEquals((await ended(rpc)).code, 0);
});

alone("rpc: --private has a server that no other client reaches, and that ends with it", async (bench) => {
  bench.model.script("alone", text(["by myself"]));
  const kept = `${bench.home.root}/kept`;
  const rpc = front(bench, ["--private", "--session-dir", "kept"]);
  await rpc.settled("alone");
  const { data } = await rpc.request({ type: "get_state" });
  const file = String(at(data, "sessionFile"));
  assert(file.startsWith(`${kept}/`), file);
  assertEquals(await endpoint(bench), undefined);
  await rpc.endInput();
  assertEquals((await ended(rpc)).code, 0);
});

alone("rpc: with --private pi's flags for extensions and prompts work", async (bench) => {
  const source = `export default (pi) => pi.registerCommand("handed", { handler: async () => {} });`;
  await Deno.writeTextFile(`${bench.home.root}/handed.ts`, source);
  const prompts = [
    "--system-prompt",
    "You are handed over.",
    "--append-system-prompt",
    "Be brief, and kind.",
  ];
  const rpc = front(bench, ["--private", "-e", "handed.ts", "-ns", "--no-context-files", ...prompts]);
  const { data } = await rpc.request({ type: "get_commands" }, 60_000);
  // pi 1.6 has commands of its own in every session.
  const builtIn = ON_1_6 ? ["llama", "mcp"] : [];
  const commands = arrayAt(objectAt(data), "commands").map((one) => stringAt(one, "name"));
  assertEquals(commands.toSorted(), ["handed", ...builtIn].toSorted());
  bench.model.script("handed", text(["yes"]));
  await rpc.settled("handed");
  const sent = JSON.stringify((await bench.model.request("handed")).body);
  assert(sent.includes("You are handed over.") && sent.includes("Be brief, and kind."), sent);
  await rpc.endInput();
  assertEquals((await ended(rpc)).code, 0);
});

alone("rpc: two that start at once share one server", async (bench) => {
  const both = [front(bench), front(bench)];
  for (const rpc of both) assertEquals((await rpc.request({ type: "get_state" }, 90_000)).success, true);
  const { stdout } = await command(bench.home, ["call", "list_sessions", "--data"]);
  assertEquals(arrayAt(objectAt(JSON.parse(stdout)), "sessions").length, 2);
  for (const rpc of both) {
    await rpc.endInput();
    assertEquals((await ended(rpc)).code, 0);
  }
  await noServer(bench);
});

alone("rpc: wrong arguments, servers and tokens are one line and an exit code", async (bench) => {
  await bench.start();
  const cases: [args: string[], code: number, words: RegExp][] = [
    [["--bogus"], 2, /--bogus: there is no such flag/],
    [["--extension", "x.ts"], 2, /--extension: the sessions of a server share it/],
    [["--api-key", "k"], 2, /--api-key: give the key to the server/],
    [["--session-dir", "/tmp"], 2, /--session-dir: .*--private/],
    [["--continue", "--no-session"], 2, /exclude each other/],
    [["a message"], 2, /messages come as commands on stdin/],
    [["--session", "nothing-like-that"], 1, /there is no session "nothing-like-that"/],
    [["--session", "./none.jsonl"], 1, /none\.jsonl/],
    [["--model", "no-such-model"], 2, /no model .* fits "no-such-model"/],
    [["--thinking", "loud"], 1, /thinkingLevel/],
    [["--server", "ws://127.0.0.1:9/"], 1, /no server answers at ws:\/\/127\.0\.0\.1:9\//],
  ];
  for (const [args, code, words] of cases) {
    const ran = await command(bench.home, ["rpc", ...args]);
    assertEquals([ran.code, ran.stdout], [code, ""], `${args}: ${ran.stderr}`);
    assertMatch(ran.stderr, words, args.join(" "));
    assertEquals(ran.stderr.trim().split("\n").length, 1, ran.stderr);
  }
  const { url } = await bench.server.endpoint();
  const refused = await command(bench.home, ["rpc", "--server", url], { env: { PI_SERVER_TOKEN: "wrong" } });
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertMatch(refused.stderr, /does not accept this token/);
});

alone("rpc: pi's own client drives it, every method", async (bench) => {
  await bench.start();
  bench.model.script("rpc-hello", text(["Hello"]));
  bench.model.script("rpc-tool", calls([{ name: "bash", args: { command: "echo hi" } }]), text(["ran"]));
  const wait = "while [ ! -e go ]; do sleep 0.05; done";
  bench.model.script("rpc-long", calls([{ name: "bash", args: { command: wait } }]));
  bench.model.script("rpc-steered", text(["steered"]));
  bench.model.script("rpc-later", text(["later"]));
  bench.model.handler = (request) => request.userText.includes("summar") ? text(["gist"]) : undefined;
  const own = programOf();
  // pi's client starts `node FILE`. The package's own program is such a file; the others need one that starts them.
  const file = TARGET === "node" ? own.args[0] ?? "" : `${bench.home.dir}/start.mjs`;
  if (TARGET !== "node") {
    await Deno.writeTextFile(
      file,
      `import { spawn } from "node:child_process";
const child = spawn(${JSON.stringify(own.program)}, [...${
        JSON.stringify(own.args)
      }, ...process.argv.slice(2)], { stdio: "inherit" });
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code) => process.exit(code ?? 1));
`,
    );
  }
  const script = `${bench.home.dir}/drive.mjs`;
  await Deno.writeTextFile(script, DRIVE.replaceAll("REPO", REPO));
  const ran = await new Deno.Command(NODE, {
    args: [script, file],
    cwd: bench.home.root,
    clearEnv: true,
    env: variables(bench.home),
    stdin: "null",
    signal: AbortSignal.timeout(120_000),
  }).output();
  const [stdout, stderr] = [ran.stdout, ran.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([ran.code, stdout?.trim().split("\n").at(-1)], [0, "all done"], `${stdout}\n${stderr}`);
});

/** Every method of pi's RpcClient; each checks what it gets. */
const DRIVE = `
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { RpcClient } from "REPO/node_modules/@mariozechner/pi-coding-agent/dist/index.js";
const client = new RpcClient({ cliPath: process.argv[2], args: ["--name", "driven"] });
await client.start();
const types = [];
client.onEvent((event) => types.push(event.type));
const state = await client.getState();
assert.equal(state.isStreaming, false);
assert.equal(state.sessionName, "driven");
const events = await client.promptAndWait("rpc-hello");
assert.ok(events.some((event) => event.type === "message_update"));
assert.equal(await client.getLastAssistantText(), "Hello");
await client.promptAndWait("rpc-tool");
assert.ok(types.includes("tool_execution_end"));
const { models } = { models: await client.getAvailableModels() };
assert.ok(models.length > 1);
const model = await client.setModel(models[0].provider, models[0].id);
assert.equal(model.id, models[0].id);
assert.ok(await client.cycleModel());
await client.setThinkingLevel("low");
await client.cycleThinkingLevel();
await client.setSteeringMode("all");
await client.setFollowUpMode("all");
await client.setAutoCompaction(false);
await client.setAutoRetry(false);
await client.abortRetry();
const bash = await client.bash("echo from bash; exit 3");
assert.deepEqual([bash.output.trim(), bash.exitCode], ["from bash", 3]);
await client.abortBash();
const stats = await client.getSessionStats();
assert.equal(stats.userMessages, 2);
assert.equal((await client.getMessages()).length, 7);
const forks = await client.getForkMessages();
assert.equal(forks.length, 2);
assert.equal((await client.clone()).cancelled, false);
const fork = await client.fork(forks[1].entryId);
assert.equal(fork.text, "rpc-tool");
await client.setSessionName("renamed");
assert.equal((await client.getState()).sessionName, "renamed");
const { path } = await client.exportHtml("driven.html");
assert.equal(path, "driven.html");
assert.ok(Array.isArray(await client.getCommands()));
const { sessionFile } = await client.getState();
assert.equal((await client.newSession()).cancelled, false);
assert.equal((await client.getMessages()).length, 0);
const idle = client.waitForIdle();
await client.prompt("rpc-long");
await client.steer("rpc-steered");
await client.followUp("rpc-later");
assert.equal((await client.getState()).pendingMessageCount, 2);
writeFileSync("go", "");
await idle;
const asked = (await client.getMessages()).filter(({ role }) => role === "user");
assert.deepEqual(asked.map(({ content }) => content[0].text), ["rpc-long", "rpc-steered", "rpc-later"]);
assert.equal((await client.switchSession(sessionFile)).cancelled, false);
await client.abort();
await client.compact().then(() => {}, (error) => assert.match(error.message, /compact/i));
await client.stop();
console.log("all done");
`;
