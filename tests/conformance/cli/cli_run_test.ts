// `pi-server run` in scripts: what comes on stdout and stderr, which exit code, and that nothing goes on after it.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Command, command, programOf, shell, variables } from "../../support/server/command_line.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at, objectAt, stringAt } from "../../support/base/json.ts";
import { calls, Gate, hang, OPENAI, OTHER, status, text } from "../../support/model/model_server.ts";
import { alone, type Bench, listed, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

/** What a terminal would act on: a title, a clearing, a colour in one byte, another direction. */
const HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e";
// deno-lint-ignore no-control-regex
const NOT_PLAIN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/;

/** The id in the last line of stderr. */
function sessionOf(stderr: string): string {
  const id = /session (\S+)\n$/.exec(stderr)?.[1];
  assert(id !== undefined, stderr);
  return id;
}

/** No session works. */
async function allIdle(bench: Bench): Promise<void> {
  const wire = await bench.connect("idle");
  const data = await wire.ok({ type: "list_sessions" });
  const working = arrayAt(data, "sessions").filter((session) => at(session, "isStreaming") === true);
  assertEquals(working, []);
}

test("run: the answer alone on stdout, what it cost on stderr, exit code 0", async (bench) => {
  const marker = bench.name("plain");
  bench.model.script(marker, text(["Hel", "lo ", "wörld ", "😀"], { thinking: "let me think" }));
  const { code, stdout, stderr } = await command(bench.home, ["run", marker]);
  assertEquals([code, stdout], [0, "Hello wörld 😀\n"]);
  assertMatch(
    stderr,
    /^pi-server: \d+ tokens in, \d+ out; \$\d+\.\d{4}; scripted-openai\/gpt-scripted; session /,
  );
  assertEquals(stderr.trim().split("\n").length, 1, "one line");
});

test("run: an answer that ends its own line gets no second one; each answer of a run has a line", async (bench) => {
  const marker = bench.name("lines");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: "true" } }], ["First ", "I look."]),
    text(["Then I", " know.\n"]),
  );
  const { code, stdout } = await command(bench.home, ["run", "--quiet", marker]);
  assertEquals([code, stdout], [0, "First I look.\nThen I know.\n"]);
});

test("run: --quiet leaves stderr empty; the prompt may come from stdin, or with it", async (bench) => {
  const marker = bench.name("stdin");
  bench.model.script(marker, text(["one"]), text(["two"]));
  const alone = await command(bench.home, ["run", "--quiet", "-"], { input: `${marker}\nand more\n` });
  assertEquals(alone, { code: 0, stdout: "one\n", stderr: "" });
  const both = await command(bench.home, ["run", "--quiet", `${marker} explain`, "-"], { input: "the log" });
  assertEquals(both, { code: 0, stdout: "two\n", stderr: "" });
  const last = await bench.model.request(marker, 1);
  assertEquals(last.userText, `${marker} explain\n\nthe log`);
});

test("run: --json gives each event as a line, and the result as the last", async (bench) => {
  const marker = bench.name("json");
  bench.model.script(marker, text(["a", "b"]));
  const { code, stdout } = await command(bench.home, ["run", "--json", "--quiet", marker]);
  assertEquals(code, 0);
  const lines = stdout.trim().split("\n").map((line) => objectAt(JSON.parse(line)));
  const result = lines.at(-1);
  assertEquals([result?.type, result?.success, result?.text, result?.stopReason], [
    "result",
    true,
    "ab",
    "stop",
  ]);
  const events = lines.slice(0, -1);
  assertEquals(new Set(events.map((line) => line.type)), new Set(["event"]));
  assertEquals(events.map((line) => line.seq), events.map((_, at) => at + 1), "no event is left out");
  assertEquals(at(events.at(-1), "event", "type"), "agent_settled");
});

