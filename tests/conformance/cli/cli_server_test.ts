// The subcommands that start, watch, open and end a server: start, stop, status, sessions, tail, token, open, doctor,
// completion, and what a person sees at the start of a server in a terminal.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Command, command, programOf, shell, variables } from "../../support/server/command_line.ts";
import { arrayAt, at, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { API_KEY, text } from "../../support/model/model_server.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, shared } from "../suite.ts";

const test = shared();

/** Ends the server that a subcommand started in the background, whatever came of the case. */
async function ended(bench: Bench, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } finally {
    await command(bench.home, ["stop", "--now"]);
  }
}

async function endpoint(bench: Bench) {
  return objectAt(JSON.parse(await Deno.readTextFile(`${bench.home.stateDir}/endpoint.json`)));
}

alone("start, status, stop: one server in the background, and never a second one", async (bench) => {
  await ended(bench, async () => {
    const { home } = bench;
    const none = await command(home, ["status", "--json"]);
    assertEquals([none.code, objectAt(JSON.parse(none.stdout)).running], [1, false]);
    const started = await command(home, ["start", "--port", "0", "--json"]);
    assertEquals([started.code, started.stderr], [0, ""]);
    const { url, pid, logFile } = objectAt(JSON.parse(started.stdout));
    assertEquals([url, pid], [(await endpoint(bench)).url, (await endpoint(bench)).pid]);
    assertEquals(((await Deno.stat(String(logFile))).mode ?? 0) & 0o777, 0o600, "the log is private");
    const again = await command(home, ["start", "--port", "0"]);
    assertEquals([again.code, again.stdout], [1, ""]);
    assertStringIncludes(again.stderr, `a server runs already at ${url}`);
    const status = objectAt(JSON.parse((await command(home, ["status", "--json"])).stdout));
    assertEquals([status.running, status.url, status.pid, status.healthy], [true, url, pid, true]);
    assertEquals(status.sessions, { live: 0, parked: 0, working: 0 });
    if (Deno.build.os === "linux") assert(numberAt(status, "residentBytes") > 10_000_000);
    const shown = await command(home, ["status"]);
    assertEquals(shown.code, 0);
    for (
      const part of [`address   ${url}`, `process   ${pid}`, "0 live (0 working), 0 parked", "health    good"]
    ) {
      assertStringIncludes(shown.stdout, part);
    }
    const stopped = await command(home, ["stop"]);
    assertEquals(stopped, { code: 0, stdout: `pi-server has stopped (process ${pid})\n`, stderr: "" });
    assertStringIncludes(await Deno.readTextFile(String(logFile)), "SIGTERM: shutting down");
    const gone = await command(home, ["stop"]);
    assertEquals([gone.code, gone.stdout], [1, ""]);
    assertStringIncludes(gone.stderr, "no server runs on this machine");
  });
});

alone("run starts a server when none runs and says so in one line; it outlives the run", async (bench) => {
  await ended(bench, async () => {
    const { home, model } = bench;
    model.script("begin", text(["one"]), text(["two"]));
    const env = { PI_SERVER_PORT: "0" };
    const first = await command(home, ["run", "--quiet", "begin"], { env });
    assertEquals([first.code, first.stdout], [0, "one\n"], first.stderr);
    const { pid, url } = await endpoint(bench);
    assertEquals(
      first.stderr,
      `pi-server: started a server in the background: ${url}, process ${pid}, log ${home.stateDir}/server.log\n`,
    );
    const second = await command(home, ["run", "--quiet", "begin"], { env });
    assertEquals(second, { code: 0, stdout: "two\n", stderr: "" });
    assertEquals((await endpoint(bench)).pid, pid);
  });
});

alone(
  "start: a wrong flag is found at once, and what keeps a server from starting is said",
  async (bench) => {
    const { home } = bench;
    const wrong = await command(home, ["start", "--prot", "0"]);
    assertEquals([wrong.code, wrong.stdout], [2, ""]);
    assertStringIncludes(wrong.stderr, "--prot: there is no such flag; did you mean --port?");
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr as Deno.NetAddr;
    const busy = await command(home, ["start", "--port", String(port)]);
    assertEquals([busy.code, busy.stdout], [1, ""]);
    assertStringIncludes(busy.stderr, `Port ${port} on 127.0.0.1 is in use`);
    assertEquals(busy.stderr.trim().split("\n").length, 1, busy.stderr);
  },
);

alone("stop: a process that has taken the number of a dead server is left alone", async (bench) => {
  const other = new Deno.Command("sleep", { args: ["60"], stdin: "null" }).spawn();
  try {
    await Deno.mkdir(bench.home.stateDir, { recursive: true });
    const left = {
      pid: other.pid,
      serverId: "gone",
      version: "0.1.0",
      url: "ws://127.0.0.1:9/",
      transports: [],
    };
    await Deno.writeTextFile(`${bench.home.stateDir}/endpoint.json`, JSON.stringify(left));
    for (const args of [["stop"], ["stop", "--now"]]) {
      const { code, stderr } = await command(bench.home, args);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "does not answer");
    }
    const alive = await Promise.race([other.status.then(() => false), Promise.resolve(true)]);
    assert(alive);
  } finally {
    other.kill("SIGKILL");
    await other.status;
  }
});

