// The commands that the router puts together from its workers: lists, open dialogs, sessions that are loaded, and
// subscriptions that are ended before they came about.
import { assertEquals } from "@std/assert";
import type { SessionState } from "../../../src/ipc/messages.ts";
import type { ScriptedWorker } from "../manager/fakes.ts";
import { at, type Json } from "../../support/base/json.ts";
import { type Peer, RouterBench } from "./router_fixture.ts";

const FILE = "/sessions/s.jsonl";

/** What a worker says of one session with those dialogs. */
function stateOf(sessionId: string, ...dialogs: string[]): SessionState {
  const pendingUi = dialogs.map((requestId) => JSON.stringify({ sessionId, requestId }));
  return {
    sessionId,
    epoch: "e",
    seq: 0,
    sessionVersion: 0,
    infoText: JSON.stringify({ sessionId }),
    pendingUi,
  };
}

/** The worker answers the last `get_states` with those sessions. */
function tellStates(worker: ScriptedWorker | undefined, ...sessions: SessionState[]): void {
  worker?.says({ kind: "states", ref: worker.last("get_states").ref, sessions });
}

/** `data` of the one message that has come. */
function dataOf(peer: Peer): Json | undefined {
  const [message, ...more] = peer.take();
  assertEquals(more, []);
  return at(message, "data");
}

Deno.test("server commands: list_pending_ui shows the open dialogs of all sessions on all workers", () => {
  const bench = new RouterBench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const peer = bench.connect();
  peer.send({ id: "1", type: "list_pending_ui" });
  const [first, second] = bench.made.workers.all;
  tellStates(second, stateOf("b", "b1"), stateOf("c"));
  assertEquals(peer.take(), [], "every worker is asked");
  tellStates(first, stateOf("a", "a1", "a2"));
  const shown = at(dataOf(peer), "requests");
  assertEquals(Array.isArray(shown) ? shown.map((one) => at(one, "requestId")) : shown, ["a1", "a2", "b1"]);
  peer.send({ id: "2", type: "list_pending_ui" });
  for (const worker of [first, second]) tellStates(worker);
  assertEquals(dataOf(peer), { requests: [] });
});

Deno.test("server commands: list_pending_ui of one session asks that one's worker alone", () => {
  const bench = new RouterBench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const peer = bench.connect();
  peer.send({ id: "1", type: "list_pending_ui", sessionId: "b" });
  const [first, second] = bench.made.workers.all;
  assertEquals([first?.of("get_states").length, second?.last("get_states").sessionIds], [0, ["b"]]);
  tellStates(second, stateOf("b", "b1"));
  assertEquals(dataOf(peer), { requests: [{ sessionId: "b", requestId: "b1" }] });
});

Deno.test("server commands: list_pending_ui of no session is session_not_found, of a hanging worker a timeout", async () => {
  const bench = new RouterBench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "1", type: "list_pending_ui", sessionId: "nope" });
  peer.send({ id: "2", type: "list_pending_ui", sessionId: "a" });
  tellStates(bench.worker);
  peer.send({ id: "3", type: "list_pending_ui" });
  assertEquals(peer.codes(), ["1:session_not_found", "2:session_not_found"]);
  await bench.made.clock.advance(30_000);
  assertEquals(peer.codes(), ["3:timeout"]);
});

Deno.test("server commands: list_sessions is every worker's sessions, and fails when one worker does not answer", async () => {
  const bench = new RouterBench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const peer = bench.connect();
  peer.send({ id: "1", type: "list_sessions" });
  const [first, second] = bench.made.workers.all;
  tellStates(first, stateOf("a"));
  tellStates(second, stateOf("b"), stateOf("__proto__"));
  const ids = ["a", "b", "__proto__"].map((sessionId) => ({ sessionId }));
  assertEquals(JSON.stringify(dataOf(peer)), JSON.stringify({ sessions: ids }));
  peer.send({ id: "2", type: "list_sessions" });
  tellStates(first, stateOf("a"));
  await bench.made.clock.advance(30_000);
  assertEquals(peer.codes(), ["2:timeout"]);
});

Deno.test("server commands: load_session goes on under the id of its file, and says so", () => {
  const bench = new RouterBench();
  const peer = bench.connect();
  peer.send({ id: "1", type: "load_session", sessionPath: FILE });
  const { worker } = bench;
  worker.says({ kind: "header", ref: worker.last("read_header").ref, id: "from-the-file", file: FILE });
  const { command, ref } = worker.last("create_session");
  assertEquals([command.type, command.sessionId], ["load_session", "from-the-file"]);
  worker.reply(ref, { ok: true, dataText: '{"sessionId":"from-the-file","sessionInfo":{}}' });
  const [response, event] = peer.take();
  assertEquals([at(response, "id"), at(response, "data", "sessionId")], ["1", "from-the-file"]);
  assertEquals(event, { type: "session_created", data: { sessionId: "from-the-file" } });
  const [touched] = bench.router.connections.map((one) => [...one.usedSessions]);
  assertEquals(touched, ["from-the-file"], "the end of this input waits for it");
});

