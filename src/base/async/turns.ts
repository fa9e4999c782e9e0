// Does: lets a few of many run at a time. The others wait, first come first served.
// Used by: the worker pool, for the starts of workers.
// Invariant: an owner keeps its turn until `end`, so one that never ends holds the others up.

/** The turns of owners that have a key each. */
export class Turns<K> {
  readonly #most: number;
  readonly #running = new Set<K>();
  readonly #waiting = new Map<K, () => void>();

  /** @param most how many run at a time, at least one */
  constructor(most: number) {
    this.#most = Math.max(1, most);
  }

  /** Calls `begin` when the owner's turn has come: now, or later. */
  take(key: K, begin: () => void): void {
    this.#waiting.set(key, begin);
    this.#next();
  }

  /** The owner's turn is over, or it waits for none any more. */
  end(key: K): void {
    this.#waiting.delete(key);
    this.#running.delete(key);
    this.#next();
  }

  /** No owner that waits gets a turn any more. */
  clear(): void {
    this.#waiting.clear();
  }

  #next(): void {
    for (const [key, begin] of this.#waiting) {
      if (this.#running.size >= this.#most) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      begin();
    }
  }
}
