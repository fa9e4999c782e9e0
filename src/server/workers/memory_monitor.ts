// Keeps one worker that runs out of memory from taking the whole process with it: V8 ends the process when a thread's
// heap is full, so a worker has to go before. One that still answers says how much it holds; one that allocates
// without ever yielding is judged by the process's growth since it spoke last. Replaces nothing by itself.
import type { Clock, Memory, MemoryBounds, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two looks at the process: a thread allocates about 1 MB in one of them. */
export const SAMPLE_MS: number = 100;

/** The same while the process holds less than a quarter of what a worker may: a look is not for nothing. */
export const CALM_SAMPLE_MS: number = 500;

/** Milliseconds without an answer from which a worker is judged by the process's growth. */
const MUTE_MS = 200;

/** Times in a row that a worker must say that it holds too much: what it holds may be garbage. */
const SAYS = 2;

/** Milliseconds for which a terminated worker may still allocate (Deno: 2 s), and be taken for another. */
const GRACE_MS = 5_000;

/** What the watch is made of. */
export interface MemoryMonitorParts {
  readonly clock: Clock;
  /** Bytes that one worker may hold. */
  readonly limitBytes: number;
  /** This thread's view. */
  memory(): Memory;
  workers(): readonly number[];
  /** Asks the workers for a sign of life, those that owe none yet. */
  pingAll(): void;
  /** Milliseconds that a worker has owed an answer for. */
  owedMs(worker: number): number;
  /** A worker holds too much, as far as one can tell. */
  onOverLimit(worker: number, bytes: number): void;
}

/**
 * Bytes that one worker may hold: what was asked for, but no more than half of what the machine has, and than half of
 * the heap at which the engine would end the process, since a worker that is ended goes on allocating for a while.
 */
export function workerMemoryBytes(wanted: number, { machineBytes, fatalHeapBytes }: MemoryBounds): number {
  return Math.min(wanted, machineBytes / 2, fatalHeapBytes / 2);
}

interface Report {
  readonly bytes: number;
  /** What the process held of all others' at that time. */
  readonly otherBytes: number;
  readonly times: number;
}

/** The memory of one server's workers. */
export class MemoryMonitor {
  readonly #parts: MemoryMonitorParts;
  readonly #reports = new Map<number, Report>();
  #timer: Timer | undefined;
  #graceUntil = 0;

  constructor(parts: MemoryMonitorParts) {
    this.#parts = parts;
  }

  /** Begins to look. */
  start(): void {
    const calm = this.#processBytes() < this.#parts.limitBytes / 4;
    this.#timer = this.#parts.clock.after(calm ? CALM_SAMPLE_MS : SAMPLE_MS, () => {
      this.#sample();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** A worker has started: until it says what it holds, it holds what the process grows by. */
  onStarted(worker: number): void {
    if (!this.#reports.has(worker)) {
      this.#reports.set(worker, { bytes: 0, otherBytes: this.#processBytes(), times: 0 });
    }
  }

  /** A worker has said how many bytes it holds. */
  onReport(worker: number, bytes: number): void {
    const { limitBytes, onOverLimit: over } = this.#parts;
    const times = bytes < limitBytes ? 0 : (this.#reports.get(worker)?.times ?? 0) + 1;
    this.#reports.set(worker, { bytes, otherBytes: this.#processBytes() - bytes, times });
    if (times >= SAYS) over(worker, bytes);
    else if (times > 0) this.#parts.pingAll();
  }

  /** A worker was ended that allocated nothing any more: nothing of it has to be forgiven. */
  removed(worker: number): void {
    this.#reports.delete(worker);
  }

  /** A worker is another one from now on. */
  reset(worker: number): void {
    this.#reports.delete(worker);
    this.#graceUntil = this.#parts.clock.monotonic() + GRACE_MS;
  }

  /** What the process holds without what this thread does, whose growth is none of a worker's. */
  #processBytes(): number {
    const { residentBytes, ownBytes } = this.#parts.memory();
    return residentBytes - ownBytes;
  }

  #sample(): void {
    const { clock, limitBytes, workers, pingAll: ask, owedMs, onOverLimit: over } = this.#parts;
    const process = this.#processBytes();
    if (process < limitBytes / 2) return;
    ask();
    if (clock.monotonic() < this.#graceUntil) return this.#rebaseline(process);
    const held = (worker: number): number => {
      const said = this.#reports.get(worker);
      return said === undefined ? 0 : process - said.otherBytes;
    };
    const mute = workers().filter((worker) => owedMs(worker) >= MUTE_MS && held(worker) >= limitBytes);
    // Of several that are mute nobody knows which one grows; the one that held most is the likeliest.
    const [worst] = mute.sort((a, b) =>
      (this.#reports.get(b)?.bytes ?? 0) - (this.#reports.get(a)?.bytes ?? 0)
    );
    if (worst !== undefined) over(worst, held(worst));
  }

  /** What the process grows by while a worker is on its way out is put down to no other. */
  #rebaseline(process: number): void {
    for (const [worker, said] of this.#reports) {
      this.#reports.set(worker, { ...said, otherBytes: process - said.bytes });
    }
  }
}
