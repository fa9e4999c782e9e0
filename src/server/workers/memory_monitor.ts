// Keeps one host that runs out of memory from taking the whole process with it: V8 ends the process when a thread's
// heap is full, so a host has to go before. One that still answers says how much it holds; one that allocates
// without ever yielding is judged by the process's growth since it spoke last. Replaces nothing by itself.
import type { Clock, Memory, MemoryBounds, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two looks at the process: a thread allocates about 1 MB in one of them. */
export const LOOK_MS: number = 100;

/** The same while the process holds less than a quarter of what a host may: a look is not for nothing. */
export const CALM_LOOK_MS: number = 500;

/** Milliseconds without an answer from which a host is judged by the process's growth. */
const MUTE_MS = 200;

/** Times in a row that a host must say that it holds too much: what it holds may be garbage. */
const SAYS = 2;

/** Milliseconds for which a terminated host may still allocate (Deno: 2 s), and be taken for another. */
const GRACE_MS = 5_000;

/** What the watch is made of. */
export interface MemoryWatchParts {
  readonly clock: Clock;
  /** Bytes that one host may hold. */
  readonly limitBytes: number;
  /** This thread's view. */
  memory(): Memory;
  hosts(): readonly number[];
  /** Asks the hosts for a sign of life, those that owe none yet. */
  ask(): void;
  /** Milliseconds that a host has owed an answer for. */
  owedMs(host: number): number;
  /** A host holds too much, as far as one can tell. */
  over(host: number, bytes: number): void;
}

/**
 * Bytes that one host may hold: what was asked for, but no more than half of what the machine has, and than half of
 * the heap at which the engine would end the process, since a host that is ended goes on allocating for a while.
 */
export function hostMemoryBytes(wanted: number, { machineBytes, fatalHeapBytes }: MemoryBounds): number {
  return Math.min(wanted, machineBytes / 2, fatalHeapBytes / 2);
}

interface Said {
  readonly bytes: number;
  /** What the process held of all others' at that time. */
  readonly elsewhere: number;
  readonly times: number;
}

/** The memory of one server's hosts. */
export class MemoryWatch {
  readonly #parts: MemoryWatchParts;
  readonly #said = new Map<number, Said>();
  #timer: Timer | undefined;
  #graceUntil = 0;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
  }

  /** Begins to look. */
  start(): void {
    const calm = this.#processBytes() < this.#parts.limitBytes / 4;
    this.#timer = this.#parts.clock.after(calm ? CALM_LOOK_MS : LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** A host has started: until it says what it holds, it holds what the process grows by. */
  started(host: number): void {
    if (!this.#said.has(host)) this.#said.set(host, { bytes: 0, elsewhere: this.#processBytes(), times: 0 });
  }

  /** A host has said how many bytes it holds. */
  said(host: number, bytes: number): void {
    const { limitBytes, over } = this.#parts;
    const times = bytes < limitBytes ? 0 : (this.#said.get(host)?.times ?? 0) + 1;
    this.#said.set(host, { bytes, elsewhere: this.#processBytes() - bytes, times });
    if (times >= SAYS) over(host, bytes);
    else if (times > 0) this.#parts.ask();
  }

  /** A host was ended that allocated nothing any more: nothing of it has to be forgiven. */
  removed(host: number): void {
    this.#said.delete(host);
  }

  /** A host is another one from now on. */
  replaced(host: number): void {
    this.#said.delete(host);
    this.#graceUntil = this.#parts.clock.monotonic() + GRACE_MS;
  }

  /** What the process holds without what this thread does, whose growth is none of a host's. */
  #processBytes(): number {
    const { residentBytes, ownBytes } = this.#parts.memory();
    return residentBytes - ownBytes;
  }

  #look(): void {
    const { clock, limitBytes, hosts, ask, owedMs, over } = this.#parts;
    const process = this.#processBytes();
    if (process < limitBytes / 2) return;
    ask();
    if (clock.monotonic() < this.#graceUntil) return this.#forgive(process);
    const held = (host: number): number => {
      const said = this.#said.get(host);
      return said === undefined ? 0 : process - said.elsewhere;
    };
    const mute = hosts().filter((host) => owedMs(host) >= MUTE_MS && held(host) >= limitBytes);
    // Of several that are mute nobody knows which one grows; the one that held most is the likeliest.
    const [worst] = mute.sort((a, b) => (this.#said.get(b)?.bytes ?? 0) - (this.#said.get(a)?.bytes ?? 0));
    if (worst !== undefined) over(worst, held(worst));
  }

  /** What the process grows by while a host is on its way out is put down to no other. */
  #forgive(process: number): void {
    for (const [host, said] of this.#said) {
      this.#said.set(host, { ...said, elsewhere: process - said.bytes });
    }
  }
}
