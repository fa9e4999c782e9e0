// Does: replaces a worker that has ended or must end, answers what ran there, and parks its sessions.
// Used by: the worker pool's `onExit` and the supervisor's `onFailure`.
// Invariant: the new worker is there before a client hears of the loss.
import type { Supervisor } from "../workers/supervisor.ts";
import type { WorkerRequests } from "../workers/worker_requests.ts";
import { type ParkedSessions, WORKER_LOST } from "./parking/parked_sessions.ts";
import type { SessionContext } from "./session_context.ts";
import type { SessionQueries } from "./session_queries.ts";

/** The recovery of one server. */
export class WorkerRecovery {
  readonly #context: SessionContext;
  readonly #supervisor: Supervisor;
  readonly #parked: ParkedSessions;
  readonly #queries: SessionQueries;
  readonly #requests: WorkerRequests;
  #exitsExpected = false;
  /** Called when a worker is lost, and why. */
  onLost: (worker: number, reason: string) => void = () => {};

  constructor(
    context: SessionContext,
    supervisor: Supervisor,
    parked: ParkedSessions,
    queries: SessionQueries,
    requests: WorkerRequests,
  ) {
    this.#context = context;
    this.#supervisor = supervisor;
    this.#parked = parked;
    this.#queries = queries;
    this.#requests = requests;
  }

  /** From now on a worker's exit is expected (shutdown). */
  expectExits(): void {
    this.#exitsExpected = true;
  }

  /** Ends a worker that hangs, or holds too much memory, and replaces it. */
  replace(worker: number, reason: string): void {
    if (this.#exitsExpected) return;
    this.#context.workers.kill(worker);
    this.onExit(worker, reason);
  }

  /** A worker has ended. */
  onExit(worker: number, reason: string): void {
    if (this.#exitsExpected) return;
    const { log, workers, commands } = this.#context;
    log.error(`a worker died: ${reason}`, { worker });
    this.onLost(worker, reason);
    const lostCommands = commands.refs(worker);
    const crashed = this.#parked.onWorkerLost(worker);
    // A client that hears of it may send the next command at once; the new worker gets that.
    workers.restart(worker);
    this.#supervisor.reset(worker);
    for (const ref of lostCommands) commands.answer(ref, { ok: false, failure: WORKER_LOST, lost: true });
    this.#queries.onWorkerLost(worker, WORKER_LOST);
    this.#requests.onWorkerLost(worker);
    this.#parked.announceCrash(crashed);
    this.#parked.reevaluate();
  }
}
