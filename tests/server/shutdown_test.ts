// The shutdown's transitions, all of them, and the machine driven by a fake clock: the order of its steps, its
// bounds, and impatience.
import { assertEquals, assertStrictEquals } from "@std/assert";
import { next, type Phase, Shutdown, type ShutdownResult, type Step } from "../../src/server/shutdown.ts";
import { FakeClock, turn } from "../support/base/fake_clock.ts";

const PHASES: readonly Phase[] = ["running", "refusing", "draining", "closing", "closed"];
const STEPS: readonly Step[] = ["begin", "announced", "drained", "deadline", "disposed"];
const MOVES: Readonly<Record<string, Phase>> = {
  "running begin": "refusing",
  "refusing announced": "draining",
  "draining drained": "closing",
  "draining deadline": "closing",
  "closing disposed": "closed",
};

Deno.test("shutdown: every step in every phase moves as the table says, or not at all", () => {
  for (const phase of PHASES) {
    for (const step of STEPS) assertEquals(next(phase, step), MOVES[`${phase} ${step}`] ?? phase);
  }
});

/** A shutdown whose steps are logged and end on command. */
class Bench {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly idle = Promise.withResolvers<void>();
  readonly counted = Promise.withResolvers<number>();
  closed: ShutdownResult | undefined;
  stillBusy = 0;
  readonly shutdown = new Shutdown({
    clock: this.clock,
    refuse: () => this.log.push("refuse"),
    announce: (reason, timeoutMs) => this.log.push(`announce ${reason} ${timeoutMs}`),
    idle: () => this.idle.promise,
    busy: (stop) => {
      this.log.push(stop ? "stop" : "count");
      return stop ? Promise.resolve(this.stillBusy) : this.counted.promise;
    },
    dispose: () => {
      this.log.push("dispose");
      return Promise.resolve({ disposed: 2, failed: 1 });
    },
    close: () => {
      this.log.push("close");
      return Promise.resolve();
    },
    closed: (result) => this.closed = result,
  });
}

Deno.test("shutdown: what ends by itself is drained, then everything is disposed and closed", async () => {
  const bench = new Bench();
  const result = bench.shutdown.begin("SIGTERM", 30_000);
  assertEquals([bench.log, bench.shutdown.phase], [
    ["refuse", "announce SIGTERM 30000", "count"],
    "draining",
  ]);
  bench.counted.resolve(3);
  await bench.clock.advance(29_999);
  assertEquals(bench.log.length, 3);
  bench.idle.resolve();
  const expected = { drained: 3, aborted: 0, disposed: 2, failed: 1 };
  assertEquals([await result, bench.closed], [expected, expected]);
  assertEquals([bench.log.slice(3), bench.shutdown.phase], [["dispose", "close"], "closed"]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("shutdown: at the deadline what runs is stopped, and gets two seconds to say so", async () => {
  const bench = new Bench();
  bench.stillBusy = 2;
  bench.counted.resolve(3);
  const result = bench.shutdown.begin("SIGTERM", 1_000);
  await bench.clock.advance(999);
  assertEquals(bench.log.includes("stop"), false);
  await bench.clock.advance(1);
  assertEquals(bench.log.slice(3), ["stop"]);
  await bench.clock.advance(1_999);
  assertEquals(bench.log.slice(3), ["stop"]);
  await bench.clock.advance(1);
  assertEquals(await result, { drained: 1, aborted: 2, disposed: 2, failed: 1 });
  assertEquals([bench.log.slice(4), bench.clock.pending], [["dispose", "close"], 0]);
});

Deno.test("shutdown: the first reason and patience hold; later ones get the same promise", async () => {
  const bench = new Bench();
  const first = bench.shutdown.begin("one", 30_000);
  assertStrictEquals(bench.shutdown.begin("two", 5), first);
  bench.counted.resolve(0);
  bench.idle.resolve();
  await first;
  assertStrictEquals(bench.shutdown.begin("three", 5), first);
  assertStrictEquals(bench.shutdown.hurry("four"), first);
  assertEquals(bench.log.filter((step) => step === "refuse").length, 1);
});

Deno.test("shutdown: a hurry that begins it waits for nothing that runs", async () => {
  const bench = new Bench();
  const result = bench.shutdown.hurry("stdout was closed");
  await bench.clock.advance(0);
  assertEquals(await result, { drained: 0, aborted: 0, disposed: 2, failed: 1 });
  assertEquals(bench.log, ["refuse", "announce stdout was closed 0", "stop", "dispose", "close"]);
});

Deno.test("shutdown: a hurry while it drains ends the patience at once", async () => {
  const bench = new Bench();
  bench.stillBusy = 0;
  bench.counted.resolve(1);
  const result = bench.shutdown.begin("SIGTERM", 30_000);
  await turn();
  void bench.shutdown.hurry("again");
  await turn();
  assertEquals(bench.log.slice(3), ["stop", "dispose", "close"]);
  assertEquals([(await result).aborted, bench.clock.pending], [0, 0]);
});

Deno.test("shutdown: a hurry that comes while the sessions are counted is not forgotten", async () => {
  const bench = new Bench();
  const result = bench.shutdown.begin("SIGTERM", 30_000);
  await turn();
  void bench.shutdown.hurry("again");
  bench.counted.resolve(1);
  await turn();
  assertEquals(bench.log.slice(3), ["stop", "dispose", "close"], "without the clock having moved");
  await result;
});
