// Parking and resuming (docs/PROTOCOL.md#sessions): who is parked and when, what a parked session answers by itself, what brings
// it back, that nothing of it is lost, and that room is made for others.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, Gate, hang, OTHER, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, listed, settled, shared } from "../suite.ts";

/** Short enough that a test needs not wait long for it, long enough for a few commands in between. */
const IDLE = ["--idle-session-ms", "400"];
const idle = shared(IDLE);

function serverEvent(wire: Wire, type: string, sessionId: string): Promise<JsonObject> {
  return wire.next(
    (message) => message.type === type && at(message, "data", "sessionId") === sessionId,
    15_000,
    `${type} of ${sessionId}`,
  );
}

async function state(wire: Wire, sessionId: string): Promise<JsonObject> {
  return await wire.ok({ type: "get_state", sessionId });
}

/** Waits until the session is parked; looking at it keeps nothing awake. */
async function parked(wire: Wire, sessionId: string): Promise<void> {
  const is = async (): Promise<boolean> => (await state(wire, sessionId)).status === "parked";
  await until(is, 15_000, () => `${sessionId} to be parked`);
}

function countOf(wire: Wire, type: string): number {
  return wire.messages.filter((message) => message.type === type).length;
}

async function statusOf(wire: Wire, sessionId: string): Promise<unknown> {
  const sessions = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
  return at(sessions.find((session) => at(session, "sessionId") === sessionId), "status");
}

/** A session with one answer on disk. */
async function answered(bench: Bench, wire: Wire, fields: JsonObject = {}): Promise<string> {
  const marker = bench.name("answered");
  bench.model.script(marker, text([`about ${marker}`]));
  const { id } = await bench.session(wire, fields);
  await settled(wire, id, marker);
  return id;
}

