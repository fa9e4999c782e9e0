// A clock of the time in which this thread ran. A stopped process (SIGSTOP, a paused container, a laptop that sleeps)
// finds all its deadlines passed at once when it goes on. While the clock is kept, such time counts for nothing: a
// timer whose time has not come by this clock waits for the rest of it. Used by both runtimes and by all their timers.
import type { Timer } from "./runtime.ts";

/** Milliseconds between two looks at the time; of a standstill at most so much is counted. */
const LOOK_MS = 1_000;

/** Milliseconds by which a look may be late before that is a standstill. No turn of a healthy thread takes that long. */
const LATE_MS = 1_000;

/** Where the time comes from. */
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
  #look: Timer | undefined;

  constructor(raw: RawClock) {
    this.#raw = raw;
  }

  /** Milliseconds from some start, without those in which the thread stood still. */
  monotonic(): number {
    const at = this.#raw.monotonic();
    if (this.#keepers > 0) {
      const gap = at - this.#seenAt;
      if (gap > LOOK_MS + LATE_MS) this.#lostMs += gap - LOOK_MS;
      this.#seenAt = at;
    }
    return at - this.#lostMs;
  }

  /** Calls `fn` once after `ms` milliseconds of this clock. */
  after(ms: number, fn: () => void): Timer {
    const due = this.monotonic() + ms;
    const fire = (): void => {
      const left = due - this.monotonic();
      // Timers of the system come up to a millisecond early.
      if (this.#keepers > 0 && left > 1) timer = this.#raw.after(left, fire);
      else fn();
    };
    let timer = this.#raw.after(ms, fire);
    return { clear: () => timer.clear() };
  }

  /** Looks for standstills from now on, until what it returns is cleared. */
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
