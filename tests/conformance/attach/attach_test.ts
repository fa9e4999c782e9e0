// `pi-server attach` in a terminal: a person talks, watches, steers, stops, answers, detaches and comes back. Screens
// are compared as text.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { attachCases } from "./attach_bench.ts";
import { calls, Gate, hang, text } from "../../support/model/model_server.ts";

const test = attachCases();

test("attach: a prompt streams as Markdown, and the second one joins it", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const gate = new Gate();
  bench.model.script("first-word", text(["# Title\n\nSome **bold** text, ", "then the rest."], { gate }));
  const terminal = await attach([id]);
  await terminal.shows(id, `/root/${id}`, "gpt-scripted · low", "connected");
  await terminal.send("first-word");
  await terminal.shows("> first-word", "Title", "Some bold text,", "Working…", `1 ${id}*`);
  gate.open();
  const screen = await terminal.shows("Some bold text, then the rest.");
  assert(!screen.includes("**"), screen);
  await terminal.hides("Working…");
  await terminal.send("second-word");
  await terminal.shows("echo: second-word");
});

test("attach: Enter steers while it works, Alt+Enter follows up, Esc stops", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  bench.model.script("hold-on", hang(["I am at it "]));
  const terminal = await attach([id]);
  await terminal.shows("connected");
  await terminal.send("hold-on");
  await terminal.shows("I am at it");
  await terminal.send("taken back");
  await terminal.shows("Steer: taken back");
  await terminal.press("M-Up");
  await terminal.hides("Steer:");
  await terminal.shows(/─\n\s*taken back\n/);
  await terminal.press("C-c");
  await terminal.send("look there first");
  await terminal.shows("Steer: look there first");
  await terminal.type("and then tidy up");
  await terminal.press("M-Enter");
  await terminal.shows("Follow-up: and then tidy up");
  await terminal.press("Escape");
  // What had waited is in the editor again.
  const screen = await terminal.shows("stopped", "look there first", "and then tidy up");
  assert(!screen.includes("Steer:"), screen);
  await terminal.hides("Working…");
});

test("attach: tools show their call and output, edits their diff, thinking unfolds", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  await Deno.writeTextFile(`${cwd}/poem.txt`, "roses are red\nviolets are blue\n");
  const lines = Array.from({ length: 30 }, (_, index) => `line-${index + 1}`).join("\n");
  await Deno.writeTextFile(`${cwd}/long.txt`, `${lines}\n`);
  bench.model.script(
    "do-tools",
    calls([{ name: "bash", args: { command: "cat long.txt" } }], ["Looking. "]),
    calls([{
      name: "edit",
      args: { path: "poem.txt", edits: [{ oldText: "roses are red", newText: "roses are green" }] },
    }]),
    text(["All done."], { thinking: "first thought\nsecond thought" }),
  );
  const terminal = await attach([id], { rows: 60 });
  await terminal.shows("connected");
  await terminal.send("do-tools");
  const folded = await terminal.shows(
    "All done.",
    "bash cat long.txt",
    "more lines (Ctrl+O)",
    "line-30",
    "edit poem.txt",
  );
  assertStringIncludes(folded, "roses are green");
  assert(/^\s*-.*roses are red/m.test(folded), folded);
  assertStringIncludes(folded, "thinking: first thought (2 lines, Ctrl+T)");
  assert(!folded.includes("line-3\n"), folded);
  await terminal.press("C-o");
  await terminal.shows("line-3\n", "line-4\n");
  await terminal.press("C-t");
  await terminal.shows("second thought");
});

test("attach: a shell command prints while it runs, and Esc stops it", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows("connected");
  await terminal.send("!echo first; sleep 60");
  await terminal.shows("$ echo first; sleep 60", /^ {3}first$/m, "Esc stops it");
  await terminal.press("Escape");
  await terminal.shows("(stopped)");
  await terminal.send("!!exit 3");
  await terminal.shows("$$ exit 3", "(exit code 3)");
});

test("attach: after a detach the run goes on, and a second terminal shows the same", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const gate = new Gate();
  bench.model.script("go-on", text(["begun, ", "and ended."], { gate }));
  const first = await attach([id]);
  await first.shows("connected");
  await first.send("go-on");
  await first.shows("begun,");
  const second = await attach([id]);
  await second.shows("> go-on", "begun,", "Working…");
  await first.press("C-d");
  await first.shows("detached; the sessions go on", "exit code 0");
  gate.open();
  await second.shows("begun, and ended.");
  await second.hides("Working…");
  const third = await attach([id]);
  await third.shows("> go-on", "begun, and ended.");
  const body = (screen: string): string => screen.split("\n").slice(1, 6).join("\n");
  assertEquals(body(await third.screen()), body(await second.screen()));
});

