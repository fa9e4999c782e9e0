// Dialogs and notices of extensions (docs/PROTOCOL.md#dialogs), over WebSocket with two clients and over stdio from Python:
// what a request says, who may answer it, and what ends it. How a dialog lives beside prompts, tools and session
// ends is in `dialogs_life_test.ts`.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { answer, installDialogs, recorded, UNDEFINED } from "../../support/extensions/dialog_extension.ts";
import { asks, endedBy, shownTo } from "../../support/extensions/dialog_steps.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

/** Two clients that watch one session. */
async function pair(bench: Bench): Promise<{ first: Wire; second: Wire; id: string; cwd: string }> {
  const first = await bench.connect("first");
  const second = await bench.connect("second");
  const { id, cwd } = await bench.watched(first);
  await second.ok({ type: "subscribe", sessionId: id });
  return { first, second, id, cwd };
}

interface Round {
  call: Json[];
  fields: JsonObject;
  response: JsonObject;
  result: Json;
}

const ROUNDS: Round[] = [
  {
    call: ["select", "Pick", ["A", "Bé 😀"]],
    fields: { method: "select", title: "Pick", options: ["A", "Bé 😀"] },
    response: { method: "select", value: "Bé 😀" },
    result: "Bé 😀",
  },
  {
    call: ["confirm", "Sure?", "Really?"],
    fields: { method: "confirm", title: "Sure?", message: "Really?" },
    response: { method: "confirm", confirmed: true },
    result: true,
  },
  {
    call: ["confirm", "Sure?", "Really?"],
    fields: { method: "confirm", title: "Sure?", message: "Really?" },
    response: { method: "confirm", confirmed: false },
    result: false,
  },
  {
    call: ["input", "Name", "who"],
    fields: { method: "input", title: "Name", placeholder: "who" },
    response: { method: "input", value: "me" },
    result: "me",
  },
  {
    call: ["input", "Name"],
    fields: { method: "input", title: "Name" },
    response: { method: "input", value: "" },
    result: "",
  },
  {
    call: ["editor", "Text", "line 1\nline 2"],
    fields: { method: "editor", title: "Text", prefill: "line 1\nline 2" },
    response: { method: "editor", value: "one\u2028two\n" },
    result: "one\u2028two\n",
  },
  {
    call: ["editor", "Text"],
    fields: { method: "editor", title: "Text" },
    response: { method: "cancelled" },
    result: UNDEFINED,
  },
  {
    call: ["select", "Pick", ["A", "B"], { timeout: 60_000 }],
    fields: { method: "select", title: "Pick", options: ["A", "B"], timeoutMs: 60_000 },
    response: { method: "cancelled" },
    result: UNDEFINED,
  },
  {
    call: ["confirm", "Sure?", "Really?", { timeout: 60_000 }],
    fields: { method: "confirm", title: "Sure?", message: "Really?", timeoutMs: 60_000 },
    response: { method: "cancelled" },
    result: false,
  },
  {
    call: ["input", "Name", "who", { timeout: 60_000 }],
    fields: { method: "input", title: "Name", placeholder: "who", timeoutMs: 60_000 },
    response: { method: "cancelled" },
    result: UNDEFINED,
  },
];

test("dialogs: each kind goes to both clients and back; the request has exactly its fields", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const wait = first.request({
    ...asks(id, "rounds.json", ROUNDS.map(({ call }) => call)),
    waitFor: "settled",
  });
  for (const [n, { fields, response }] of ROUNDS.entries()) {
    const shown = await shownTo(first, id);
    assertEquals(await shownTo(second, id), shown);
    const { type, requestId, ...rest } = shown;
    assertEquals(type, "extension_ui_request");
    assert(typeof requestId === "string" && requestId.length > 0);
    assertEquals(rest, fields);
    await (n % 2 ? first : second).ok(answer(id, shown, response));
    for (const wire of [first, second]) assertEquals(await endedBy(wire, id, shown), "client");
  }
  assertEquals(await recorded(cwd, "rounds.json"), ROUNDS.map(({ result }) => result));
  assertEquals((await wait).success, true);
  const requests = first.events(id).filter((event) => event.type === "extension_ui_request");
  assertEquals(new Set(requests.map((event) => event.requestId)).size, ROUNDS.length, "requestIds repeat");
});

