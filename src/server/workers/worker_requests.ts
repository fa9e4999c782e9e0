// Does: asks all workers at once whether anything runs and how much, or to dispose every session.
// Used by: the session manager, for the shutdown and for `stdin`'s end; worker_retirement.ts for one worker.
// Invariant: a worker that is silent, or gone, delays nothing beyond the given time.
import { defined } from "../../base/json.ts";
import type { FromWorkerHandlers } from "../../ipc/messages.ts";
import { PendingReplies } from "../../ipc/pending_replies.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** Sessions whose disposal succeeded, and failed. */
export interface Disposal {
  readonly disposed: number;
  readonly failed: number;
  /** The worker still saves a login. */
  readonly saving?: true;
}

/** Milliseconds that a worker gets to save a login; the worker bounds that too. */
const SAVING_MS = 20_000;

/** Requests to all workers. */
export class WorkerRequests {
  readonly #clock: Clock;
  readonly #workers: WorkerPool;
  readonly #idle = new PendingReplies<void>();
  readonly #counts = new PendingReplies<number>();
  readonly #disposals = new PendingReplies<Disposal>();
  /** Disposals whose worker still saves a login, by the number of the request. */
  readonly #saves = new Map<number, { readonly worker: number; saved(): void }>();

  constructor(clock: Clock, workers: WorkerPool) {
    this.#clock = clock;
    this.#workers = workers;
  }

  /** Answers of workers. */
  readonly handlers = {
    idle: ({ ref }) => this.#idle.resolve(ref, undefined),
    busy_count: ({ ref, busy }) => this.#counts.resolve(ref, busy),
    shutdown_done: (message) => {
      if (message.saving !== true) this.#saves.get(message.ref)?.saved();
      this.#disposals.resolve(message.ref, message);
    },
  } satisfies Partial<FromWorkerHandlers>;

  /** Resolves when nothing runs, in all sessions or in those that `own` names for each worker. */
  async whenIdle(own: (worker: number) => readonly string[] | undefined): Promise<void> {
    await this.#askEach<void>((worker, onReply) => {
      const ref = this.#idle.expect({ worker, onReply });
      this.#workers.send(worker, { kind: "await_idle", ref, ...defined({ sessionIds: own(worker) }) });
    });
  }

  /** Counts the busy sessions, and with `stop` stops them. A worker that hangs counts as 0. */
  async countBusy(stop: boolean, withinMs: number): Promise<number> {
    const counts = await this.#askEach<number>((worker, onReply) => {
      const ref = this.#counts.expect({ worker, onReply }, { clock: this.#clock, ms: withinMs, value: 0 });
      this.#workers.send(worker, { kind: "count_busy", ref, stop });
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Disposes all sessions. Each worker bounds that itself, and `withinMs` bounds the workers. */
  async disposeAll(withinMs: number): Promise<Disposal> {
    const counts = await Promise.all(this.#workers.used.map((worker) => this.disposeOf(worker, withinMs)));
    return counts.reduce((sum, one) => ({
      disposed: sum.disposed + one.disposed,
      failed: sum.failed + one.failed,
    }), { disposed: 0, failed: 0 });
  }

  /** Disposes the sessions of one worker, and waits until it has saved its logins. */
  disposeOf(worker: number, withinMs: number): Promise<Disposal> {
    return new Promise((resolve) => {
      const onReply = (disposal: Disposal): void => {
        if (disposal.saving !== true) return resolve(disposal);
        const saved = (): void => {
          timer.clear();
          this.#saves.delete(ref);
          resolve(disposal);
        };
        const timer = this.#clock.after(SAVING_MS, saved);
        this.#saves.set(ref, { worker, saved });
      };
      const value = { disposed: 0, failed: this.#workers.sessions(worker) };
      const ref = this.#disposals.expect({ worker, onReply }, { clock: this.#clock, ms: withinMs, value });
      this.#workers.send(worker, { kind: "shutdown", ref });
    });
  }

  /** A worker is gone, and nothing runs on it. */
  onWorkerLost(worker: number): void {
    this.#idle.resolveAllOf(worker, undefined);
    this.#counts.resolveAllOf(worker, 0);
    this.#disposals.resolveAllOf(worker, { disposed: 0, failed: 0 });
    for (const save of [...this.#saves.values()]) if (save.worker === worker) save.saved();
  }

  #askEach<T>(ask: (worker: number, onReply: (value: T) => void) => void): Promise<T[]> {
    return Promise.all(this.#workers.used.map((worker) => new Promise<T>((resolve) => ask(worker, resolve))));
  }
}