Deno.test("server commands: load_session of a live file is session_in_use with the session that drives it", () => {
  const bench = new RouterBench();
  bench.live("driver");
  const peer = bench.connect();
  const { worker } = bench;
  worker.says({ kind: "session_file", sessionId: "driver", file: FILE });
  peer.send({ id: "1", type: "load_session", sessionPath: FILE });
  worker.says({ kind: "header", ref: worker.last("read_header").ref, id: "x", file: FILE });
  const [refused] = peer.take();
  assertEquals([at(refused, "code"), at(refused, "data")], ["session_in_use", { sessionId: "driver" }]);
  peer.send({ id: "2", type: "load_session", sessionPath: FILE, sessionId: "driver" });
  assertEquals(peer.codes(), ["2:session_exists"]);
});

Deno.test("server commands: what names a session that is being loaded waits for it on its worker", () => {
  const bench = new RouterBench();
  const peer = bench.connect();
  peer.send({ id: "1", type: "load_session", sessionPath: FILE, sessionId: "a" });
  peer.send({ id: "2", type: "subscribe", sessionId: "a" });
  peer.send({ id: "3", type: "prompt", sessionId: "a", message: "m" });
  const { worker } = bench;
  assertEquals([peer.take(), worker.sent.map(({ kind }) => kind)], [[], [
    "create_session",
    "subscribers",
    "get_states",
    "command",
  ]]);
  const failure = { code: "path_not_found", message: "m" } as const;
  worker.reply(worker.last("create_session").ref, { ok: false, failure });
  tellStates(worker);
  worker.reply(worker.last("command").ref, {
    ok: false,
    failure: { code: "session_not_found", message: "m" },
  });
  assertEquals(peer.codes(), ["1:path_not_found", "2:session_not_found", "3:session_not_found"]);
});

Deno.test("server commands: unsubscribe cancels a subscription that was only asked for, and its demand", () => {
  for (const target of ["a", "*"]) {
    const bench = new RouterBench();
    bench.live("a");
    const peer = bench.connect();
    peer.send({ id: "s", type: "subscribe", sessionId: target, updates: "full" });
    assertEquals(bench.worker.last("subscribers").demand, { full: true, subscribers: 1 });
    peer.send({ id: "u", type: "unsubscribe", sessionId: target });
    assertEquals(bench.worker.last("subscribers").demand, { full: false, subscribers: 0 }, target);
    assertEquals(peer.take().map((one) => at(one, "data")), [{ unsubscribed: true }]);
    bench.tellStates("a");
    assertEquals(peer.codes(), ["s:ok"], "it is answered all the same, once");
    bench.event("a", 1);
    assertEquals([peer.take(), bench.worker.last("subscribers").demand.subscribers], [[], 0]);
    peer.send({ id: "v", type: "unsubscribe", sessionId: target });
    assertEquals(peer.take().map((one) => at(one, "data")), [{ unsubscribed: false }]);
  }
});

Deno.test("server commands: of subscribe, unsubscribe, subscribe the last one holds", () => {
  for (const target of ["a", "*"]) {
    const bench = new RouterBench();
    bench.live("a");
    const peer = bench.connect();
    peer.send({ id: "1", type: "subscribe", sessionId: target, updates: "full" });
    peer.send({ id: "2", type: "unsubscribe", sessionId: target });
    peer.send({ id: "3", type: "subscribe", sessionId: target });
    const sessions = [stateOf("a")];
    for (const { ref } of bench.worker.of("get_states")) bench.worker.says({ kind: "states", ref, sessions });
    assertEquals(peer.codes(), ["2:ok", "1:ok", "3:ok"]);
    bench.event("a", 1);
    assertEquals(peer.take(), [{ d: 1 }], target);
  }
});

Deno.test("server commands: an end of * leaves a subscription by id that was asked for, and the reverse", () => {
  const bench = new RouterBench();
  bench.live("a");
  const peer = bench.connect();
  peer.send({ id: "1", type: "subscribe", sessionId: "a" });
  peer.send({ id: "2", type: "unsubscribe", sessionId: "*" });
  bench.tellStates("a");
  bench.event("a", 1);
  assertEquals(peer.take().map((one) => at(one, "id") ?? one), ["2", "1", { d: 1 }]);
});

Deno.test("server commands: from must have the shape that its sessionId asks for", () => {
  const bench = new RouterBench();
  bench.live("a");
  const peer = bench.connect();
  const cursor = { epoch: "e", seq: 1 };
  const before = bench.worker.sent.length;
  peer.send({ id: "1", type: "subscribe", sessionId: "a", from: { sessions: { a: cursor } } });
  peer.send({ id: "2", type: "subscribe", sessionId: "*", from: cursor });
  assertEquals(peer.codes(), ["1:invalid_params", "2:invalid_params"]);
  assertEquals(bench.worker.sent.length, before, "and nothing is subscribed");
});
