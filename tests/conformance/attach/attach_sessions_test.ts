// `pi-server attach`, beyond talking: the picker, tabs and their marks, dialogs and widgets of extensions, models,
// levels, the tree, forks, names, and sessions that go away.

import { assert, assertEquals } from "@std/assert";
import { attachAlone, attachCases } from "./attach_bench.ts";
import { settled } from "../suite.ts";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import { DIALOG_EXTENSION } from "../../support/extensions/dialog_extension.ts";
import { until } from "../../support/base/wait.ts";
import { Gate, status, text } from "../../support/model/model_server.ts";

const test = attachCases([], (bench) => bench.home.extension("dialogs", DIALOG_EXTENSION));

/** A slash command of the extension that calls `ctx.ui` like this. */
const ui = (...calls: unknown[]): string => `/ui ${JSON.stringify({ out: "answers.json", calls })}`;

test("attach: a select, a confirm, an input and an editor are answered", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await wire.ok({
    type: "prompt",
    sessionId: id,
    message: ui(
      ["select", "Deploy to", ["staging", "production"]],
      ["confirm", "Really?", "There is no way back"],
      ["input", "Name it", "release-7"],
      ["editor", "Write it", "first draft"],
    ),
  });
  await terminal.shows("Deploy to", "→ staging", "production", `1 ${id}?`);
  await terminal.press("Down", "Enter");
  await terminal.shows("Really?", "There is no way back", "→ Yes");
  await terminal.press("Down", "Enter");
  await terminal.shows("Name it", "e.g. release-7");
  await terminal.send("blue");
  await terminal.shows("Write it", "first draft");
  await terminal.send(" and more");
  await terminal.hides("Write it");
  const file = `${cwd}/answers.json`;
  const found = await until(
    () => Deno.readTextFile(file).catch(() => undefined),
    10_000,
    () => `there is no ${file}`,
  );
  assertEquals(JSON.parse(found), ["production", false, "blue", "first draft and more"]);
});

test("attach: a dialog that another client answers goes away, Esc cancels one", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.send(
    ui(["confirm", "Elsewhere?", "Answer it there"], ["select", "Cancel me", ["one"]], [
      "notify",
      "all asked",
    ]),
  );
  // The command holds the same words while it stands in the editor.
  await terminal.shows("Answer it there", "→ Yes");
  const { requests } = await wire.ok({ type: "list_pending_ui", sessionId: id });
  const requestId = stringAt(arrayAt({ requests: requests ?? [] }, "requests")[0], "requestId");
  const response = { method: "confirm", confirmed: true };
  await wire.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
  await terminal.hides("Elsewhere?");
  await terminal.shows("Cancel me");
  await terminal.press("Escape");
  await terminal.shows("all asked");
  await terminal.hides("Cancel me");
});

test("attach: notifications, status, widgets and editor text of an extension are shown", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await terminal.send(ui(
    ["notify", "a word to you", "warning"],
    ["setStatus", "build", "build: green"],
    ["setWidget", "todo", ["todo: one", "todo: two"]],
    ["setWidget", "low", ["below it"], { placement: "belowEditor" }],
    ["setEditorText", "prepared text"],
  ));
  const screen = await terminal.shows(
    "Warning: a word to you",
    "build: green",
    "todo: two",
    "prepared text",
    "below it",
  );
  const order = ["todo: one", "todo: two", "prepared text", "below it", "build: green"].map((word) =>
    screen.indexOf(word)
  );
  assertEquals(order, [...order].sort((a, b) => a - b), screen);
  const later = await attach([id]);
  const other = await later.shows("build: green", "todo: two");
  assert(!other.includes("prepared text"), other);
  await terminal.press("C-c");
  await terminal.send(ui(["setStatus", "build"], ["setWidget", "todo"]));
  await terminal.hides("build: green");
  await terminal.hides("todo: one");
});

test("attach: the picker finds sessions as one types, and tabs stand side by side", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const one = await bench.session(wire, { sessionName: "Ärger im 日本" });
  const two = await bench.session(wire, { sessionName: "Quiet work" });
  const gate = new Gate();
  bench.model.script("long-job", text(["busy ", "done"], { gate }));
  bench.model.script("bad-job", status(400, "no such thing"));
  const terminal = await attach([]);
  await terminal.shows("Sessions", "Quiet work", "Enter open", "Esc close");
  await terminal.type("ärger");
  await terminal.hides("Quiet work");
  await terminal.press("Enter");
  await terminal.shows("1 Ärger im 日本", `/root/${one.id}`);
  await terminal.send("long-job");
  await terminal.shows("busy");
  await terminal.press("M-s");
  await terminal.shows("Sessions", "works");
  await terminal.type("quiet");
  await terminal.shows("→ Quiet work");
  await terminal.press("Enter");
  await terminal.shows("1 Ärger im 日本*", "2 Quiet work", `/root/${two.id}`);
  await terminal.send("bad-job");
  await terminal.shows("no such thing");
  await terminal.press("M-1");
  await terminal.shows("busy", "2 Quiet work!", `/root/${one.id}`);
  gate.open();
  await terminal.shows("busy done");
  await terminal.press("M-j");
  await terminal.shows("no such thing", `/root/${two.id}`);
  await terminal.press("M-w");
  await terminal.shows(`/root/${one.id}`);
  await terminal.hides("Quiet work");
});

