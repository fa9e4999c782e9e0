// Session replacement (docs/PROTOCOL.md#session_replaced): new_session, switch_session_file, fork and clone keep the wire id, the
// epoch, the sequence and the subscriptions. Trees, navigation and export are in `tree_test.ts`.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, messageText, numberAt, stringAt } from "../../support/base/json.ts";
import { hang, OTHER, text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const CANCELLER = `export default function (pi) {
  const refuse = async (_event, ctx) => ctx.cwd.includes("refuses") ? { cancel: true } : undefined;
  pi.on("session_before_switch", refuse);
  pi.on("session_before_fork", refuse);
  pi.on("session_before_tree", refuse);
}`;

const args: string[] = [];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
  await bench.home.extension("canceller", CANCELLER);
});

const state = (wire: Wire, sessionId: string) => wire.ok({ type: "get_state", sessionId });

async function texts(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);
}

/** Takes one turn that is answered with `said`. */
async function turn(bench: Bench, wire: Wire, id: string, said: string): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return marker;
}

async function forkable(wire: Wire, sessionId: string): Promise<{ entryId: string; text: string }[]> {
  const data = await wire.ok({ type: "get_fork_messages", sessionId });
  return arrayAt(data, "messages").map((each) => ({
    entryId: stringAt(each, "entryId"),
    text: stringAt(each, "text"),
  }));
}

async function headerOf(file: string): Promise<JsonObject> {
  return JSON.parse((await Deno.readTextFile(file)).split("\n")[0] ?? "");
}

/** Runs a replacement, and checks what all of them have in common. */
async function replaced(
  bench: Bench,
  wire: Wire,
  id: string,
  command: JsonObject & { type: string },
): Promise<{ data: JsonObject; before: JsonObject; after: JsonObject }> {
  const second = await bench.connect(`second-${command.type}`);
  await second.ok({ type: "subscribe", sessionId: id });
  const before = await state(wire, id);
  const data = await wire.ok({ sessionId: id, ...command });
  assertEquals(data.cancelled, false);
  const after = await state(wire, id);
  for (const each of [wire, second]) {
    const event = await each.event(id, "session_replaced");
    assertEquals(at(event, "event", "reason"), command.type);
    assertEquals(at(event, "event", "sessionFile"), after.sessionFile);
    assert(numberAt(event, "seq") > numberAt(before, "seq"));
  }
  assertEquals([after.sessionId, after.epoch, after.cwd], [before.sessionId, before.epoch, before.cwd]);
  assertEquals(numberAt(after, "sessionVersion"), numberAt(before, "sessionVersion") + 1);
  assertEquals([after.subscribers, after.createdAt], [before.subscribers, before.createdAt]);
  assertEquals(
    arrayAt(await wire.ok({ type: "list_sessions" }), "sessions").filter((each) =>
      at(each, "sessionId") === id
    ).length,
    1,
  );
  // Both still get its events, in one sequence: the checker judges that at the end.
  const marker = bench.name("on");
  bench.model.script(marker, text(["goes on"]));
  await settled(wire, id, marker);
  await second.event(id, "agent_settled");
  return { data, before, after };
}

test("new_session: empty, another file, same wire session; model, level and name as pi has it", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { ...{ provider: OTHER.provider, modelId: OTHER.modelId } });
  await turn(bench, wire, id, "in the old file");
  await wire.event(id, "agent_settled");
  const old = stringAt(await state(wire, id), "sessionFile");
  const oldBytes = await Deno.readTextFile(old);
  const { before, after } = await replaced(bench, wire, id, { type: "new_session", parentSession: old });
  assertEquals([after.messageCount, at(after, "model", "id")], [0, OTHER.modelId]);
  assertNotEquals(after.sessionFile, before.sessionFile);
  assertEquals(await Deno.readTextFile(old), oldBytes);
  assertEquals((await texts(wire, id))[1], "goes on");
  const header = await headerOf(stringAt(after, "sessionFile"));
  assertEquals([header.parentSession, header.cwd], [old, after.cwd]);
});