test("run: --session goes on, --rm takes a session off the list", async (bench) => {
  const marker = bench.name("again");
  bench.model.script(marker, text(["1"]), text(["2"]), text(["3"]));
  const first = await command(bench.home, ["run", marker]);
  const id = sessionOf(first.stderr);
  const second = await command(bench.home, ["run", "--session", id, marker]);
  assertEquals([second.stdout, sessionOf(second.stderr)], ["2\n", id]);
  const asked = arrayAt((await bench.model.request(marker, 1)).body, "messages").map((one) =>
    at(one, "role")
  );
  assertEquals(asked.filter((role) => role === "user" || role === "assistant"), [
    "user",
    "assistant",
    "user",
  ]);
  const wire = await bench.connect();
  assert((await listed(wire)).includes(id));
  const removed = await command(bench.home, ["run", "--rm", marker]);
  assertEquals(removed.stdout, "3\n");
  assert(!(await listed(wire)).includes(sessionOf(removed.stderr)));
});

alone("run: --session brings a stored session back, by the id of its file", async (bench) => {
  await bench.start(["--root", `${bench.home.agentDir}/sessions`]);
  bench.model.script("kept", text(["1"]), text(["2"]));
  const removed = await command(bench.home, ["run", "--rm", "kept"]);
  assertEquals(removed.stdout, "1\n");
  const wire = await bench.connect();
  assertEquals(await listed(wire), []);
  const [stored] = arrayAt(await wire.ok({ type: "list_stored_sessions" }), "sessions");
  const loaded = await command(bench.home, ["run", "--session", stringAt(stored, "sessionId"), "kept"]);
  assertEquals(loaded.stdout, "2\n", loaded.stderr);
});

test("run: --model, --cwd and --name make the session; the model of one can be changed", async (bench) => {
  const marker = bench.name("made");
  const folder = await bench.home.folder(marker);
  bench.model.script(marker, text(["1"]), text(["2"]));
  const model = `${OTHER.provider}/${OTHER.modelId}`;
  const { stderr } = await command(bench.home, [
    "run",
    "--model",
    model,
    "--cwd",
    marker,
    "--name",
    "nightly",
    marker,
  ]);
  const id = sessionOf(stderr);
  const wire = await bench.connect();
  const state = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals([state.cwd, state.sessionName, at(state, "model", "id")], [folder, "nightly", OTHER.modelId]);
  const changed = await command(bench.home, [
    ...["run", "--session", id, "--model", `${OPENAI.provider}/${OPENAI.modelId}`, marker],
  ]);
  assertStringIncludes(changed.stderr, OPENAI.modelId);
});

test("run: an error of the model is exit code 1 and one line; half an answer ends its line", async (bench) => {
  const marker = bench.name("refused");
  bench.model.script(marker, status(400, "that is not allowed"));
  const { code, stdout, stderr } = await command(bench.home, ["run", marker]);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "that is not allowed");
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
});

test("run: SIGINT aborts the run, exit code 130", async (bench) => {
  const marker = bench.name("interrupt");
  bench.model.script(marker, hang(["Thinking about it"]));
  const run = new Command(bench.home, ["run", marker]);
  await run.shows("Thinking");
  run.child.kill("SIGINT");
  const { code, stdout, stderr } = await run.end();
  assertEquals([code, stdout], [130, "Thinking about it\n"]);
  assertEquals(stderr, "pi-server: interrupted; the run was aborted\n");
  await (await bench.model.request(marker)).aborted;
  await allIdle(bench);
});

