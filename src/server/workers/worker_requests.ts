// What the router thread asks of all hosts together: whether anything runs, how much, and to dispose everything.
// Each host bounds itself where it can; a host that is silent or dies is given up.
import type { FromWorker, ToWorker } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { PendingReplies } from "../../ipc/pending_replies.ts";

/** What disposing came to; sessions. */
export interface Disposal {
  readonly disposed: number;
  readonly failed: number;
  /** The host still saves a login. */
  readonly saving?: true;
}

/** Milliseconds that a host gets to save a login; it bounds that by itself. */
const SAVING_MS = 20_000;

/** What asking needs. */
export interface WorkerRequestsParts {
  readonly clock: Clock;
  readonly nextRef: () => number;
  hosts(): readonly number[];
  send(host: number, message: ToWorker): void;
  /** How many sessions are on that host. */
  sessions(host: number): number;
}

/** Questions to all hosts. */
export class WorkerRequests {
  readonly #parts: WorkerRequestsParts;
  readonly #waits: PendingReplies<void>;
  readonly #counts: PendingReplies<number>;
  readonly #disposals: PendingReplies<Disposal>;
  readonly #saves: PendingReplies<void>;

  constructor(parts: WorkerRequestsParts) {
    this.#parts = parts;
    this.#waits = new PendingReplies(parts.clock);
    this.#counts = new PendingReplies(parts.clock);
    this.#disposals = new PendingReplies(parts.clock);
    this.#saves = new PendingReplies(parts.clock);
  }

  /** Resolves when nothing runs, in all sessions or in those that `own` names for each host. */
  async whenIdle(own: (host: number) => readonly string[] | undefined): Promise<void> {
    await this.#askEach<void>((host, ref, resolve) => {
      const sessionIds = own(host);
      this.#waits.expect(ref, host, resolve);
      this.#parts.send(host, {
        kind: "await_idle",
        ref,
        ...(sessionIds === undefined ? {} : { sessionIds }),
      });
    });
  }

  /** Counts the busy sessions, and with `stop` has them stopped. A host that hangs counts as none. */
  async countBusy(stop: boolean, withinMs: number): Promise<number> {
    const counts = await this.#askEach<number>((host, ref, resolve) => {
      this.#counts.expect(ref, host, resolve, { ms: withinMs, value: 0 });
      this.#parts.send(host, { kind: "count_busy", ref, stop });
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Disposes all sessions; each host bounds that by itself, and `withinMs` bounds the hosts. */
  async disposeAll(withinMs: number): Promise<Disposal> {
    const counts = await Promise.all(this.#parts.hosts().map((host) => this.disposeOf(host, withinMs)));
    return counts.reduce((sum, one) => ({
      disposed: sum.disposed + one.disposed,
      failed: sum.failed + one.failed,
    }), { disposed: 0, failed: 0 });
  }

  /** Disposes the sessions of one host, and waits until it has saved its logins. */
  disposeOf(host: number, withinMs: number): Promise<Disposal> {
    const ref = this.#parts.nextRef();
    return new Promise((resolve) => {
      const value = { disposed: 0, failed: this.#parts.sessions(host) };
      const disposed = (disposal: Disposal): void => {
        if (disposal.saving !== true) return resolve(disposal);
        this.#saves.expect(ref, host, () => resolve(disposal), { ms: SAVING_MS, value: undefined });
      };
      this.#disposals.expect(ref, host, disposed, { ms: withinMs, value });
      this.#parts.send(host, { kind: "shutdown", ref });
    });
  }

  /** Takes a host's answer. */
  onReply(message: Extract<FromWorker, { kind: "idle" | "busy_count" | "shutdown_done" }>): void {
    if (message.kind === "idle") this.#waits.resolve(message.ref, undefined);
    else if (message.kind === "busy_count") this.#counts.resolve(message.ref, message.busy);
    else {
      if (message.saving !== true) this.#saves.resolve(message.ref, undefined);
      this.#disposals.resolve(message.ref, message);
    }
  }

  /** A host is gone, and nothing runs on it any more. */
  onWorkerLost(host: number): void {
    this.#waits.resolveAllOf(host, undefined);
    this.#counts.resolveAllOf(host, 0);
    this.#disposals.resolveAllOf(host, { disposed: 0, failed: 0 });
    this.#saves.resolveAllOf(host, undefined);
  }

  #askEach<T>(ask: (host: number, ref: number, resolve: (value: T) => void) => void): Promise<T[]> {
    const { hosts, nextRef: number } = this.#parts;
    return Promise.all(hosts().map((host) => new Promise<T>((resolve) => ask(host, number(), resolve))));
  }
}
