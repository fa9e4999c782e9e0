// The timers of one session, which end with it.
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** Timers that can be cleared together. */
export class Timers {
  readonly #clock: Clock;
  readonly #all = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `fn` once after `ms` milliseconds, unless it is cleared before. */
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
