// Does: measures the time in which this thread ran. A paused container or a sleeping laptop does not count.
// Used by: both runtimes, and all their timers.
// Invariant: after a standstill, a timer waits for the rest of its time.
import type { Timer } from "./runtime.ts";

/** Milliseconds between two checks. At most that much of a standstill is counted. */
const LOOK_MS = 1_000;

/**
 * Milliseconds by which a check may be late before it counts as a standstill. A healthy thread is never that
 * late.
 */
const LATE_MS = 1_000;

/** The source of the time. */
export interface RawClock {
  monotonic(): number;
  after(ms: number, fn: () => void): Timer;
}

/** The clock of one thread. */
export class RunningClock {
  readonly #raw: RawClock;
  #keepers = 0;
  #lostMs = 0;
  #seenAt = 0;
  #wokeAt = -Infinity;
  #look: Timer | undefined;

  constructor(raw: RawClock) {
    this.#raw = raw;
  }

  /** Milliseconds from some start, without standstills. */
  monotonic(): number {
    const at = this.#raw.monotonic();
    if (this.#keepers > 0) {
      const gap = at - this.#seenAt;
      this.#seenAt = at;
      if (gap > LOOK_MS + LATE_MS) {
        this.#lostMs += gap - LOOK_MS;
        this.#wokeAt = at - this.#lostMs;
      }
    }
    return at - this.#lostMs;
  }

  /** The end of the last standstill, by this clock. */
  wokeAt(): number {
    this.monotonic();
    return this.#wokeAt;
  }

  /** Calls `fn` once after `ms` milliseconds of this clock. */
  after(ms: number, fn: () => void): Timer {
    const due = this.monotonic() + ms;
    const fire = (): void => {
      const left = due - this.monotonic();
      // Timers of the system fire up to a millisecond early.
      if (this.#keepers > 0 && left > 1) timer = this.#raw.after(left, fire);
      else fn();
    };
    let timer = this.#raw.after(ms, fire);
    return { clear: () => timer.clear() };
  }

  /** Watches for standstills until the returned timer is cleared. */
  keep(): Timer {
    if (this.#keepers++ === 0) {
      this.#seenAt = this.#raw.monotonic();
      this.#arm();
    }
    let kept = true;
    return {
      clear: () => {
        if (!kept) return;
        kept = false;
        if (--this.#keepers === 0) this.#look?.clear();
      },
    };
  }

  #arm(): void {
    this.#look = this.#raw.after(LOOK_MS, () => {
      this.monotonic();
      this.#arm();
    });
  }
}

/** The clock of this thread. */
export const clock: RunningClock = new RunningClock({
  monotonic: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { clear: () => clearTimeout(timer) };
  },
});
