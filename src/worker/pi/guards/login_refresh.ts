// Does: finishes a refresh of a login that has begun, even when its session or the server ends, and bounds it.
// Used by: sdk/sdk_0_73.ts and sdk/sdk_1_6.ts.
// Invariant: once pi holds the lock of auth.json, no abort stops the write, because the old token may be used up.
import { errorMessage } from "../../../base/error_message.ts";
import { rmdirSync } from "node:fs";
import process from "node:process";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

/** Milliseconds that a refresh may go on after all sessions are gone. */
const FINISH_MS = 15_000;
/** Milliseconds that a refresh may hold the lock. Meanwhile no pi of this user can refresh any other login. */
const REFRESH_MS = 60_000;
/** Milliseconds of a refresh after which it is reported. A provider answers in about a second. */
const SLOW_MS = 5_000;

/** Credentials of one user. All sessions of a worker share them. */
export class Logins {
  readonly #lock: () => string;
  /** Refreshes that hold the lock now. */
  #held = 0;
  /** Those of them that a provider has not answered for long. */
  #slow = 0;
  readonly #waiting: (() => void)[] = [];

  readonly #refreshMs: number;
  readonly #slowMs: number;
  /** Called when a provider is slow with a refresh, and when none is any more. */
  onSlow: (isSlow: boolean) => void = () => {};

  /**
   * @param lock the folder that pi makes while it holds the lock
   * @param refreshMs the longest time that a refresh may hold it
   * @param slowMs the time after which it is reported
   */
  constructor(lock: () => string, refreshMs = REFRESH_MS, slowMs = SLOW_MS) {
    this.#lock = lock;
    this.#refreshMs = refreshMs;
    this.#slowMs = slowMs;
  }

  /** Watches one of pi's credential stores. Throws when this pi stores logins in another way. */
  guard(store: object): void {
    const backend: unknown = Reflect.get(store, "storage");
    const withLock: unknown = typeof backend === "object" && backend !== null
      ? Reflect.get(backend, "withLockAsync")
      : undefined;
    if (typeof backend !== "object" || backend === null || typeof withLock !== "function") {
      throw new Error("This pi keeps logins in another way");
    }
    Reflect.set(backend, "withLockAsync", (work: Work, options?: LockOptions): Promise<unknown> => {
      const { signal } = options ?? {};
      const waiting = new AbortController();
      const giveUp = (): void => waiting.abort(signal?.reason);
      if (signal?.aborted) giveUp();
      signal?.addEventListener("abort", giveUp);
      let holds = false;
      const begin: Work = (current) => {
        // From here on the provider may have used up the old token. Only the wait for the lock can be aborted.
        signal?.removeEventListener("abort", giveUp);
        holds = true;
        this.#held++;
        return this.#bounded(work(current), (late) => {
          // Another pi may have logged in meanwhile.
          const save: Work = (now) => Promise.resolve(now === current ? late : { result: undefined });
          return Promise.resolve(Reflect.apply(withLock, backend, [save]));
        });
      };
      const args = [begin, ...options === undefined ? [] : [{ ...options, signal: waiting.signal }]];
      const done: Promise<unknown> = Reflect.apply(withLock, backend, args);
      return done.finally(() => {
        signal?.removeEventListener("abort", giveUp);
        if (holds) this.#released();
      });
    });
  }

  /** Gives the lock back when the provider does not answer. Saves a login that comes later all the same. */
  #bounded(refresh: Promise<Done>, save: (late: Done) => Promise<unknown>): Promise<Done> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      let isSlow = false;
      const slow = setTimeout(() => {
        isSlow = true;
        if (++this.#slow === 1) this.onSlow(true);
      }, this.#slowMs);
      const end = (): void => {
        clearTimeout(slow);
        if (isSlow && --this.#slow === 0) this.onSlow(false);
        isSlow = false;
      };
      const timer = setTimeout(() => {
        isLate = true;
        end();
        const seconds = this.#refreshMs / 1000;
        reject(new Error(`The provider did not answer the refresh of its login within ${seconds} s`));
      }, this.#refreshMs);
      refresh.finally(end).then((done) => {
        clearTimeout(timer);
        if (!isLate) resolve(done);
        // A failure leaves the login as it was, and pi reports that at the next request.
        else if (done.next !== undefined) save(done).catch(() => {});
      }, (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
  }

  /** Resolves when all refreshes under the lock have ended or timed out. Undefined when there is none. */
  saved(clock: Clock): Promise<void> | undefined {
    if (this.#held === 0) return undefined;
    return new Promise((resolve) => {
      const timer: Timer = clock.after(FINISH_MS, () => {
        this.#breakLock();
        resolve();
      });
      this.#waiting.push(() => {
        timer.clear();
        resolve();
      });
    });
  }

  #released(): void {
    if (--this.#held > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** A lock that stays would make the next pi wait until the lock is stale. */
  #breakLock(): void {
    try {
      rmdirSync(this.#lock());
    } catch (error) {
      process.stderr.write(
        `pi-server: the lock of pi's logins stays until it is stale: ${errorMessage(error)}\n`,
      );
    }
  }
}

/** What work under the lock gives back, with the text that pi writes. */
interface Done {
  readonly result: unknown;
  readonly next?: string;
}

type Work = (current: unknown) => Promise<Done>;

interface LockOptions {
  readonly signal?: AbortSignal;
}

/** Settles like the promise, or rejects as soon as the signal aborts. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
