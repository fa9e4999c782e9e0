// Does: finds a worker that uses too much memory, before V8 ends the whole process for a full heap.
// Used by: supervisor.ts, which replaces the worker. Uses: the memory in each pong.
// Invariant: a worker that allocates without yielding is judged by the growth of the process since its last pong.
import type { Clock, Memory, MemoryBounds, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two samples of the process. A thread allocates about 1 MB in that time. */
export const SAMPLE_MS: number = 100;

/** The same while the process uses less than a quarter of a worker's limit. Sampling is not free. */
export const CALM_SAMPLE_MS: number = 500;

/** Milliseconds of silence after which a worker is judged by the growth of the process. */
const MUTE_MS = 200;

/** Reports in a row that must exceed the limit, because the memory may be garbage. */
const SAYS = 2;

/** Milliseconds in which a terminated worker may still allocate (Deno: 2 s), and be mistaken for another. */
const GRACE_MS = 5_000;

export interface MemoryMonitorParts {
  readonly clock: Clock;
  /** The limit of one worker in bytes. */
  readonly limitBytes: number;
  /** This thread's view. */
  memory(): Memory;
  workers(): readonly number[];
  /** Pings the workers without an open ping. */
  pingAll(): void;
  /** Milliseconds that a worker's reply has been open. */
  owedMs(worker: number): number;
  /** A worker probably uses too much memory. */
  onOverLimit(worker: number, bytes: number): void;
}

/**
 * The limit of one worker in bytes: the requested one, but at most half of the machine's memory, and half of the heap
 * at which the engine ends the process. A worker that is ended still allocates for a while.
 */
export function workerMemoryBytes(wanted: number, { machineBytes, fatalHeapBytes }: MemoryBounds): number {
  return Math.min(wanted, machineBytes / 2, fatalHeapBytes / 2);
}

interface Report {
  readonly bytes: number;
  /** Memory of the process without this worker at that time. */
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

  /** Begins sampling. */
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

  /** A worker has started. Until its first report, the growth of the process counts as its memory. */
  onStarted(worker: number): void {
    if (!this.#reports.has(worker)) {
      this.#reports.set(worker, { bytes: 0, otherBytes: this.#processBytes(), times: 0 });
    }
  }

  /** A worker has reported its memory. */
  onReport(worker: number, bytes: number): void {
    const { limitBytes, onOverLimit: over } = this.#parts;
    const times = bytes < limitBytes ? 0 : (this.#reports.get(worker)?.times ?? 0) + 1;
    this.#reports.set(worker, { bytes, otherBytes: this.#processBytes() - bytes, times });
    if (times >= SAYS) over(worker, bytes);
    else if (times > 0) this.#parts.pingAll();
  }

  /** A worker without further allocations was ended. No growth must be forgiven. */
  removed(worker: number): void {
    this.#reports.delete(worker);
  }

  /** Resets a worker after a restart. */
  reset(worker: number): void {
    this.#reports.delete(worker);
    this.#graceUntil = this.#parts.clock.monotonic() + GRACE_MS;
  }

  /** What a worker has reported last; 0 before its first report. */
  bytesOf(worker: number): number {
    return this.#reports.get(worker)?.bytes ?? 0;
  }

  /** Memory of the process without that of this thread, whose growth belongs to no worker. */
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
    // Of several silent workers it is unknown which one grows. The largest is the likeliest.
    const [worst] = mute.sort((a, b) =>
      (this.#reports.get(b)?.bytes ?? 0) - (this.#reports.get(a)?.bytes ?? 0)
    );
    if (worst !== undefined) over(worst, held(worst));
  }

  /** The growth of the process during the end of a worker counts for no other worker. */
  #rebaseline(process: number): void {
    for (const [worker, said] of this.#reports) {
      this.#reports.set(worker, { ...said, otherBytes: process - said.bytes });
    }
  }
}
