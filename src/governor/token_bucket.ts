// Rates: each key has a bucket of as many tokens as may be used in a minute, which fills up again at that pace.
// A bucket is one number, the time at which it is full again, so that one that is full need not be kept.
// Pure: time is an argument, in milliseconds on a clock that never goes back.

const MINUTE_MS = 60_000;

/** Milliseconds that sums of fractions may be off by; without it the last token of a bucket could be refused. */
const ROUNDING_MS = 1e-3;

/** Buckets that are kept before those that have filled up again are looked for. */
const SWEEP_FROM = 64;

/** Buckets of one size, by key. */
export class TokenBuckets<K> {
  readonly #perMinute: number;
  readonly #fullAt = new Map<K, number>();
  #sweepAt = SWEEP_FROM;

  /** @param perMinute tokens of a full bucket, and tokens that come in within a minute */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Buckets that are kept; one that is full again may be among them for a while. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** Whole milliseconds after which there is a token; 0 when there is one. A wait of exactly that is enough. */
  waitMs(key: K, now: number): number {
    const readyAt = this.#readyAt(key);
    if (readyAt <= now) return 0;
    const ms = Math.ceil(readyAt - now);
    // The difference was rounded; the sum is what a later look will be compared with.
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

  /** When the bucket has a token: when it lacks no more than all but one. */
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
