// Halves of surrogate pairs (docs/PROTOCOL.md#framing): no frame carries one, wherever it comes from. The checker of
// each connection looks at every frame; what a provider gets and what pi's files hold is looked at here.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, calls, Gate, OPENAI, text } from "../../support/model/model_server.ts";
import { hasHalf } from "../../support/wire/wire_checker.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const HALF = "\ud83d";
const EXTENSION = `
const half = "\\ud83d";
export default function (pi) {
  pi.registerTool({
    name: "half", label: "Half", description: "Describes " + half,
    parameters: { type: "object", properties: { word: { type: "string", description: half } } },
    execute: async () => ({ content: [{ type: "text", text: "r" + half + "x" }], details: { deep: [half] } }),
  });
  pi.registerCommand("show", { description: "d" + half, handler: async (_args, ctx) => {
    ctx.ui.notify("n" + half, "info");
    ctx.ui.setStatus("k" + half, "s" + half);
    ctx.ui.setTitle("t" + half);
    ctx.ui.setWidget("w", ["l" + half]);
    pi.setSessionName("name " + half);
    pi.sendMessage({ customType: "c", content: "m" + half, display: true, details: { deep: half } });
    pi.appendEntry("e", { deep: half });
  } });
  pi.registerCommand("ask", { description: "a", handler: async (_args, ctx) => {
    const chosen = await ctx.ui.select("title " + half, ["one " + half, "two"]);
    ctx.ui.notify(chosen === "one " + half ? "as given" : "another text: " + chosen, "info");
  } });
  pi.registerCommand("fail", { description: "f", handler: async () => { throw new Error("bad " + half); } });
}`;

const prepare = (bench: Bench): Promise<void> => bench.home.extension("half", EXTENSION);
const test = shared([], prepare);

function deltasOf(wire: Wire, sessionId: string): string[] {
  return wire.events(sessionId).flatMap((event) => {
    const delta = at(event, "assistantMessageEvent", "delta");
    return typeof delta === "string" ? [delta] : [];
  });
}

/** What the provider was asked holds no half either. */
function requestsAreWhole(bench: Bench, marker: string): void {
  const asked = bench.model.requests.filter(({ userText }) => userText.includes(marker));
  assert(asked.length > 0, "the provider was not asked");
  for (const { body } of asked) assert(!hasHalf(JSON.stringify(body), body), JSON.stringify(body));
}

for (const model of [OPENAI, ANTHROPIC]) {
  test(`text: halves of a model's text, and in a tool call's arguments (${model.provider})`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, model);
    const marker = bench.name("model");
    bench.model.script(
      marker,
      calls([{ name: "bash", args: { command: `echo ${HALF}x` } }, { name: "half", args: { word: HALF } }], [
        `a${HALF}b`,
      ]),
      text([`x${HALF}`, "\ude00y", HALF, "\ude80", `z${HALF}`]),
    );
    assertEquals((await settled(wire, id, `${marker} ${HALF}`)).text, "x😀y🚀z\ufffd");
    assertEquals(deltasOf(wire, id).slice(-4), ["x", "😀y", "🚀", "z", "\ufffd"].slice(-4));
    await settled(wire, id, `${marker} again`);
    requestsAreWhole(bench, marker);
    const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
    assert(JSON.stringify(messages).includes("😀"));
    await wire.ok({ type: "get_tree", sessionId: id });
    const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
    for (const line of (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "")) {
      assert(!hasHalf(line, JSON.parse(line)), line);
    }
  });
}

test("text: a reader that starts between the two halves of a character gets the character", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("between");
  const gate = new Gate();
  bench.model.script(marker, text([`x${HALF}`, "\ude00y"], { gate }));
  const done = settled(wire, id, marker);
  done.catch(() => {});
  await wire.event(id, "message_update", (event) => at(event, "assistantMessageEvent", "delta") === "x");
  const late = await bench.connect("late");
  const start = await late.ok({ type: "subscribe", sessionId: id, snapshot: true });
  gate.open();
  assertEquals((await done).text, "x😀y");
  const shown = arrayAt(start, "snapshot", "streamingMessage", "content").map((block) => at(block, "text"));
  assertEquals(shown, ["x"]);
  await late.event(id, "agent_settled");
  assertEquals(deltasOf(late, id), ["😀y"]);
  // Not judged: the checker follows no subscription that starts in the past.
  const again = await bench.server.connect("again");
  await again.ok({ type: "subscribe", sessionId: id, from: { epoch: stringAt(start, "epoch"), seq: 0 } });
  await again.event(id, "agent_settled");
  assertEquals(deltasOf(again, id), ["x", "😀y"]);
  await again.close();
});

