// How dialogs live beside everything else (docs/PROTOCOL.md#dialogs): inside a tool call, before their own prompt is
// accepted, at session_start; and how abort, deletion, replacement and shutdown end them.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { answer, installDialogs, recorded, UNDEFINED } from "../../support/extensions/dialog_extension.ts";
import { asks, endedBy, shownTo } from "../../support/extensions/dialog_steps.ts";
import { calls, text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));
const PROMPT_LIMIT_MS = 100;

/** Sends, and fails if the answer takes longer than the contract allows. */
async function within(wire: Wire, command: JsonObject): Promise<void> {
  const start = performance.now();
  const response = await wire.request(command);
  const took = performance.now() - start;
  assert(took <= PROMPT_LIMIT_MS, `${command.type} took ${took.toFixed(1)} ms while a dialog is open`);
  assertEquals(response.success, true, JSON.stringify(response));
}

async function stillWorks(bench: Bench, wire: Wire, id: string): Promise<void> {
  const marker = bench.name("alive");
  bench.model.script(marker, text(["alive"]));
  assertEquals((await settled(wire, id, marker)).text, "alive");
}

/** A session whose tool call asks; the waiter's id is `wait`. */
async function askingTool(bench: Bench, wire: Wire) {
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("tool");
  bench.model.script(marker, calls([{ name: "ask", args: { title: "Which?" } }]), text(["thanks"]));
  wire.send({ type: "prompt", id: "wait", sessionId: id, message: marker, waitFor: "settled" });
  return { id, cwd, marker, shown: await shownTo(wire, id) };
}

test("a dialog inside a tool call: the model gets the answer", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id, cwd, marker, shown } = await askingTool(bench, wire);
  const { requestId: _id, type: _type, ...fields } = shown;
  assertEquals(fields, { method: "input", title: "Which?", placeholder: "say it" });
  assertEquals((await second.ok({ type: "get_state", sessionId: id })).isStreaming, true);
  await wire.refused("agent_busy", { type: "prompt", sessionId: id, message: "me too" });
  await second.ok(answer(id, shown, { method: "input", value: "the blue one" }));
  const response = await wire.response("wait");
  assertEquals([response.success, at(response, "data", "text")], [true, "thanks"]);
  assertEquals((await bench.model.request(marker, 1)).toolResults, ["the user said the blue one"]);
  assertEquals(await recorded(cwd, "tool.json"), "the blue one");
});

const HOOKS = [
  { word: "ask-in-input", file: "input.json", response: { method: "select", value: "yes" }, result: "yes" },
  {
    word: "ask-before-start",
    file: "before.json",
    response: { method: "confirm", confirmed: true },
    result: true,
  },
] as const;

/** A prompt `p` whose hook asks before pi accepts it, and a second connection. */
async function hookAsks(bench: Bench, word: string) {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id, cwd } = await bench.watched(wire);
  const marker = `${word} ${bench.name("hook")}`;
  bench.model.script(marker, text(["went on"]));
  wire.send({ type: "prompt", id: "p", sessionId: id, message: marker, waitFor: "settled" });
  return { wire, second, id, cwd, marker, shown: await shownTo(wire, id) };
}

for (const { word, file, response, result } of HOOKS) {
  test(`a dialog answered while its own prompt is not yet accepted (${word})`, async (bench) => {
    const { wire, second, id, cwd, marker, shown } = await hookAsks(bench, word);
    await within(second, { type: "get_state", sessionId: id });
    await within(second, { type: "subscribe", sessionId: id });
    await within(wire, { type: "list_pending_ui", sessionId: id });
    await within(wire, { type: "ping" });
    assertEquals(bench.model.requests.some((request) => request.userText.includes(marker)), false);
    // The same connection answers: its own prompt must not stand in the way.
    await within(wire, answer(id, shown, { ...response }));
    assertEquals(await recorded(cwd, file), result);
    const waited = await wire.response("p");
    assertEquals([waited.success, at(waited, "data", "text")], [true, "went on"], JSON.stringify(waited));
  });

  test(`abort while a prompt hangs in a dialog before it is accepted (${word})`, async (bench) => {
    const { wire, second, id, cwd, shown } = await hookAsks(bench, word);
    await within(second, { type: "abort", sessionId: id });
    assertEquals(await endedBy(wire, id, shown), "cancelled");
    const learned = await recorded(cwd, file);
    assert(learned === UNDEFINED || learned === false, `the hook got ${learned}`);
    const response = await wire.response("p");
    assertEquals([response.success, response.code], [false, "cancelled"], JSON.stringify(response));
    await second.refused("ui_already_resolved", answer(id, shown, { method: "cancelled" }));
    await stillWorks(bench, wire, id);
  });
}

