// The program (docs/PROTOCOL.md#shutdown): flags, exit codes, end of input, signals, a broken stdout. Each case starts its own
// children.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { at, type JsonObject, objectAt } from "../../support/base/json.ts";
import { Gate, hang, text } from "../../support/model/model_server.ts";
import { get, upgrade } from "../../support/network/raw_http.ts";
import { commandOf, environment, REPO } from "../../support/server/server_process.ts";
import { deadline, delay } from "../../support/base/wait.ts";
import { deltaOf } from "../../support/wire/wire_client.ts";
import { alone, type Bench, DEMO } from "../suite.ts";

/** Runs to the end; stdout, stderr and the exit code. */
async function run(bench: Bench, args: string[], env: Record<string, string> = {}) {
  const server = bench.spawn({ args, env, bare: true });
  const code = await server.exitCode();
  return { code, stdout: server.stdout, stderr: server.stderr };
}

/** The stderr that the program itself wrote: Deno's own download notes are none of it. */
const said = (stderr: string) =>
  stderr.split("\n").filter((line) =>
    line.trim() !== "" && !/^(Download|Initialize|Warning|Check) /.test(line)
  );

alone("command line: --version and --help", async (bench) => {
  const version = await run(bench, ["--version"]);
  assertEquals(version.code, 0);
  assertMatch(version.stdout, /\d+\.\d+\.\d+/);
  const help = await run(bench, ["--help"]);
  assertEquals(help.code, 0);
  const flags = "port host stdio no-ws no-auth allow-origin state-dir cwd root trust-projects workers demo " +
    "shutdown-timeout eof-timeout log-level log-format max-sessions max-connections max-frame-bytes " +
    "max-in-flight-per-connection max-mailbox version help";
  for (const flag of flags.split(" ")) assertStringIncludes(help.stdout, `--${flag}`);
});

alone("command line: a reader that goes away causes no error", async (bench) => {
  const server = bench.spawn({ args: ["--help"], bare: true, mode: "stdio" });
  await server.child.stdout.cancel();
  assertEquals([await server.exitCode(), said(server.stderr)], [0, []]);
});

alone("command line: bad values end with exit code 2 and one sentence", async (bench) => {
  const cases: [string[], string, Record<string, string>?][] = [
    [["--port", "banana"], "port"],
    [["--port", "70000"], "port"],
    [["--port", "-1"], "port"],
    [["--port=1.5"], "port"],
    [["--nope"], "nope"],
    [["--max-sessions", "NaN"], "max-sessions"],
    [["--max-sessions=-1"], "max-sessions"],
    [["--max-frame-bytes", "1e99"], "max-frame-bytes"],
    [["--stdio", "maybe"], "stdio"],
    [["--workers", "x"], "workers"],
    [["--log-level", "loud"], "log-level"],
    [["--no-auth", "--host", "0.0.0.0"], "no-auth"],
    [["stray"], "stray"],
    [[], "PI_SERVER_PORT", { PI_SERVER_PORT: "banana" }],
    [[], "PI_SERVER_MAX_SESSIONS", { PI_SERVER_MAX_SESSIONS: "-3" }],
  ];
  for (const [args, named, env] of cases) {
    const { code, stdout, stderr } = await run(bench, args, env);
    assertEquals([code, stdout], [2, ""], `${args.join(" ")} ${named}: ${stderr}`);
    const lines = said(stderr);
    assertEquals(lines.length, 1, `${args.join(" ")}: one sentence, got ${stderr}`);
    assertStringIncludes(lines[0] ?? "", named);
  }
});

alone("a port in use is exit code 1 and says so", async (bench) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await run(bench, ["--port", String(port), "--stdio", "off"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, String(port));
  assert(!/^\s+at /m.test(stderr), stderr);
});