test("text: halves from an extension, and a dialog answered as it was shown", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "prompt", sessionId: id, message: "/show" });
  await wire.event(id, "extension_ui_request", (event) => event.method === "setWidget");
  await wire.event(id, "session_info_changed");
  await wire.ok({ type: "prompt", sessionId: id, message: "/fail" });
  await wire.event(id, "extension_error");
  const asked = wire.ok({ type: "prompt", sessionId: id, message: "/ask", waitFor: "settled" });
  asked.catch(() => {});
  const dialog = await wire.event(id, "extension_ui_request", (event) => event.method === "select");
  await wire.ok({ type: "list_pending_ui", sessionId: id });
  const [value] = arrayAt(dialog, "event", "options");
  await wire.ok({
    type: "extension_ui_response",
    sessionId: id,
    requestId: stringAt(dialog, "event", "requestId"),
    response: { method: "select", value },
  });
  await asked;
  await wire.event(id, "extension_ui_request", (event) => event.message === "as given");
  for (const type of ["get_commands", "get_state", "get_messages"]) await wire.ok({ type, sessionId: id });
  await wire.ok({ type: "list_sessions" });
});

alone("text: halves in commands, by WebSocket and by stdio", async (bench) => {
  await prepare(bench);
  const wire = await bench.startStdio(["--port", "0"]);
  for (const from of [wire, await bench.connect()]) await commandsWithHalves(bench, from);
});

async function commandsWithHalves(bench: Bench, wire: Wire): Promise<void> {
  const { id } = await bench.watched(wire);
  const marker = bench.name("client");
  await settled(wire, id, `${marker} ${HALF}`);
  await settled(wire, id, `${marker} \ude00x`);
  requestsAreWhole(bench, marker);
  await wire.ok({ type: "set_session_name", sessionId: id, name: `name ${HALF}` });
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).sessionName, "name \ufffd");
  const output = await wire.ok({
    type: "bash",
    sessionId: id,
    command: `printf '%s' '${HALF}' '\\ud83d' '😀'`,
  });
  assertEquals(output.output, "\ufffd\\ud83d😀");
  const chunks = wire.events(id).filter(({ type }) => type === "bash_output").map(({ chunk }) => chunk);
  assertEquals(chunks.join(""), "\ufffd\\ud83d😀");
  await wire.refused("model_not_found", {
    type: "set_model",
    sessionId: id,
    provider: `x${HALF}`,
    modelId: "y",
  });
  await wire.refused("invalid_params", { type: "get_state", sessionId: id, [`x${HALF}`]: 1 });
  await wire.refused("unknown_command", { type: `no${HALF}` });
  await wire.refused("unknown_command", { type: `${"a".repeat(59)}😀${"a".repeat(9)}` });
  await wire.refused("path_forbidden", { type: "load_session", sessionPath: `/x${HALF}.jsonl` });
  wire.sendRaw(`{"id":"i\\uD83d","type":"ping"}`, ["i\ufffd"]);
  assertEquals((await wire.response("i\ufffd")).success, true);
  const keyed: JsonObject = {
    type: "set_session_name",
    sessionId: id,
    name: "n",
    idempotencyKey: `k${HALF}`,
  };
  await wire.ok(keyed);
  assertEquals((await wire.request(keyed)).replayed, true);
}

test("text: what the server cuts, it cuts between characters", async (bench) => {
  const wire = await bench.connect();
  for (const before of ["", "a"]) {
    const { id, cwd } = await bench.session(wire);
    await settled(wire, id, before + "😀".repeat(4_000));
    const tree = await wire.ok({ type: "get_tree", sessionId: id });
    const texts = arrayAt(tree, "nodes").map((node) => at(node, "text"));
    assert(texts.includes(`${before}${"😀".repeat((4_096 - before.length) >> 1)}`), "cut elsewhere");
    const stored = await wire.ok({ type: "list_stored_sessions", cwd });
    const first = `${before}${"😀".repeat((1_000 - before.length) >> 1)}`;
    assertEquals(stringAt(stored, "sessions", 0, "firstMessage"), first);
    await wire.ok({ type: "get_fork_messages", sessionId: id });
  }
});
