// `pi-server acp` with bad input: garbage, unknown methods, missing or wrong servers. Each is answered with an error of
// the Agent Client Protocol, and nothing hangs.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { WebSocketServer } from "ws";
import { Editor } from "../../support/fronts/acp_editor.ts";
import { command } from "../../support/server/command_line.ts";
import { at, type JsonObject } from "../../support/base/json.ts";
import { hang } from "../../support/model/model_server.ts";
import { alone, type Bench, shared } from "../suite.ts";

const test = shared();

/** The answers to these lines, after an `initialize` where that is wanted. stdin ends behind the last line. */
async function answers(
  bench: Bench,
  lines: readonly string[],
  { initialized = true, args = [] as readonly string[], env = {} as Record<string, string> } = {},
): Promise<JsonObject[]> {
  const first = { jsonrpc: "2.0", id: "init", method: "initialize", params: { protocolVersion: 1 } };
  const all = [...initialized ? [JSON.stringify(first)] : [], ...lines];
  const input = all.map((line) => `${line}\n`).join("");
  const { code, stdout, stderr } = await command(bench.home, ["acp", ...args], { input, env });
  assertEquals([code, stderr], [0, ""]);
  const found = stdout.trim().split("\n").map((line) => JSON.parse(line) as JsonObject);
  assertEquals(found.length, all.length, stdout);
  return initialized ? found.filter(({ id }) => id !== "init") : found;
}

test("acp: garbage, batches and messages without a method are errors with no id", async (bench) => {
  const found = await answers(bench, ["{", "[]", "7", '"text"', '{"jsonrpc":"2.0"}', "\ufffe\u0000"]);
  // The SDK refuses some lines as it reads them, and others behind its queue; Node 24 has another order of the two.
  const codes = found.map((one) => [one.id, at(one, "error", "code")]).toSorted();
  assertEquals(codes, [-32600, -32600, -32600, -32600, -32700, -32700].map((code) => [null, code]));
});

test("acp: unknown methods, wrong parameters and unknown sessions are errors of that request", async (bench) => {
  const { root } = bench.home;
  const outside = await Deno.makeTempDir();
  await using editor = await Editor.start(bench.home);
  const prompt = [{ type: "text", text: "x" }];
  const none = { sessionId: "none" };
  const mcpServers: unknown[] = [];
  const cases: [method: string, params: unknown, code: number, says: string][] = [
    ["session/fly", {}, -32601, "session/fly"],
    ["session/new", { cwd: 7 }, -32602, "Invalid params"],
    ["session/new", "no object", -32602, "Invalid params"],
    ["session/new", { cwd: outside, mcpServers }, -32602, "--root"],
    ["session/new", { cwd: `${root}/nothing`, mcpServers }, -32602, "nothing"],
    ["session/new", { cwd: root, mcpServers, additionalDirectories: ["/a"] }, -32602, "has one folder"],
    ["session/prompt", { ...none, prompt }, -32002, 'the session "none" is not open here'],
    ["session/load", { ...none, cwd: root, mcpServers }, -32002, 'there is no session "none"; session/list'],
    ["session/load", { sessionId: "../../etc", cwd: root, mcpServers }, -32002, "there is no session"],
    ["session/resume", { ...none, cwd: root }, -32002, "there is no session"],
    ["session/set_mode", { ...none, modeId: "high" }, -32002, "is not open here"],
    ["session/close", none, -32002, "is not open here"],
    ["authenticate", { methodId: "magic" }, -32602, 'there is no way to log in named "magic"'],
  ];
  try {
    for (const [method, params, code, says] of cases) {
      await editor.agent.request(method, params).catch(() => {});
      const error = at(editor.sent.at(-1)?.message, "error");
      assertEquals(at(error, "code"), code, method);
      assertStringIncludes(String(at(error, "message")), says);
    }
    // A cancel of nothing does not end the program.
    await editor.agent.notify("session/cancel", none);
    await editor.agent.notify("session/fly", {});
    assertEquals((await editor.agent.request("session/list", {})).sessions, []);
    assertEquals(await editor.end(), 0);
  } finally {
    await Deno.remove(outside);
  }
});

test("acp: a request before `initialize` is refused; any version is answered with 1", async (bench) => {
  const list = { jsonrpc: "2.0", id: 1, method: "session/list", params: {} };
  const [refused] = await answers(bench, [JSON.stringify(list)], { initialized: false });
  assertEquals([refused?.id, at(refused, "error", "code")], [1, -32600]);
  for (const protocolVersion of [1, 2, 77]) {
    const init = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion } };
    const [answer] = await answers(bench, [JSON.stringify(init)], { initialized: false });
    assertEquals(at(answer, "result", "protocolVersion"), 1);
  }
});