alone("the default state folder is ~/.pi/server, private, also with --no-ws", async (bench) => {
  const wire = await bench.startStdio(["--no-ws"], { bare: true });
  const folder = `${bench.home.dir}/.pi/server`;
  assertEquals(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
  assertEquals(at(wire.messages[0], "data", "endpoints"), []);
  await wire.close();
  assertEquals(await bench.server.exitCode(), 0);
});

/** Three lines, then the end of input: all of the run's output comes, then exit code 0. */
alone("end of input: three pipelined lines run to the end, then exit 0", async (bench) => {
  const wire = await bench.startStdio(["--demo", "--no-ws"], { bare: true });
  wire.send({ id: "1", type: "create_session", sessionId: "a" });
  wire.send({ id: "2", type: "subscribe", sessionId: "a" });
  wire.send({ id: "3", type: "prompt", sessionId: "a", message: "Hello", waitFor: "settled" });
  await wire.close();
  await deadline(wire.closed, 30_000, () => `the end of output; ${wire.messages.length} messages`);
  assertEquals(await bench.server.exitCode(), 0);
  const responses = wire.messages.filter((message) => message.type === "response");
  assertEquals(responses.map((message) => [message.id, message.success]), [["1", true], ["2", true], [
    "3",
    true,
  ]]);
  const answer = objectAt(responses[2], "data");
  assert(typeof answer.text === "string" && answer.text.length > 20);
  const deltas = wire.events("a").map(deltaOf);
  assertEquals(deltas.join(""), answer.text);
  assert(deltas.filter((delta) => delta !== "").length > 5, "many small deltas");
  assertEquals(wire.events("a").filter((event) => event.type === "agent_settled").length, 1);
  assertEquals([wire.messages[0]?.type, wire.messages.at(-1)?.type !== "event"], ["server_ready", true]);
});

alone("end of input: the printf of the README, through a shell", async (bench) => {
  const { program, args } = commandOf();
  const lines = [
    { id: "1", type: "create_session", sessionId: "a" },
    { id: "2", type: "subscribe", sessionId: "a" },
    {
      id: "3",
      type: "prompt",
      sessionId: "a",
      message: `use a ${DEMO.toolWord}, please`,
      waitFor: "settled",
    },
  ].map((line) => JSON.stringify(line));
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'printf "%s\\n%s\\n%s\\n" "$L1" "$L2" "$L3" | "$@"',
      "sh",
      program,
      ...args,
      "--demo",
      "--no-ws",
    ],
    cwd: bench.home.root,
    clearEnv: true,
    env: { ...environment(bench.home), L1: lines[0] ?? "", L2: lines[1] ?? "", L3: lines[2] ?? "" },
    stdin: "null",
  });
  const { code, stdout, stderr } = await deadline(child.output(), 60_000, () => "the pipeline's end");
  const out = new TextDecoder().decode(stdout);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const messages = out.trim().split("\n").map((line): JsonObject => objectAt(JSON.parse(line)));
  assertEquals(messages.filter((message) => message.type === "response").map((message) => message.success), [
    true,
    true,
    true,
  ]);
  const tools = messages.filter((message) => at(message, "event", "type") === "tool_execution_end");
  assertEquals(tools.map((message) => [at(message, "event", "toolName"), at(message, "event", "isError")]), [
    ["bash", false],
  ]);
});

alone("end of input: Python with the standard library drives it as a child", async (bench) => {
  const { program, args } = commandOf();
  const child = new Deno.Command("python3", {
    args: [`${REPO}/tests/conformance/clients/stdio_client.py`, program, ...args, "--demo", "--no-ws"],
    cwd: bench.home.root,
    clearEnv: true,
    env: environment(bench.home),
    stdin: "null",
  });
  const { code, stdout, stderr } = await deadline(child.output(), 60_000, () => "the script's end");
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, err);
  assertEquals(at(JSON.parse(out ?? ""), "answered"), ["1", "2", "3"]);
});

alone("end of input without a command: exit 0", async (bench) => {
  const wire = await bench.startStdio(["--no-ws"]);
  await wire.close();
  assertEquals(await bench.server.exitCode(), 0);
});

alone("end of input: --eof-timeout bounds a run that hangs", async (bench) => {
  const wire = await bench.startStdio(["--no-ws", "--eof-timeout", "500ms"]);
  const { id } = await bench.watched(wire);
  bench.model.script("eof-hang", hang());
  wire.send({ type: "prompt", id: "w", sessionId: id, message: "eof-hang", waitFor: "settled" });
  await wire.event(id, "message_update");
  await wire.close();
  assertEquals((await wire.response("w")).code, "cancelled");
  assertEquals(await bench.server.exitCode(), 0);
});

