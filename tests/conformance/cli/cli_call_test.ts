// `pi-server call`: any command of the protocol from a shell, and its help made from the schema.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { command, shell } from "../../support/server/command_line.ts";
import { arrayAt, at, objectAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { shared } from "../suite.ts";

const test = shared();

/** The one line of JSON on stdout. */
const answer = (stdout: string) => {
  assertEquals(stdout.trim().split("\n").length, 1, stdout);
  return objectAt(JSON.parse(stdout));
};

test("call: the answer is one line of JSON, exit code 0; --data is its data alone", async (bench) => {
  const whole = await command(bench.home, ["call", "ping"]);
  assertEquals([whole.code, whole.stderr], [0, ""]);
  const { type, command: name, success, data } = answer(whole.stdout);
  assertEquals([type, name, success, typeof at(data, "now")], ["response", "ping", true, "number"]);
  const { stdout } = await command(bench.home, ["call", "ping", "--data"]);
  assertEquals(typeof answer(stdout).now, "number");
});

test("call: an error of the server is on stdout as JSON and on stderr as a line, exit code 1", async (bench) => {
  const { code, stdout, stderr } = await command(bench.home, ["call", "get_state", "--sessionId", "nope"]);
  assertEquals(code, 1);
  const failed = answer(stdout);
  assertEquals([failed.success, failed.code, failed.retryable], [false, "session_not_found", false]);
  assertEquals(stderr, `pi-server call: ${failed.error} (session_not_found)\n`);
});

test("call: fields as flags, as JSON, from stdin, and mixed; each becomes what the schema says", async (bench) => {
  const name = bench.name();
  const created = await command(bench.home, [
    ...["call", "create_session", "--session-id", name, "--inMemory", "--tools", "read", "--tools", "bash"],
    ...["--sessionName", "42", "--cwd", bench.home.root],
  ]);
  assertEquals(created.code, 0, created.stderr);
  assertEquals(at(answer(created.stdout), "data", "sessionInfo", "sessionName"), "42");
  const tools = await command(bench.home, [
    "call",
    "get_tools",
    JSON.stringify({ sessionId: name }),
    "--data",
  ]);
  const active = arrayAt(answer(tools.stdout), "tools").filter((tool) => at(tool, "active") === true);
  assertEquals(active.map((tool) => at(tool, "name")).sort(), ["bash", "read"]);
  bench.model.script(name, text(["An answer"]));
  const input = JSON.stringify({ message: name, waitFor: "accepted" });
  const prompted = await command(
    bench.home,
    ["call", "prompt", "-", "--sessionId", name, "--waitFor=settled", "--waitMs", "20000"],
    { input },
  );
  assertEquals(at(answer(prompted.stdout), "data", "text"), "An answer", prompted.stderr);
  const off = await command(bench.home, [
    "call",
    "set_auto_retry",
    "--sessionId",
    name,
    "--enabled",
    "false",
  ]);
  assertEquals(off.code, 0, off.stderr);
  const budget = await command(bench.home, [
    "call",
    "set_budget",
    "--sessionId",
    name,
    "--maxUsd",
    "0.5",
    "--data",
  ]);
  assertEquals(at(answer(budget.stdout), "budget", "maxUsd"), 0.5);
});

test("call: a union takes JSON, and the same key runs once", async (bench) => {
  const name = bench.name();
  const args = ["call", "create_session", "--sessionId", name, "--idempotencyKey", `key-${name}`];
  const [first, second] = [await command(bench.home, args), await command(bench.home, args)];
  assertEquals([first.code, second.code, answer(second.stdout).replayed], [0, 0, true]);
  const response = JSON.stringify({ method: "cancelled" });
  const { stdout } = await command(bench.home, [
    ...["call", "extension_ui_response", "--sessionId", name, "--requestId", "x", "--response", response],
  ]);
  assertEquals(answer(stdout).code, "ui_request_not_found");
});

test("call: wrong words are exit code 2 and name the nearest right one", async (bench) => {
  const cases: readonly (readonly [args: readonly string[], says: string])[] = [
    [["call"], "name the command"],
    [["call", "get_stat", "--sessionId", "a"], "did you mean get_state?"],
    [["call", "prompt", "--sessionId", "a"], "prompt needs --message TEXT"],
    [["call", "prompt", "--sesionId", "a"], "did you mean --sessionId? see pi-server call prompt --help"],
    [["call", "create_session", "--name", "a"], "did you mean --sessionName?"],
    [["call", "prompt", "--sessionId"], "expected TEXT after it"],
    [["call", "get_messages", "--sessionId", "a", "--limit", "many"], "expected a number"],
    [["call", "set_auto_retry", "--sessionId", "a", "--enabled", "maybe"], "expected true or false"],
    [["call", "set_thinking_level", "--sessionId", "a", "--level", "hihg"], "did you mean high?"],
    [["call", "ping", "{"], "expected a JSON object"],
    [["call", "ping", "[1]"], "expected a JSON object"],
    [["call", "ping", "-x"], "--name value"],
    [["call", "--sessionId", "a", "get_state"], "the command comes before its fields"],
  ];
  for (const [args, says] of cases) {
    const { code, stdout, stderr } = await command(bench.home, args);
    assertEquals([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
    assertStringIncludes(stderr, says);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
  }
});

test("call --help lists every command of the schema; TYPE --help has its fields, at 80 columns", async (bench) => {
  const { stdout: schema } = await command(bench.home, ["call", "get_schema", "--data"]);
  const commands = arrayAt(objectAt(JSON.parse(schema)), "schema", "commands").map(String);
  const all = await command(bench.home, ["call", "--help"]);
  for (const name of commands) assert(new RegExp(`(^| )${name}( |$)`, "m").test(all.stdout), name);
  const one = await command(bench.home, ["call", "create_session", "--help"]);
  const fields = Object.keys(objectAt(JSON.parse(schema), "schema", "$defs", "create_session", "properties"));
  for (const field of fields.filter((name) => name !== "type" && name !== "id")) {
    assertStringIncludes(one.stdout, `--${field} `);
  }
  assertStringIncludes(one.stdout, "--thinkingLevel off|minimal|low|medium|high|xhigh");
  const wide = await command(bench.home, ["call", "set_thinking_level", "--help"]);
  assertStringIncludes(wide.stdout, "set_thinking_level --sessionId TEXT\n");
  for (const { code, stdout, stderr } of [all, one, wide]) {
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.split("\n").filter((line) => line.length > 80), []);
  }
});

test("call: a pipe into jq, as in docs/CLI.md", async (bench) => {
  const name = bench.name();
  const line = `pi-server call create_session --sessionId ${name} | jq -r .data.sessionId`;
  const { code, stdout, stderr } = await shell(bench.home, line);
  if (code === 127) return;
  assertEquals([code, stdout.trim()], [0, name], stderr);
});