test("dialogs: notices carry pi's RPC field names, and need no answer", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const calls: Json[][] = [
    ["notify", "hello", "warning"],
    ["notify", "plain"],
    ["setStatus", "key", "text"],
    ["setWidget", "list", ["line 1", "line 2"], { placement: "belowEditor" }],
    ["setWidget", "list", ["only"]],
    ["setTitle", "A title"],
    ["setEditorText", "typed"],
    ["pasteToEditor", "pasted"],
  ];
  await first.ok({ ...asks(id, "notices.json", calls), waitFor: "settled" });
  const expected = [
    { method: "notify", message: "hello", notifyType: "warning" },
    { method: "notify", message: "plain" },
    { method: "setStatus", statusKey: "key", statusText: "text" },
    {
      method: "setWidget",
      widgetKey: "list",
      widgetLines: ["line 1", "line 2"],
      widgetPlacement: "belowEditor",
    },
    { method: "setWidget", widgetKey: "list", widgetLines: ["only"] },
    { method: "setTitle", title: "A title" },
    { method: "set_editor_text", text: "typed" },
    { method: "set_editor_text", text: "pasted" },
  ];
  for (const wire of [first, second]) {
    for (const each of expected) {
      const { type: _type, requestId, ...fields } = await shownTo(wire, id);
      assertEquals(typeof requestId, "string");
      assertEquals(fields, each);
    }
  }
  assertEquals(await recorded(cwd, "notices.json"), calls.map(() => UNDEFINED));
  assertEquals(await first.ok({ type: "list_pending_ui", sessionId: id }), { requests: [] });
});

test("dialogs: what needs a terminal degrades as in pi's RPC mode", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const factory = { isFactory: true };
  const calls: Json[][] = [
    ["custom", factory],
    ["setWidget", "component", factory],
    ["setFooter", factory],
    ["setHeader", factory],
    ["setEditorComponent", factory],
    ["setWorkingMessage", "busy"],
    ["getEditorText"],
    ["setTheme", "light"],
    ["getToolsExpanded"],
  ];
  await wire.ok({ ...asks(id, "degraded.json", calls), waitFor: "settled" });
  const results = await recorded(cwd, "degraded.json");
  assertEquals(arrayAt(results).slice(0, 7), [...Array(6).fill(UNDEFINED), ""]);
  assertEquals(at(results, 7, "success"), false);
  assertEquals(at(results, 8), false);
  assertEquals(wire.events(id).filter((event) => event.type === "extension_ui_request"), []);
});

test("dialogs: the first answer wins, later ones are ui_already_resolved", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  await first.ok(asks(id, "race.json", [["select", "Race", ["one", "two"]]]));
  const shown = await shownTo(first, id);
  const answers = await Promise.all([
    first.request(answer(id, shown, { method: "select", value: "one" })),
    second.request(answer(id, shown, { method: "select", value: "two" })),
  ]);
  const winner = answers.findIndex((response) => response.success === true);
  assertEquals(answers.filter((response) => response.success === true).length, 1);
  assertEquals(answers[1 - winner]?.code, "ui_already_resolved");
  assertEquals(await recorded(cwd, "race.json"), [winner === 0 ? "one" : "two"]);
  for (const wire of [first, second]) assertEquals(await endedBy(wire, id, shown), "client");
  await second.refused("ui_already_resolved", answer(id, shown, { method: "select", value: "two" }));
  await second.refused("ui_already_resolved", answer(id, shown, { method: "cancelled" }));
  const ends = first.events(id).filter((event) => event.type === "extension_ui_resolved");
  assertEquals(ends.length, 1);
});

