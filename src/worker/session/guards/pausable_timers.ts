// Does: timers that stand still while a dialog is open (docs/PROTOCOL.md#time).
// Used by: session.ts. The time of a dialog does not count against a command.
import { deadline } from "../../../base/async/deadline.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

interface Wait {
  readonly fn: () => void;
  leftMs: number;
  since: number;
  timer: Timer | undefined;
}

/** The timers of one session. */
export class PausableTimers {
  readonly #clock: Clock;
  readonly #waits = new Set<Wait>();
  #paused = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `fn` once after `ms` milliseconds, without pauses. */
  after(ms: number, fn: () => void): Timer {
    const wait: Wait = { fn, leftMs: ms, since: this.#clock.monotonic(), timer: undefined };
    this.#waits.add(wait);
    if (!this.#paused) this.#run(wait);
    return {
      clear: () => {
        wait.timer?.clear();
        this.#waits.delete(wait);
      },
    };
  }

  /** Resolves with `work`, or with "late" when that takes longer than `ms`, without pauses. */
  within<T>(ms: number, work: Promise<T>): Promise<T | "late"> {
    return deadline(this, ms, work, "late");
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    for (const wait of this.#waits) {
      wait.timer?.clear();
      wait.leftMs = Math.max(0, wait.leftMs - (this.#clock.monotonic() - wait.since));
    }
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const wait of this.#waits) this.#run(wait);
  }

  /** Clears all timers. */
  clear(): void {
    for (const wait of this.#waits) wait.timer?.clear();
    this.#waits.clear();
  }

  #run(wait: Wait): void {
    wait.since = this.#clock.monotonic();
    wait.timer = this.#clock.after(wait.leftMs, () => {
      this.#waits.delete(wait);
      wait.fn();
    });
  }
}

/** Timers that can be cleared together. */
export class Timers {
  readonly #clock: Clock;
  readonly #all = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `fn` once after `ms` milliseconds, unless cleared before. */
  after(ms: number, fn: () => void): Timer {
    const timer = this.#clock.after(ms, () => {
      this.#all.delete(timer);
      fn();
    });
    this.#all.add(timer);
    return { clear: () => this.#drop(timer) };
  }

  clear(): void {
    for (const timer of [...this.#all]) this.#drop(timer);
  }

  #drop(timer: Timer): void {
    timer.clear();
    this.#all.delete(timer);
  }
}