idle(
  "parking: an idle session is parked; what only looks leaves it so, what needs it brings it back",
  async (bench) => {
    const wire = await bench.connect();
    const id = await answered(bench, wire, { sessionName: "Named" });
    const before = await state(wire, id);
    const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
    await parked(wire, id);
    await serverEvent(wire, "session_parked", id);
    assertEquals(await statusOf(wire, id), "parked");
    const left = await state(wire, id);
    const same = { status: "", lastActivityAt: "", epoch: "", seq: 0 };
    assertEquals({ ...left, ...same }, { ...before, ...same });
    await wire.refused("version_conflict", { type: "get_state", sessionId: id, ifSessionVersion: 99 });
    assertEquals(await statusOf(wire, id), "parked", "looking brings nothing back");
    assertEquals(arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages"), messages);
    const after = await state(wire, id);
    const resumed = wire.messages.findLast((message) => message.type === "session_resumed");
    assertEquals([after.status, after.sessionVersion, after.createdAt], [
      "live",
      before.sessionVersion,
      before.createdAt,
    ]);
    assertEquals([after.sessionName, after.sessionFile], ["Named", before.sessionFile]);
    assertEquals([after.epoch, after.seq], [left.epoch, left.seq]);
    assertEquals(at(resumed, "data", "epoch"), after.epoch);
    const again = bench.name("again");
    bench.model.script(again, text(["and on"]));
    assertEquals((await settled(wire, id, again)).text, "and on");
    const request = await bench.model.request(again);
    assertEquals(arrayAt(request.body, "messages").filter((one) => at(one, "role") === "user").length, 2);
  },
);

idle("parking: what pi's file does not hold comes back too", async (bench) => {
  const wire = await bench.connect();
  const id = await answered(bench, wire, { tools: ["read", "bash", "grep"] });
  const set = async (type: string, fields: JsonObject): Promise<void> => {
    await wire.ok({ type, sessionId: id, ...fields });
  };
  const { steeringMode, followUpMode, autoCompactionEnabled } = await state(wire, id);
  const other = (mode: unknown): string => mode === "all" ? "one-at-a-time" : "all";
  await set("set_steering_mode", { mode: other(steeringMode) });
  await set("set_follow_up_mode", { mode: other(followUpMode) });
  await set("set_auto_compaction", { enabled: autoCompactionEnabled !== true });
  await set("set_auto_retry", { enabled: false });
  await set("set_model", { ...ANTHROPIC });
  await set("set_thinking_level", { level: "high" });
  await set("set_tools", { tools: ["read", "grep"] });
  const second = bench.name("second");
  bench.model.script(second, text(["two"]));
  await settled(wire, id, second);
  const entries = arrayAt(await wire.ok({ type: "get_fork_messages", sessionId: id }), "messages");
  await set("navigate_tree", { targetId: stringAt(entries[1], "entryId") });
  const view = async (): Promise<unknown> => ({
    state: { ...await state(wire, id), lastActivityAt: 0, epoch: 0, seq: 0 },
    messages: await wire.ok({ type: "get_messages", sessionId: id }),
    tools: await wire.ok({ type: "get_tools", sessionId: id }),
    tree: await wire.ok({ type: "get_tree", sessionId: id }),
  });
  const before = await view();
  const resumed = countOf(wire, "session_resumed");
  await parked(wire, id);
  await wire.ok({ type: "get_messages", sessionId: id });
  assertEquals(await view(), before);
  assert(countOf(wire, "session_resumed") > resumed);
  // Automatic retry can be seen by what it does alone.
  const failing = bench.name("failing");
  bench.model.script(failing, { kind: "status", status: 500, message: "overloaded_error" }, text(["never"]));
  await wire.ok({ type: "subscribe", sessionId: id });
  const prompt = { type: "prompt", sessionId: id, message: failing, waitFor: "settled" };
  await wire.refused("agent_error", prompt);
  assertEquals(wire.events(id).filter((event) => event.type === "auto_retry_start"), []);
});

idle("parking: one that nothing was said in is built again under its file's name", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { ...OTHER, sessionName: "Blank" });
  const before = await state(wire, id);
  await parked(wire, id);
  const marker = bench.name("first");
  bench.model.script(marker, text(["hello"]));
  await settled(wire, id, marker);
  const after = await state(wire, id);
  assertEquals([after.sessionName, after.sessionFile], [before.sessionName, before.sessionFile]);
  assertEquals(at(after, "model", "id"), OTHER.modelId);
  assert((await Deno.stat(stringAt(before, "sessionFile"))).isFile);
});

idle("parking: busy, watched and in-memory sessions and waiting bash results stay", async (bench) => {
  const wire = await bench.connect();
  const watcher = await bench.connect("watcher");
  const memory = await answered(bench, wire, { inMemory: true });
  const watched = await answered(bench, wire);
  await watcher.ok({ type: "subscribe", sessionId: watched });
  await watcher.ok({ type: "subscribe", sessionId: "*" });
  const busy = await answered(bench, wire);
  const gate = new Gate();
  const marker = bench.name("busy");
  bench.model.script(marker, text(["slow", "ly"], { gate }));
  await wire.ok({ type: "prompt", sessionId: busy, message: marker });
  const bashed = await bench.session(wire);
  await wire.ok({ type: "bash", sessionId: bashed.id, command: "echo kept" });
  const control = await answered(bench, wire);
  await parked(wire, control);
  // Twice the idle time of the others has passed when this one, younger than all of them, is parked.
  const later = await answered(bench, wire);
  await parked(wire, later);
  for (const id of [memory, watched, busy, bashed.id]) assertEquals(await statusOf(wire, id), "live", id);
  gate.open();
  await watcher.ok({ type: "unsubscribe", sessionId: watched });
  await parked(wire, busy);
  await parked(wire, watched);
});

idle("parking: many commands at once wait for one resume, and run in order", async (bench) => {
  const wire = await bench.connect();
  const id = await answered(bench, wire);
  await parked(wire, id);
  const other = await bench.connect("other");
  const before = countOf(wire, "session_resumed");
  const names = Array.from({ length: 20 }, (_, index) => `name ${index}`);
  const results = await Promise.all([
    ...names.map((name) => wire.request({ type: "set_session_name", sessionId: id, name })),
    ...names.map(() => other.request({ type: "get_messages", sessionId: id })),
    other.request({ type: "subscribe", sessionId: id }),
  ]);
  assertEquals(results.filter((response) => response.success !== true), []);
  assertEquals((await state(wire, id)).sessionName, "name 19");
  assertEquals(countOf(wire, "session_resumed") - before, 1);
});

