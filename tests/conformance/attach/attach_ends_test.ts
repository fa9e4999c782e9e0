// `pi-server attach` when things go wrong: how it ends, how it leaves the terminal, servers that die and come back,
// hostile text, and bad input, which is answered with one clear line each.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { attachAlone, attachCases, attachCommand } from "./attach_bench.ts";
import { shared } from "../suite.ts";
import { environment } from "../../support/server/server_process.ts";
import { again } from "../../support/server/restart.ts";
import { calls, Gate, text } from "../../support/model/model_server.ts";
import type { Terminal } from "../../support/fronts/tmux.ts";
import { until } from "../../support/base/wait.ts";

const ESC = "\x1b";
/** A tool that answers with what a terminal would act on, and one that answers with a lot. */
const TOOLS = `
const answer = (text) => ({ content: [{ type: "text", text }], details: {} });
const tool = (name, execute) => ({
  name, label: name, description: name, parameters: { type: "object", properties: {} }, execute: async () => execute(),
});
export default function (pi) {
  pi.registerTool(tool("hostile", () => answer("\\x1b]0;owned\\x07\\x1b[2Jtool\\x9b31m says\\x1b[5;5H \\u202ethis\\x07")));
  pi.registerTool(tool("one_line", () => answer("x".repeat(1_000_000) + " the end of the line")));
  pi.registerTool(tool("many_lines", () => answer("some line of output\\n".repeat(50_000) + "the last line")));
}`;
const test = attachCases([], (bench) => bench.home.extension("tools", TOOLS));
const plain = shared();

/** That the terminal is as it was: its own screen, an echo, whole lines, a cursor. */
async function restored(terminal: Terminal): Promise<void> {
  assertEquals(await terminal.ask("#{alternate_on} #{cursor_flag}"), "0 1");
  await terminal.send(
    "clear; stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig)' | tr '\\n' ' '; echo mode-is-shown",
  );
  const screen = await terminal.shows(/mode-is-shown\n.*done>/s);
  for (const flag of ["icanon", "echo", "isig"]) assert(new RegExp(`(?<!-)\\b${flag} `).test(screen), screen);
}

/** The process of the client in the terminal. */
async function clientOf(terminal: Terminal): Promise<number> {
  return await until(
    async () => (await terminal.children()).at(0),
    5000,
    () => "nothing runs in the terminal",
  );
}

for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130]] as const) {
  test(`attach: ${signal} gives the terminal back`, async ({ bench, attach }) => {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const terminal = await attach([id]);
    await terminal.shows(`/root/${id}`);
    assertEquals(await terminal.ask("#{alternate_on}"), "1");
    Deno.kill(await clientOf(terminal), signal);
    await terminal.shows(`exit code ${code}`);
    await restored(terminal);
  });
}

test("attach: ends with its terminal, and the run goes on", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const gate = new Gate();
  bench.model.script("left-alone", text(["a ", "b"], { gate }));
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.send("left-alone");
  await bench.model.request("left-alone");
  const pid = await clientOf(terminal);
  await terminal.close();
  const alive = async (): Promise<boolean> => await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
  await until(async () => !await alive(), 10_000, () => `process ${pid} still runs`);
  gate.open();
  await wire.event(id, "agent_settled");
});

test("attach: detaching gives the terminal back, with what it showed before", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.press("C-c", "C-c");
  await terminal.shows("detached; the sessions go on", "exit code 0");
  await restored(terminal);
});

test("attach: control sequences of models, tools, names and files never reach the terminal", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { sessionName: `evil${ESC}]0;owned\x07${ESC}[31m name` });
  const words =
    `${ESC}]0;owned\x07${ESC}[2J${ESC}[31mred${ESC}[0m &#27;[2J \u202eturned \x9b5mblink \`${ESC}[7mcode\``;
  bench.model.script(
    "be-evil",
    calls([{ name: "hostile", args: {} }], [words]),
    text(["and ", `${ESC}`, "[32mgreen"]),
  );
  const terminal = await attach([id]);
  await terminal.shows("1 evil name");
  const title = await terminal.ask("#{pane_title}");
  await terminal.send("be-evil");
  const screen = await terminal.shows(
    "red",
    "turned",
    "code",
    "tool says this",
    "and ",
    "green",
    "> be-evil",
  );
  assert(!screen.includes("\u202e"), screen);
  const styled = await terminal.screen(true);
  // Without colours (NO_COLOR) every colour on the screen would be theirs.
  // deno-lint-ignore no-control-regex
  assert(!/\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|5)(?:;\d+)*m/.test(styled), JSON.stringify(styled));
  assertEquals(await terminal.ask("#{pane_title}"), title);
  assertEquals(await terminal.ask("#{alternate_on}"), "1");
});

test("attach: colours come and go with NO_COLOR", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const bare = await attach([id]);
  await bare.shows(`/root/${id}`);
  // deno-lint-ignore no-control-regex
  const colour = /\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])m/;
  assert(!colour.test(await bare.screen(true)));
  const coloured = await attach([id], { env: { NO_COLOR: "" } });
  await coloured.shows(`/root/${id}`);
  assert(colour.test(await coloured.screen(true)));
});

