// Timers that stand still in a pause: what is left of each is kept to the millisecond, over any number of pauses.
import { assertEquals } from "@std/assert";
import { PausableTimers } from "../../../../src/worker/session/guards/pausable_timers.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";

/** Timers by name, and which of them have run. */
class Bench {
  readonly clock = new FakeClock();
  readonly timers = new PausableTimers(this.clock);
  readonly ran: string[] = [];

  after(ms: number, name: string) {
    return this.timers.after(ms, () => this.ran.push(name));
  }

  /** What has run after that many more milliseconds. */
  async in(ms: number): Promise<string> {
    await this.clock.advance(ms);
    return this.ran.join();
  }
}

Deno.test("pausable timers: without a pause a timer runs once, at its time", async () => {
  const bench = new Bench();
  bench.after(100, "a");
  assertEquals([await bench.in(99), await bench.in(1), await bench.in(1_000)], ["", "a", "a"]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("pausable timers: a pause does not count, however long and however many", async () => {
  const bench = new Bench();
  bench.after(100, "a");
  bench.after(130, "b");
  for (const [run, pause] of [[30, 10_000], [0, 7], [40, 0], [29, 500]] as const) {
    await bench.in(run);
    bench.timers.pause();
    assertEquals([await bench.in(pause), bench.clock.pending], ["", 0], "no timer runs in a pause");
    bench.timers.resume();
  }
  assertEquals([await bench.in(0), await bench.in(1)], ["", "a"], "30 + 0 + 40 + 29 + 1");
  assertEquals([await bench.in(29), await bench.in(1)], ["a", "a,b"]);
});

Deno.test("pausable timers: a timer that is made in a pause begins with its end", async () => {
  const bench = new Bench();
  bench.timers.pause();
  bench.after(100, "a");
  assertEquals(await bench.in(5_000), "");
  bench.timers.resume();
  assertEquals([await bench.in(99), await bench.in(1)], ["", "a"]);
  bench.timers.pause();
  bench.after(0, "now");
  assertEquals(await bench.in(1), "a");
  bench.timers.resume();
  assertEquals(await bench.in(0), "a,now");
});

Deno.test("pausable timers: pausing twice is pausing once, and so is resuming", async () => {
  const bench = new Bench();
  bench.after(100, "a");
  await bench.in(60);
  bench.timers.pause();
  await bench.in(50);
  bench.timers.pause();
  await bench.in(50);
  bench.timers.resume();
  bench.timers.resume();
  assertEquals(bench.clock.pending, 1);
  assertEquals([await bench.in(39), await bench.in(1), await bench.in(500)], ["", "a", "a"]);
});

Deno.test("pausable timers: a timer that was due at the moment of the pause runs when it ends", async () => {
  const bench = new Bench();
  bench.clock.after(100, () => bench.timers.pause());
  bench.after(100, "a");
  assertEquals([await bench.in(100), await bench.in(1_000)], ["", ""]);
  bench.timers.resume();
  assertEquals(await bench.in(0), "a");
});

Deno.test("pausable timers: a cleared timer never runs, in a pause or out of it", async () => {
  const bench = new Bench();
  const [one, two, three] = [bench.after(10, "a"), bench.after(10, "b"), bench.after(10, "c")];
  one.clear();
  bench.timers.pause();
  two.clear();
  two.clear();
  bench.timers.resume();
  assertEquals(bench.clock.pending, 1);
  three.clear();
  assertEquals([bench.clock.pending, await bench.in(1_000)], [0, ""]);
  bench.timers.pause();
  bench.timers.resume();
  assertEquals(bench.clock.pending, 0, "nor is it started again");
});

Deno.test("pausable timers: clear ends all timers, those of a pause too", async () => {
  const bench = new Bench();
  bench.after(10, "a");
  bench.timers.pause();
  bench.after(10, "b");
  bench.timers.clear();
  bench.timers.resume();
  assertEquals(bench.clock.pending, 0, "nor does the end of the pause start one again");
  bench.after(10, "later");
  bench.timers.clear();
  assertEquals([bench.clock.pending, await bench.in(1_000)], [0, ""]);
});

Deno.test("pausable timers: a timer may make another and pause everything", async () => {
  const bench = new Bench();
  bench.timers.after(10, () => {
    bench.after(10, "inner");
    bench.timers.pause();
  });
  assertEquals([await bench.in(1_000), bench.clock.pending], ["", 0]);
  bench.timers.resume();
  assertEquals([await bench.in(9), await bench.in(1)], ["", "inner"]);
});