test("attach: a resize while it streams draws anew", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const gate = new Gate();
  const words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron";
  bench.model.script("wide-words", text([`${words} `, "pi rho"], { gate }));
  const terminal = await attach([id]);
  await terminal.shows("connected");
  await terminal.send("wide-words");
  await terminal.shows("kappa lambda mu");
  await terminal.resize(40, 16);
  const narrow = await terminal.shows("Working…", "omicron", id);
  assert(narrow.split("\n").every((line) => line.length <= 40), narrow);
  gate.open();
  await terminal.shows("omicron pi rho");
  await terminal.resize(120, 30);
  await terminal.shows(`${words} pi rho`);
});

/** Writes an image of one dot. */
async function writeDot(path: string): Promise<void> {
  const png =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  await Deno.writeFile(path, Uint8Array.from(atob(png), (unit) => unit.charCodeAt(0)));
}

test("attach: images whose path is pasted go along, text that is pasted is text", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  await writeDot(`${cwd}/dot.png`);
  const terminal = await attach([id]);
  await terminal.shows("connected");
  await terminal.type("see-this ");
  await terminal.paste(`${cwd}/dot.png`);
  await terminal.shows("[image 1: dot.png]");
  await terminal.press("Enter");
  assertEquals((await bench.model.request("see-this")).images, 1);
  await terminal.shows("[1 image]");
  await terminal.paste("two\nlines");
  await terminal.press("Enter");
  assertStringIncludes((await bench.model.request("two\nlines")).userText, "two\nlines");
});

test("attach: Ctrl+V takes an image of the clipboard along, and says when there is none", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  // What `xclip` prints: the types that the clipboard offers, or the image.
  const offered = `${cwd}/offered`;
  await Deno.mkdir(`${cwd}/bin`);
  await writeDot(`${cwd}/dot.png`);
  await Deno.writeTextFile(
    `${cwd}/bin/xclip`,
    `#!/bin/sh\ncase "$*" in *TARGETS*) cat ${offered};; *image/png*) cat ${cwd}/dot.png;; *) exit 1;; esac\n`,
    { mode: 0o755 },
  );
  await Deno.writeTextFile(offered, "TARGETS\nUTF8_STRING\n");
  const terminal = await attach([id], { env: { PATH: `${cwd}/bin:${Deno.env.get("PATH")}` } });
  await terminal.shows("connected");
  await terminal.press("C-v");
  await terminal.shows("There is no image in the clipboard");
  await Deno.writeTextFile(offered, "TARGETS\nimage/bmp\nimage/png\n");
  await terminal.type("look-here ");
  await terminal.press("C-v");
  await terminal.shows("look-here [image 1: clipboard]");
  await terminal.press("Enter");
  assertEquals((await bench.model.request("look-here")).images, 1);
});

test("attach: the keys are those of pi's keybindings.json", async ({ bench, attach }) => {
  const file = `${bench.home.agentDir}/keybindings.json`;
  await Deno.writeTextFile(
    file,
    JSON.stringify({ "app.model.select": "ctrl+x", "tui.input.submit": "alt+m" }),
  );
  try {
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const terminal = await attach([id]);
    await terminal.shows("connected");
    await terminal.press("C-x");
    await terminal.shows("gpt-other");
    await terminal.press("Escape");
    await terminal.hides("gpt-other");
    await terminal.type("sent by another key");
    await terminal.press("M-m");
    await terminal.shows("echo: sent by another key");
    await terminal.type("/hotkeys");
    await terminal.press("M-m");
    await terminal.shows("Ctrl+X");
  } finally {
    await Deno.remove(file);
  }
});

test("attach: slash commands complete, and the arrow keys bring back messages", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows("connected");
  await terminal.send("an earlier message");
  await terminal.shows("echo: an earlier message");
  await terminal.press("Up");
  await terminal.shows(/─\n\s*an earlier message/);
  await terminal.press("C-c");
  await terminal.type("/hotk");
  await terminal.shows("hotkeys", "Show the keys");
  await terminal.press("Tab", "Enter");
  await terminal.shows("Alt+Enter", "follow up, after the run");
  await terminal.press("Escape");
  await terminal.hides("follow up, after the run");
});
