// The router over memory connections and scripted workers: who is answered, in which order refusals are checked,
// what a shutdown lets through, and how subscriptions come about.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../src/protocol/schema/commands.ts";
import { connectMemory } from "../../../src/server/transports/memory.ts";
import type { ScriptedWorker } from "../manager/fakes.ts";
import { MINIMAL } from "../../protocol/minimal.ts";
import { at, type Json, objectAt } from "../../support/base/json.ts";
import { FakePeer } from "./fakes.ts";
import { GREETING } from "../../support/server/greeting.ts";
import { isRead } from "../../support/server/roles.ts";
import { RouterBench as Bench } from "./router_fixture.ts";

Deno.test("router: the greeting comes first, and answers only go to who asked", () => {
  const bench = new Bench();
  const client = connectMemory(bench.router);
  assertEquals(client.received, [GREETING]);
  const [one, two] = [bench.connect(), bench.connect()];
  for (const [peer, id] of [[one, "same"], [two, "same"], [one, "x"]] as const) {
    peer.send({ id, type: "ping" });
  }
  assertEquals([one.codes(), two.codes(), client.received.length], [["same:ok", "x:ok"], ["same:ok"], 1]);
});

Deno.test("router: the server's own commands answer with what they are about", () => {
  const bench = new Bench();
  const peer = bench.connect();
  const data = (message: Record<string, unknown>): Json | undefined => {
    peer.send(message);
    return at(peer.take()[0], "data");
  };
  assertEquals(data({ type: "ping" }), { now: bench.made.clock.now() });
  assertEquals(data({ type: "get_schema" }), { schema: { title: "all" }, schemaHash: "sha256-x" });
  assertEquals(at(data({ type: "get_schema", command: "bash" }), "schema", "title"), "bash");
  assertEquals(at(data({ type: "hello", protocolVersions: ["1.9"] }), "protocolVersion"), "1.0");
  assertEquals(data({ type: "hello", protocolVersions: ["2.0"] }), { supported: ["1.0"] });
  for (const command of ["nope", "constructor", "__proto__"]) {
    peer.send({ id: "1", type: "get_schema", command });
    assertEquals(peer.codes(), ["1:invalid_params"]);
  }
});

Deno.test("router: malformed, too large and unknown messages are refused, and the connection lives on", () => {
  const bench = new Bench({ frameBytes: 1024 });
  const peer = bench.connect();
  peer.client.sendText("{");
  peer.client.sendText("");
  peer.client.sendText('{"id":"i","type":"nope"}');
  assertEquals(peer.codes(), ["undefined:invalid_json", "undefined:invalid_json", "i:unknown_command"]);
  assertEquals(bench.router.receive(peer.client.connection, "x".repeat(1024)), undefined);
  assertEquals(bench.router.receive(peer.client.connection, "x".repeat(1025))?.code, 1009);
  assertEquals(peer.codes(), ["undefined:invalid_json", "undefined:frame_too_large"]);
  assertEquals(peer.client.connection.hasSentCommand, false);
  peer.send({ id: "p", type: "ping" });
  assertEquals([peer.codes(), peer.client.connection.hasSentCommand], [["p:ok"], true]);
});

Deno.test("router: a response echoes id, command, session and version", () => {
  const bench = new Bench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "1", type: "get_state", sessionId: "a" });
  bench.worker.reply(bench.worker.last("command").ref, { ok: true, dataText: '{"x":1}', sessionVersion: 4 });
  assertEquals(peer.take(), [{
    id: "1",
    type: "response",
    command: "get_state",
    success: true,
    protocolVersion: "1.0",
    sessionId: "a",
    sessionVersion: 4,
    data: { x: 1 },
  }]);
});

Deno.test("router: refusals are checked in order: message, in-flight, mailbox, session", () => {
  const bench = new Bench({ inFlightPerConnection: 1, mailbox: 1 });
  bench.live("a");
  const [one, two, three] = [bench.connect(), bench.connect(), bench.connect()];
  const prompt = { type: "prompt", sessionId: "a", message: "m" };
  for (const peer of [one, two]) peer.send(prompt);
  one.send({ id: "1", type: "prompt", sessionId: "a", message: 5 });
  one.send({ id: "2", ...prompt, sessionId: "nope" });
  three.send({ id: "3", ...prompt });
  three.send({ id: "4", ...prompt, sessionId: "nope" });
  assertEquals(one.codes(), ["1:invalid_params", "2:overloaded"]);
  assertEquals(three.codes(), ["3:overloaded", "4:session_not_found"]);
});