test("dialogs: a wrong answer is refused and the dialog stays open", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  await first.ok(asks(id, "wrong.json", [["select", "Pick", ["A", "B"]], ["confirm", "Sure?", "?"]]));
  const shown = await shownTo(first, id);
  const wrong: JsonObject[] = [
    { method: "select", value: "C" },
    { method: "select", value: "" },
    { method: "select", value: "a" },
    { method: "input", value: "A" },
    { method: "confirm", confirmed: true },
    { method: "select" },
    { method: "select", value: 1 },
    { method: "notify" },
    {},
  ];
  for (const response of wrong) await second.refused("invalid_params", answer(id, shown, response));
  await second.refused(
    "ui_request_not_found",
    answer(id, { requestId: "constructor" }, { method: "cancelled" }),
  );
  await second.refused(
    "ui_request_not_found",
    answer(id, { requestId: "__proto__" }, { method: "cancelled" }),
  );
  const other = await bench.session(second);
  await second.refused("ui_request_not_found", answer(other.id, shown, { method: "select", value: "A" }));
  await second.refused("session_not_found", answer("missing", shown, { method: "select", value: "A" }));
  assertEquals(arrayAt(await second.ok({ type: "list_pending_ui", sessionId: id }), "requests").length, 1);
  await second.ok(answer(id, shown, { method: "select", value: "A" }));
  const confirm = await shownTo(first, id);
  await first.refused("invalid_params", answer(id, confirm, { method: "confirm", value: "yes" }));
  await first.refused("invalid_params", answer(id, confirm, { method: "select", value: "A" }));
  await first.ok(answer(id, confirm, { method: "confirm", confirmed: true }));
  assertEquals(await recorded(cwd, "wrong.json"), ["A", true]);
});

test("dialogs: timeoutMs ends it for every subscriber, and a late answer is refused", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const timeout = { timeout: 60 };
  const calls: Json[][] = [
    ["select", "Quick", ["A"], timeout],
    ["confirm", "Quick", "?", timeout],
    ["input", "Quick", "who", timeout],
  ];
  await first.ok(asks(id, "timeout.json", calls));
  for (const _ of calls) {
    const shown = await shownTo(first, id);
    assertEquals(shown.timeoutMs, 60);
    for (const wire of [first, second]) assertEquals(await endedBy(wire, id, shown), "timeout");
    await second.refused("ui_already_resolved", answer(id, shown, { method: "cancelled" }));
  }
  assertEquals(await recorded(cwd, "timeout.json"), [UNDEFINED, false, UNDEFINED]);
  assertEquals(await first.ok({ type: "list_pending_ui", sessionId: id }), { requests: [] });
});

test("dialogs: the extension's AbortSignal cancels; an aborted one shows nothing", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const signal = { signalFile: "abort-now" };
  const calls: Json[][] = [
    ["confirm", "Never shown", "?", { aborted: true }],
    ["select", "Abort me", ["A"], signal],
    ["input", "Never shown either", "x", { aborted: true }],
  ];
  await first.ok(asks(id, "signal.json", calls));
  const shown = await shownTo(first, id);
  assertEquals(shown.title, "Abort me");
  await Deno.writeTextFile(`${cwd}/abort-now`, "");
  for (const wire of [first, second]) assertEquals(await endedBy(wire, id, shown), "cancelled");
  await first.refused("ui_already_resolved", answer(id, shown, { method: "select", value: "A" }));
  assertEquals(await recorded(cwd, "signal.json"), [false, UNDEFINED, UNDEFINED]);
  const titles = first.events(id).filter((event) => event.type === "extension_ui_request");
  assertEquals(titles.length, 1);
});