test("sessions: a table for people, JSON for programs; a name cannot drive the terminal", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire, { sessionName: "red \u001b[31m name" });
  const { code, stdout } = await command(bench.home, ["sessions"]);
  assertEquals(code, 0);
  const row = stdout.split("\n").find((line) => line.startsWith(id)) ?? "";
  assertMatch(row, /live +red {1,2}\[31m name +scripted-openai\/gpt-scripted +0 +\$0\.0000 /);
  assertStringIncludes(row, cwd);
  const json = JSON.parse((await command(bench.home, ["sessions", "--json"])).stdout);
  assert(Array.isArray(json) && json.some((session) => at(session, "sessionId") === id));
});

test("tail: what happens in a session, as words or as JSON lines, until Ctrl-C", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  bench.model.script(id, text(["An ", "answer"]), text(["Another"]));
  const words = new Command(bench.home, ["tail", id]);
  const json = new Command(bench.home, ["tail", "--all", "--events", "message_end,agent_settled", "--json"]);
  await until(
    async () => {
      const info = await wire.ok({ type: "get_state", sessionId: id });
      return numberAt(info, "subscribers") >= 2 ? true : undefined;
    },
    30_000,
    () => `two subscribers; ${words.stderr} ${json.stderr}`,
  );
  await wire.ok({ type: "prompt", sessionId: id, message: id, waitFor: "settled" }, 30_000);
  await words.shows("is done (stop)");
  await json.shows("agent_settled");
  words.child.kill("SIGINT");
  json.child.kill("SIGINT");
  const [said, lines] = [await words.end(), await json.end()];
  assertEquals([said.code, lines.code, said.stderr, lines.stderr], [130, 130, "", ""]);
  const plain = said.stdout.trim().split("\n").map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, ""));
  assertEquals(plain, ["works", `user: ${id}`, "assistant: An answer", "is done (stop)"]);
  const events = lines.stdout.trim().split("\n").map((line) => at(JSON.parse(line), "event", "type"));
  assertEquals(events, ["message_end", "message_end", "agent_settled"]);
});

test("tail: a session that goes away is one line, exit code 1; so is one that never was", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const tail = new Command(bench.home, ["tail", id]);
  await until(
    async () =>
      numberAt(await wire.ok({ type: "get_state", sessionId: id }), "subscribers") > 0 ? true : undefined,
    30_000,
    () => `a subscriber; ${tail.stderr}`,
  );
  await wire.ok({ type: "delete_session", sessionId: id });
  const { code, stderr } = await tail.end();
  assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
  assertStringIncludes(stderr, `the session ${id} is gone`);
  const never = await command(bench.home, ["tail", "never"]);
  assertEquals([never.code, never.stderr.trim().split("\n").length], [1, 1]);
  assertStringIncludes(never.stderr, "pi-server sessions");
});

test("token: mint prints the secret alone, list shows none, revoke ends it", async (bench) => {
  const minted = await command(bench.home, [
    "token",
    "mint",
    "--role",
    "observe",
    "--ttl",
    "1h",
    "--label",
    "guest",
  ]);
  assertEquals(minted.code, 0);
  const token = minted.stdout.trim();
  assertMatch(minted.stdout, /^\S{16,}\n$/);
  const id = /token (\S+), role observe, ends /.exec(minted.stderr)?.[1] ?? "";
  const list = await command(bench.home, ["token", "list"]);
  assertMatch(list.stdout, new RegExp(`^${id} +observe +guest +all +in 59m +never +0$`, "m"));
  assert(!list.stdout.includes(token));
  const file = `${bench.home.dir}/guest-token`;
  await Deno.writeTextFile(file, `${token}\n`);
  const { url } = await bench.server.endpoint();
  const asGuest = ["--server", url, "--token-file", file];
  assertEquals((await command(bench.home, ["sessions", "--json", ...asGuest])).code, 0);
  const refused = await command(bench.home, ["run", "--quiet", ...asGuest, "hello"]);
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertEquals(refused.stderr.trim().split("\n").length, 1, refused.stderr);
  assertEquals((await command(bench.home, ["token", "revoke", id])).stdout, `revoked ${id}\n`);
  const after = await command(bench.home, ["sessions", ...asGuest]);
  assertEquals([after.code, after.stdout], [1, ""]);
  assertStringIncludes(after.stderr, "does not accept this token");
  const json = await command(bench.home, ["token", "mint", "--json", "--ttl", "90s"]);
  assertEquals(typeof objectAt(JSON.parse(json.stdout)).expiresAt, "number");
});

