// Does: limits rates. Each key has a bucket with the tokens of one minute, which fills again at that pace. Pure.
// Used by: governor.ts. A bucket is the time at which it is full, so a full bucket need not be stored.
// Invariant: time is an argument, in milliseconds on a clock that never goes back.

const MINUTE_MS = 60_000;

/** Tolerance for sums of fractions in milliseconds. Without it the last token of a bucket could be refused. */
const ROUNDING_MS = 1e-3;

/** The number of buckets at which full ones are dropped. */
const SWEEP_FROM = 64;

/** Buckets of one size, by key. */
export class TokenBuckets<K> {
  readonly #perMinute: number;
  readonly #fullAt = new Map<K, number>();
  #sweepAt = SWEEP_FROM;

  /** @param perMinute tokens of a full bucket, and of one minute */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** The number of stored buckets. Some may be full. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** Whole milliseconds until the next token; 0 when there is one. A wait of exactly that time is enough. */
  waitMs(key: K, now: number): number {
    const readyAt = this.#readyAt(key);
    if (readyAt <= now) return 0;
    const ms = Math.ceil(readyAt - now);
    // The difference was rounded, and a later check compares the sum.
    return now + ms < readyAt ? ms + 1 : ms;
  }

  /** Takes a token. Ask `waitMs` first. */
  take(key: K, now: number): void {
    this.#fullAt.set(key, Math.max(this.#fullAt.get(key) ?? now, now) + MINUTE_MS / this.#perMinute);
    if (this.#fullAt.size >= this.#sweepAt) this.#sweep(now);
  }

  /** Drops a key that is no longer used. */
  forget(key: K): void {
    this.#fullAt.delete(key);
  }

  /** The time at which the bucket has a token. */
  #readyAt(key: K): number {
    const fullAt = this.#fullAt.get(key);
    if (fullAt === undefined) return -Infinity;
    return fullAt - (MINUTE_MS - MINUTE_MS / this.#perMinute) - ROUNDING_MS;
  }

  #sweep(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key);
    this.#sweepAt = Math.max(SWEEP_FROM, this.#fullAt.size * 2);
  }
}
