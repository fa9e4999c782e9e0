// How long threads were ready to run and got no processor: the system counts it for each thread (Linux's schedstat).
// Other programs change it, and code that holds a thread does not. So a test can take it off a time by the clock.

import process from "node:process";

/** Nanoseconds that each thread of a process has waited for a processor, by its id. */
type Waits = ReadonlyMap<number, number>;

function waitsOf(pid: number): Waits {
  const waits = new Map<number, number>();
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      try {
        const [, waited = "0"] = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ");
        waits.set(Number(name), Number(waited));
      } catch {
        // The thread has ended.
      }
    }
  } catch {
    // Not Linux: no thread is counted.
  }
  return waits;
}

/** Milliseconds that thread has waited since then. */
const since = (before: Waits, now: Waits, thread: number): number =>
  ((now.get(thread) ?? 0) - (before.get(thread) ?? 0)) / 1e6;

/** The time that other programs take from a server and from this test, as its client and its model. */
export class StolenTime {
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /**
   * Begins to measure. The result ends it, and returns milliseconds: an answer waits for the first thread of the
   * server, for one worker, and for the first thread of this process, one after the other.
   */
  begin(): () => number {
    const [server, own] = [waitsOf(this.#pid), waitsOf(process.pid)];
    return () => {
      const now = waitsOf(this.#pid);
      const workers = [...now.keys()].filter((thread) => thread !== this.#pid);
      const worker = Math.max(0, ...workers.map((thread) => since(server, now, thread)));
      return since(server, now, this.#pid) + worker + since(own, waitsOf(process.pid), process.pid);
    };
  }
}

/** Milliseconds of processor time that this thread has used; by the clock where the system does not count it. */
export function processorMs(): number {
  try {
    // Deno runs tests in a thread of their own.
    const [ran = "0"] = Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ");
    return Number(ran) / 1e6;
  } catch {
    return performance.now();
  }
}