test("open --print: the console's address with a token in the fragment that lets in and ends", async (bench) => {
  const { url, port } = await bench.server.endpoint();
  const { code, stdout, stderr } = await command(bench.home, [
    "open",
    "--print",
    "--role",
    "drive",
    "--ttl",
    "30m",
  ]);
  assertEquals([code, stderr], [0, ""]);
  const [, token = ""] = new RegExp(`^http://127\\.0\\.0\\.1:${port}/#token=(\\S+)\n$`).exec(stdout) ?? [];
  const wire = await WsWire.connect(url, token, "console");
  bench.wires.push(wire);
  await wire.ok({ type: "list_sessions" });
  const tokens = arrayAt(await (await bench.connect()).ok({ type: "list_tokens" }), "tokens");
  const own = tokens.find((one) => at(one, "label") === "console");
  assertEquals(stringAt(own, "role"), "drive");
  assertEquals(numberAt(own, "expiresAt") - numberAt(own, "mintedAt"), 30 * 60_000);
});

test("doctor: each finding with its next step, and no secret; a broken file is exit code 1", async (bench) => {
  const { home } = bench;
  const env = { ANTHROPIC_API_KEY: API_KEY };
  const auth = `${home.agentDir}/auth.json`;
  await Deno.writeTextFile(auth, JSON.stringify({ openai: { type: "api_key", key: API_KEY } }), {
    mode: 0o600,
  });
  try {
    const good = await command(home, ["doctor"], { env });
    assertEquals(good.code, 0, good.stdout);
    assert(!good.stdout.includes(API_KEY));
    for (const part of ["openai: a key in auth.json", "anthropic: a key in the variable ANTHROPIC_API_KEY"]) {
      assertStringIncludes(good.stdout, part);
    }
    assertMatch(good.stdout, /^ok +models +\d+ of .*scripted-openai/m);
    await Deno.writeTextFile(`${home.agentDir}/extensions/broken.ts`, "export default 1 +;\n").catch(
      async () => {
        await home.extension("broken", "export default 1 +;\n");
      },
    );
    await Deno.chmod(auth, 0o644);
    const bad = await command(home, ["doctor", "--json"], { env });
    assertEquals(bad.code, 1);
    const findings: unknown = JSON.parse(bad.stdout);
    assert(Array.isArray(findings));
    const failed = findings.filter((one) => at(one, "level") === "fail");
    assertEquals(failed.map((one) => at(one, "about")), ["credentials", "extensions"], bad.stdout);
    for (const one of failed) assert(stringAt(one, "next").length > 0);
    assert(!bad.stdout.includes(API_KEY));
  } finally {
    await Deno.remove(auth);
    await Deno.remove(`${home.agentDir}/extensions/broken.ts`);
  }
});

test("completion: the script for bash completes commands, flags and values; each shell has one", async (bench) => {
  const { stdout } = await shell(
    bench.home,
    [
      "source <(pi-server completion bash)",
      'ask() { COMP_WORDS=(pi-server "$@"); COMP_CWORD=$#; COMPREPLY=(); _pi_server; echo "${COMPREPLY[*]}"; }',
      "ask sess; ask run --ans; ask run --answer f; ask token m; ask --max-sess",
    ].join("\n"),
  );
  assertEquals(stdout, "sessions\n--answer\nfirst\nmint\n--max-sessions\n");
  for (const [name, holds] of [["zsh", "#compdef pi-server"], ["fish", "complete -c pi-server"]] as const) {
    assertStringIncludes((await command(bench.home, ["completion", name])).stdout, holds);
  }
  const wrong = await command(bench.home, ["completion", "fsh"]);
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
});

const IN_TERMINAL = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data: break
    sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
    if b"--help" in data: os.kill(pid, 15)
os.waitpid(pid, 0)
`;

alone("a server in a terminal says in three lines what to do next, and no token", async (bench) => {
  const { home } = bench;
  const { program, args } = programOf();
  const child = new Deno.Command("python3", {
    args: ["-c", IN_TERMINAL, program, ...args, "--port", "0", "--stdio", "off"],
    cwd: home.root,
    clearEnv: true,
    env: variables(home, { TERM: "xterm" }),
    stdin: "null",
    stderr: "null",
  });
  const { stdout } = await deadline(child.output(), 60_000, () => "the end of the server in a terminal");
  const said = new TextDecoder().decode(stdout).replaceAll("\r", "");
  const advice = said.split("\n").filter((line) => line.startsWith("  pi-server "));
  assertEquals(advice.map((line) => line.trim().split(" ")[1]), ["attach", "open", "--help"], said);
  assert(!said.includes((await Deno.readTextFile(`${home.stateDir}/token`)).trim()));
});
