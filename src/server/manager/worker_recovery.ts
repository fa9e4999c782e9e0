// What follows when a host is gone or has to go: a new one takes its place, what ran there is answered, its
// sessions are parked, and what they had started in the system is ended. Told by the watch and by the host's link.
import type { Log } from "../../base/log.ts";
import type { StateQueries } from "./session_queries.ts";
import { DIED, type ParkedSessions } from "./parked_sessions.ts";
import type { WorkerRequests } from "../workers/worker_requests.ts";
import type { Supervisor } from "../workers/supervisor.ts";
import type { WorkerPool } from "../workers/worker_pool.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";

/** Everybody whom it concerns. */
export interface WorkerRecoveryParts {
  readonly log: Log;
  readonly hosts: WorkerPool;
  readonly watch: Supervisor;
  readonly pending: PendingCommands;
  readonly attaching: StateQueries;
  readonly asks: WorkerRequests;
  readonly away: ParkedSessions;
}

/** The losses of one server. */
export class WorkerRecovery {
  readonly #parts: WorkerRecoveryParts;
  #over = false;

  constructor(parts: WorkerRecoveryParts) {
    this.#parts = parts;
  }

  /** From now on the end of a host is what was asked for. */
  expectExits(): void {
    this.#over = true;
  }

  /** Ends a host that hangs, or holds too much: it is as good as dead. */
  replace(host: number, reason: string): void {
    if (this.#over) return;
    this.#parts.hosts.kill(host);
    this.onExit(host, reason);
  }

  /** A host has died. */
  onExit(host: number, reason: string): void {
    if (this.#over) return;
    const { log, hosts, watch, pending, attaching, asks, away } = this.#parts;
    log.error(`a host died: ${reason}`, { host });
    const lostCommands = pending.refs(host);
    const crashed = away.onWorkerLost(host);
    // A client that hears of it may send the next command at once; the new host gets that.
    hosts.restart(host);
    watch.reset(host);
    for (const ref of lostCommands) pending.answer(ref, { ok: false, failure: DIED, lost: true });
    attaching.onWorkerLost(host, DIED);
    asks.onWorkerLost(host);
    away.announceCrash(crashed);
    away.reevaluate();
  }
}