test("new_session keeps the session's tools, its queue modes and its retry switch", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { tools: ["read", "grep"] });
  const active = async () =>
    arrayAt(await wire.ok({ type: "get_tools", sessionId: id }), "tools")
      .filter((tool) => at(tool, "active") === true).map((tool) => stringAt(tool, "name")).sort();
  assertEquals(await active(), ["grep", "read"]);
  await wire.ok({ type: "set_steering_mode", sessionId: id, mode: "all" });
  await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  await wire.ok({ type: "new_session", sessionId: id });
  assertEquals(await active(), ["grep", "read"]);
  const after = await state(wire, id);
  assertEquals([after.steeringMode, after.autoCompactionEnabled], ["all", false]);
});

test("switch_session_file: there and back; its own file does not conflict", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "first file");
  await wire.event(id, "agent_settled");
  const file = stringAt(await state(wire, id), "sessionFile");
  await wire.ok({ type: "new_session", sessionId: id });
  await wire.event(id, "session_replaced");
  await turn(bench, wire, id, "second file");
  await wire.event(id, "agent_settled");
  const { after } = await replaced(bench, wire, id, { type: "switch_session_file", sessionPath: file });
  assertEquals([after.sessionFile, after.messageCount], [file, 2]);
  assertEquals((await texts(wire, id)).slice(0, 2), [first, "first file"]);
  await wire.event(id, "agent_settled");
  await replaced(bench, wire, id, { type: "switch_session_file", sessionPath: file });
});

test("fork: the branch before that message, its text back, the old file untouched", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "one");
  const second = await turn(bench, wire, id, "two");
  for (const _ of [1, 2]) await wire.event(id, "agent_settled");
  const messages = await forkable(wire, id);
  assertEquals(messages.map((each) => each.text), [first, second]);
  const file = stringAt(await state(wire, id), "sessionFile");
  const bytes = await Deno.readTextFile(file);
  const command = { type: "fork", entryId: messages[1]?.entryId ?? "" };
  const { data, after } = await replaced(bench, wire, id, command);
  assertEquals(data, { text: second, cancelled: false });
  assertEquals(after.messageCount, 2);
  assertEquals((await texts(wire, id)).slice(0, 2), [first, "one"]);
  assertNotEquals(after.sessionFile, file);
  assertEquals(await Deno.readTextFile(file), bytes);
  assertEquals((await headerOf(stringAt(after, "sessionFile"))).parentSession, file);
  const wrong = ["no-such-entry", "constructor"];
  for (const entryId of wrong) {
    await wire.refused("entry_not_found", { type: "fork", sessionId: id, entryId });
  }
  // A fork cannot start at an assistant's entry.
  const tree = arrayAt(await wire.ok({ type: "get_tree", sessionId: id }), "nodes");
  const answer = tree.find((node) => at(node, "role") === "assistant");
  const entryId = stringAt(answer, "entryId");
  await wire.refused("entry_not_found", { type: "fork", sessionId: id, entryId });
});

test("fork at the very first message: empty, cwd and parentSession are kept", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "one");
  await wire.event(id, "agent_settled");
  const file = stringAt(await state(wire, id), "sessionFile");
  const [message] = await forkable(wire, id);
  const { data, after } = await replaced(bench, wire, id, { type: "fork", entryId: message?.entryId ?? "" });
  assertEquals([data.text, after.messageCount, after.cwd], [first, 0, cwd]);
  const header = await headerOf(stringAt(after, "sessionFile"));
  assertEquals([header.parentSession, header.cwd], [file, cwd]);
});

test("clone: the same messages in another file", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "one");
  await wire.event(id, "agent_settled");
  const { data, before, after } = await replaced(bench, wire, id, { type: "clone" });
  assertEquals(data, { cancelled: false });
  assertEquals(after.messageCount, 2);
  assertNotEquals(after.sessionFile, before.sessionFile);
  assertEquals((await texts(wire, id)).slice(0, 2), [first, "one"]);
  const header = await headerOf(stringAt(after, "sessionFile"));
  assertEquals(header.parentSession, before.sessionFile);
});