alone(
  "stdio auto: with stdin from /dev/null it serves on, WebSocket and stdio share sessions",
  async (bench) => {
    const quiet = bench.spawn({ args: ["--state-dir", bench.home.stateDir, "--port", "0"], bare: true });
    await quiet.endpoint();
    const alive = await bench.connect();
    await alive.ok({ type: "ping" });
    assertEquals(quiet.stdout, "");
    await alive.close();
    await quiet.kill();
    await Deno.remove(bench.home.stateDir, { recursive: true });
    const wire = await bench.startStdio();
    const { url } = await bench.server.endpoint();
    assertEquals(at(wire.messages[0], "data", "endpoints", 0, "url"), url);
    assertEquals(at(wire.messages[0], "data", "transports"), ["websocket", "stdio"]);
    const socket = await bench.connect();
    const { id } = await bench.watched(wire);
    await socket.ok({ type: "subscribe", sessionId: id });
    bench.model.script("shared-turn", text(["for ", "both"]));
    await socket.ok({ type: "prompt", sessionId: id, message: "shared-turn", waitFor: "settled" });
    await wire.event(id, "agent_settled");
    assertEquals(wire.events(id), socket.events(id));
  },
);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  alone(`${signal} while idle: server_shutdown, close code 1001, exit 0`, async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    await bench.session(wire);
    bench.server.signal(signal);
    const event = await wire.next((message) => message.type === "server_shutdown", 5000, "server_shutdown");
    assertEquals(typeof at(event, "data", "reason"), "string");
    assertEquals(typeof at(event, "data", "timeoutMs"), "number");
    assertEquals((await wire.closed).code, 1001);
    assertEquals(await bench.server.exitCode(10_000), 0);
    assert(!/^\s+at /m.test(bench.server.stderr), "a stack trace on stderr");
  });
}

alone("SIGTERM before pi is loaded: exit 0", async (bench) => {
  await bench.start();
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(15_000), 0);
});

alone(
  "SIGTERM while streaming: the turn is drained, new work is refused, reads are served",
  async (bench) => {
    await bench.start();
    const { port } = await bench.server.endpoint();
    const token = await bench.server.token();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const gate = new Gate();
    bench.model.script("drain-me", text(["one ", "two ", "three"], { gate }));
    wire.send({ type: "prompt", id: "w", sessionId: id, message: "drain-me", waitFor: "settled" });
    await wire.event(id, "message_update", (event) => deltaOf(event) !== "");
    bench.server.signal("SIGTERM");
    await wire.next((message) => message.type === "server_shutdown", 5000, "server_shutdown");
    bench.server.signal("SIGTERM");
    const refusal = await wire.refused("shutting_down", { type: "create_session" });
    assertEquals(refusal.retryable, true);
    await wire.refused("shutting_down", { type: "bash", sessionId: id, command: "echo no" });
    assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, true);
    await wire.ok({ type: "ping" });
    assertEquals(
      (await upgrade(port, { Connection: "Upgrade, close", Authorization: `Bearer ${token}` })).status,
      503,
    );
    assertEquals((await get(port, "/readyz")).status, 503);
    assertEquals((await get(port, "/healthz")).status, 200);
    gate.open();
    const answer = await wire.response("w");
    assertEquals([at(answer, "data", "text"), at(answer, "data", "stopReason")], ["one two three", "stop"]);
    await wire.event(id, "agent_settled");
    assertEquals((await wire.closed).code, 1001);
    assertEquals(await bench.server.exitCode(10_000), 0);
  },
);

