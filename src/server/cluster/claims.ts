// Does: knows which node owns which session, and claims the ids of this node's own sessions in the bucket.
// Used by: the session manager, through its port, and the gateway.
// Invariant: an id has one owner. Without NATS no id is claimed that another node could claim as well.
import { errorMessage } from "../../base/error_message.ts";
import { tryParseRecord } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Bus } from "./bus.ts";

/** The owner of a session: its node, and the state folder that holds the session. */
export interface Owner {
  readonly node: string;
  readonly state: string;
  /** State folders of nodes that had the session, and that another node has taken it over from. */
  readonly past?: readonly string[];
}

/** The sessions of this node. */
export interface LocalSessions {
  ids(): readonly string[];
  has(sessionId: string): boolean;
  /** Whether its record was copied from a dead node, and has not changed since. */
  isCopy(sessionId: string): boolean;
}

/** A claim as the bucket has it. */
export interface Claim {
  readonly owner: Owner;
  readonly revision: number;
}

export interface ClaimsParts {
  readonly bus: Bus;
  readonly log: Log;
  readonly self: Owner;
  /** Ids of all sessions of this node, and whether one of them is there. */
  readonly local: LocalSessions;
  /** Whether this node may have sessions now: false while another one may take them over. */
  readonly mayOwn: () => boolean;
  /** A session lives on another node from now on. */
  readonly moved: (sessionId: string, from: string, to: string) => void;
}

const PREFIX = "session.";

/** Ids may begin with a dot, keys may not. No id has "=". */
const keyOf = (sessionId: string): string => `${PREFIX}${sessionId.replaceAll(".", "=")}`;

const EPHEMERAL = "ephemeral-";
const isEphemeral = (state: string): boolean => state.startsWith(EPHEMERAL);

/** The state of an owner that keeps nothing. */
export const ephemeralState = (state: string): string => `${EPHEMERAL}${state}`;

function parseOwner(value: string | undefined): Owner | undefined {
  const { node, state, past } = tryParseRecord(value) ?? {};
  if (typeof node !== "string" || typeof state !== "string") return undefined;
  const before = Array.isArray(past) ? past.filter((one) => typeof one === "string") : [];
  return { node, state, ...(before.length === 0 ? {} : { past: before }) };
}

/** This node may not have sessions now. */
export const LEASE_LOST: Failure = failure(
  "node_unavailable",
  "This node has lost its lease in the cluster, so another node may take its sessions over; try again",
  { retryAfterMs: 1_000 },
);

/** A session id that cannot be claimed now. */
function unreachable(reason: string): Failure {
  const sentence =
    `The id cannot be claimed in the cluster now (${reason}); try again, or leave sessionId out`;
  return failure("node_unavailable", sentence, { retryAfterMs: 1_000 });
}