test("clone and fork of what is not written yet: an error, and the session is unharmed", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const before = await state(wire, id);
  const response = await wire.request({ type: "clone", sessionId: id });
  assertEquals(response.success, false);
  assert(!["internal", "unknown_command"].includes(stringAt(response, "code")), JSON.stringify(response));
  await wire.refused("entry_not_found", { type: "fork", sessionId: id, entryId: "x" });
  assertEquals({ ...await state(wire, id), lastActivityAt: "" }, { ...before, lastActivityAt: "" });
  await turn(bench, wire, id, "fine");
  assertEquals(wire.events(id).filter((event) => event.type === "session_replaced"), []);
  assertEquals((await state(wire, id)).sessionFile, before.sessionFile);
});

test("in-memory sessions stay in memory through new_session, fork and clone", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire, { inMemory: true });
  const files = async () => {
    const found: string[] = [];
    const walk = async (dir: string) => {
      for await (const entry of Deno.readDir(dir)) {
        if (entry.isDirectory) await walk(`${dir}/${entry.name}`);
        else if (entry.name.endsWith(".jsonl")) found.push(`${dir}/${entry.name}`);
      }
    };
    await walk(bench.home.dir);
    return found.sort();
  };
  const before = await files();
  const isInMemory = async () => {
    const now = await state(wire, id);
    assertEquals([now.sessionFile, now.cwd], [undefined, cwd]);
  };
  await turn(bench, wire, id, "one");
  const second = await turn(bench, wire, id, "two");
  const [first, at2] = await forkable(wire, id);
  assertEquals(
    await wire.ok({ type: "fork", sessionId: id, entryId: at2?.entryId ?? "" }),
    { text: second, cancelled: false },
  );
  await isInMemory();
  assertEquals((await state(wire, id)).messageCount, 2);
  await turn(bench, wire, id, "three");
  const cloned = await wire.request({ type: "clone", sessionId: id });
  await isInMemory();
  if (cloned.success === true) assertEquals((await state(wire, id)).messageCount, 4);
  assertEquals(
    (await wire.ok({ type: "fork", sessionId: id, entryId: first?.entryId ?? "" })).cancelled,
    false,
  );
  await isInMemory();
  assertEquals((await state(wire, id)).messageCount, 0);
  await turn(bench, wire, id, "four");
  await wire.ok({ type: "new_session", sessionId: id });
  await isInMemory();
  await turn(bench, wire, id, "five");
  await isInMemory();
  assertEquals(await files(), before);
});

test("an extension may refuse a replacement: cancelled, and nothing happened", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder("refuses");
  const { id } = await bench.watched(wire, { sessionId: bench.name("refuses"), cwd });
  await turn(bench, wire, id, "kept");
  await wire.event(id, "agent_settled");
  const [message] = await forkable(wire, id);
  const before = await state(wire, id);
  const entryId = message?.entryId ?? "";
  const sessionPath = stringAt(before, "sessionFile");
  for (
    const command of [
      { type: "new_session" },
      { type: "switch_session_file", sessionPath },
      { type: "fork", entryId },
      { type: "clone" },
      { type: "navigate_tree", targetId: entryId },
    ]
  ) {
    const data = await wire.ok({ sessionId: id, ...command });
    assertEquals(data.cancelled, true, command.type);
  }
  const after = await state(wire, id);
  assertEquals([after.messageCount, after.sessionFile], [2, before.sessionFile]);
  await turn(bench, wire, id, "goes on");
  assertEquals(wire.events(id).filter((event) => event.type === "session_replaced"), []);
});

