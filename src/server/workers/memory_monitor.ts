// Keeps one host that runs out of memory from taking the whole process with it: V8 ends the process when a thread's
// heap is full, so a host has to go before. One that still answers says how much it holds; one that allocates
// without ever yielding is judged by the process's growth since it spoke last. Replaces nothing by itself.
import type { Clock, Memory, MemoryBounds, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two looks at the process: a thread allocates about 1 MB in one of them. */
export const SAMPLE_MS: number = 100;

/** The same while the process holds less than a quarter of what a host may: a look is not for nothing. */
export const CALM_SAMPLE_MS: number = 500;

/** Milliseconds without an answer from which a host is judged by the process's growth. */
const MUTE_MS = 200;

/** Times in a row that a host must say that it holds too much: what it holds may be garbage. */
const SAYS = 2;

/** Milliseconds for which a terminated host may still allocate (Deno: 2 s), and be taken for another. */
const GRACE_MS = 5_000;

/** What the watch is made of. */
export interface MemoryMonitorParts {
  readonly clock: Clock;
  /** Bytes that one host may hold. */
  readonly limitBytes: number;
  /** This thread's view. */
  memory(): Memory;
  hosts(): readonly number[];
  /** Asks the hosts for a sign of life, those that owe none yet. */
  pingAll(): void;
  /** Milliseconds that a host has owed an answer for. */
  owedMs(host: number): number;
  /** A host holds too much, as far as one can tell. */
  onOverLimit(host: number, bytes: number): void;
}

/**
 * Bytes that one host may hold: what was asked for, but no more than half of what the machine has, and than half of
 * the heap at which the engine would end the process, since a host that is ended goes on allocating for a while.
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

/** The memory of one server's hosts. */
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

  /** A host has started: until it says what it holds, it holds what the process grows by. */
  onStarted(host: number): void {
    if (!this.#reports.has(host)) {
      this.#reports.set(host, { bytes: 0, otherBytes: this.#processBytes(), times: 0 });
    }
  }

  /** A host has said how many bytes it holds. */
  onReport(host: number, bytes: number): void {
    const { limitBytes, onOverLimit: over } = this.#parts;
    const times = bytes < limitBytes ? 0 : (this.#reports.get(host)?.times ?? 0) + 1;
    this.#reports.set(host, { bytes, otherBytes: this.#processBytes() - bytes, times });
    if (times >= SAYS) over(host, bytes);
    else if (times > 0) this.#parts.pingAll();
  }

  /** A host was ended that allocated nothing any more: nothing of it has to be forgiven. */
  removed(host: number): void {
    this.#reports.delete(host);
  }

  /** A host is another one from now on. */
  reset(host: number): void {
    this.#reports.delete(host);
    this.#graceUntil = this.#parts.clock.monotonic() + GRACE_MS;
  }

  /** What the process holds without what this thread does, whose growth is none of a host's. */
  #processBytes(): number {
    const { residentBytes, ownBytes } = this.#parts.memory();
    return residentBytes - ownBytes;
  }

  #sample(): void {
    const { clock, limitBytes, hosts, pingAll: ask, owedMs, onOverLimit: over } = this.#parts;
    const process = this.#processBytes();
    if (process < limitBytes / 2) return;
    ask();
    if (clock.monotonic() < this.#graceUntil) return this.#rebaseline(process);
    const held = (host: number): number => {
      const said = this.#reports.get(host);
      return said === undefined ? 0 : process - said.otherBytes;
    };
    const mute = hosts().filter((host) => owedMs(host) >= MUTE_MS && held(host) >= limitBytes);
    // Of several that are mute nobody knows which one grows; the one that held most is the likeliest.
    const [worst] = mute.sort((a, b) =>
      (this.#reports.get(b)?.bytes ?? 0) - (this.#reports.get(a)?.bytes ?? 0)
    );
    if (worst !== undefined) over(worst, held(worst));
  }

  /** What the process grows by while a host is on its way out is put down to no other. */
  #rebaseline(process: number): void {
    for (const [host, said] of this.#reports) {
      this.#reports.set(host, { ...said, otherBytes: process - said.bytes });
    }
  }
}
