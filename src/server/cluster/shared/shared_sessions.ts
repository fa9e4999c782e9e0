// Does: joins this node's lease, the takeover from dead nodes, and what happens to this node's own sessions meanwhile.
// Used by: cluster.ts. Without `--shared-sessions` it only removes a lease that an earlier start has left.
// Invariant: while the lease is not valid, no session of this node runs, and none is claimed.
import type { Log } from "../../../base/log.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Bus } from "../bus.ts";
import type { Claims } from "../claims.ts";
import type { Heir } from "./heir.ts";
import { leaseKey, leaseNode, NodeLease, parseLease } from "./node_lease.ts";
import { Takeover } from "./takeover.ts";

export interface SharedSessionsParts {
  readonly runtime: Runtime;
  readonly bus: Bus;
  readonly log: Log;
  readonly node: string;
  readonly instance: string;
  readonly state: string;
  readonly folder: string;
  readonly claims: Claims;
  readonly heir: Heir;
  /** Whether nodes take over sessions of dead ones. */
  readonly shared: boolean;
  readonly sessions: { endAll(reason: string): void; forget(sessionId: string): void };
  /** How many of those nodes have more room than this one. */
  rank(nodes: readonly string[]): number;
  /** Tells the clients that this node's own sessions come or go. */
  tell(type: "sessions_available" | "sessions_unavailable"): void;
}

/** The sharing of sessions, on one node. */
export class SharedSessions {
  readonly #parts: SharedSessionsParts;
  readonly #lease: NodeLease;
  readonly #takeover: Takeover;
  /** The node that has taken over from each other one, where its lease is over. */
  readonly #heirs = new Map<string, string>();

  constructor(parts: SharedSessionsParts) {
    const { runtime, bus, log, node, instance, state, folder, claims, heir, sessions, rank, tell } = parts;
    this.#parts = parts;
    this.#lease = new NodeLease({
      ...{ bus, log, node, clock: runtime },
      steady: () => runtime.steady(),
      self: { instance, state, folder, host: runtime.hostname() },
      onLost: () => {
        sessions.endAll("this node has lost its lease");
        tell("sessions_unavailable");
      },
      onBack: async (over) => {
        this.#drop(await claims.confirmAll(over));
        tell("sessions_available");
      },
    });
    this.#takeover = new Takeover({
      ...{ bus, clock: runtime, log, node, claims, heir, rank },
      lease: this.#lease,
    });
  }

  /** This node's lease. Undefined while sessions are not shared. */
  get lease(): NodeLease | undefined {
    return this.#parts.shared ? this.#lease : undefined;
  }

  /** The bucket has changed. */
  changed(key: string, value: string | undefined): void {
    const node = leaseNode(key);
    const heir = parseLease(value)?.over;
    if (node !== undefined && heir !== undefined) this.#heirs.set(node, heir);
    else if (node !== undefined) this.#heirs.delete(node);
    if (this.#parts.shared) this.#takeover.changed(key, value);
  }

  /** The node that has the sessions of that one by now: its heir, or an heir of that, where they are dead. */
  heirOf(node: string, alive: (node: string) => boolean): string {
    const seen = new Set<string>();
    let at = node;
    while (!alive(at) && !seen.has(at)) {
      seen.add(at);
      at = this.#heirs.get(at) ?? at;
    }
    return alive(at) ? at : node;
  }

  /** Before the first client: takes the lease, and drops the sessions that other nodes have by now. */
  async begin(): Promise<void> {
    const { shared, bus, node, claims } = this.#parts;
    if (shared || await bus.get(leaseKey(node)) !== undefined) {
      const over = await this.#lease.acquire();
      if (over) this.#drop(await claims.confirmAll(over));
      // A lease without renewals would be found to be over.
      if (!shared) await this.#lease.remove();
    }
    this.#drop(claims.taken);
  }

  /** Looks after the leases of the others from now on. */
  start(): void {
    if (this.#parts.shared) this.#takeover.start();
  }

  async close(): Promise<void> {
    this.#takeover.stop();
    await this.#lease.close();
  }

  #drop(sessionIds: readonly string[]): void {
    const { claims, sessions, log } = this.#parts;
    for (const sessionId of sessionIds) {
      log.warn("a session of this node was taken over by another one, and is dropped here", {
        sessionId,
        node: claims.ownerOf(sessionId),
      });
      sessions.forget(sessionId);
    }
  }
}