/** Who owns the sessions of the cluster. */
export class Claims {
  readonly #parts: ClaimsParts;
  readonly #owners = new Map<string, Owner>();
  readonly #byNode = new Map<string, Set<string>>();
  /** The last change of an id that is under way. Changes of one id follow each other. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Sessions of this node that had a claim once. */
  readonly #claimed = new Set<string>();
  /** Ids that another node owns as well, since this one was away. */
  readonly conflicts = new Set<string>();

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
  }

  /** The node that owns a session, as far as this node knows. */
  ownerOf(sessionId: string): string | undefined {
    return this.#owners.get(sessionId)?.node;
  }

  /** Ids of all sessions that a node owns. */
  sessionsOf(node: string): readonly string[] {
    return [...this.#byNode.get(node) ?? []];
  }

  /** Names of all nodes that own sessions. */
  get nodes(): readonly string[] {
    return [...this.#byNode].filter(([, own]) => own.size > 0).map(([node]) => node);
  }

  /** How many sessions the cluster has. */
  get size(): number {
    return this.#owners.size;
  }

  /** The node that owns a session by the bucket. Undefined also while NATS is unreachable. */
  async confirm(sessionId: string): Promise<string | undefined> {
    const { bus } = this.#parts;
    if (!bus.connected) return this.ownerOf(sessionId);
    try {
      const owner = parseOwner((await bus.get(keyOf(sessionId)))?.value);
      this.#set(sessionId, owner);
      return owner?.node;
    } catch {
      return this.ownerOf(sessionId);
    }
  }

  /** An answer has named the owner, before the bucket's own report. */
  note(sessionId: string, node: string): void {
    if (!this.#owners.has(sessionId)) this.#set(sessionId, { node, state: "" });
  }

  /** A note was wrong. */
  unnote(sessionId: string): void {
    if (this.#owners.get(sessionId)?.state === "") this.#set(sessionId, undefined);
  }

  /** A node has deleted a session. */
  forget(sessionId: string, node: string): void {
    if (this.ownerOf(sessionId) === node) this.#set(sessionId, undefined);
  }

  /** Claims an id for this node, or says why not. @param fresh it is a new random id, which no other node can have */
  claim(sessionId: string, fresh: boolean): Promise<Failure | undefined> {
    return this.#inTurn(sessionId, async () => {
      const { bus, self, mayOwn } = this.#parts;
      if (!mayOwn()) return LEASE_LOST;
      // The next sync claims it.
      if (!bus.connected) return fresh ? undefined : unreachable("NATS is unreachable");
      try {
        if (await bus.create(keyOf(sessionId), JSON.stringify(self)) !== undefined) {
          this.#set(sessionId, self);
          return undefined;
        }
        const owner = parseOwner((await bus.get(keyOf(sessionId)))?.value);
        // A claim whose answer was lost, or a session that this node has lost.
        if (owner !== undefined && this.#isOwn(owner)) {
          this.#set(sessionId, self);
          return undefined;
        }
        if (owner !== undefined) this.#set(sessionId, owner);
        const where = owner === undefined ? "" : ` on node ${owner.node}`;
        const sentence =
          `There is a session "${sessionId}" already${where}; choose another id, or leave it out`;
        return failure("session_exists", sentence);
      } catch (error) {
        return fresh ? undefined : unreachable(errorMessage(error));
      }
    });
  }

  /** Gives an id back. Resolves when the bucket has it. Without NATS the next sync does it. */
  release(sessionId: string): Promise<void> {
    return this.#inTurn(sessionId, async () => {
      const { bus, log, local } = this.#parts;
      const owner = this.#owners.get(sessionId);
      if (local.has(sessionId)) return;
      this.#claimed.delete(sessionId);
      if (owner === undefined || !this.#isOwn(owner)) return;
      this.#set(sessionId, undefined);
      if (!bus.connected) return;
      await this.#removeOwn(sessionId).catch((error) => {
        log.warn("a session's id is not free for other nodes yet", {
          sessionId,
          reason: errorMessage(error),
        });
      });
    });
  }

  /** Gives all ids back: no later server brings these sessions back. */
  async releaseAll(): Promise<void> {
    const { bus, self } = this.#parts;
    if (!bus.connected) return;
    await Promise.all(this.sessionsOf(self.node).map((id) => this.#removeOwn(id).catch(() => {})));
  }

  /** The claim of a session, by the bucket. Throws without NATS. */
  async find(sessionId: string): Promise<Claim | undefined> {
    const entry = await this.#parts.bus.get(keyOf(sessionId));
    const owner = parseOwner(entry?.value);
    return owner === undefined || entry === undefined ? undefined : { owner, revision: entry.revision };
  }

  /** Removes exactly that claim. False when it has changed. Throws without NATS. */
  async free(sessionId: string, { revision }: Claim): Promise<boolean> {
    if (!await this.#parts.bus.remove(keyOf(sessionId), revision)) return false;
    this.#set(sessionId, undefined);
    return true;
  }

  /** Makes this node the owner of exactly that claim. False when the claim has changed. Throws without NATS. */
  async takeOver(sessionId: string, { owner, revision }: Claim): Promise<boolean> {
    const { bus, self } = this.#parts;
    const past = [...(owner.past ?? []), owner.state].filter((state) => state !== self.state);
    const mine: Owner = { ...self, past: [...new Set(past)] };
    if (await bus.update(keyOf(sessionId), JSON.stringify(mine), revision) === undefined) return false;
    this.#set(sessionId, mine);
    return true;
  }

  /**
   * Confirms the claims of this node's sessions, so that no node can still take one over by what it has read before.
   * Returns those that are not this node's any more. `over`: other nodes could take sessions, and delete them then.
   * Throws without NATS.
   */
  async confirmAll(over: boolean): Promise<readonly string[]> {
    const seen = new Set<string>();
    const next = (): string | undefined => this.#parts.local.ids().find((id) => !seen.has(id));
    const lost: string[] = [];
    for (let sessionId = next(); sessionId !== undefined; sessionId = next()) {
      seen.add(sessionId);
      const deleted = over && this.#claimed.has(sessionId) && await this.find(sessionId) === undefined;
      if (deleted || !await this.confirmOwn(sessionId) && this.#isTaken(sessionId)) lost.push(sessionId);
    }
    return lost;
  }

  /** Confirms a claim, by writing it again as it is. False when it is not this node's. Throws without NATS. */
  async confirmOwn(sessionId: string): Promise<boolean> {
    for (;;) {
      const { bus, local, self } = this.#parts;
      const claim = await this.find(sessionId);
      const owner = claim?.owner ?? self;
      // Without a claim it was deleted meanwhile, or made while NATS was away.
      if (claim === undefined && (!local.has(sessionId) || local.isCopy(sessionId))) return false;
      if (claim !== undefined) this.#set(sessionId, owner);
      if (!this.#isOwn(owner)) return false;
      const value = JSON.stringify(owner);
      const written = claim === undefined
        ? await bus.create(keyOf(sessionId), value)
        : await bus.update(keyOf(sessionId), value, claim.revision);
      if (written === undefined) continue;
      this.#set(sessionId, owner);
      return true;
    }
  }

  /** Sessions of this node that another one has, or that this node was about to take over when it died. */
  get taken(): readonly string[] {
    return this.#parts.local.ids().filter((sessionId) => this.#isTaken(sessionId));
  }

  /** The bucket has changed. */
  changed(key: string, value: string | undefined): void {
    if (!key.startsWith(PREFIX)) return;
    this.#set(key.slice(PREFIX.length).replaceAll("=", "."), parseOwner(value));
  }

  /** These are all entries of the bucket. Corrects the claims of this node's sessions. */
  async synced(keys: ReadonlySet<string>): Promise<void> {
    const { local } = this.#parts;
    for (const [sessionId, { state }] of [...this.#owners]) {
      if (!keys.has(keyOf(sessionId)) && state !== "") this.#set(sessionId, undefined);
    }
    for (const [sessionId, owner] of [...this.#owners]) {
      if (this.#isOwn(owner) && !local.has(sessionId)) await this.release(sessionId);
    }
    for (const sessionId of local.ids()) await this.#keep(sessionId);
  }

  /**
   * A session of this node whose id another node owns, or one that was made under this node's name in another state
   * folder; undefined when there is none.
   */
  collision(): { readonly sessionId: string; readonly node: string } | undefined {
    for (const [sessionId, owner] of this.#owners) {
      if (this.#isOfOtherFolder(owner)) return { sessionId, node: owner.node };
    }
    for (const sessionId of this.#parts.local.ids()) {
      const owner = this.#owners.get(sessionId);
      if (owner === undefined || this.#isOwn(owner) || this.#isTaken(sessionId)) continue;
      return { sessionId, node: owner.node };
    }
    return undefined;
  }

  /** Claims the id of a session that lives here. */
  async #keep(sessionId: string): Promise<void> {
    const { local, log } = this.#parts;
    const owner = this.#owners.get(sessionId);
    if (!local.has(sessionId) || owner !== undefined && this.#isOwn(owner)) return;
    // It is dropped here, once this node has its lease again.
    if (this.#isTaken(sessionId)) return;
    const failed = await this.claim(sessionId, false);
    if (failed?.code !== "session_exists") this.conflicts.delete(sessionId);
    else if (!this.conflicts.has(sessionId)) {
      this.conflicts.add(sessionId);
      log.error("another node owns the id of a session of this one; delete one of the two", { sessionId });
    }
  }

  /** Removes a claim, if it is this node's. */
  async #removeOwn(sessionId: string): Promise<void> {
    const claim = await this.find(sessionId);
    if (claim === undefined || !this.#isOwn(claim.owner)) return;
    await this.#parts.bus.remove(keyOf(sessionId), claim.revision);
  }

  #isTaken(sessionId: string): boolean {
    const { self, local } = this.#parts;
    const owner = this.#owners.get(sessionId);
    if (owner !== undefined && this.#isOwn(owner)) return false;
    return local.isCopy(sessionId) || owner?.past?.includes(self.state) === true;
  }

  #isOfOtherFolder({ node, state }: Owner): boolean {
    const { self } = this.#parts;
    // Without a state a node was only heard to have the session.
    return node === self.node && state !== "" && state !== self.state && !isEphemeral(state);
  }

  #isOwn({ node, state }: Owner): boolean {
    const { self } = this.#parts;
    // Nothing brings the sessions of an ephemeral server back, so its name has none but those of this start.
    return node === self.node && (state === self.state || isEphemeral(state));
  }

  #set(sessionId: string, owner: Owner | undefined): void {
    const before = this.#owners.get(sessionId);
    if (before !== undefined) this.#byNode.get(before.node)?.delete(sessionId);
    if (owner === undefined) {
      this.#owners.delete(sessionId);
      return;
    }
    this.#owners.set(sessionId, owner);
    if (this.#isOwn(owner)) this.#claimed.add(sessionId);
    const own = this.#byNode.get(owner.node) ?? new Set<string>();
    own.add(sessionId);
    this.#byNode.set(owner.node, own);
    // Without a state it was a guess.
    if (before === undefined || before.state === "" || before.node === owner.node) return;
    this.#parts.moved(sessionId, before.node, owner.node);
  }

  #inTurn<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(sessionId) ?? Promise.resolve();
    const done = before.then(run, run);
    this.#changes.set(sessionId, done);
    const forget = (): void => {
      if (this.#changes.get(sessionId) === done) this.#changes.delete(sessionId);
    };
    void done.then(forget, forget);
    return done;
  }
}
