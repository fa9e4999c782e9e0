// The workers: started and counted, and started again when they die; at once, or after a pause if they die young,
// without losing what was said to them meanwhile.
import { assertEquals } from "@std/assert";
import { type Isolation, WorkerPool } from "../../../src/server/workers/worker_pool.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { anyKind, CONFIG, makeManager, ScriptedWorkers as Started } from "../manager/fakes.ts";

const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;

/** Workers that start themselves again when they die. */
function bench(count: number, isolation: Isolation = "shared", starts = 100) {
  const clock = new FakeClock();
  const started = new Started();
  const told: string[] = [];
  const introduced: number[] = [];
  const workers: WorkerPool = new WorkerPool({
    clock,
    config: CONFIG,
    isolation,
    starts,
    start: started.start,
  });
  workers.onStarted = (worker) => void introduced.push(worker);
  workers.handlers = anyKind((message, worker) => void told.push(`${worker} ${message.kind}`));
  workers.onExit = (worker, reason) => {
    told.push(`${worker} exit ${reason}`);
    workers.restart(worker);
  };
  workers.startAll(count);
  return { clock, started, told, introduced, workers };
}

Deno.test("workers: that many are started, at least one, and each speaks under its number", () => {
  assertEquals([bench(0).started.all.length, bench(1).started.all.length], [1, 1]);
  const { started, told, workers } = bench(3);
  assertEquals([workers.all, started.all.length], [[0, 1, 2], 3]);
  started.worker(2).says({ kind: "load_ended" });
  started.worker(0).says({ kind: "online" });
  assertEquals(told, ["2 load_ended", "0 online"]);
  workers.send(1, { kind: "count_busy", ref: 7, stop: false });
  assertEquals(started.all.map(({ sent }) => sent.length), [0, 1, 0]);
});

Deno.test("workers: the idlest is the one with the fewest sessions, the first of several", () => {
  const { workers } = bench(3);
  const picks = [1, 2, 3, 4].map(() => {
    const worker = workers.leastLoaded();
    assertEquals(workers.assign(), worker);
    return worker;
  });
  assertEquals(picks, [0, 1, 2, 0]);
  workers.addSessions(1, -1);
  assertEquals([workers.leastLoaded(), workers.all.map((worker) => workers.sessions(worker))], [1, [
    2,
    0,
    1,
  ]]);
});

Deno.test("workers: one that has lived a while is started again at once", async () => {
  const { clock, started, workers } = bench(2);
  await clock.advance(YOUNG_MS);
  started.worker(0).dies();
  assertEquals([started.all.length, clock.pending], [3, 0]);
  workers.send(0, { kind: "count_busy", ref: 1, stop: false });
  assertEquals([started.worker(0).sent.length, started.worker(2).sent.length], [0, 1]);
});

Deno.test("workers: one that dies young is started again after a pause, and gets what was said meanwhile", async () => {
  const { clock, started, workers } = bench(2);
  await clock.advance(YOUNG_MS - 1);
  started.worker(0).dies();
  assertEquals([started.all.length, clock.pending], [2, 1]);
  for (const ref of [1, 2]) workers.send(0, { kind: "count_busy", ref, stop: false });
  workers.send(1, { kind: "count_busy", ref: 3, stop: false });
  assertEquals(started.worker(1).of("count_busy").length, 1, "the other one is not held up");
  await clock.advance(RESTART_MS - 1);
  assertEquals(started.all.length, 2);
  await clock.advance(1);
  assertEquals([started.all.length, clock.pending], [3, 0]);
  workers.send(0, { kind: "count_busy", ref: 4, stop: false });
  assertEquals(started.worker().of("count_busy").map(({ ref }) => ref), [1, 2, 4], "in order");
  assertEquals(started.worker(0).sent, []);
});

Deno.test("workers: one that always dies is started once a second, and not faster", async () => {
  const { clock, started } = bench(1);
  for (let second = 0; second < 10; second++) {
    started.worker().dies();
    await clock.advance(RESTART_MS);
  }
  assertEquals([started.all.length, clock.pending], [11, 0]);
});

Deno.test("workers: the age counts from the start that came last", async () => {
  const { clock, started } = bench(1);
  await clock.advance(YOUNG_MS);
  started.worker().dies();
  started.worker().dies();
  assertEquals([started.all.length, clock.pending], [2, 1], "the second one was young");
});

