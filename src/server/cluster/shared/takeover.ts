// Does: takes over the sessions of nodes whose lease is over (`--shared-sessions`).
// Used by: cluster.ts. Uses: the leases in the bucket, the claims, and heir.ts for the folders.
// Invariant: a claim changes hands only after its node's lease was marked as over, and only as it was read before that.
import { errorMessage } from "../../../base/error_message.ts";
import type { Log } from "../../../base/log.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";
import type { Bus } from "../bus.ts";
import type { Claim, Claims } from "../claims.ts";
import type { Heir } from "./heir.ts";
import { type LeaseEntry, leaseKey, leaseNode, type NodeLease, parseLease, TAKEN_MS } from "./node_lease.ts";

/** Milliseconds between two looks at the leases. */
const LOOK_MS = 1_000;

/** Milliseconds that a node with less room waits longer than the one before it. */
const RANK_MS = 1_000;

/** Milliseconds until the next try, where the folder of a dead node cannot be used here. */
const AGAIN_MS = 60_000;

export interface TakeoverParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly node: string;
  readonly claims: Claims;
  readonly lease: NodeLease;
  readonly heir: Heir;
  /** How many of those nodes have more room than this one. */
  rank(nodes: readonly string[]): number;
}

/** An entry as this node sees it, and since when on its own steady clock. */
interface Seen {
  readonly value: string;
  readonly entry: LeaseEntry;
  readonly at: number;
}

/** The watch over the leases of the other nodes. */
export class Takeover {
  readonly #parts: TakeoverParts;
  readonly #seen = new Map<string, Seen>();
  /** When the next try is due, for nodes whose folder could not be used. */
  readonly #later = new Map<string, number>();
  #timer: Timer | undefined;
  #busy = false;

  constructor(parts: TakeoverParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = this.#parts.clock.after(LOOK_MS, () => {
      this.start();
      void this.#look();
    });
  }

  stop(): void {
    this.#timer?.clear();
  }

  /** The bucket has changed, or is reported anew after a loss of NATS. No node could renew meanwhile. */
  changed(key: string, value: string | undefined): void {
    const node = leaseNode(key);
    if (node === undefined || node === this.#parts.node) return;
    const entry = parseLease(value);
    if (entry === undefined || value === undefined) this.#seen.delete(node);
    else this.#seen.set(node, { value, entry, at: this.#parts.lease.steady() });
    if (entry?.over === undefined) this.#later.delete(node);
  }

  async #look(): Promise<void> {
    const { bus, lease, log } = this.#parts;
    if (this.#busy || !bus.connected || !lease.valid) return;
    this.#busy = true;
    try {
      for (const [node, seen] of [...this.#seen]) {
        if (this.#isRipe(node, seen)) await this.#take(node, seen);
      }
    } catch (error) {
      log.warn("the sessions of a dead node are not taken over yet", { reason: errorMessage(error) });
    } finally {
      this.#busy = false;
    }
  }

  #isRipe(node: string, { entry, at }: Seen): boolean {
    const { claims, lease, node: self, rank } = this.#parts;
    if (claims.sessionsOf(node).length === 0) return false;
    const now = lease.steady();
    if (now < (this.#later.get(node) ?? 0)) return false;
    // This node has begun, and could not finish.
    if (entry.over === self) return true;
    const sharing = [...this.#seen].filter(([, other]) => now - other.at < TAKEN_MS).map(([name]) => name);
    return now - at >= TAKEN_MS + RANK_MS * rank(sharing);
  }

  async #take(node: string, { value, entry }: Seen): Promise<void> {
    const { bus, log, claims, heir, lease } = this.#parts;
    const found = await bus.get(leaseKey(node));
    // A word of the node has not reached this one.
    if (found === undefined || found.value !== value) return this.changed(leaseKey(node), found?.value);
    const mark = await this.#mark(node, entry, found.revision, 1);
    if (mark === undefined) return;
    const estate = await heir.open(entry.folder, entry.state);
    if (typeof estate === "string") {
      log.warn(`the sessions of a dead node cannot be taken over here: ${estate}`, { node });
      this.#later.set(node, lease.steady() + AGAIN_MS);
      return;
    }
    const read = new Map<string, Claim>();
    for (const sessionId of claims.sessionsOf(node)) {
      const claim = await claims.find(sessionId);
      if (claim?.owner.node === node && claim.owner.state === entry.state) read.set(sessionId, claim);
    }
    const ready = await estate.prepare([...read.keys()]);
    // The lease was over after the claims were read. A node that is back confirms its claims, so they have changed then.
    const still = await this.#mark(node, entry, mark, 2);
    let taken = 0;
    for (const sessionId of ready) {
      const claim = read.get(sessionId);
      const may = still !== undefined && claim !== undefined && lease.valid;
      if (may && await this.#isWon(sessionId, claim)) {
        taken++;
        estate.commit(sessionId);
      } else await estate.undo(sessionId);
    }
    log.warn("the lease of a dead node is over: its sessions live here now", { node, sessions: taken });
    // What is left has no file, or belongs to another node by now.
    this.#later.set(node, lease.steady() + AGAIN_MS);
  }

  /** Marks a lease as over. Returns the revision, or undefined when the lease has changed. */
  async #mark(node: string, entry: LeaseEntry, revision: number, more: number): Promise<number | undefined> {
    const { bus, node: self } = this.#parts;
    const over: LeaseEntry = { ...entry, count: entry.count + more, over: self };
    return await bus.update(leaseKey(node), JSON.stringify(over), revision);
  }

  /** Whether the session is this node's now. An answer that was lost is looked up, however long that takes. */
  async #isWon(sessionId: string, claim: Claim): Promise<boolean> {
    const { claims, clock, lease } = this.#parts;
    const { term } = lease;
    try {
      if (!await claims.takeOver(sessionId, claim)) return false;
      if (lease.term === term && lease.valid) return true;
    } catch {
      // The claim may have changed hands all the same.
    }
    // Since then this node may have been found dead itself, so it confirms the claim as it does for its other ones.
    for (;;) {
      try {
        return await claims.confirmOwn(sessionId);
      } catch {
        await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
      }
    }
  }
}