Deno.test("router: a refused command frees its place; exempt ones need none", () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  bench.live("a");
  const peer = bench.connect();
  for (let time = 0; time < 3; time++) peer.send({ id: "n", type: "get_state", sessionId: "nope" });
  assertEquals(peer.codes(), Array(3).fill("n:session_not_found"));
  peer.send({ id: "b", type: "bash", sessionId: "a", command: "x" });
  peer.send({ id: "o", type: "get_state", sessionId: "a" });
  peer.send({ id: "p", type: "ping" });
  peer.send({ id: "s", type: "abort", sessionId: "a" });
  assertEquals(peer.codes(), ["o:overloaded", "p:ok"]);
  assertEquals(bench.worker.of("command").map(({ command }) => command.type), ["bash", "abort"]);
  for (const { ref } of bench.worker.of("command")) bench.worker.reply(ref);
  assertEquals(peer.codes(), ["b:ok", "s:ok"]);
  peer.send({ id: "r", type: "get_schema" });
  assertEquals(peer.codes(), ["r:ok"]);
});

Deno.test("router: an accepted prompt counts as in flight no longer, and is still answered", () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "p", type: "prompt", sessionId: "a", message: "m", waitFor: "settled" });
  const { ref } = bench.worker.last("command");
  bench.worker.says({ kind: "command_released", ref });
  peer.send({ id: "g", type: "get_schema" });
  bench.worker.reply(ref);
  bench.worker.reply(ref);
  assertEquals(peer.codes(), ["g:ok", "p:ok"]);
});

Deno.test("router: during a shutdown exactly what reads or stops is served", () => {
  const bench = new Bench({}, 0);
  bench.live("a");
  bench.router.refuse();
  const allowed: string[] = [];
  for (const [type, fields] of Object.entries(MINIMAL)) {
    const peer = bench.connect();
    peer.send({ id: "1", type, ...fields });
    const [code] = peer.codes();
    assert(code !== "1:invalid_params", type);
    if (code !== "1:shutting_down") allowed.push(type);
  }
  const reads = [...COMMANDS.keys()].filter(isRead);
  const stops = ["abort", "abort_bash", "abort_compaction", "abort_retry", "extension_ui_response"];
  const others = ["hello", "ping", "subscribe", "switch_session", "unsubscribe"];
  assertEquals(allowed.toSorted(), [...reads, ...stops, ...others].toSorted());
});

Deno.test("router: a peer that waits has its commands held, in order, and each answered once", () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  bench.live("a");
  const wire = new FakePeer(true);
  const connection = bench.router.accept(wire);
  const send = (message: unknown) => bench.router.receive(connection, JSON.stringify(message));
  send({ id: "1", type: "bash", sessionId: "a", command: "x" });
  send({ id: "2", type: "get_schema" });
  send({ id: "3", type: "create_session", sessionId: "a" });
  send({ id: "4", type: "bash", sessionId: "a", command: "y" });
  send({ id: "5", type: "ping" });
  const ids = (): unknown[] => wire.sent.splice(0).map((text) => JSON.parse(text).id);
  assertEquals([ids(), connection.holding], [[undefined, "5"], true], "only the greeting and the ping");
  bench.worker.reply(bench.worker.last("command").ref);
  assertEquals([ids(), connection.holding], [["1", "2", "3"], false]);
  assertEquals(bench.worker.of("command").length, 2);
  bench.worker.reply(bench.worker.last("command").ref);
  assertEquals(ids(), ["4"]);
});

Deno.test("router: room in a mailbox that another made lets a waiting peer go on", () => {
  const bench = new Bench({ mailbox: 1 });
  bench.live("a");
  const other = bench.connect();
  const prompt = { type: "prompt", sessionId: "a", message: "m" };
  for (const id of ["1", "2"]) other.send({ id, ...prompt });
  const wire = new FakePeer(true);
  const connection = bench.router.accept(wire);
  bench.router.receive(connection, JSON.stringify({ id: "w", ...prompt }));
  assertEquals([connection.holding, bench.worker.of("command").length], [true, 2]);
  bench.worker.reply(bench.worker.of("command")[0]?.ref ?? 0);
  assertEquals([connection.holding, bench.worker.of("command").length], [false, 3]);
});

Deno.test("router: a subscription's response comes before its first event, and after it nothing is missing", () => {
  const bench = new Bench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "s", type: "subscribe", sessionId: "a" });
  assertEquals(bench.worker.last("subscribers").demand, { full: false, subscribers: 1 });
  bench.event("a", 1);
  assertEquals(peer.take(), [], "before the worker's answer nothing is due");
  bench.tellStates("a");
  bench.event("a", 2);
  const [response, event, ...more] = peer.take();
  const { mode, epoch, seq, sessionInfo } = objectAt(response, "data");
  assertEquals([mode, epoch, seq, sessionInfo, event, more], ["live", "e", 0, { i: 1 }, { d: 2 }, []]);
  peer.send({ id: "u", type: "unsubscribe", sessionId: "a" });
  bench.event("a", 3);
  assertEquals([peer.codes(), bench.worker.last("subscribers").demand.subscribers], [["u:ok"], 0]);
});