test("abort ends a dialog inside a tool call, and the run", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, shown } = await askingTool(bench, wire);
  await within(wire, { type: "abort", sessionId: id });
  assertEquals(await endedBy(wire, id, shown), "cancelled");
  assertEquals(await recorded(cwd, "tool.json"), UNDEFINED);
  assertEquals((await wire.response("wait")).code, "cancelled");
  await wire.event(id, "agent_settled");
  await stillWorks(bench, wire, id);
});

test("abort ends a slash command's dialog", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  await wire.ok(asks(id, "aborted.json", [["select", "Open", ["A"]]]));
  const shown = await shownTo(wire, id);
  await within(wire, { type: "abort", sessionId: id });
  assertEquals(await endedBy(wire, id, shown), "cancelled");
  assertEquals(await recorded(cwd, "aborted.json"), [UNDEFINED]);
});

test("an open dialog of a slash command blocks nothing", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  await wire.ok(asks(id, "open.json", [["input", "Open"]]));
  const shown = await shownTo(wire, id);
  await within(wire, { type: "set_session_name", sessionId: id, name: "while it asks" });
  assertEquals(
    await wire.ok({ type: "bash", sessionId: id, command: "echo on" }).then((data) => data.output),
    "on\n",
  );
  await stillWorks(bench, wire, id);
  await wire.ok(answer(id, shown, { method: "input", value: "late" }));
  assertEquals(await recorded(cwd, "open.json"), ["late"]);
});

test("delete_session cancels its dialogs, and the extension learns it", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id, cwd } = await bench.watched(wire);
  await second.ok({ type: "subscribe", sessionId: id });
  await wire.ok(asks(id, "deleted.json", [["select", "Open", ["A"]], ["confirm", "Next", "?"]]));
  const shown = await shownTo(wire, id);
  await within(second, { type: "delete_session", sessionId: id });
  // A second question of the deleted session must not hang either.
  assertEquals(await recorded(cwd, "deleted.json"), [UNDEFINED, false]);
  for (const each of [wire, second]) assertEquals(await endedBy(each, id, shown), "session");
  await second.refused("session_not_found", answer(id, shown, { method: "select", value: "A" }));
  const pending = arrayAt(await second.ok({ type: "list_pending_ui" }), "requests");
  assertEquals(pending.filter((each) => at(each, "sessionId") === id), []);
});

test("delete_session while a tool's dialog is open: the waiter is cancelled", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, shown } = await askingTool(bench, wire);
  await wire.ok({ type: "delete_session", sessionId: id });
  assertEquals((await wire.response("wait")).code, "cancelled");
  assertEquals(await recorded(cwd, "tool.json"), UNDEFINED);
  await wire.refused("session_not_found", answer(id, shown, { method: "cancelled" }));
});

test("new_session cancels the old session's dialogs, by session, and new ones work", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  await wire.ok(asks(id, "old.json", [["select", "Old", ["A"]]]));
  const shown = await shownTo(wire, id);
  assertEquals(await wire.ok({ type: "new_session", sessionId: id }), { cancelled: false });
  assertEquals(await endedBy(wire, id, shown), "session");
  assertEquals(await recorded(cwd, "old.json"), [UNDEFINED]);
  await wire.event(id, "session_replaced");
  await wire.refused("ui_already_resolved", answer(id, shown, { method: "select", value: "A" }));
  assertEquals(await wire.ok({ type: "list_pending_ui", sessionId: id }), { requests: [] });
  await wire.ok(asks(id, "new.json", [["select", "New", ["B"]]]));
  await wire.ok(answer(id, await shownTo(wire, id), { method: "select", value: "B" }));
  assertEquals(await recorded(cwd, "new.json"), ["B"]);
});