test("run: SIGTERM aborts the run too, exit code 143", async (bench) => {
  const marker = bench.name("terminate");
  bench.model.script(marker, hang(["Thinking"]));
  const run = new Command(bench.home, ["run", "--json", "--quiet", marker]);
  await run.shows("text_delta");
  run.child.kill("SIGTERM");
  const { code, stdout } = await run.end();
  assertEquals(code, 143);
  const result = objectAt(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  assertEquals([result.type, result.success, result.code], ["result", false, "cancelled"]);
  await allIdle(bench);
});

test("run: a budget that is used up is exit code 4, whether it ends a run or refuses one", async (bench) => {
  const wire = await bench.connect("admin");
  for (const onExceed of ["abort", "pause"]) {
    const { id } = await bench.session(wire);
    await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 1, onExceed });
    const marker = bench.name(`budget-${onExceed}`);
    bench.model.script(
      marker,
      calls([{ name: "bash", args: { command: "true" } }], ["I look. "]),
      text(["never said"]),
    );
    const ended = await command(bench.home, ["run", "--quiet", "--session", id, marker]);
    assertEquals([ended.code, ended.stdout], [4, "I look. \n"], ended.stderr);
    assertMatch(ended.stderr, /^pi-server run: .*budget.*\n$/);
    const refused = await command(bench.home, ["run", "--json", "--session", id, "more"]);
    assertEquals(refused.code, 4, refused.stderr);
    const last = JSON.parse(refused.stdout.trim().split("\n").at(-1) ?? "");
    assertEquals([at(last, "success"), at(last, "code")], [false, "budget_exceeded"]);
    assertMatch(refused.stderr, /^pi-server run: .*budget.*\n$/);
  }
});

test("run: a run that another client aborts is exit code 3", async (bench) => {
  const marker = bench.name("other");
  bench.model.script(marker, hang(["Thinking"]));
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const run = new Command(bench.home, ["run", "--session", id, marker]);
  await run.shows("Thinking");
  await wire.ok({ type: "abort", sessionId: id });
  const { code, stderr } = await run.end();
  assertEquals(code, 3);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
});

test("run: a broken pipe ends it quietly at the next word, and the run with it", async (bench) => {
  const marker = bench.name("pipe");
  const gate = new Gate();
  bench.model.script(marker, text(["first line\n", "second\n", ...Array(200).fill("more\n")], { gate }));
  const line = `pi-server run '${marker}' | head -n 1; echo "codes \${PIPESTATUS[0]}"`;
  const ran = shell(bench.home, line);
  await bench.model.request(marker);
  gate.open();
  const { code, stdout, stderr } = await ran;
  assertEquals([code, stdout, stderr], [0, "first line\ncodes 0\n", ""]);
  await allIdle(bench);
});

test("run: a reader that is gone while the model is silent ends it too, and the run with it", async (bench) => {
  const marker = bench.name("silent");
  bench.model.script(marker, hang(["first line\n"]));
  const { stdout, stderr } = await shell(bench.home, `pi-server run '${marker}' | head -n 1`);
  assertEquals([stdout, stderr], ["first line\n", ""]);
  await (await bench.model.request(marker)).aborted;
  await allIdle(bench);
});

test("run: stdin and stdout may be closed", async (bench) => {
  const marker = bench.name("closed");
  bench.model.script(marker, text(["one"]), text(["two"]));
  const noInput = await shell(bench.home, `pi-server run --quiet '${marker}' <&-`);
  assertEquals(noInput, { code: 0, stdout: "one\n", stderr: "" });
  const noOutput = await shell(bench.home, `pi-server run --quiet '${marker}' >&-`);
  assertEquals([noOutput.stdout, noOutput.stderr], ["", ""]);
});

const ASKS = `/ui ${
  JSON.stringify({
    out: "answers.json",
    calls: [["select", "Pick", ["A", "B"]], ["confirm", "Sure?", "Really"]],
  })
}`;