Deno.test("router: a subscription to no session is session_not_found, and no demand stays", () => {
  const bench = new Bench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "1", type: "subscribe", sessionId: "nope" });
  peer.send({ id: "2", type: "switch_session", sessionId: "a" });
  bench.tellStates();
  assertEquals(peer.codes(), ["1:session_not_found", "2:session_not_found"]);
  assertEquals(bench.worker.last("subscribers").demand.subscribers, 0);
});

Deno.test("router: switch_session subscribes in full and answers with the session's info", () => {
  const bench = new Bench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "s", type: "switch_session", sessionId: "a" });
  bench.tellStates("a");
  bench.event("a", 1);
  assertEquals(peer.take().map((one) => at(one, "data") ?? one), [{ sessionInfo: { i: 1 } }, { f: 1 }]);
});

Deno.test("router: an end that is sent behind a subscription ends it", () => {
  const bench = new Bench();
  bench.live("a");
  for (const target of ["a", "*"]) {
    const peer = bench.connect();
    peer.send({ id: "s", type: "subscribe", sessionId: target });
    peer.send({ id: "u", type: "unsubscribe", sessionId: target });
    bench.tellStates("a");
    peer.take();
    bench.event("a", 1);
    assertEquals(peer.take(), [], `${target}: events come after both were answered`);
  }
});

Deno.test("router: * answers once every worker has, with all sessions, names of JavaScript's own too", () => {
  const bench = new Bench({}, 2);
  for (const id of ["a", "__proto__"]) bench.live(id);
  const peer = bench.connect();
  peer.send({ id: "s", type: "subscribe", sessionId: "*" });
  const [first, second] = bench.made.workers.all;
  const say = (worker: ScriptedWorker | undefined, sessionId: string): void => {
    const sessions = [{ sessionId, epoch: "e", seq: 1, sessionVersion: 0, infoText: "{}", pendingUi: [] }];
    worker?.says({ kind: "states", ref: worker.last("get_states").ref, sessions });
  };
  say(second, "__proto__");
  assertEquals(peer.take(), []);
  second?.says({ kind: "events", sessionId: "__proto__", events: [{ seq: 2, type: "t", text: '{"d":2}' }] });
  say(first, "a");
  const [response, event] = peer.take();
  assertEquals(Object.keys(objectAt(response, "data", "sessions")).toSorted(), ["__proto__", "a"]);
  assertEquals([at(response, "sessionId"), event], [undefined, { d: 2 }]);
});

Deno.test("router: a * that fails leaves the one before as it was", async () => {
  const bench = new Bench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "1", type: "subscribe", sessionId: "*" });
  bench.tellStates("a");
  peer.send({ id: "2", type: "subscribe", sessionId: "*", updates: "full" });
  await bench.made.clock.advance(30_000);
  assertEquals(peer.codes(), ["1:ok", "2:timeout"]);
  bench.event("a", 1);
  assertEquals(peer.take(), [{ d: 1 }]);
});

Deno.test("router: server events go to everyone, and a deleted session's subscriptions end", () => {
  const bench = new Bench();
  const [one, two] = [bench.connect(), bench.connect()];
  bench.live("a");
  for (const peer of [one, two]) {
    assertEquals(peer.take(), [{ type: "session_created", data: { sessionId: "a" } }]);
  }
  one.send({ type: "subscribe", sessionId: "a" });
  bench.tellStates("a");
  one.take();
  bench.router.announce("session_deleted", { sessionId: "a" });
  bench.event("a", 1);
  assertEquals([one.take().length, two.take().length], [1, 1]);
});

Deno.test("router: a peer that goes away takes its demand along; its commands go on unanswered", () => {
  const bench = new Bench();
  bench.live("a");
  const [one, two] = [bench.connect(), bench.connect()];
  one.send({ type: "subscribe", sessionId: "a" });
  bench.tellStates("a");
  one.send({ type: "get_state", sessionId: "a" });
  const { ref } = bench.worker.last("command");
  one.client.close();
  one.client.close();
  bench.worker.reply(ref);
  assertEquals([bench.worker.last("subscribers").demand.subscribers, bench.router.connections.length], [
    0,
    1,
  ]);
  assertEquals([one.codes(), two.take()], [["undefined:ok"], []], "the subscribe's answer and no more");
});

Deno.test("router: a reader that is too slow is closed with 1013 and costs no other client", () => {
  const bench = new Bench({ outboxCloseBytes: 65_536 });
  const wire = new FakePeer();
  bench.router.accept(wire);
  wire.buffered = 1_000_000;
  const other = bench.connect();
  bench.router.announce("x", { text: "y".repeat(70_000) });
  assertEquals([wire.closes, bench.router.connections.length, other.take().length], [[1013], 1, 1]);
  assertStringIncludes(bench.made.records.join(), "reads too slowly");
  bench.router.announce("x", {});
  assertEquals(wire.closes, [1013]);
});