test("busy: what would cut the run is agent_busy, and the run goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await turn(bench, wire, id, "saved");
  await wire.event(id, "agent_settled");
  const [message] = await forkable(wire, id);
  const entryId = message?.entryId ?? "";
  const sessionPath = stringAt(await state(wire, id), "sessionFile");
  const marker = bench.name("busy");
  bench.model.script(marker, hang());
  wire.send({ type: "prompt", id: "w", sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "message_update");
  const refused: JsonObject[] = [
    { type: "compact" },
    { type: "navigate_tree", targetId: entryId },
    { type: "new_session" },
    { type: "switch_session_file", sessionPath },
    { type: "fork", entryId },
    { type: "clone" },
    { type: "reload" },
  ];
  const before = await state(wire, id);
  for (const command of refused) {
    const refusal = await wire.refused("agent_busy", { sessionId: id, ...command });
    assertEquals(refusal.retryable, true);
    assertEquals(
      refusal.error,
      "The agent is busy; abort first, or wait for agent_settled",
      "it takes no streamingBehavior",
    );
  }
  const after = await state(wire, id);
  assertEquals([after.isStreaming, after.sessionVersion], [true, before.sessionVersion]);
  assertEquals(wire.messages.some((each) => each.id === "w"), false, "the run was cut");
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await wire.response("w")).code, "cancelled");
  await wire.event(id, "agent_settled");
  assertEquals(await wire.ok({ type: "new_session", sessionId: id }), { cancelled: false });
});

test("a replacement holds the mailbox: what was sent after it lands in the new session", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const old = bench.name("old-answer");
  await turn(bench, wire, id, old);
  const marker = bench.name("after");
  bench.model.script(marker, text(["new"]));
  wire.send({ type: "new_session", id: "n", sessionId: id });
  wire.send({ type: "set_session_name", id: "s", sessionId: id, name: "the new one" });
  wire.send({ type: "prompt", id: "p", sessionId: id, message: marker, waitFor: "settled" });
  assertEquals((await wire.response("n")).success, true);
  assertEquals((await wire.response("s")).success, true);
  assertEquals(at(await wire.response("p"), "data", "text"), "new");
  assertEquals(await texts(wire, id), [marker, "new"]);
  assertEquals((await state(wire, id)).sessionName, "the new one");
  const file = stringAt(await state(wire, id), "sessionFile");
  const stored = await until(() => Deno.readTextFile(file), 5000, () => "the new file");
  assert(stored.includes(marker) && !stored.includes(old));
});

/** Has pi trip over the first date that it writes after it has given up the old session. */
const TRIP = `export default (pi) => pi.on("session_shutdown", ({ reason }) => {
  if (reason !== "resume") return;
  const { toISOString } = Date.prototype;
  Date.prototype.toISOString = () => {
    Date.prototype.toISOString = toISOString;
    throw new Error("out of order");
  };
});
`;

alone(
  "a replacement that fails halfway: the old session is opened again, with the reason recovered",
  async (bench) => {
    const extensions = `${bench.home.agentDir}/extensions`;
    await Deno.mkdir(extensions, { recursive: true });
    await Deno.writeTextFile(`${extensions}/trip.ts`, TRIP);
    await bench.start(["--root", `${bench.home.agentDir}/sessions`]);
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("before");
    bench.model.script(marker, text(["said before"]));
    await settled(wire, id, marker);
    const before = await wire.ok({ type: "get_state", sessionId: id });
    const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
    const other = `${bench.home.root}/other.jsonl`;
    const entries = new Entries();
    entries.user("of the other");
    entries.assistant("and its answer");
    await writeSession(other, "other", stringAt(before, "cwd"), entries.all);
    await wire.refused("agent_error", { type: "switch_session_file", sessionId: id, sessionPath: other });
    const replaced = await wire.event(id, "session_replaced");
    assertEquals([at(replaced, "event", "reason"), at(replaced, "event", "sessionFile")], [
      "recovered",
      before.sessionFile,
    ]);
    const after = await wire.ok({ type: "get_state", sessionId: id });
    assertEquals([after.sessionFile, after.cwd, after.epoch], [before.sessionFile, before.cwd, before.epoch]);
    assertEquals((await wire.ok({ type: "get_messages", sessionId: id })).messages, messages);
    // The other file is free again, and the old one is still this session's alone.
    await wire.refused("session_in_use", {
      type: "load_session",
      sessionPath: stringAt(before, "sessionFile"),
    });
    await wire.ok({ type: "load_session", sessionPath: other });
    const on = bench.name("on");
    bench.model.script(on, text(["said after"]));
    assertEquals((await settled(wire, id, on)).text, "said after");
  },
);
