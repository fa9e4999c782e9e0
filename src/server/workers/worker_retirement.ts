// Ends hosts that their only session has left (isolation `session`), once their last command is answered. A host first
// gets the time to finish: extensions that shut down, a login that is being saved. Used by the manager.
import type { Log } from "../../base/log.ts";
import type { WorkerRequests } from "./worker_requests.ts";
import type { Supervisor } from "./supervisor.ts";
import type { WorkerPool } from "./worker_pool.ts";
import type { PendingCommands } from "./pending_commands.ts";

/** What a retirement concerns. */
export interface RetirementParts {
  readonly log: Log;
  readonly hosts: WorkerPool;
  readonly watch: Supervisor;
  readonly pending: PendingCommands;
  /** Questions for the state of sessions; those to the worker get no answer any more. */
  readonly attaching: { onWorkerLost(worker: number, answer: readonly []): void };
  readonly asks: WorkerRequests;
  /** Milliseconds that a host gets to dispose of what is left in it. */
  readonly withinMs: number;
}

/** The retirement of one server's hosts. */
export class Retirement {
  readonly #parts: RetirementParts;

  constructor(parts: RetirementParts) {
    this.#parts = parts;
  }

  /** Ends that host if its session has left, and every command to it is answered. */
  check(host: number): void {
    const { hosts, pending } = this.#parts;
    if (!hosts.isLeft(host) || pending.refs(host).length > 0) return;
    hosts.retire(host);
    void this.#retire(host);
  }

  async #retire(host: number): Promise<void> {
    const { log, hosts, watch, attaching, asks, withinMs } = this.#parts;
    await asks.disposeOf(host, withinMs);
    log.debug("a host was ended, since its session has left it", { host });
    hosts.remove(host);
    watch.removed(host);
    attaching.onWorkerLost(host, []);
    asks.onWorkerLost(host);
  }
}
