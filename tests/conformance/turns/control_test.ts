// Steering a session that is busy (docs/PROTOCOL.md#what-waits-for-what): a hanging turn blocks nothing, abort, queues, bash. The
// 100 ms here are the contract's, not this machine's.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { calls, Gate, hang, status, text, writeModels } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const test = shared();
const PROMPT_LIMIT_MS = 100;

/** Sends, and fails if the answer takes longer than the contract allows. */
async function within(wire: Wire, command: JsonObject): Promise<JsonObject> {
  const start = performance.now();
  const response = await wire.request(command);
  const took = performance.now() - start;
  assert(took <= PROMPT_LIMIT_MS, `${command.type} took ${took.toFixed(1)} ms while a turn hangs`);
  assertEquals(response.success, true, JSON.stringify(response));
  return objectAt(response, "data");
}

/** A session whose turn hangs, with a waiter under the id `wait`. */
async function hanging(bench: Bench, wire: Wire): Promise<{ id: string; cwd: string; marker: string }> {
  const session = await bench.watched(wire);
  const marker = bench.name("hangs");
  bench.model.script(marker, hang(["so far "]), text(["alive"]));
  wire.send({
    type: "prompt",
    id: `wait-${session.id}`,
    sessionId: session.id,
    message: marker,
    waitFor: "settled",
  });
  await wire.event(
    session.id,
    "message_update",
    (event) => at(event, "assistantMessageEvent", "type") === "text_delta",
  );
  return { ...session, marker };
}

const settles = (wire: Wire, id: string) =>
  wire.events(id).filter((event) => event.type === "agent_settled").length;

test("a hanging turn: get_state, steer, another's subscribe and abort answer within 100 ms", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id, marker } = await hanging(bench, wire);
  assertEquals((await within(wire, { type: "get_state", sessionId: id })).isStreaming, true);
  assertEquals(await within(wire, { type: "steer", sessionId: id, message: "left" }), {
    disposition: "queued",
  });
  const sub = await within(second, { type: "subscribe", sessionId: id });
  assertEquals([sub.mode, at(sub, "sessionInfo", "pendingMessageCount")], ["live", 1]);
  const aborted = await within(second, { type: "abort", sessionId: id });
  assertEquals(aborted, { steering: ["left"], followUp: [] });
  const waiter = await wire.response(`wait-${id}`);
  assertEquals([waiter.success, waiter.code], [false, "cancelled"]);
  assertEquals(at(waiter, "data", "stopReason"), "aborted");
  assertEquals(at(waiter, "data", "disposition"), "started");
  for (const each of [wire, second]) {
    const event = await each.event(id, "agent_settled");
    assertEquals([at(event, "event", "stopReason"), at(event, "event", "aborted")], ["aborted", true]);
    assertEquals(at(event, "event", "pendingMessageCount"), 0);
  }
  await (await bench.model.request(marker)).aborted;
  assertEquals((await settled(wire, id, marker)).text, "alive");
  assertEquals(settles(wire, id), 2);
});

test("busy: a prompt is agent_busy, with streamingBehavior it is queued and shares the run", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const [marker, steer, follow] = [bench.name("first"), bench.name("steer"), bench.name("follow")];
  const gate = new Gate();
  bench.model.script(marker, text(["one ", "two"], { gate }));
  bench.model.script(steer, text(["steered"]));
  bench.model.script(follow, text(["followed"]));
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  const refusal = await wire.refused("agent_busy", { type: "prompt", sessionId: id, message: "me too" });
  assertEquals(refusal.retryable, true);
  assertStringIncludes(stringAt(refusal, "error"), "streamingBehavior");
  const queue = async (streamingBehavior: string, message: string) =>
    assertEquals(await wire.ok({ type: "prompt", sessionId: id, message, streamingBehavior }), {
      disposition: "queued",
    });
  await queue("followUp", follow);
  await queue("steer", steer);
  await wire.event(id, "queue_update");
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).pendingMessageCount, 2);
  gate.open();
  const event = await wire.event(id, "agent_settled");
  assertEquals(at(event, "event", "pendingMessageCount"), 0);
  assertEquals(settles(wire, id), 1);
  const order = [marker, steer, follow].map((each) =>
    bench.model.requests.findIndex((request) => request.userText.includes(each))
  );
  assert(order.every((index, n) => index > (order[n - 1] ?? -1)), `model saw ${order}`);
  assert(!bench.model.requests.some((request) => request.userText.includes("me too")));
});

test("busy: a queued waiter gets the answer to its own message's run, or cancelled", async (bench) => {
  const wire = await bench.connect();
  const { id } = await hanging(bench, wire);
  const queued = { streamingBehavior: "followUp", waitFor: "settled" };
  wire.send({ type: "prompt", id: `q-${id}`, sessionId: id, message: "later", ...queued });
  await wire.event(id, "queue_update");
  const cleared = await wire.ok({ type: "clear_queue", sessionId: id });
  assertEquals(cleared, { steering: [], followUp: ["later"] });
  const removed = await wire.response(`q-${id}`);
  assertEquals([removed.code, at(removed, "data", "disposition")], ["cancelled", "queued"]);
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await wire.response(`wait-${id}`)).code, "cancelled");
});

