// Traps that servers of this kind have fallen into and that no other file covers. A taken id while its session
// streams, and a subscriber that leaves in the middle of a fan-out. Ids that are names of JavaScript, models without
// a key, and replacements that race with everything else.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, messageText, numberAt, stringAt } from "../../support/base/json.ts";
import { Gate, hang, status, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import { deltaOf, type Wire } from "../../support/wire/wire_client.ts";
import { type Bench, listed, settled, shared } from "../suite.ts";

const test = shared();

/** A session whose answer waits at a gate after its first word. */
async function gated(bench: Bench, wire: Wire) {
  const session = await bench.watched(wire);
  const marker = bench.name("gated");
  const gate = new Gate();
  bench.model.script(marker, text(["one ", "two ", "three"], { gate }));
  wire.send({ type: "prompt", id: "w", sessionId: session.id, message: marker, waitFor: "settled" });
  await wire.event(session.id, "message_update", (event) => deltaOf(event) !== "");
  return { ...session, marker, gate };
}

test("create_session and load_session with a taken id while that session streams: it streams on", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { id, gate } = await gated(bench, wire);
  const before = await other.ok({ type: "get_state", sessionId: id });
  for (const fields of [{}, { inMemory: true }, { cwd: bench.home.root, tools: [] }]) {
    await other.refused("session_exists", { type: "create_session", sessionId: id, ...fields });
  }
  const after = await other.ok({ type: "get_state", sessionId: id });
  assertEquals([after.epoch, after.isStreaming, after.cwd], [before.epoch, true, before.cwd]);
  gate.open();
  assertEquals(at(await wire.response("w"), "data", "text"), "one two three");
});

test("a subscriber that goes away in the middle of a fan-out costs the others nothing", async (bench) => {
  const wire = await bench.connect();
  const watchers = [await bench.connect("w1"), await bench.connect("w2"), await bench.connect("w3")];
  const { id, gate } = await gated(bench, wire);
  for (const watcher of watchers) await watcher.ok({ type: "subscribe", sessionId: id });
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).subscribers, 4);
  const [leaver, ...stayers] = watchers;
  // It leaves with a command under way, while events are on their way to it.
  leaver?.send({ type: "get_messages", sessionId: id });
  if (leaver) leaver.mayLoseResponses = true;
  gate.open();
  await leaver?.close();
  for (const stayer of stayers) await stayer.event(id, "agent_settled");
  assertEquals(at(await wire.response("w"), "data", "text"), "one two three");
  const ends = (each: Wire) =>
    each.events(id).filter((event) => event.type === "message_end").map((event) =>
      messageText(event.message)
    );
  for (const stayer of stayers) assertEquals(ends(stayer), ["one two three"]);
  // A socket's end is learnt from the network: soon, not at once.
  await until(
    async () => (await wire.ok({ type: "get_state", sessionId: id })).subscribers === 3,
    5000,
    () => "the leaver to be forgotten",
  );
});

for (const sessionId of ["constructor", "__proto__", "toString", "a.b", "..."]) {
  test(`a session called ${sessionId} can do what others can`, async (bench) => {
    const wire = await bench.connect();
    const cwd = await bench.home.folder(bench.name("names"));
    await wire.ok({ type: "create_session", sessionId, cwd });
    await wire.ok({ type: "subscribe", sessionId });
    const marker = bench.name("names");
    bench.model.script(marker, text(["first"]), text(["again"]));
    assertEquals((await settled(wire, sessionId, marker)).text, "first");
    const forkable = arrayAt(await wire.ok({ type: "get_fork_messages", sessionId }), "messages");
    const steps: JsonObject[] = [
      { type: "get_tree" },
      { type: "navigate_tree", targetId: stringAt(forkable, 0, "entryId") },
      { type: "fork", entryId: stringAt(forkable, 0, "entryId") },
      { type: "new_session" },
      { type: "set_thinking_level", level: "high" },
      { type: "cycle_model" },
      { type: "set_session_name", name: sessionId },
      { type: "reload" },
      { type: "get_session_stats" },
      { type: "bash", command: "pwd" },
    ];
    for (const step of steps) {
      const response = await wire.request({ ...step, sessionId });
      assertEquals([response.success, response.sessionId], [true, sessionId], JSON.stringify(response));
    }
    assertEquals((await settled(wire, sessionId, marker)).text, "again");
    assert((await listed(wire)).includes(sessionId));
    const file = stringAt(await wire.ok({ type: "get_state", sessionId }), "sessionFile");
    assert(!file.split("/").at(-1)?.includes(sessionId), "a client's id became a file name");
    assertEquals(await wire.ok({ type: "delete_session", sessionId }), { deleted: true });
  });
}

test("a model that pi knows but has no key for is no_api_key; one it doesn't know is model_not_found", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const set = (provider: string, modelId: string) => ({
    type: "set_model",
    sessionId: id,
    provider,
    modelId,
  });
  await wire.refused("no_api_key", set("openai", "gpt-4o"));
  for (const [provider, modelId] of [["openai", "gpt-none"], ["__proto__", "x"], ["toString", "length"]]) {
    await wire.refused("model_not_found", set(provider ?? "", modelId ?? ""));
  }
  const marker = bench.name("keeps");
  bench.model.script(marker, text(["kept its model"]));
  assertEquals((await settled(wire, id, marker)).text, "kept its model");
  // Created with such a model, a prompt says what is missing, and no path of this machine.
  const keyless = await bench.watched(wire, { provider: "openai", modelId: "gpt-4o" });
  const prompt = { type: "prompt", sessionId: keyless.id, message: "hello" };
  const refusal = await wire.refused("no_api_key", prompt);
  assert(!/\/(home|root|tmp|work|usr)\//.test(stringAt(refusal, "error")), stringAt(refusal, "error"));
});

