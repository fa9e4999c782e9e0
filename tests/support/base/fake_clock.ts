// A clock that stands still until a test moves it, so that no test waits or depends on how fast a machine is.
// Timers run in order of their time, then of their making; microtasks are drained around each of them.
import type { Clock, Timer } from "../../../src/runtime/runtime.ts";

interface Due {
  readonly at: number;
  readonly fn: () => void;
}

/** One turn of the event loop: everything that promises have made ready has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The clock; `now` starts at a fixed date. */
export class FakeClock implements Clock {
  readonly #start: number;
  readonly #due = new Set<Due>();
  #elapsed = 0;
  #shift = 0;
  #clears = 0;

  constructor(start = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#start = start;
  }

  /** Timers that were made and neither ran nor were cleared. */
  get pending(): number {
    return this.#due.size;
  }

  /** How often a timer was cleared, those that had run or been cleared before included. */
  get clears(): number {
    return this.#clears;
  }

  readonly now = (): number => this.#start + this.#elapsed + this.#shift;

  readonly monotonic = (): number => this.#elapsed;

  readonly after = (ms: number, fn: () => void): Timer => {
    const due: Due = { at: this.#elapsed + ms, fn };
    this.#due.add(due);
    return {
      clear: () => {
        this.#clears++;
        this.#due.delete(due);
      },
    };
  };

  /** Sets the wall clock by so much, as a machine does after sleep or when its time is corrected. */
  setWall(ms: number): void {
    this.#shift += ms;
  }

  /** Moves on by `ms`, running what falls due on the way; `advance(0)` runs what is due now. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await turn();
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#elapsed = Math.max(this.#elapsed, due.at);
      this.#due.delete(due);
      due.fn();
      await turn();
    }
    this.#elapsed = end;
  }

  #next(end: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#due) {
      if (due.at <= end && (first === undefined || due.at < first.at)) first = due;
    }
    return first;
  }
}
