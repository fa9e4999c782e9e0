// The memory monitor: a worker that says it holds too much goes, one that never yields is judged by the process's growth,
// and nothing that another thread holds is put down to it.
import { assertEquals } from "@std/assert";
import {
  CALM_SAMPLE_MS,
  MemoryMonitor,
  SAMPLE_MS,
  workerMemoryBytes,
} from "../../../src/server/workers/memory_monitor.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

const LIMIT = 1000;

function make(workers = 1, resident = 400) {
  const clock = new FakeClock();
  const over: [worker: number, bytes: number][] = [];
  const world = { own: 100, resident, asked: 0, owed: new Map<number, number>() };
  const watch = new MemoryMonitor({
    clock,
    limitBytes: LIMIT,
    memory: () => ({ ownBytes: world.own, residentBytes: world.resident }),
    workers: () => [...Array(workers).keys()],
    pingAll: () => void world.asked++,
    owedMs: (worker) => world.owed.get(worker) ?? 0,
    onOverLimit(worker, bytes) {
      over.push([worker, bytes]);
      watch.reset(worker);
    },
  });
  watch.start();
  const look = (times = 1): Promise<void> => clock.advance(times * SAMPLE_MS);
  return { watch, clock, over, world, look };
}

Deno.test("memory monitor: a worker is replaced when it reports too much memory twice, not once", () => {
  const { watch, over, world } = make();
  watch.onReport(0, LIMIT + 1);
  assertEquals([over, world.asked], [[], 1]);
  watch.onReport(0, LIMIT - 1);
  watch.onReport(0, LIMIT);
  assertEquals(over, []);
  watch.onReport(0, LIMIT + 2);
  assertEquals(over, [[0, LIMIT + 2]]);
  watch.stop();
});

Deno.test("memory monitor: a mute worker is judged by what the process grew by since it spoke", async () => {
  const { watch, over, world, look } = make();
  watch.onReport(0, 150);
  await look();
  assertEquals(world.asked, 0);
  world.resident += 600;
  world.owed.set(0, SAMPLE_MS);
  await look();
  assertEquals([over, world.asked], [[], 1]);
  world.owed.set(0, 1_000);
  await look();
  assertEquals(over, []);
  world.resident += 250;
  await look();
  assertEquals(over, [[0, 1000]]);
  watch.stop();
});

Deno.test("memory monitor: growth of the server thread, or a worker that answers, replaces no worker", async () => {
  const { watch, over, world, look } = make();
  watch.onReport(0, 150);
  world.owed.set(0, 1_000);
  world.resident += 5_000;
  world.own += 5_000;
  await look();
  assertEquals(over, []);
  world.resident += 5_000;
  world.owed.clear();
  await look();
  assertEquals(over, []);
  watch.stop();
});

Deno.test("memory monitor: of several silent workers the largest goes, and its last growth counts for no other", async () => {
  const { watch, over, world, look } = make(2);
  watch.onReport(0, 10);
  watch.onReport(1, 150);
  world.owed.set(0, 1_000).set(1, 1_000);
  world.resident += 1_200;
  await look();
  assertEquals(over.map(([worker]) => worker), [1]);
  // The old thread goes on for two seconds; the new one has not spoken yet.
  world.resident += 2_000;
  await look(20);
  assertEquals(over.length, 1);
  await look(40);
  assertEquals(over.length, 1);
  world.resident += 1_000;
  await look();
  assertEquals(over.map(([worker]) => worker), [1, 0]);
  watch.stop();
});

Deno.test("memory monitor: a small process is looked at less often", async () => {
  const { watch, world, clock } = make(1, 200);
  world.resident = 5_000;
  await clock.advance(CALM_SAMPLE_MS - 1);
  assertEquals(world.asked, 0);
  await clock.advance(1);
  assertEquals(world.asked, 1);
  await clock.advance(SAMPLE_MS);
  assertEquals(world.asked, 2);
  watch.stop();
});

Deno.test("memory monitor: a worker that never yields from its first command on is judged by the growth since its start", async () => {
  const { watch, over, world, look } = make();
  watch.onStarted(0);
  world.owed.set(0, 1_000);
  world.resident += LIMIT;
  await look();
  assertEquals(over, [[0, LIMIT]]);
  watch.stop();
});

Deno.test("memory monitor: a worker that has never answered is not judged", async () => {
  const { watch, over, world, look, clock } = make();
  world.owed.set(0, 60_000);
  world.resident += 100_000;
  await look(3);
  assertEquals(over, []);
  watch.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("memory monitor: the limit stays within the machine, and within what the engine bears", () => {
  assertEquals(workerMemoryBytes(2000, { machineBytes: 8000, fatalHeapBytes: Infinity }), 2000);
  assertEquals(workerMemoryBytes(2000, { machineBytes: 3000, fatalHeapBytes: Infinity }), 1500);
  assertEquals(workerMemoryBytes(2000, { machineBytes: 8000, fatalHeapBytes: 1000 }), 500);
});