test("run: --answer first answers the dialogs of extensions, none cancels them", async (bench) => {
  for (const [how, expected] of [["first", ["A", true]], ["none", ["<undefined>", false]]] as const) {
    const name = bench.name("dialogs");
    const folder = await bench.home.folder(name);
    const { code, stdout, stderr } = await command(bench.home, [
      "run",
      "--answer",
      how,
      "--cwd",
      folder,
      ASKS,
    ]);
    assertEquals([code, stdout], [0, ""], stderr);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/answers.json`)), expected);
    assertStringIncludes(stderr, `an extension asks "Pick"`);
  }
});

test("run: --answer ask takes the answers from stdin, and asks again for one that means nothing", async (bench) => {
  const folder = await bench.home.folder(bench.name("dialogs"));
  const asks = `/ui ${
    JSON.stringify({
      out: "answers.json",
      calls: [
        ["select", "Pick", ["A", "B"]],
        ["confirm", "Sure?", "Really"],
        ["input", "Name?"],
        ["editor", "Text?", `before${HOSTILE}`],
        ["input", "Nothing more?"],
      ],
    })
  }`;
  const args = ["run", "--answer", "ask", "--cwd", folder, asks];
  const { code, stdout, stderr } = await command(bench.home, args, {
    input: "3\n2\nperhaps\ny\nAda\none\ntwo\n.\n",
  });
  assertEquals([code, stdout], [0, ""], stderr);
  const answers = JSON.parse(await Deno.readTextFile(`${folder}/answers.json`));
  assertEquals(answers, ["B", true, "Ada", "one\ntwo", "<undefined>"]);
  assertEquals(stderr.match(/Pick\n {2}1\) A\n {2}2\) B\nNumber: /g)?.length, 2, stderr);
  assertEquals(stderr.match(/Sure\?: Really \[y\/n\] /g)?.length, 2, stderr);
  assertStringIncludes(stderr, "before");
  assert(!NOT_PLAIN.test(stderr), JSON.stringify(stderr));
});

test("run: on a terminal no text of a model or a tool drives it, a pipe gets the output exactly", async (bench) => {
  const marker = bench.name("hostile");
  const steps = [
    calls([{ name: `tool${HOSTILE}`, args: { path: HOSTILE } }]),
    text(["said ", HOSTILE, " at all"]),
  ];
  bench.model.script(marker, ...steps, ...steps);
  const piped = await command(bench.home, ["run", marker]);
  assertEquals([piped.code, piped.stdout], [0, `said ${HOSTILE} at all\n`], piped.stderr);
  const { program, args } = programOf();
  // `script` gives the command a terminal, and prints what the command wrote there.
  const line = [program, ...args, "run", marker].map((word) => `'${word}'`).join(" ");
  const { code, stdout } = await new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    cwd: bench.home.root,
    clearEnv: true,
    env: variables(bench.home),
    stdin: "null",
  }).output();
  const shown = new TextDecoder().decode(stdout).replaceAll("\r\n", "\n");
  assertEquals(code, 0, shown);
  assertMatch(shown, /tool.*owned[^]*said .*owned.* at all\n/);
  assert(!NOT_PLAIN.test(shown), JSON.stringify(shown));
});

test("run: without a terminal the default cancels dialogs, so that a script never waits", async (bench) => {
  const folder = await bench.home.folder(bench.name("dialogs"));
  const { code } = await command(bench.home, ["run", "--cwd", folder, ASKS]);
  assertEquals(code, 0);
  assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/answers.json`)), ["<undefined>", false]);
});

test("run: wrong arguments are exit code 2, one line, and reach no server", async (bench) => {
  const cases: readonly (readonly [args: readonly string[], says: string])[] = [
    [["run"], "there is no prompt"],
    [["run", "  "], "there is no prompt"],
    [["run", "one", "two"], `pi-server run "one two"`],
    [["run", "--anwser", "first", "x"], "did you mean --answer?"],
    [["run", "--answer", "frist", "x"], "did you mean first?"],
    [["run", "--model", "gpt", "x"], "provider/model"],
    [["run", "--model"], "expected P/M after it"],
    [["run", "--session", "a", "--new", "x"], "exclude each other"],
    [["run", "--session", "a", "--rm", "x"], "--rm is for a new session"],
    [["run", "--json", "--text", "x"], "exclude each other"],
    [["run", "--server", "::", "x"], "ws://127.0.0.1:3141/"],
  ];
  for (const [args, says] of cases) {
    const { code, stdout, stderr } = await command(bench.home, args, {
      env: { PI_SERVER_STATE_DIR: `${bench.home.dir}/nothing` },
    });
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, says);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
  }
});
