// The heartbeat: it pings each worker once a beat, and knows the delay and the silence of each at any time.
import { assertEquals } from "@std/assert";
import { BEAT_MS, Heartbeat } from "../../../src/server/workers/heartbeat.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function make(hosts = 2) {
  const clock = new FakeClock();
  const asked: [host: number, ref: number][] = [];
  const silences: [host: number, ms: number][] = [];
  const pulse = new Heartbeat({
    clock,
    workers: () => [...Array(hosts).keys()],
    ping: (host, ref) => void asked.push([host, ref]),
    onSilent: (host, ms) => void silences.push([host, ms]),
  });
  pulse.start();
  /** Answers the last question to that host, which it got to `ms` ago. */
  const answer = (host: number, ms = 0): void => {
    const ref = asked.findLast(([to]) => to === host)?.[1] ?? -1;
    pulse.onPong(host, ref, clock.now() - ms);
  };
  return { pulse, clock, asked, silences, answer };
}

Deno.test("pulse: every host is asked once a beat, and not again before it has answered", async () => {
  const { clock, asked, answer, pulse } = make();
  await clock.advance(BEAT_MS);
  assertEquals(asked, [[0, 1], [1, 2]]);
  answer(0);
  await clock.advance(BEAT_MS);
  assertEquals(asked, [[0, 1], [1, 2], [0, 3]]);
  answer(1);
  await clock.advance(BEAT_MS);
  assertEquals(asked.slice(3), [[1, 4]]);
  pulse.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("pulse: a host that owes an answer is silent for longer and longer, until it answers", async () => {
  const { clock, answer, pulse, silences } = make(1);
  await clock.advance(BEAT_MS);
  answer(0);
  await clock.advance(BEAT_MS);
  assertEquals(pulse.silentMs(0), 0);
  await clock.advance(BEAT_MS * 2.5);
  assertEquals([pulse.silentMs(0), pulse.workerLagMs(0)], [BEAT_MS * 2.5, BEAT_MS * 2.5]);
  assertEquals(silences, [[0, BEAT_MS], [0, BEAT_MS * 2]]);
  answer(0, 500);
  assertEquals([pulse.silentMs(0), pulse.workerLagMs(0)], [0, BEAT_MS * 2.5 - 500]);
  pulse.stop();
});

Deno.test("pulse: a host that starts may take its time, but not for ever", async () => {
  const { clock, silences, pulse } = make(1);
  await clock.advance(60_000 + BEAT_MS);
  assertEquals([silences, pulse.silentMs(0)], [[], 0]);
  await clock.advance(BEAT_MS);
  assertEquals([silences, pulse.silentMs(0)], [[[0, 60_000 + BEAT_MS]], 60_000 + BEAT_MS]);
  pulse.stop();
});

Deno.test("pulse: a host that hangs as soon as it has started is silent from then on", async () => {
  const { clock, silences, pulse } = make(1);
  await clock.advance(BEAT_MS * 3);
  pulse.onStarted(0);
  assertEquals([silences, pulse.silentMs(0)], [[], 0]);
  await clock.advance(BEAT_MS * 2);
  assertEquals([silences, pulse.silentMs(0)], [[[0, BEAT_MS], [0, BEAT_MS * 2]], BEAT_MS * 2]);
  pulse.stop();
});

Deno.test("pulse: a reply of a replaced worker is ignored", async () => {
  const { clock, asked, answer, pulse } = make(1);
  await clock.advance(BEAT_MS);
  answer(0);
  await clock.advance(BEAT_MS * 3);
  const [, stale = -1] = asked.at(-1) ?? [];
  pulse.reset(0);
  assertEquals([pulse.silentMs(0), pulse.workerLagMs(0)], [0, 0]);
  await clock.advance(BEAT_MS);
  pulse.onPong(0, stale, clock.now());
  await clock.advance(BEAT_MS);
  assertEquals(asked.length, 3, "the new host still owes its first answer");
  pulse.stop();
});

Deno.test("pulse: a beat that comes late says by how much this thread was late", async () => {
  const fake = new FakeClock();
  let late = 0;
  const clock = { now: fake.now, monotonic: () => fake.monotonic() + late, after: fake.after };
  const pulse = new Heartbeat({ clock, workers: () => [], ping: () => {} });
  pulse.start();
  await fake.advance(BEAT_MS);
  assertEquals(pulse.lagMs, 0);
  late = 70;
  await fake.advance(BEAT_MS);
  assertEquals(pulse.lagMs, 70);
  await fake.advance(BEAT_MS);
  assertEquals(pulse.lagMs, 0);
  pulse.stop();
});
