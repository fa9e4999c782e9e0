// Answers that are still to come from hosts: matched by number, bounded in time, and given up when a host
// dies. The answer is handed over synchronously, so that whoever waits sees it before what comes after it.
import type { Clock, Timer } from "../runtime/runtime.ts";

interface Expected<T> {
  readonly host: number;
  readonly take: (value: T) => void;
  readonly timer: Timer | undefined;
}

/** Answers of one kind. */
export class PendingReplies<T> {
  readonly #clock: Clock;
  readonly #expected = new Map<number, Expected<T>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Expects an answer.
   *
   * @param ref number that the answer will carry
   * @param late how long to wait, in milliseconds, and what to go on with then
   */
  expect(
    ref: number,
    host: number,
    take: (value: T) => void,
    late?: { readonly ms: number; readonly value: T },
  ): void {
    const timer = late === undefined
      ? undefined
      : this.#clock.after(late.ms, () => this.resolve(ref, late.value));
    this.#expected.set(ref, { host, take, timer });
  }

  /** The answer has come. */
  resolve(ref: number, value: T): void {
    const expected = this.#expected.get(ref);
    if (expected === undefined) return;
    this.#expected.delete(ref);
    expected.timer?.clear();
    expected.take(value);
  }

  /** A host is gone: those that wait for it go on with `value`. */
  resolveAllOf(host: number, value: T): void {
    for (const [ref, expected] of [...this.#expected]) {
      if (expected.host === host) this.resolve(ref, value);
    }
  }
}
