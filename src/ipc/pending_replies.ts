// Does: matches replies to requests by number, bounds the wait in time, and ends the wait for a lost worker.
// Used by: both threads, for every kind of request.
// Invariant: a reply is handed over synchronously, so that nothing which came behind it can overtake it.
import type { TimerSource } from "../base/async/deadline.ts";

/** A reply that is still to come. */
export interface ExpectedReply<T> {
  /** Number of the worker that will reply; absent in a worker, which has one peer. */
  readonly worker?: number;
  onReply(value: T): void;
}

/** The time after which `value` takes the place of the reply. */
export interface ReplyTimeout<T> {
  readonly clock: TimerSource;
  readonly ms: number;
  readonly value: T;
}

/** Requests of one kind without a reply yet. */
export class PendingReplies<T, E extends ExpectedReply<T> = ExpectedReply<T>> {
  readonly #expected = new Map<number, E>();
  readonly #timers = new Map<number, { clear(): void }>();
  #lastRef = 0;

  /** Registers a request. Returns the number that its reply must carry. */
  expect(expected: E, timeout?: ReplyTimeout<T>): number {
    const ref = ++this.#lastRef;
    this.#expected.set(ref, expected);
    if (timeout !== undefined) {
      const { clock, ms, value } = timeout;
      this.#timers.set(ref, clock.after(ms, () => this.resolve(ref, value)));
    }
    return ref;
  }

  /** The request with that number, while it has no reply. */
  get(ref: number): E | undefined {
    return this.#expected.get(ref);
  }

  /** Numbers of all requests without a reply, or of those to one worker. */
  refs(worker?: number): readonly number[] {
    const all = [...this.#expected];
    return all.filter(([, one]) => worker === undefined || one.worker === worker).map(([ref]) => ref);
  }

  /** Hands the reply over. A second reply, and one to an unknown number, has no effect. */
  resolve(ref: number, value: T): void {
    this.cancel(ref)?.onReply(value);
  }

  /** Hands `value` over for every request to that worker. */
  resolveAllOf(worker: number, value: T): void {
    for (const ref of this.refs(worker)) this.resolve(ref, value);
  }

  /** Takes a request back: its reply has no effect. */
  cancel(ref: number): E | undefined {
    const expected = this.#expected.get(ref);
    if (expected === undefined) return undefined;
    this.#expected.delete(ref);
    this.#timers.get(ref)?.clear();
    this.#timers.delete(ref);
    return expected;
  }
}