idle("parking: an older cursor gets the state as it was, and events go on from there", async (bench) => {
  const wire = await bench.connect();
  const id = await answered(bench, wire);
  const { epoch } = await state(wire, id);
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
  await parked(wire, id);
  const { seq } = await state(wire, id);
  const found = await wire.ok({ type: "subscribe", sessionId: id, from: { epoch, seq: 1 } });
  assertEquals([found.mode, at(found, "snapshot", "messages")], ["snapshot", messages]);
  assertEquals([at(found, "sessionInfo", "status"), found.epoch, found.seq], ["live", epoch, seq]);
  const again = await wire.ok({ type: "subscribe", sessionId: id, from: { epoch, seq } });
  assertEquals([again.mode, again.snapshot], ["replay", undefined], "nothing was missed");
  const marker = bench.name("on");
  bench.model.script(marker, text(["on"]));
  await settled(wire, id, marker);
  assert(wire.events(id).some((event) => event.type === "agent_settled"));
});

idle(
  "parking: * tells parked sessions without bringing them back, unless a cursor missed something",
  async (bench) => {
    const wire = await bench.connect();
    const seen = await answered(bench, wire);
    const missed = await answered(bench, wire);
    const { epoch, seq } = await state(wire, seen);
    const old = await state(wire, missed);
    await parked(wire, seen);
    await parked(wire, missed);
    const from = { sessions: { [seen]: { epoch, seq }, [missed]: { epoch: old.epoch ?? null, seq: 1 } } };
    const watcher = await bench.connect("watcher");
    const { sessions } = await watcher.ok({ type: "subscribe", sessionId: "*", from });
    assertEquals([at(sessions, seen, "sessionInfo", "status"), at(sessions, missed, "mode")], [
      "parked",
      "snapshot",
    ]);
    assertEquals(arrayAt(sessions, missed, "snapshot", "messages").length, 2);
    assertEquals(await statusOf(wire, seen), "parked");
    const marker = bench.name("wakes");
    bench.model.script(marker, text(["awake"]));
    await settled(wire, seen, marker);
    await watcher.event(seen, "agent_settled");
  },
);

alone(
  "parking: * with snapshots gives those of parked sessions too, as many as may be live",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const ids = [await answered(bench, wire), await answered(bench, wire), await answered(bench, wire)];
    wire.mayLoseResponses = true;
    bench.server.signal("SIGTERM");
    await bench.server.status;
    await bench.start(["--max-sessions", "2"]);
    const again = await bench.connect();
    const { sessions } = await again.ok({ type: "subscribe", sessionId: "*", snapshot: true }, 60_000);
    const whole = ids.map((id) => objectAt(sessions, id)).filter(({ snapshot }) => snapshot !== undefined);
    assertEquals(whole.map((one) => [one.mode, arrayAt(one, "snapshot", "messages").length]), [["live", 2], [
      "live",
      2,
    ]]);
    assertEquals(ids.map((id) => at(sessions, id, "mode")), ["live", "live", "live"]);
  },
);

idle("parking: a parked session is deleted without being brought back; its file stays", async (bench) => {
  const wire = await bench.connect();
  const id = await answered(bench, wire);
  const file = stringAt(await state(wire, id), "sessionFile");
  await parked(wire, id);
  const before = countOf(wire, "session_resumed");
  assertEquals(await wire.ok({ type: "delete_session", sessionId: id }), { deleted: true });
  await serverEvent(wire, "session_deleted", id);
  await wire.refused("session_not_found", { type: "get_state", sessionId: id });
  assert((await Deno.stat(file)).isFile);
  assertEquals(countOf(wire, "session_resumed"), before);
});