test("a dialog at session_start: create answers, pendingUi shows it, the mailbox waits for it", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("starts"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(
    `${cwd}/.pi/extensions/asks.ts`,
    `import { writeFileSync } from "node:fs";
export default function (pi) {
  pi.on("session_start", async (_event, ctx) => {
    writeFileSync("${cwd}/begun", String(await ctx.ui.select("Start", ["go", "stop"])));
  });
}`,
  );
  const { id } = await bench.session(wire, { cwd, trustProject: true });
  const data = await wire.ok({ type: "subscribe", sessionId: id });
  const shown = arrayAt(data, "pendingUi").length > 0
    ? stringAt(data, "pendingUi", 0, "requestId")
    : stringAt(await shownTo(wire, id), "requestId");
  wire.send({ type: "bash", id: "b", sessionId: id, command: "cat begun" });
  await within(wire, answer(id, { requestId: shown }, { method: "select", value: "go" }));
  assertEquals(at(await wire.response("b"), "data", "output"), "go");
});

alone("shutdown cancels open dialogs, the extension learns it, exit 0", async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  await bench.start(["--shutdown-timeout", "1s"]);
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  await wire.ok(asks(id, "shut.json", [["select", "Open", ["A"]], ["confirm", "Next", "?"]]));
  await shownTo(wire, id);
  const tool = await askingTool(bench, wire);
  wire.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  assertEquals((await wire.closed).code, 1001);
  assertEquals(await bench.server.exitCode(20_000), 0);
  assertEquals(await recorded(cwd, "shut.json", 100), [UNDEFINED, false]);
  assertEquals(await recorded(tool.cwd, "tool.json", 100), UNDEFINED);
});

alone("shutdown: a dialog can still be answered while the run drains", async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  await bench.start(["--shutdown-timeout", "20s"]);
  const wire = await bench.connect();
  const { id, cwd, shown } = await askingTool(bench, wire);
  bench.server.signal("SIGTERM");
  await wire.next((message) => message.type === "server_shutdown", 5000, "server_shutdown");
  await wire.refused("shutting_down", { type: "set_session_name", sessionId: id, name: "no" });
  const pending = await wire.ok({ type: "list_pending_ui", sessionId: id });
  assertEquals(arrayAt(pending, "requests").length, 1);
  await wire.ok(answer(id, shown, { method: "input", value: "in time" }));
  const response = await wire.response("wait");
  assertEquals([response.success, at(response, "data", "text")], [true, "thanks"]);
  assertEquals(await bench.server.exitCode(), 0);
  assertEquals(await recorded(cwd, "tool.json", 100), "in time");
});

alone(
  "end of input and no other way in: dialogs are cancelled, what asked goes on, and the server ends",
  async (bench) => {
    await installDialogs(`${bench.home.agentDir}/extensions`);
    const wire = await bench.startStdio(["--no-ws"]);
    const { id, cwd } = await bench.watched(wire);
    await wire.ok(asks(id, "eof.json", [["editor", "Open", "x"], ["confirm", "Later", "y"]]));
    await shownTo(wire, id);
    await wire.close();
    assertEquals(await bench.server.exitCode(20_000), 0);
    assertEquals(await recorded(cwd, "eof.json", 100), [UNDEFINED, false]);
  },
);

alone("shutdown over stdio: end of input with an open dialog ends in bounded time", async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  const wire = await bench.startStdio(["--no-ws", "--eof-timeout", "500ms", "--shutdown-timeout", "1s"]);
  const { id, cwd } = await bench.watched(wire);
  await wire.ok(asks(id, "eof.json", [["editor", "Open", "x"]]));
  await shownTo(wire, id);
  await wire.close();
  assertEquals(await bench.server.exitCode(20_000), 0);
  assertEquals(await recorded(cwd, "eof.json", 100), [UNDEFINED]);
});
