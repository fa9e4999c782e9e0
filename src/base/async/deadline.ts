// Does: bounds the wait for a promise.
// Used by: both threads. A session's pausable timers count as a clock too.
// Invariant: no timer outlives the result.

/** A source of timers. */
export interface TimerSource {
  after(ms: number, fn: () => void): { clear(): void };
}

/** Resolves with `work`, or with `late` after `ms` milliseconds. Rejects when `work` rejects in time. */
export async function deadline<T, const L>(
  clock: TimerSource,
  ms: number,
  work: Promise<T>,
  late: L,
): Promise<T | L> {
  let timer: { clear(): void } | undefined;
  const expired = new Promise<L>((resolve) => timer = clock.after(ms, () => resolve(late)));
  try {
    return await Promise.race([work, expired]);
  } finally {
    timer?.clear();
  }
}