idle(
  "parking: a missing file is an error for the command that needs it, and the session stays parked",
  async (bench) => {
    const wire = await bench.connect();
    const id = await answered(bench, wire);
    const file = stringAt(await state(wire, id), "sessionFile");
    await parked(wire, id);
    await Deno.rename(file, `${file}.away`);
    await wire.refused("path_not_found", { type: "get_messages", sessionId: id });
    assertEquals(await statusOf(wire, id), "parked");
    await Deno.rename(`${file}.away`, file);
    assertEquals(arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages").length, 2);
  },
);

alone(
  "parking: room is made by the idlest that can go; of those that cannot, one too many is refused",
  async (bench) => {
    await bench.start(["--max-sessions", "3"]);
    const wire = await bench.connect();
    const first = await answered(bench, wire);
    const second = await answered(bench, wire);
    await wire.ok({ type: "get_messages", sessionId: first });
    const third = await answered(bench, wire);
    const { id: fourth } = await bench.session(wire);
    await parked(wire, second);
    const busy = bench.name("hangs");
    bench.model.script(busy, hang());
    await wire.ok({ type: "prompt", sessionId: first, message: busy });
    await wire.ok({ type: "subscribe", sessionId: third });
    await bench.session(wire, { inMemory: true });
    await parked(wire, fourth);
    const refused = await wire.refused("session_limit", { type: "create_session", cwd: bench.home.root });
    assertEquals(at(refused, "data", "limit"), "sessions");
    await wire.refused("session_limit", { type: "get_messages", sessionId: second });
    await wire.ok({ type: "unsubscribe", sessionId: third });
    await wire.ok({ type: "get_messages", sessionId: second });
    await parked(wire, third);
    await wire.ok({ type: "abort", sessionId: first });
  },
);

alone(
  "parking: 200 creates at once at a limit of 100 make 200 sessions, the idlest parked",
  async (bench) => {
    await bench.start(["--max-in-flight-per-connection", "400", "--max-sessions", "100"]);
    const wire = await bench.connect();
    const ids = Array.from({ length: 200 }, (_, index) => `many-${index}`);
    const results = await Promise.all(
      ids.map((sessionId) =>
        wire.request({ type: "create_session", sessionId, cwd: bench.home.root }, 120_000)
      ),
    );
    assertEquals(
      results.filter((response) => response.success !== true),
      [],
    );
    const living = async (): Promise<string[]> => {
      const sessions = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
      return sessions.filter((session) => at(session, "status") === "live")
        .map((session) => stringAt(session, "sessionId"));
    };
    const live = await living();
    assertEquals([(await listed(wire)).length, live.length], [200, 100]);
    // Which of the first were the idlest is a matter of microseconds; from here on it is not.
    const [left, used] = [live.slice(0, 30), live.slice(30)];
    for (const sessionId of used) await wire.ok({ type: "get_messages", sessionId });
    const more = left.map((_, index) => `more-${index}`);
    await Promise.all(
      more.map((sessionId) => wire.ok({ type: "create_session", sessionId, cwd: bench.home.root }, 120_000)),
    );
    assertEquals((await living()).toSorted(), [...used, ...more].toSorted());
    const over = Array.from({ length: 101 }, (_, index) => `memory-${index}`);
    const memory = await Promise.all(
      over.map((sessionId) =>
        wire.request({ type: "create_session", sessionId, cwd: bench.home.root, inMemory: true }, 120_000)
      ),
    );
    assertEquals(memory.filter((response) => response.success === true).length, 100);
    assertEquals(memory.filter((response) => response.code === "session_limit").length, 1);
  },
);

alone("parking: the limit of parked sessions holds", async (bench) => {
  await bench.start(["--max-sessions", "1", "--max-parked-sessions", "1"]);
  const wire = await bench.connect();
  const { id: first } = await bench.session(wire);
  await bench.session(wire);
  await parked(wire, first);
  await wire.refused("session_limit", { type: "create_session", cwd: bench.home.root });
  await wire.ok({ type: "delete_session", sessionId: first });
  await bench.session(wire);
});
