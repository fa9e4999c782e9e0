// Isolation `session`: each session gets a worker of its own, a spare is kept, and a worker ends when its session leaves.
// What one worker does, hangs or dies of, concerns no other session.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { WorkerPool } from "../../../src/server/workers/worker_pool.ts";
import {
  anyKind,
  CONFIG,
  FakeAsker,
  makeManager,
  recordOf,
  type ScriptedWorker,
  ScriptedWorkers as Started,
} from "../manager/fakes.ts";

const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;
const WORKER_SILENT_MS = 30_000;
const STATE_MS = 2_000;

/** A pool whose dead workers are replaced. */
function pool() {
  const clock = new FakeClock();
  const started = new Started();
  const introduced: number[] = [];
  const workers: WorkerPool = new WorkerPool({
    clock,
    config: CONFIG,
    isolation: "session",
    starts: 100,
    start: started.start,
  });
  workers.handlers = anyKind(() => {});
  workers.onExit = (worker) => workers.restart(worker);
  workers.onStarted = (worker) => void introduced.push(worker);
  workers.startAll(4);
  return { clock, started, introduced, workers };
}

Deno.test("pool: it starts with the spare alone, which serves commands without a session", () => {
  const { started, introduced, workers } = pool();
  assertEquals([started.all.length, workers.all, workers.used, workers.leastLoaded()], [1, [0], [], 0]);
  assertEquals(introduced, [0]);
});

Deno.test("pool: a session takes the spare, the next one a new worker, and one spare is kept", () => {
  const { introduced, workers } = pool();
  assertEquals([workers.assign(), workers.assign()], [0, 1]);
  assertEquals([workers.all, workers.used], [[0, 1], [0, 1]]);
  for (let n = 0; n < 3; n++) workers.keepSpare();
  assertEquals([workers.all, workers.used, workers.leastLoaded()], [[0, 1, 2], [0, 1], 2]);
  assertEquals([workers.assign(), introduced], [2, [0, 1, 2]]);
});

Deno.test("pool: a retired worker is removed without ending what its session started, and its number stays unused", () => {
  const { started, workers } = pool();
  workers.assign();
  assert(!workers.isLeft(0));
  workers.remove(0);
  assertEquals(workers.all, [0], "a worker with a session is not removed");
  workers.addSessions(0, -1);
  assert(workers.isLeft(0));
  workers.retire(0);
  assert(!workers.isLeft(0), "once is enough");
  assertEquals(workers.used, [0], "a shutdown still waits for it");
  workers.remove(0);
  assertEquals([started.worker(0).dismissed, started.worker(0).terminated, workers.all], [1, 0, []]);
  assertEquals([workers.send(0, { kind: "ping", ref: 1 }), workers.sessions(0)], [false, 0]);
  workers.addSessions(0, -1);
  assertEquals(workers.assign(), 1);
});

Deno.test("pool: a session's dead worker is not started again, a dead spare is", async () => {
  const { clock, started, workers } = pool();
  workers.assign();
  workers.keepSpare();
  await clock.advance(YOUNG_MS);
  started.worker(0).dies();
  assertEquals([workers.all, started.all.length], [[1], 2]);
  started.worker(1).dies();
  assertEquals([workers.all, started.all.length], [[1], 3]);
  started.worker(2).dies();
  assertEquals(started.all.length, 3, "it died young");
  assertEquals(workers.assign(), 1, "a session may wait for its start");
  workers.send(1, { kind: "count_busy", ref: 7, stop: false });
  await clock.advance(RESTART_MS);
  assertEquals([started.all.length, started.worker().of("count_busy").length], [4, 1]);
});

Deno.test("pool: once it is stopped no spare is started", () => {
  const { started, workers } = pool();
  workers.assign();
  workers.stop();
  workers.keepSpare();
  assertEquals(started.all.length, 1);
});

/** A manager with isolated sessions, and what it tells. */
class Isolated {
  readonly made;
  readonly events: string[] = [];

  constructor(sessions = 100, starts = 100) {
    this.made = makeManager({ sessions, hostSilentMs: WORKER_SILENT_MS }, 1, "session", starts);
    this.made.manager.start({
      onEvents: () => {},
      onServerEvent: (type, data) => void this.events.push(`${type} ${data.sessionId}`),
      demandFor: () => ({ full: false, subscribers: 0 }),
      isWatched: () => false,
    });
  }

  get workers(): readonly ScriptedWorker[] {
    return this.made.workers.all;
  }