test("an HTTP 500 that outlasts the retries is reported as such", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("on-fire");
  bench.model.script(marker, ...Array.from({ length: 4 }, () => status(500, "the kitchen is on fire")));
  const prompt = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
  const failed = await wire.refused("agent_error", prompt, 30_000);
  assertStringIncludes(stringAt(failed, "error"), "the kitchen is on fire");
  const settles = wire.events(id).filter((event) => event.type === "agent_settled");
  assertEquals(settles.map((event) => event.stopReason), ["error"]);
  assertEquals(wire.events(id).filter((event) => event.type === "auto_retry_start").length, 3);
});

test("delete_session from two clients at once: one deletes, the other gets an error", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { id } = await gated(bench, wire);
  const results = await Promise.all(
    [wire, other].map((each) => each.request({ type: "delete_session", sessionId: id })),
  );
  assertEquals(results.map((response) => response.code ?? "ok").sort(), ["ok", "session_not_found"]);
  assertEquals((await wire.response("w")).code, "cancelled");
});

test("delete_session while a replacement is under way: both answer, nothing is left", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("saved");
  bench.model.script(marker, text(["saved"]));
  await settled(wire, id, marker);
  for (const type of ["new_session", "clone", "reload"]) {
    wire.send({ type, id: `r-${type}`, sessionId: id });
    wire.send({ type: "bash", id: `b-${type}`, sessionId: id, command: "echo never" });
    wire.send({ type: "delete_session", id: `d-${type}`, sessionId: id });
    const replaced = await wire.response(`r-${type}`);
    assert(replaced.success === true || replaced.code === "cancelled", JSON.stringify(replaced));
    const bash = await wire.response(`b-${type}`);
    assert(bash.success === true || bash.code === "cancelled", JSON.stringify(bash));
    assertEquals((await wire.response(`d-${type}`)).data, { deleted: true });
    assert(!(await listed(wire)).includes(id));
    await wire.refused("session_not_found", { type: "get_state", sessionId: id });
    await wire.ok({ type: "create_session", sessionId: id, cwd });
    await wire.ok({ type: "subscribe", sessionId: id });
    bench.model.script(marker, text(["anew"]));
    assertEquals((await settled(wire, id, marker)).text, "anew");
  }
});

test("replacements and prompts of two clients in one go: each answered, one at a time", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { id } = await bench.watched(wire);
  await other.ok({ type: "subscribe", sessionId: id });
  for (let n = 0; n < 5; n++) {
    wire.send({ type: "new_session", id: `n${n}`, sessionId: id });
    other.send({ type: "set_session_name", id: `s${n}`, sessionId: id, name: `name ${n}` });
    other.send({ type: "subscribe", id: `u${n}`, sessionId: id });
    wire.send({ type: "get_state", id: `g${n}`, sessionId: id });
  }
  for (let n = 0; n < 5; n++) {
    assertEquals((await wire.response(`n${n}`)).success, true);
    assertEquals((await other.response(`s${n}`)).success, true);
    assertEquals((await other.response(`u${n}`)).success, true);
    assertEquals((await wire.response(`g${n}`)).success, true);
  }
  assertEquals(numberAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionVersion"), 10);
  for (let n = 0; n < 5; n++) await wire.event(id, "session_replaced");
  const marker = bench.name("last");
  bench.model.script(marker, text(["fine"]));
  assertEquals((await settled(wire, id, marker)).text, "fine");
});

test("filtered and * subscriptions see session_replaced; updates full too", async (bench) => {
  const wire = await bench.connect();
  const [filtered, star, full] = [
    await bench.connect("filtered"),
    await bench.connect("star"),
    await bench.connect("full"),
  ];
  await star.ok({ type: "subscribe", sessionId: "*" });
  const { id } = await bench.watched(wire);
  await filtered.ok({ type: "subscribe", sessionId: id, events: ["session_replaced"] });
  await full.ok({ type: "switch_session", sessionId: id });
  await wire.ok({ type: "new_session", sessionId: id });
  for (const each of [wire, filtered, star, full]) {
    const event = await each.event(id, "session_replaced");
    assertEquals(at(event, "event", "reason"), "new_session");
  }
  const marker = bench.name("after");
  bench.model.script(marker, text(["seen by all"]));
  await settled(wire, id, marker);
  await star.event(id, "agent_settled");
  const update = await full.event(id, "message_update");
  assertEquals(at(update, "event", "message", "role"), "assistant");
  assertEquals(filtered.events(id).map((event) => event.type), ["session_replaced"]);
});

test("a waiter of a queued message is cancelled when the session is deleted or its run aborted", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("stuck");
  bench.model.script(marker, hang());
  wire.send({ type: "prompt", id: "w", sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "message_update");
  for (const kind of ["steer", "followUp"]) {
    wire.send({
      type: "prompt",
      id: kind,
      sessionId: id,
      message: `queued ${kind}`,
      streamingBehavior: kind,
      waitFor: "settled",
    });
    await wire.event(id, "queue_update");
  }
  await wire.ok({ type: "delete_session", sessionId: id });
  for (const waiter of ["w", "steer", "followUp"]) {
    assertEquals((await wire.response(waiter)).code, "cancelled", waiter);
  }
});