Deno.test("workers: an end ends all of them, and those that wait for their start never start", async () => {
  const { clock, started, workers } = bench(2);
  started.worker(0).dies();
  workers.terminateAll();
  await clock.advance(60_000);
  assertEquals([started.all.length, started.worker(1).terminated, clock.pending], [2, 1, 0]);
});

Deno.test("workers: only so many start at a time; the next one starts when pi is loaded, and has all messages", () => {
  const { started, introduced, workers } = bench(4, "shared", 2);
  assertEquals([workers.all, workers.started, introduced], [[0, 1, 2, 3], [0, 1], [0, 1, 2, 3]]);
  for (const ref of [1, 2]) assertEquals(workers.send(3, { kind: "count_busy", ref, stop: false }), true);
  workers.onLoaded(1);
  assertEquals([workers.started, started.all.length], [[0, 1, 2], 3]);
  assertEquals([1, 2].map((worker) => workers.isLoaded(worker)), [true, false]);
  workers.onLoaded(0);
  workers.send(3, { kind: "count_busy", ref: 3, stop: false });
  assertEquals([workers.started, started.all.length], [[0, 1, 2, 3], 4]);
  assertEquals(started.worker(3).of("count_busy").map(({ ref }) => ref), [1, 2, 3], "in order");
});

Deno.test("workers: the time of a start counts from its turn until pi is loaded", async () => {
  const { clock, started, workers } = bench(2, "shared", 1);
  await clock.advance(700);
  assertEquals([workers.startingMs(0), workers.startingMs(1), workers.startingMs(2)], [700, 0, 0]);
  workers.onLoaded(0);
  await clock.advance(300);
  assertEquals([workers.startingMs(0), workers.startingMs(1)], [0, 300]);
  started.worker(1).dies();
  assertEquals(workers.startingMs(1), 0, "it waits for its pause");
  await clock.advance(RESTART_MS + 50);
  assertEquals(workers.startingMs(1), 50);
});

Deno.test("workers: one that dies as it starts gives its turn to the next, and takes one again", async () => {
  const { clock, started, workers } = bench(2, "shared", 1);
  started.worker(0).dies();
  assertEquals([workers.started, started.all.length], [[1], 2]);
  await clock.advance(RESTART_MS);
  assertEquals(started.all.length, 2, "the other one still loads");
  workers.onLoaded(1);
  assertEquals([workers.started, started.all.length, workers.isLoaded(0)], [[0, 1], 3, false]);
});

Deno.test("workers: one that is removed before its turn never starts, and an end starts none", () => {
  const { started, workers } = bench(0, "session", 1);
  assertEquals([workers.assign(), workers.assign(), workers.assign()], [0, 1, 2]);
  workers.retire(1);
  workers.remove(1);
  workers.onLoaded(0);
  assertEquals([workers.all, workers.started, started.all.length], [[0, 2], [0, 2], 2]);
  workers.assign();
  workers.terminateAll();
  workers.onLoaded(2);
  assertEquals(started.all.length, 2);
});

/** A manager without a listener. */
function opened() {
  const made = makeManager();
  made.manager.start({
    onEvents: () => {},
    onServerEvent: () => {},
    demandFor: () => ({ full: false, subscribers: 0 }),
    isWatched: () => false,
  });
  return made;
}

Deno.test("manager: a session that is created in the pause is built by the new worker", async () => {
  const { manager, workers, clock } = opened();
  workers.worker().dies();
  const answered: boolean[] = [];
  const replyTo = {
    connection: 1,
    onReleased: () => {},
    answer: ({ ok }: { ok: boolean }) => answered.push(ok),
  };
  manager.createSession({ type: "create_session", sessionId: "a" }, replyTo);
  await clock.advance(RESTART_MS);
  assertEquals(workers.all.length, 2);
  workers.worker().reply(workers.worker().last("create_session").ref);
  assertEquals([answered, workers.worker(0).sent], [[true], []]);
});

Deno.test("manager: a shutdown in the pause of a dead worker ends without it", async () => {
  const { manager, workers, clock } = opened();
  workers.worker().dies();
  const disposing = manager.disposeAll(100);
  await clock.advance(RESTART_MS * 2);
  assertEquals(await disposing, { disposed: 0, failed: 0 });
  assertEquals([workers.all.length, clock.pending], [1, 0]);
});