  /** Creates a session, and has its worker build it. */
  create(sessionId: string): ScriptedWorker {
    this.made.manager.createSession({ type: "create_session", sessionId }, new FakeAsker());
    const worker = this.workers.find((one) =>
      one.of("create_session").at(-1)?.command.sessionId === sessionId
    );
    if (worker === undefined) throw new Error("no worker was asked");
    worker.says({ kind: "load_ended" });
    worker.says({ kind: "save_record", record: recordOf(sessionId) });
    worker.reply(worker.last("create_session").ref);
    return worker;
  }

  command(type: "delete_session" | "get_messages", sessionId: string): FakeAsker {
    const replyTo = new FakeAsker();
    this.made.manager.forwardCommand({ type, sessionId }, specOf(type), replyTo);
    return replyTo;
  }
}

/** Lets promises go on. */
async function turn(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

Deno.test("isolation: each session has a worker of its own, and the spare is started once a session stands", () => {
  const bench = new Isolated();
  bench.made.manager.createSession({ type: "create_session", sessionId: "a" }, new FakeAsker());
  assertEquals(bench.workers.length, 1, "the spare takes it, and nothing competes with its start");
  bench.workers[0]?.reply(bench.workers[0].last("create_session").ref);
  assertEquals(bench.workers.length, 2);
  bench.create("b");
  assertEquals(bench.workers.map((worker) => worker.of("create_session").length), [1, 1, 0]);
  assertEquals(bench.made.manager.workers.length, 3, "get_metrics counts the spare");
});

Deno.test("isolation: the worker of a deleted session ends after the answer and after everything is disposed", async () => {
  const bench = new Isolated();
  const worker = bench.create("a");
  const replyTo = bench.command("delete_session", "a");
  await turn();
  assertEquals([replyTo.told, worker.of("shutdown").length], [[], 0], "the deletion comes first");
  worker.reply(worker.last("command").ref);
  await turn();
  assertEquals([replyTo.told, worker.of("shutdown").length, worker.dismissed], [["ok"], 1, 0]);
  const { ref } = worker.last("shutdown");
  worker.says({ kind: "shutdown_done", ref, disposed: 0, failed: 0, saving: true });
  await turn();
  assertEquals(worker.dismissed, 0, "a login is being saved");
  worker.says({ kind: "shutdown_done", ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([worker.dismissed, worker.terminated, bench.made.manager.workers], [1, 0, [1]]);
});

Deno.test("isolation: a session that cannot be built takes its worker with it", async () => {
  const bench = new Isolated();
  const replyTo = new FakeAsker();
  bench.made.manager.createSession({ type: "create_session", sessionId: "a" }, replyTo);
  const [worker] = bench.workers;
  worker?.refuses("create_session");
  worker?.says({ kind: "shutdown_done", ref: worker.last("shutdown").ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([replyTo.told, worker?.dismissed, bench.made.manager.workers], [["internal"], 1, [1]]);
});

Deno.test("isolation: a parked session gives its worker back, and comes back on the spare", async () => {
  const bench = new Isolated(1);
  const worker = bench.create("a");
  await bench.made.clock.advance(1);
  bench.made.manager.createSession({ type: "create_session", sessionId: "b" }, new FakeAsker());
  worker.says({ kind: "park_result", ref: worker.last("park_session").ref, record: recordOf("a") });
  const [, second] = bench.workers;
  assertEquals(second?.last("create_session").command.sessionId, "b");
  worker.says({ kind: "shutdown_done", ref: worker.last("shutdown").ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([worker.dismissed, bench.made.manager.workers.includes(0)], [1, false]);
  second?.says({ kind: "save_record", record: recordOf("b") });
  second?.reply(second.last("create_session").ref);
  const replyTo = bench.command("get_messages", "a");
  second?.says({ kind: "park_result", ref: second.last("park_session").ref, record: recordOf("b") });
  const third = bench.workers[2];
  third?.reply(third.last("resume_session").ref);
  third?.reply(third.last("command").ref);
  assertEquals([replyTo.told, bench.events.includes("session_resumed a")], [["ok"], true]);
});

Deno.test("isolation: a dead worker crashes its own session alone, and fails no list", async () => {
  const bench = new Isolated();
  const [first, second] = [bench.create("a"), bench.create("b")];
  const told: (readonly string[])[] = [];
  bench.made.manager.statesOfAll([], (sessions) => {
    told.push("code" in sessions ? [sessions.code] : sessions.map(({ sessionId }) => sessionId));
  });
  const lost = bench.command("get_messages", "a");
  const other = bench.command("get_messages", "b");
  await turn();
  first.dies();
  assertEquals([lost.told, other.told], [["internal"], []]);
  assertEquals(bench.events.filter((event) => event.startsWith("session_crashed")), ["session_crashed a"]);
  assertEquals(told, [["a"]], "as it was reported last");
  second.says({ kind: "states", ref: second.last("get_states").ref, sessions: [] });
  second.reply(second.last("command").ref);
  assertEquals([other.told, told], [["ok"], [["a"], []]]);
  assertEquals(bench.made.manager.workers, [1, 2]);
});

Deno.test("isolation: a worker that hangs delays a list by two seconds, and is named by its session", async () => {
  const bench = new Isolated();
  const hung = bench.create("a");
  bench.create("b").silent = false;
  hung.silent = true;
  const told: (readonly string[])[] = [];
  bench.made.manager.statesOfAll([], (sessions) => {
    if (!("code" in sessions)) told.push(sessions.map(({ infoText }) => JSON.parse(infoText).status));
  });
  await bench.made.clock.advance(STATE_MS);
  assertEquals(told, [["live"], ["live"]]);
  await bench.made.clock.advance(5_000);
  const [issue, ...others] = bench.made.manager.health.issues;
  assertStringIncludes(issue ?? "", 'Session "a" may be stuck');
  assertEquals(others, []);
  await bench.made.clock.advance(WORKER_SILENT_MS + 2_000);
  assertEquals([hung.terminated, bench.made.manager.workers], [1, [1, 2]]);
});

Deno.test("isolation: a shutdown does not wait for the spare", async () => {
  const bench = new Isolated();
  const worker = bench.create("a");
  const disposing = bench.made.manager.disposeAll(1_000);
  worker.says({ kind: "shutdown_done", ref: worker.last("shutdown").ref, disposed: 1, failed: 0 });
  assertEquals(await disposing, { disposed: 1, failed: 0 });
  assertEquals(bench.workers.map(({ terminated }) => terminated), [1, 1]);
  assertEquals(bench.workers[1]?.of("shutdown"), []);
});

Deno.test("isolation: a worker that waits for its start is not called dead, and delays no list", async () => {
  const bench = new Isolated(100, 1);
  const askers = ["a", "b"].map((sessionId) => {
    const replyTo = new FakeAsker();
    bench.made.manager.createSession({ type: "create_session", sessionId }, replyTo);
    return replyTo;
  });
  const [first] = bench.workers;
  first?.says({ kind: "load_begun" });
  await bench.made.clock.advance(WORKER_SILENT_MS + 2_000);
  assertEquals([bench.workers.length, bench.made.manager.workers, first?.terminated], [1, [0, 1], 0]);
  let answers = 0;
  bench.made.manager.statesOfAll([], () => void answers++);
  assertEquals([bench.made.manager.asked, answers], [[], 0], "no worker has a session yet");
  first?.says({ kind: "load_ended" });
  const [, second] = bench.workers;
  await bench.made.clock.advance(WORKER_SILENT_MS + 2_000);
  second?.says({ kind: "load_ended" });
  for (const worker of [first, second]) worker?.reply(worker.last("create_session").ref);
  assertEquals([askers.map(({ told }) => told), first?.terminated, second?.terminated], [
    [["ok"], ["ok"]],
    0,
    0,
  ]);
  assertEquals(bench.made.manager.asked, [0, 1]);
});

Deno.test("isolation: a worker that hangs in its load is replaced after the load's time, and the next one starts", async () => {
  const bench = new Isolated(100, 1);
  const askers = ["a", "b"].map((sessionId) => {
    const replyTo = new FakeAsker();
    bench.made.manager.createSession({ type: "create_session", sessionId }, replyTo);
    return replyTo;
  });
  const [first] = bench.workers;
  first?.says({ kind: "load_begun" });
  if (first !== undefined) first.silent = true;
  await bench.made.clock.advance(60_000);
  assertEquals([first?.terminated, bench.workers.length], [0, 1]);
  await bench.made.clock.advance(1_000);
  assertEquals([first?.terminated, askers[0]?.told, askers[1]?.told], [1, ["internal"], []]);
  assertEquals(bench.workers[1]?.last("create_session").command.sessionId, "b");
  assert(bench.made.records.some((line) => line.includes("it has not loaded pi for 61000 ms")));
});