test("clear_queue returns what was queued, and nothing of it runs", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("clear");
  const gate = new Gate();
  bench.model.script(marker, text(["one ", "two"], { gate }));
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  assertEquals(await wire.ok({ type: "steer", sessionId: id, message: "s1" }), { disposition: "queued" });
  assertEquals(await wire.ok({ type: "follow_up", sessionId: id, message: "f1" }), { disposition: "queued" });
  assertEquals(await wire.ok({ type: "follow_up", sessionId: id, message: "f2" }), { disposition: "queued" });
  assertEquals(await wire.ok({ type: "clear_queue", sessionId: id }), {
    steering: ["s1"],
    followUp: ["f1", "f2"],
  });
  assertEquals(await wire.ok({ type: "clear_queue", sessionId: id }), { steering: [], followUp: [] });
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).pendingMessageCount, 0);
  gate.open();
  await wire.event(id, "agent_settled");
  assert(!bench.model.requests.some((request) => ["s1", "f1", "f2"].includes(request.userText)));
});

for (const type of ["steer", "follow_up"]) {
  test(`${type} on an idle session starts a run`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("idle");
    bench.model.script(marker, text(["woken"]));
    assertEquals(await wire.ok({ type, sessionId: id, message: marker }), { disposition: "started" });
    await wire.event(id, "agent_settled");
    assertEquals(settles(wire, id), 1);
    assertEquals((await wire.ok({ type: "get_state", sessionId: id })).messageCount, 2);
  });
}

test("abort on an idle session succeeds, and harms no later run", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  assertEquals(await wire.ok({ type: "abort", sessionId: id }), { steering: [], followUp: [] });
  const marker = bench.name("later");
  bench.model.script(marker, text(["fine"]));
  assertEquals((await settled(wire, id, marker)).text, "fine");
  assertEquals(settles(wire, id), 1);
});

test("abort while a tool runs ends the tool and the run", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("slow-tool");
  bench.model.script(marker, calls([{ name: "bash", args: { command: "echo up; sleep 60" } }]));
  wire.send({ type: "prompt", id: `w-${id}`, sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "tool_execution_update");
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await wire.response(`w-${id}`, 10_000)).code, "cancelled");
  await wire.event(id, "agent_settled");
});

test("one session's hanging turn and abort leave another session alone", async (bench) => {
  const wire = await bench.connect();
  const stuck = await hanging(bench, wire);
  const free = await bench.watched(wire);
  const marker = bench.name("free");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: "echo x > made.txt" } }]),
    text(["done"]),
  );
  assertEquals((await settled(wire, free.id, marker)).text, "done");
  assertEquals(await Deno.readTextFile(`${free.cwd}/made.txt`), "x\n");
  await wire.ok({ type: "abort", sessionId: stuck.id });
  assertEquals((await wire.response(`wait-${stuck.id}`)).code, "cancelled");
  assertEquals(settles(wire, free.id), 1);
});

test("bash: output events, exit code, the session's cwd, the output joins the messages", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const command = "pwd; echo out; echo err >&2; exit 3";
  const data = await wire.ok({ type: "bash", id: "run", sessionId: id, command });
  assertEquals([data.exitCode, data.cancelled, data.truncated], [3, false, false]);
  const output = stringAt(data, "output");
  assertStringIncludes(output, `${cwd}\n`);
  assertStringIncludes(output, "out\n");
  assertStringIncludes(output, "err\n");
  const chunks = wire.events(id).filter((event) => event.type === "bash_output");
  assertEquals(chunks.map((event) => stringAt(event, "chunk")).join(""), output);
  for (const chunk of chunks) assert(chunk.commandId === undefined || chunk.commandId === "run");
  const marker = bench.name("after-bash");
  bench.model.script(marker, text(["seen"]));
  await settled(wire, id, marker);
  assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "echo out; echo err");
});

test("bash: a shell that is killed tells no exit code that it had not, one that exits tells any", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const codes: unknown[] = [];
  for (const command of ["kill -9 $$", "kill -TERM $$", "exit 137", "bash -c 'kill -9 $$'; true"]) {
    const { exitCode, cancelled } = await wire.ok({ type: "bash", sessionId: id, command });
    codes.push(exitCode);
    assertEquals(cancelled, false, command);
  }
  // The newer pi gives a killed shell the number that shells themselves have for it.
  assertEquals(codes, [...(ON_1_6 ? [137, 143] : [undefined, undefined]), 137, 0]);
});

