// What follows when a host is gone or has to go: a new one takes its place, what ran there is answered, its
// sessions are parked, and what they had started in the system is ended. Told by the watch and by the host's link.
import type { Log } from "../../base/log.ts";
import type { Attaching } from "./session_queries.ts";
import { type Away, DIED } from "./parked_sessions.ts";
import type { HostAsks } from "../workers/worker_requests.ts";
import type { HostWatch } from "../workers/supervisor.ts";
import type { Hosts } from "../workers/worker_pool.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";

/** Everybody whom it concerns. */
export interface HostLossParts {
  readonly log: Log;
  readonly hosts: Hosts;
  readonly watch: HostWatch;
  readonly pending: PendingCommands;
  readonly attaching: Attaching;
  readonly asks: HostAsks;
  readonly away: Away;
}

/** The losses of one server. */
export class HostLoss {
  readonly #parts: HostLossParts;
  #over = false;

  constructor(parts: HostLossParts) {
    this.#parts = parts;
  }

  /** From now on the end of a host is what was asked for. */
  stop(): void {
    this.#over = true;
  }

  /** Ends a host that hangs, or holds too much: it is as good as dead. */
  replace(host: number, reason: string): void {
    if (this.#over) return;
    this.#parts.hosts.kill(host);
    this.died(host, reason);
  }

  /** A host has died. */
  died(host: number, reason: string): void {
    if (this.#over) return;
    const { log, hosts, watch, pending, attaching, asks, away } = this.#parts;
    log.error(`a host died: ${reason}`, { host });
    const lostCommands = pending.refs(host);
    const crashed = away.lose(host);
    // A client that hears of it may send the next command at once; the new host gets that.
    hosts.restart(host);
    watch.replaced(host);
    for (const ref of lostCommands) pending.answer(ref, { ok: false, failure: DIED, lost: true });
    attaching.lost(host, DIED);
    asks.lost(host);
    away.crashed(crashed);
    away.changed();
  }
}
