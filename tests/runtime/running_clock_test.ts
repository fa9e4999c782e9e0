// The clock of running time: a standstill moves no deadline, a busy or a slow thread moves it as ever.

import { assertEquals } from "@std/assert";
import { RunningClock } from "../../src/runtime/running_clock.ts";
import type { Timer } from "../../src/runtime/runtime.ts";

/** A machine whose time can jump: timers that fall into the jump all come at its end. */
class Machine {
  #at = 0;
  readonly #due = new Set<{ at: number; fn: () => void }>();

  readonly monotonic = (): number => this.#at;

  readonly after = (ms: number, fn: () => void): Timer => {
    const due = { at: this.#at + ms, fn };
    this.#due.add(due);
    return { clear: () => void this.#due.delete(due) };
  };

  get pending(): number {
    return this.#due.size;
  }

  run(ms: number): void {
    for (const end = this.#at + ms; this.#at < end;) this.#step(Math.min(100, end - this.#at));
  }

  /** Nothing runs for so long; then everything that was due does. */
  freeze(ms: number): void {
    this.#step(ms);
  }

  #step(ms: number): void {
    this.#at += ms;
    for (const due of [...this.#due].sort((a, b) => a.at - b.at)) {
      if (due.at > this.#at || !this.#due.delete(due)) continue;
      due.fn();
    }
  }
}

function make(): { machine: Machine; clock: RunningClock; kept: Timer } {
  const machine = new Machine();
  const clock = new RunningClock(machine);
  return { machine, clock, kept: clock.keep() };
}

Deno.test("running clock: a standstill counts for a second at most, and deadlines wait for the rest", () => {
  const { machine, clock, kept } = make();
  const fired: string[] = [];
  clock.after(3_000, () => fired.push("three"));
  clock.after(1_050, () => fired.push("one"));
  machine.run(1_000);
  machine.freeze(40_000);
  assertEquals([fired, clock.monotonic()], [["one"], 2_000]);
  machine.run(900);
  assertEquals(fired, ["one"]);
  machine.run(100);
  assertEquals(fired, ["one", "three"]);
  kept.clear();
  assertEquals(machine.pending, 0);
});

Deno.test("running clock: it knows when the last standstill ended, and that a late timer was none", () => {
  const { machine, clock, kept } = make();
  machine.run(1_000);
  machine.freeze(1_900);
  assertEquals(clock.wokeAt(), -Infinity);
  machine.freeze(40_000);
  assertEquals(clock.wokeAt(), clock.monotonic());
  machine.run(700);
  assertEquals(clock.wokeAt(), clock.monotonic() - 700);
  kept.clear();
});

Deno.test("running clock: a timer that is cleared after a standstill does not come", () => {
  const { machine, clock, kept } = make();
  const timer = clock.after(3_000, () => {
    throw new Error("it was cleared");
  });
  machine.freeze(40_000);
  timer.clear();
  machine.run(5_000);
  kept.clear();
});

Deno.test("running clock: what is late by less than a second is late, and no standstill", () => {
  const { machine, clock, kept } = make();
  machine.run(1_000);
  for (let turn = 0; turn < 10; turn++) machine.freeze(1_900);
  assertEquals(clock.monotonic(), 20_000);
  kept.clear();
});

Deno.test("running clock: it is the machine's own clock while it is not kept", () => {
  const { machine, clock, kept } = make();
  const again = clock.keep();
  kept.clear();
  kept.clear();
  machine.freeze(10_000);
  assertEquals(clock.monotonic(), 1_000);
  again.clear();
  let fired = false;
  clock.after(5_000, () => fired = true);
  machine.freeze(10_000);
  assertEquals([clock.monotonic(), fired], [11_000, true]);
});