alone(
  "SIGTERM with a turn that hangs: --shutdown-timeout aborts it, its waiter gets an answer, exit 0",
  async (bench) => {
    await bench.start(["--shutdown-timeout", "500ms"]);
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    bench.model.script("never-ends", hang());
    wire.send({ type: "prompt", id: "w", sessionId: id, message: "never-ends", waitFor: "settled" });
    await wire.event(id, "message_update");
    wire.send({ type: "bash", id: "b", sessionId: id, command: "echo up; sleep 60" });
    await wire.event(id, "bash_output");
    bench.server.signal("SIGTERM");
    assertEquals((await wire.response("w")).code, "cancelled");
    const bash = await wire.response("b");
    assert(bash.code === "cancelled" || at(bash, "data", "cancelled") === true, JSON.stringify(bash));
    await (await bench.model.request("never-ends")).aborted;
    assertEquals((await wire.closed).code, 1001);
    assertEquals(await bench.server.exitCode(10_000), 0);
  },
);

alone("SIGINT twice: at once changes nothing, more than a second later exits with 130", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  wire.mayLoseResponses = true;
  const { id } = await bench.watched(wire);
  bench.model.script("never-ends", hang());
  await wire.ok({ type: "prompt", sessionId: id, message: "never-ends" });
  await wire.event(id, "message_update");
  bench.server.signal("SIGINT");
  await wire.next((message) => message.type === "server_shutdown", 5000, "server_shutdown");
  bench.server.signal("SIGINT");
  await wire.ok({ type: "ping" });
  // The contract's own second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await wire.ok({ type: "ping" });
  bench.server.signal("SIGINT");
  assertEquals(await bench.server.exitCode(5000), 130);
});

alone("broken stdout: runs are aborted and the server goes", async (bench) => {
  const server = bench.spawn({ mode: "stdio", args: ["--no-ws"] });
  const cwd = await bench.home.folder("broken");
  bench.model.script("hang-on", hang());
  const writer = server.child.stdin.getWriter();
  const send = (command: JsonObject) =>
    writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  await send({ type: "create_session", sessionId: "a", cwd });
  await send({ type: "subscribe", sessionId: "a" });
  await send({ type: "prompt", sessionId: "a", message: "hang-on" });
  const request = await bench.model.request("hang-on", 0, 30_000);
  await server.child.stdout.cancel();
  // Something must be written for the pipe to be found broken.
  const poke = setInterval(() => send({ type: "ping" }).catch(() => {}), 20);
  try {
    await server.exitCode(10_000);
    await deadline(request.aborted, 5000, () => "the model's connection to be closed");
  } finally {
    clearInterval(poke);
    await writer.close().catch(() => {});
  }
});

alone("stdio auto beside a WebSocket: end of input counts only after a valid line", async (bench) => {
  const start = async (input: string) => {
    const args = ["--state-dir", bench.home.stateDir, "--port", "0"];
    const server = bench.spawn({ args, bare: true, mode: "stdio" });
    const wire = server.stdio();
    await wire.greeting(60_000);
    if (input !== "") wire.sendRaw(new TextEncoder().encode(input), []);
    await wire.close();
    return server;
  };
  for (const input of ["", "\n", "not json\n"]) {
    const server = await start(input);
    const wire = await bench.connect();
    await wire.ok({ type: "ping" });
    // It would have gone by now: an idle server ends at once.
    const gone = await Promise.race([server.status.then(() => true), delay(700).then(() => false)]);
    assertEquals(gone, false, JSON.stringify(input));
    await wire.ok({ type: "ping" });
    await wire.close();
    await server.kill();
    await Deno.remove(bench.home.stateDir, { recursive: true });
  }
  assertEquals(await (await start('{"type":"ping"}\n')).exitCode(10_000), 0);
});

alone("SIGTERM while sessions are being created: every command is answered, exit 0", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const commands = Array.from(
    { length: 12 },
    (_, n) => ({ type: "create_session", sessionId: `s${n}`, id: `${n}` }),
  );
  for (const command of commands) wire.send(command);
  await wire.ok({ type: "ping" });
  bench.server.signal("SIGTERM");
  for (const { id } of commands) {
    const response = await wire.response(id);
    assert(response.success === true || response.code === "shutting_down", JSON.stringify(response));
  }
  assertEquals((await wire.closed).code, 1001);
  assertEquals(await bench.server.exitCode(10_000), 0);
});
