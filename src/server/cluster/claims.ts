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
}

export interface ClaimsParts {
  readonly bus: Bus;
  readonly log: Log;
  readonly self: Owner;
  /** Ids of all sessions of this node, and whether one of them is there. */
  readonly local: { ids(): readonly string[]; has(sessionId: string): boolean };
}

const PREFIX = "session.";

/** Ids may begin with a dot, keys may not. No id has "=". */
const keyOf = (sessionId: string): string => `${PREFIX}${sessionId.replaceAll(".", "=")}`;

const EPHEMERAL = "ephemeral-";
const isEphemeral = (state: string): boolean => state.startsWith(EPHEMERAL);

/** The state of an owner that keeps nothing. */
export const ephemeralState = (state: string): string => `${EPHEMERAL}${state}`;

function parseOwner(value: string | undefined): Owner | undefined {
  const { node, state } = tryParseRecord(value) ?? {};
  return typeof node === "string" && typeof state === "string" ? { node, state } : undefined;
}

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
      const { bus, self } = this.#parts;
      // The next sync claims it.
      if (!bus.connected) return fresh ? undefined : unreachable("NATS is unreachable");
      try {
        if (await bus.create(keyOf(sessionId), JSON.stringify(self))) {
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
      if (local.has(sessionId) || owner === undefined || !this.#isOwn(owner)) return;
      this.#set(sessionId, undefined);
      if (!bus.connected) return;
      await bus.remove(keyOf(sessionId)).catch((error) => {
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
    await Promise.all(this.sessionsOf(self.node).map((id) => bus.remove(keyOf(id)).catch(() => {})));
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
      if (owner !== undefined && !this.#isOwn(owner)) return { sessionId, node: owner.node };
    }
    return undefined;
  }

  /** Claims the id of a session that lives here. */
  async #keep(sessionId: string): Promise<void> {
    const { local, log } = this.#parts;
    const owner = this.#owners.get(sessionId);
    if (!local.has(sessionId) || owner !== undefined && this.#isOwn(owner)) return;
    const failed = await this.claim(sessionId, false);
    if (failed?.code !== "session_exists") this.conflicts.delete(sessionId);
    else if (!this.conflicts.has(sessionId)) {
      this.conflicts.add(sessionId);
      log.error("another node owns the id of a session of this one; delete one of the two", { sessionId });
    }
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
    const own = this.#byNode.get(owner.node) ?? new Set<string>();
    own.add(sessionId);
    this.#byNode.set(owner.node, own);
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