test("dialogs: one outlives its client: pendingUi and list_pending_ui show it to the next", async (bench) => {
  const first = await bench.connect("first");
  const second = await bench.connect("second");
  const { id, cwd } = await bench.watched(first);
  const other = await bench.watched(first);
  await first.ok(asks(id, "kept.json", [["select", "Kept", ["A", "B"]]]));
  const shown = await shownTo(first, id);
  await first.ok(asks(other.id, "other.json", [["confirm", "Other", "?"]]));
  const elsewhere = await shownTo(first, other.id);
  await first.close();
  const data = await second.ok({ type: "subscribe", sessionId: id });
  const [pending, ...rest] = arrayAt(data, "pendingUi");
  assertEquals(rest, []);
  const { type: _type, ...fields } = shown;
  assertEquals(fields, { ...fields, ...pick(pending, Object.keys(fields)) });
  const listed = arrayAt(await second.ok({ type: "list_pending_ui", sessionId: id }), "requests");
  assertEquals(listed.length, 1);
  const { sessionId, createdAt, ...same } = objectAt(listed, 0);
  assertEquals([sessionId, same], [id, fields]);
  assertMatch(String(createdAt), /^\d{4}-\d\d-\d\dT/);
  const all = arrayAt(await second.ok({ type: "list_pending_ui" }), "requests");
  const owners = all.map((each) => [stringAt(each, "sessionId"), stringAt(each, "requestId")]);
  const mine = owners.filter(([owner]) => owner === id || owner === other.id).sort();
  assertEquals(
    mine,
    [[id, stringAt(shown, "requestId")], [other.id, stringAt(elsewhere, "requestId")]].sort(),
  );
  // switch_session and "*" are subscriptions too.
  const star = await second.ok({ type: "subscribe", sessionId: "*" });
  assertEquals(arrayAt(star, "sessions", other.id, "pendingUi").length, 1);
  await second.ok(answer(id, shown, { method: "select", value: "B" }));
  assertEquals(await recorded(cwd, "kept.json"), ["B"]);
  await second.ok(answer(other.id, elsewhere, { method: "confirm", confirmed: true }));
  assertEquals(await recorded(other.cwd, "other.json"), [true]);
  const empty = await second.ok({ type: "subscribe", sessionId: id });
  assertEquals(empty.pendingUi, []);
  first.mayLoseResponses = true;
});

function pick(value: unknown, keys: string[]): JsonObject {
  return Object.fromEntries(keys.map((key) => [key, at(value, key)]));
}

test("dialogs: several at once are answered in any order", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const calls: Json[][] = [["input", "one"], ["confirm", "two", "?"], ["select", "three", ["x"]]];
  await first.ok(asks(id, "together.json", calls, true));
  const [one, two, three] = [await shownTo(first, id), await shownTo(first, id), await shownTo(first, id)];
  const titles = arrayAt(await second.ok({ type: "list_pending_ui", sessionId: id }), "requests");
  assertEquals(titles.map((each) => stringAt(each, "title")), ["one", "two", "three"], "oldest first");
  await second.ok(answer(id, three, { method: "select", value: "x" }));
  await first.ok(answer(id, one, { method: "input", value: "1" }));
  await second.ok(answer(id, two, { method: "confirm", confirmed: true }));
  assertEquals(await recorded(cwd, "together.json"), ["1", true, "x"]);
});

test("dialogs: neither request nor answer reaches a connection that doesn't watch", async (bench) => {
  const { first, second, id, cwd } = await pair(bench);
  const stranger = await bench.connect("stranger");
  const theirs = await bench.watched(stranger);
  await first.ok(asks(id, "private.json", [["input", "Private title"]]));
  const shown = await shownTo(first, id);
  await second.ok(answer(id, shown, { method: "input", value: "a private word" }));
  assertEquals(await recorded(cwd, "private.json"), ["a private word"]);
  await endedBy(first, id, shown);
  await endedBy(second, id, shown);
  await stranger.ok({ type: "get_state", sessionId: theirs.id });
  const seen = JSON.stringify(stranger.messages);
  assert(!seen.includes("Private title") && !seen.includes("a private word"), "a stranger saw the dialog");
  // Not even other watchers learn what was answered.
  assert(!JSON.stringify(first.messages).includes("a private word"), "the answer went to another client");
});