test("attach: in colours a frame comes whole, however many bytes its last line has", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const opened = async (NO_COLOR: string): Promise<Terminal> => {
    const terminal = await attach([id], { env: { NO_COLOR } });
    await terminal.shows(`/root/${id}`, "connected", "↑0 ↓0");
    await terminal.type("/");
    await terminal.shows("New session [name]", "(1/");
    return terminal;
  };
  // A border of the editor has 13 bytes for each column in colours. The screen without them is the measure.
  const [bare, coloured] = [await opened("1"), await opened("")];
  await coloured.shows(await bare.screen());
  await bare.press("Escape");
  await coloured.press("Escape");
  await coloured.shows(await bare.hides("(1/"));
});

test("attach: wide characters and emoji keep the lines straight", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const words = "漢字かな交じり文。".repeat(12);
  bench.model.script(
    "go-wide",
    text([`${words}\n\n| 表 | 値 |\n|---|---|\n| 一 | 👍 |\n\n- 👩‍👩‍👧 family 🇩🇪 e\u0301 \u200bzero`]),
  );
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.send("go-wide");
  const screen = await terminal.shows("漢字かな交じり文。漢字", "│ 表", "family");
  const lines = screen.split("\n");
  assertEquals(lines.filter((line) => line.includes("漢") || line.includes("か")).length, 3, screen);
  const edges = lines.filter((line) => line.startsWith("│"));
  assertStringIncludes(lines.at(-2) ?? "", "connected");
  assert(edges.length === 0 || new Set(edges.map((line) => line.indexOf("│"))).size === 1, screen);
});

test("attach: outputs of a megabyte are shown at their end, and keys still work", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  // pi 1.6 estimates the size of the results and would compact them away. pi 0.73 believes the model's own count.
  await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  bench.model.script(
    "be-big",
    calls([{ name: "one_line", args: {} }, { name: "many_lines", args: {} }]),
    text(["big done"]),
  );
  const terminal = await attach([id], { rows: 50 });
  await terminal.shows(`/root/${id}`);
  await terminal.send("be-big");
  await terminal.shows(
    "big done",
    "the last line",
    "characters before these are not loaded",
    "more lines (Ctrl+O)",
  );
  await terminal.press("C-o");
  await terminal.press("PageUp");
  await terminal.shows("more below");
  await terminal.press("C-Home");
  await terminal.shows("> be-big");
  await terminal.press("C-End");
  await terminal.shows("big done");
});

test("attach: a terminal that becomes too small says so, and comes back", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const small = await attach([id], { columns: 100, rows: 5 });
  await small.shows("the terminal is too small: 100x5, and at least 24x8 is needed", "exit code 2");
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.resize(70, 6);
  await terminal.shows("the terminal is too small: 70x6");
  await terminal.resize(80, 24);
  await terminal.shows(`/root/${id}`, "connected");
});

test("attach: a session, a server or a token that is not there is one line", async ({ bench, attach }) => {
  const wire = await bench.connect();
  await bench.session(wire);
  const nobody = await attach(["no-such-session"], { columns: 200 });
  await nobody.shows(
    "there is no session no-such-session; pi-server attach without a name lists them",
    "exit code 1",
  );
  await restored(nobody);
  const { url } = await bench.server.endpoint();
  const [program = "", ...args] = attachCommand(bench, []).filter((word, at, all) =>
    word !== "--state-dir" && all[at - 1] !== "--state-dir"
  );
  const elsewhere = async (...flags: string[]): Promise<string> => {
    const { code, stderr, stdout } = await new Deno.Command("script", {
      args: ["-qec", [program, ...args, ...flags].map((word) => `'${word}'`).join(" "), "/dev/null"],
      clearEnv: true,
      env: environment(bench.home),
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(code, 1, said);
    assertEquals(said.trim().split("\n").length, 1, said);
    return said;
  };
  assertStringIncludes(
    await elsewhere("--server", "ws://127.0.0.1:1/"),
    "no server answers at ws://127.0.0.1:1/",
  );
  await Deno.writeTextFile(`${bench.home.dir}/wrong-token`, "not-the-token-at-all");
  const flags = ["--server", url, "--token-file", `${bench.home.dir}/wrong-token`];
  assertStringIncludes(await elsewhere(...flags), "does not accept this token");
});

plain("attach: without a terminal it says what it needs", async (bench) => {
  const [program = "", ...args] = attachCommand(bench, []);
  const { code, stderr } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: environment(bench.home),
    stdin: "null",
    stdout: "piped",
  }).output();
  assertEquals(code, 2);
  assertEquals(
    new TextDecoder().decode(stderr),
    "pi-server attach: attach needs a terminal for its input and output; in a script use pi-server run\n",
  );
});

attachAlone(
  "attach: after a server is killed and restarted, attach connects again and continues",
  async ({ bench, attach }) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const terminal = await attach([id]);
    await terminal.shows(`/root/${id}`);
    await terminal.send("word-one");
    await terminal.shows("echo: word-one");
    wire.mayLoseResponses = true;
    await bench.server.kill();
    await terminal.shows("reconnecting…", "echo: word-one");
    await terminal.send("word-two");
    await again(bench);
    await terminal.shows("connected", "> word-one", "echo: word-one", "echo: word-two");
    const screen = await terminal.screen();
    assertEquals(screen.split("echo: word-one").length, 2, screen);
  },
);