test("attach: makes, renames and deletes sessions", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const cwd = await bench.home.folder("made-here");
  const terminal = await attach([id], { cwd });
  await terminal.shows(`/root/${id}`);
  await terminal.send("/new Fresh start");
  await terminal.shows("2 Fresh start", "/root/made-here");
  await terminal.send("/name Second thoughts");
  await terminal.shows("2 Second thoughts");
  await terminal.send("/delete");
  await terminal.shows("Delete Second thoughts?", "→ No");
  await terminal.press("Down", "Enter");
  await terminal.shows("Second thoughts: the session was deleted", `/root/${id}`);
  const { sessions } = await wire.ok({ type: "list_sessions" });
  assert(
    arrayAt({ sessions: sessions ?? [] }, "sessions").every((each) =>
      at(each, "sessionName") !== "Second thoughts"
    ),
  );
});

test("attach: shows what an untrusted folder would load, and /trust loads it", async ({ bench, attach }) => {
  const cwd = await bench.home.folder("brings-code");
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  const source =
    'export default (pi) => pi.on("session_start", (_event, ctx) => ctx.ui.setStatus("own", "own code runs"));';
  await Deno.writeTextFile(`${cwd}/.pi/extensions/own.ts`, source);
  await bench.session(await bench.connect());
  const terminal = await attach([], { cwd });
  await terminal.shows("Sessions", "type to search");
  await terminal.press("C-n");
  await terminal.shows("Not loaded, since the folder is not trusted", "/trust");
  await terminal.send("/trust");
  await terminal.shows("own code runs");
});

test("attach: a session that is deleted elsewhere says so in one line", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows(`/root/${id}`);
  await wire.ok({ type: "delete_session", sessionId: id });
  await terminal.shows(`${id}: the session was deleted`, "Sessions");
});

test("attach: model and level are changed from lists and by keys", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const terminal = await attach([id]);
  await terminal.shows("gpt-scripted · low");
  await terminal.press("BTab");
  await terminal.shows("gpt-scripted · medium");
  await terminal.send("/thinking");
  await terminal.shows("Thinking level", "current");
  await terminal.press("Down", "Enter");
  await terminal.shows("gpt-scripted · high");
  await terminal.press("C-l");
  await terminal.shows("claude-scripted", "gpt-other");
  await terminal.type("other");
  await terminal.press("Enter");
  await terminal.shows(/ gpt-other$/m);
  await terminal.send("/model claude-scripted");
  await terminal.shows("claude-scripted ·");
});

test("attach: forks before a message, and goes on from another entry", async ({ bench, attach }) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  for (const word of ["question-a", "question-b", "question-c"]) await settled(wire, id, word);
  const terminal = await attach([id]);
  await terminal.shows("echo: question-c");
  await terminal.send("/tree");
  await terminal.shows("Go on from", "assistant: echo: question-c", "← here");
  await terminal.type("user question-b");
  await terminal.press("Enter");
  const moved = await terminal.shows(/─\n\s*question-b\n/, "echo: question-a");
  assert(!moved.includes("echo: question-b"), moved);
  await terminal.press("C-c");
  await terminal.send("question-d");
  await terminal.shows("echo: question-d");
  await terminal.send("/fork");
  await terminal.shows("Fork before", "→ question-d");
  await terminal.type("question-a");
  await terminal.press("Enter");
  await terminal.hides("echo: question-d");
  const forked = await terminal.shows(/─\n\s*question-a\n/);
  assert(!forked.includes("echo: question-d"), forked);
  await terminal.shows("↑0 ↓0");
});

attachAlone("attach: opens a session that is on disk alone", async ({ bench, attach }) => {
  await bench.start(["--root", bench.home.agentDir]);
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { sessionName: "From the archive" });
  await settled(wire, id, "kept-word");
  await wire.ok({ type: "delete_session", sessionId: id });
  const byName = await attach(["From the archive"]);
  await byName.shows("1 From the archive", "> kept-word", "echo: kept-word");
  await byName.send("/close");
  await byName.shows("Sessions", "From the archive", "live");
});