test("bash: excluded from the context, and environment without the server's secrets", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const command = "echo secret-word; env | grep -c PI_SERVER_TOKEN";
  const data = await wire.ok({ type: "bash", sessionId: id, command, excludeFromContext: true });
  assertEquals(data.output, "secret-word\n0\n");
  const marker = bench.name("excluded");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, id, marker);
  assert(!JSON.stringify((await bench.model.request(marker)).body).includes("secret-word"));
  await wire.refused("invalid_params", { type: "bash", sessionId: id, command: "x".repeat(100_001) });
});

test("bash: one at a time, abort_bash ends it, the rest goes on", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id, cwd } = await bench.watched(wire);
  wire.send({ type: "bash", id: "long", sessionId: id, command: "echo up; sleep 60; echo never" });
  wire.send({ type: "bash", id: "next", sessionId: id, command: "cat proof.txt" });
  await wire.event(id, "bash_output");
  // Reads are not held up by a bash, another session neither.
  await within(second, { type: "get_state", sessionId: id });
  await Deno.writeTextFile(`${cwd}/proof.txt`, "second ran after\n");
  const start = performance.now();
  await within(second, { type: "abort_bash", sessionId: id });
  const long = objectAt(await wire.response("long"), "data");
  assert(performance.now() - start < 10_000);
  assertEquals([long.cancelled, long.exitCode, long.output], [true, undefined, "up\n"]);
  const next = objectAt(await wire.response("next"), "data");
  assertEquals([next.exitCode, next.output], [0, "second ran after\n"]);
  await wire.ok({ type: "abort_bash", sessionId: id });
});

test("bash: long output is cut, the whole is in a file", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const data = await wire.ok({ type: "bash", sessionId: id, command: "seq 1 20000" });
  assertEquals(data.truncated, true);
  assertEquals((await Deno.stat(stringAt(data, "fullOutputPath"))).isFile, true);
  assertStringIncludes(stringAt(data, "output"), "20000");
});

test("order: commands of one session run in order of arrival, from two connections too", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  for (let n = 0; n < 20; n++) {
    wire.send({ type: "set_session_name", id: `n${n}`, sessionId: id, name: `name ${n}` });
  }
  wire.send({ type: "get_state", id: "last", sessionId: id });
  const state = await wire.response("last");
  assertEquals(at(state, "data", "sessionName"), "name 19");
  assertEquals(numberAt(state, "sessionVersion"), 20);
  for (let n = 0; n < 20; n++) assertEquals((await wire.response(`n${n}`)).sessionVersion, n + 1);
});

test("order: a read sees what was changed before it, and nothing that was changed after it", async (bench) => {
  const wire = await bench.connect();
  const { id: sessionId } = await bench.watched(wire);
  const names = ["one", "two", "three", "four", "five"];
  for (const name of names) {
    wire.send({ type: "set_session_name", sessionId, name });
    wire.send({ type: "get_state", id: name, sessionId });
  }
  for (const name of names) assertEquals(at(await wire.response(name), "data", "sessionName"), name);
});

test("streamingBehavior on an idle session starts a run", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("not-busy");
  bench.model.script(marker, text(["ran"]));
  const prompt = {
    type: "prompt",
    sessionId: id,
    message: marker,
    streamingBehavior: "steer",
    waitFor: "settled",
  };
  assertEquals((await wire.ok(prompt)).disposition, "started");
});

alone("a retry wait is busy, and abort ends it: one settle, the waiter is cancelled", async (bench) => {
  await writeModels(bench.home.agentDir, bench.model.url, { retryBaseDelayMs: 60_000 });
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  bench.model.script("retry-later", status(500, "down"), text(["again"]));
  wire.send({ type: "prompt", id: "w", sessionId: id, message: "retry-later", waitFor: "settled" });
  await wire.event(id, "auto_retry_start");
  await wire.refused("agent_busy", { type: "prompt", sessionId: id, message: "meanwhile" });
  await wire.ok({ type: "abort", sessionId: id });
  assertEquals((await wire.response("w", 5000)).code, "cancelled");
  await wire.event(id, "agent_settled");
  assertEquals(settles(wire, id), 1);
  assertEquals((await settled(wire, id, "retry-later")).text, "again");
  assertEquals(settles(wire, id), 2);
});

test("a run outlives the connection that started it", async (bench) => {
  const wire = await bench.connect();
  const watcher = await bench.connect("watcher");
  const { id } = await bench.watched(wire);
  await watcher.ok({ type: "subscribe", sessionId: id });
  const marker = bench.name("orphan");
  const gate = new Gate();
  bench.model.script(marker, text(["one ", "two"], { gate }));
  wire.mayLoseResponses = true;
  wire.send({ type: "prompt", id: "w", sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "message_update");
  await wire.close();
  gate.open();
  const event = await watcher.event(id, "agent_settled");
  assertEquals(at(event, "event", "stopReason"), "stop");
  assertEquals((await watcher.ok({ type: "get_state", sessionId: id })).messageCount, 2);
});
