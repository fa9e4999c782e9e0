// The heartbeat: it pings each worker once a beat, and knows the delay and the silence of each at any time.
import { assertEquals } from "@std/assert";
import { BEAT_MS, Heartbeat } from "../../../src/server/workers/heartbeat.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

const LOAD_MS = 60_000;

function make(workers = 2) {
  const clock = new FakeClock();
  const asked: [worker: number, ref: number][] = [];
  const silences: [worker: number, ms: number][] = [];
  const heartbeat = new Heartbeat({
    clock,
    workers: () => [...Array(workers).keys()],
    ping: (worker, ref) => void asked.push([worker, ref]),
    onSilent: (worker, ms) => void silences.push([worker, ms]),
  });
  heartbeat.start();
  /** Answers the last question to that worker, which it got to `ms` ago. */
  const answer = (worker: number, ms = 0): void => {
    const ref = asked.findLast(([to]) => to === worker)?.[1] ?? -1;
    heartbeat.onPong(worker, ref, clock.now() - ms);
  };
  return { heartbeat, clock, asked, silences, answer };
}

Deno.test("heartbeat: every worker is asked once a beat, and not again before it has answered", async () => {
  const { clock, asked, answer, heartbeat } = make();
  await clock.advance(BEAT_MS);
  assertEquals(asked, [[0, 1], [1, 2]]);
  answer(0);
  await clock.advance(BEAT_MS);
  assertEquals(asked, [[0, 1], [1, 2], [0, 3]]);
  answer(1);
  await clock.advance(BEAT_MS);
  assertEquals(asked.slice(3), [[1, 4]]);
  heartbeat.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("heartbeat: the silence of a worker grows until it answers", async () => {
  const { clock, answer, heartbeat, silences } = make(1);
  await clock.advance(BEAT_MS);
  answer(0);
  await clock.advance(BEAT_MS);
  assertEquals(heartbeat.silentMs(0), 0);
  await clock.advance(BEAT_MS * 2.5);
  assertEquals([heartbeat.silentMs(0), heartbeat.workerLagMs(0)], [BEAT_MS * 2.5, BEAT_MS * 2.5]);
  assertEquals(silences, [[0, BEAT_MS], [0, BEAT_MS * 2]]);
  answer(0, 500);
  assertEquals([heartbeat.silentMs(0), heartbeat.workerLagMs(0)], [0, BEAT_MS * 2.5 - 500]);
  heartbeat.stop();
});

Deno.test("heartbeat: a worker that starts may take its time, but not for ever", async () => {
  const { clock, silences, heartbeat } = make(1);
  await clock.advance(60_000 + BEAT_MS);
  assertEquals([silences, heartbeat.silentMs(0)], [[], 0]);
  await clock.advance(BEAT_MS);
  assertEquals([silences, heartbeat.silentMs(0)], [[[0, 60_000 + BEAT_MS]], 60_000 + BEAT_MS]);
  heartbeat.stop();
});

Deno.test("heartbeat: a worker that hangs as soon as it has loaded pi is silent from then on", async () => {
  const { clock, silences, heartbeat } = make(1);
  await clock.advance(BEAT_MS * 3);
  heartbeat.onLoadEnded(0);
  assertEquals([silences, heartbeat.silentMs(0)], [[], 0]);
  await clock.advance(BEAT_MS * 2);
  assertEquals([silences, heartbeat.silentMs(0)], [[[0, BEAT_MS], [0, BEAT_MS * 2]], BEAT_MS * 2]);
  heartbeat.stop();
});

Deno.test("heartbeat: a worker that loads pi need not answer for a minute, even if it has answered before", async () => {
  const { clock, answer, silences, heartbeat } = make(1);
  await clock.advance(BEAT_MS);
  heartbeat.onLoadBegun(0);
  answer(0);
  await clock.advance(LOAD_MS);
  assertEquals([silences, heartbeat.silentMs(0), heartbeat.isLoading(0)], [[], 0, true]);
  await clock.advance(BEAT_MS);
  assertEquals(silences, [[0, LOAD_MS + BEAT_MS]], "a load that hangs is found");
  heartbeat.stop();
});

Deno.test("heartbeat: after the load the usual silence counts, from the end of the load", async () => {
  const { clock, answer, silences, heartbeat } = make(1);
  await clock.advance(BEAT_MS);
  heartbeat.onLoadBegun(0);
  answer(0);
  await clock.advance(LOAD_MS - BEAT_MS);
  heartbeat.onLoadEnded(0);
  assertEquals([silences, heartbeat.silentMs(0), heartbeat.isLoading(0)], [[], 0, false]);
  await clock.advance(BEAT_MS * 2);
  assertEquals(silences, [[0, BEAT_MS], [0, BEAT_MS * 2]]);
  answer(0);
  await clock.advance(BEAT_MS * 2);
  assertEquals(silences.length, 3, "its next ping is judged as any");
  heartbeat.stop();
});

Deno.test("heartbeat: the load time of a worker that dies does not carry over to its replacement", async () => {
  const { clock, answer, silences, heartbeat } = make(1);
  heartbeat.onLoadBegun(0);
  heartbeat.reset(0);
  await clock.advance(BEAT_MS);
  answer(0);
  await clock.advance(BEAT_MS * 2);
  assertEquals(silences, [[0, BEAT_MS]]);
  heartbeat.stop();
});

Deno.test("heartbeat: a reply of a replaced worker is ignored", async () => {
  const { clock, asked, answer, heartbeat } = make(1);
  await clock.advance(BEAT_MS);
  answer(0);
  await clock.advance(BEAT_MS * 3);
  const [, stale = -1] = asked.at(-1) ?? [];
  heartbeat.reset(0);
  assertEquals([heartbeat.silentMs(0), heartbeat.workerLagMs(0)], [0, 0]);
  await clock.advance(BEAT_MS);
  heartbeat.onPong(0, stale, clock.now());
  await clock.advance(BEAT_MS);
  assertEquals(asked.length, 3, "the new worker still owes its first answer");
  heartbeat.stop();
});

Deno.test("heartbeat: a worker that wakes later than this thread has the whole time after a standstill", async () => {
  const fake = new FakeClock();
  let wokeAt = -Infinity;
  const clock = { now: fake.now, monotonic: fake.monotonic, after: fake.after, wokeAt: () => wokeAt };
  const asked: number[] = [];
  const silences: number[] = [];
  const heartbeat = new Heartbeat({
    clock,
    workers: () => [0],
    ping: (_worker, ref) => void asked.push(ref),
    onSilent: (_worker, ms) => void silences.push(ms),
  });
  heartbeat.start();
  await fake.advance(BEAT_MS);
  heartbeat.onPong(0, asked.at(-1) ?? -1, fake.now());
  await fake.advance(BEAT_MS * 2.5);
  assertEquals(heartbeat.silentMs(0), BEAT_MS * 1.5);
  wokeAt = fake.monotonic();
  assertEquals(heartbeat.silentMs(0), 0);
  await fake.advance(BEAT_MS);
  assertEquals([heartbeat.silentMs(0), silences], [BEAT_MS, [BEAT_MS, BEAT_MS / 2]]);
  heartbeat.stop();
});

Deno.test("heartbeat: a beat that comes late says by how much this thread was late", async () => {
  const fake = new FakeClock();
  let late = 0;
  const clock = { now: fake.now, monotonic: () => fake.monotonic() + late, after: fake.after };
  const heartbeat = new Heartbeat({ clock, workers: () => [], ping: () => {} });
  heartbeat.start();
  await fake.advance(BEAT_MS);
  assertEquals(heartbeat.lagMs, 0);
  late = 70;
  await fake.advance(BEAT_MS);
  assertEquals(heartbeat.lagMs, 70);
  await fake.advance(BEAT_MS);
  assertEquals(heartbeat.lagMs, 0);
  heartbeat.stop();
});