/** The error of `initialize`. */
async function initError(bench: Bench, args: string[], env: Record<string, string> = {}): Promise<string> {
  const init = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: 1 } };
  const [answer] = await answers(bench, [JSON.stringify(init)], { initialized: false, args, env });
  assertEquals([answer?.id, at(answer, "error", "code")], [1, -32603], JSON.stringify(answer));
  return String(at(answer, "error", "message"));
}

test("acp: no server, a wrong token, another protocol: `initialize` says which", async (bench) => {
  assertStringIncludes(
    await initError(bench, ["--server", "127.0.0.1:9"]),
    "no server answers at ws://127.0.0.1:9/",
  );
  const { url } = await bench.server.endpoint();
  const wrong = { PI_SERVER_TOKEN: "0".repeat(64) };
  assertStringIncludes(await initError(bench, ["--server", url], wrong), "does not accept this token");
  const absent = ["--token-file", `${bench.home.dir}/nothing`];
  assertStringIncludes(await initError(bench, absent), "there is no file");
  const data = { version: "9.0.0", protocolVersion: "9.0", serverId: "old", capabilities: [] };
  const old = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "pi-server.v1" });
  old.on("connection", (socket) => socket.send(JSON.stringify({ type: "server_ready", data })));
  await new Promise((resolve) => old.once("listening", () => resolve(undefined)));
  try {
    const { port } = old.address() as { port: number };
    assertStringIncludes(await initError(bench, ["--server", `127.0.0.1:${port}`]), "speaks protocol 9.0");
  } finally {
    for (const socket of old.clients) socket.terminate();
    await new Promise((resolve) => old.close(resolve));
  }
});

test("acp: wrong arguments are exit code 2; a token for watching may not prompt", async (bench) => {
  const stray = await command(bench.home, ["acp", "now"]);
  assertEquals([stray.code, stray.stdout], [2, ""]);
  assertMatch(stray.stderr, /^pi-server acp: now: it takes flags alone/);
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  const { token } = await wire.ok({ type: "mint_token", role: "observe", ttlMs: 600_000 });
  await using editor = await Editor.start(bench.home, { env: { PI_SERVER_TOKEN: String(token) } });
  await editor.agent.request("session/load", { sessionId: id, cwd, mcpServers: [] });
  const error = await assertRejects(() => editor.prompt(id, "hello"), Error);
  assertEquals(at(Reflect.get(error, "data"), "code"), "forbidden");
  editor.check();
});

test("acp: the end of stdin ends the program, and leaves the run to other clients", async (bench) => {
  const marker = bench.name("leaves");
  bench.model.script(marker, hang(["still at it "]));
  await using editor = await Editor.start(bench.home);
  const id = await editor.session(await bench.home.folder(marker));
  const prompt = editor.prompt(id, marker).catch((error) => error);
  await editor.until(() => editor.text(id).includes("at it"), "the first words");
  assertEquals(await editor.end(), 0);
  assert(await prompt instanceof Error);
  const wire = await bench.connect();
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, true);
  await wire.ok({ type: "abort", sessionId: id });
});

test("acp: SIGTERM and SIGINT end it with their code", async (bench) => {
  for (const [signal, wanted] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    await using editor = await Editor.start(bench.home);
    editor.child.kill(signal);
    const { code } = await editor.child.status;
    assertEquals(code, wanted);
  }
});

alone("acp: without credentials a prompt asks to log in, and `authenticate` says how", async (bench) => {
  await Deno.remove(`${bench.home.agentDir}/models.json`);
  await bench.start();
  await using editor = await Editor.start(bench.home);
  const login = () => editor.agent.request("authenticate", { methodId: "pi-login" });
  const refused = await assertRejects(login, Error, "type /login");
  assertEquals(Reflect.get(refused, "code"), -32000);
  const wire = await bench.connect();
  assertEquals(
    at(await wire.ok({ type: "list_sessions" }), "sessions"),
    [],
    "the question leaves no session",
  );
  const id = await editor.session(bench.home.root);
  const error = await assertRejects(() => editor.prompt(id, "hello"), Error);
  assertEquals(Reflect.get(error, "code"), -32000);
  editor.check();
});

test("acp: with credentials `authenticate` succeeds", async (bench) => {
  await using editor = await Editor.start(bench.home);
  assertEquals(await editor.agent.request("authenticate", { methodId: "pi-login" }), {});
  editor.check();
});

alone(
  "acp: a server that goes away for good is an error; a new one is found, and the session goes on",
  async (bench) => {
    const first = await bench.start();
    await using editor = await Editor.start(bench.home);
    const id = await editor.session(bench.home.root);
    assertEquals(await editor.prompt(id, "one"), "end_turn");
    first.signal("SIGTERM");
    await first.exitCode();
    await bench.start();
    assertEquals(await editor.prompt(id, "two"), "end_turn");
    assertEquals(editor.text(id), "echo: oneecho: two");
    assertEquals(editor.text(id, "user_message_chunk"), "");
    editor.check();
  },
);
