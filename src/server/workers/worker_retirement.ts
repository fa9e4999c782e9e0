// Does: ends a worker after its only session has left it (isolation `session`) and its last command is answered.
// Used by: the session manager.
// Invariant: a worker gets time to finish: extensions that shut down, a login that is being saved.
import type { Log } from "../../base/log.ts";
import { DISPOSE_MS } from "../../governor/limits.ts";
import type { PendingCommands } from "./pending_commands.ts";
import type { WorkerPool } from "./worker_pool.ts";
import type { WorkerRequests } from "./worker_requests.ts";

/** The retirement of one server's workers. */
export class Retirement {
  readonly #log: Log;
  readonly #workers: WorkerPool;
  readonly #commands: PendingCommands;
  readonly #requests: WorkerRequests;
  /** Called when a worker has been removed. */
  onRemoved: (worker: number) => void = () => {};

  constructor(log: Log, workers: WorkerPool, commands: PendingCommands, requests: WorkerRequests) {
    this.#log = log;
    this.#workers = workers;
    this.#commands = commands;
    this.#requests = requests;
  }

  /** Ends that worker if its session has left, and every command to it is answered. */
  check(worker: number): void {
    if (!this.#workers.isLeft(worker) || this.#commands.refs(worker).length > 0) return;
    this.#workers.retire(worker);
    void this.#retire(worker);
  }

  async #retire(worker: number): Promise<void> {
    await this.#requests.disposeOf(worker, DISPOSE_MS + 1_000);
    this.#log.debug("a worker has ended, because its session has left it", { worker });
    this.#workers.remove(worker);
    this.onRemoved(worker);
    this.#requests.onWorkerLost(worker);
  }
}
