// Does: holds commands while the bucket is asked where they belong.
// Used by: gateway.ts.
// Invariant: commands for one session go on in the order in which they came.
import type { Asked } from "../remote.ts";

interface Waiting {
  readonly asked: Asked;
  readonly go: () => void;
}

/** The commands that wait for the bucket. */
export class Lookups {
  readonly #waiting = new Map<string | symbol, Waiting[]>();
  readonly #settled: () => void;

  /** @param settled called when commands that waited have gone on */
  constructor(settled: () => void) {
    this.#settled = settled;
  }

  /** Whether a command waits. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /** Queues a command behind those of its session. False: none of them waits. */
  follow(sessionId: string, asked: Asked, go: () => void): boolean {
    const waiting = this.#waiting.get(sessionId);
    waiting?.push({ asked, go });
    return waiting !== undefined;
  }

  /**
   * Holds a command, and those that follow it, until the bucket has answered.
   * @param subject the command's session, or a symbol of its own
   */
  hold(subject: string | symbol, known: Promise<unknown>, asked: Asked, go: () => void): void {
    this.#waiting.set(subject, [{ asked, go }]);
    const over = (): void => {
      const waiting = this.#waiting.get(subject) ?? [];
      this.#waiting.delete(subject);
      for (const { go } of waiting) go();
      this.#settled();
    };
    known.then(over, over);
  }

  /** Takes out what waits. None of it goes on. */
  takeAll(): readonly Asked[] {
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return all.map(({ asked }) => asked);
  }
}
