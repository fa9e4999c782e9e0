// Does: knows which connection gets which events (docs/PROTOCOL.md#subscribing). One by id overrides `*`.
// Used by: subscription_service.ts and the router.
// Invariant: a subscription counts as demand from its request on, and delivers from its answer on.
import type { EncodedEvent, SubscriberDemand } from "../../ipc/messages.ts";
import { sees } from "../auth/access.ts";
import type { Updates } from "../../protocol/events.ts";
import type { Connection, Wanted } from "./connection.ts";

/** Events for subscribers, with consecutive numbers. */
export interface Published {
  readonly sessionId: string;
  readonly epoch: string;
  readonly records: readonly EncodedEvent[];
}

/** A `*` subscription whose answer several workers still build. */
interface PendingWildcard {
  readonly wanted: Wanted;
  /** Workers without a reply. Events of the other workers belong behind the answer. */
  readonly unanswered: Set<number>;
  readonly held: Published[];
}

type Targets = Map<string, Wanted>;

/** All subscriptions of all connections. */
export class Subscriptions {
  readonly #byConnection = new Map<Connection, Targets>();
  readonly #bySession = new Map<string, Set<Connection>>();
  readonly #wildcards = new Set<Connection>();
  readonly #asked = new Map<Connection, Map<symbol, { target: string; wanted: Wanted }>>();
  readonly #gathering = new Map<Connection, PendingWildcard>();

  /** Counts a requested subscription. `settle` ends that, and tells whether it is still wanted. */
  ask(connection: Connection, target: string, wanted: Wanted): { settle(): boolean } {
    const asked = this.#asked.get(connection) ?? new Map<symbol, { target: string; wanted: Wanted }>();
    const key = Symbol(target);
    asked.set(key, { target, wanted });
    this.#asked.set(connection, asked);
    return {
      settle: () => {
        const still = asked.delete(key);
        if (asked.size === 0 && this.#asked.get(connection) === asked) this.#asked.delete(connection);
        return still && connection.open;
      },
    };
  }

  /** Delivers from now on. Replaces the old subscription to that target. */
  add(connection: Connection, target: string, wanted: Wanted): void {
    const targets = this.#byConnection.get(connection) ?? new Map<string, Wanted>();
    targets.set(target, wanted);
    this.#byConnection.set(connection, targets);
    if (target === "*") return void this.#wildcards.add(connection);
    const subscribers = this.#bySession.get(target) ?? new Set<Connection>();
    subscribers.add(connection);
    this.#bySession.set(target, subscribers);
  }

  /** Whether the connection has a subscription to exactly that target. */
  has(connection: Connection, target: string): boolean {
    return this.#byConnection.get(connection)?.has(target) ?? false;
  }

  /** Ends one subscription, also a requested one. False when there was none. */
  remove(connection: Connection, target: string): boolean {
    const unasked = this.#unask(connection, target);
    const targets = this.#byConnection.get(connection);
    if (targets === undefined || !targets.delete(target)) return unasked;
    if (target === "*") this.#wildcards.delete(connection);
    else this.#dropFrom(target, connection);
    if (targets.size === 0) this.#byConnection.delete(connection);
    return true;
  }

  /** Ends all subscriptions of a connection. */
  drop(connection: Connection): void {
    for (const target of this.#byConnection.get(connection)?.keys() ?? []) {
      if (target !== "*") this.#dropFrom(target, connection);
    }
    this.#byConnection.delete(connection);
    this.#wildcards.delete(connection);
    this.#asked.delete(connection);
    this.#gathering.delete(connection);
  }

  /** Drops a session that is gone. */
  dropSession(sessionId: string): void {
    for (const connection of this.#bySession.get(sessionId) ?? []) {
      const targets = this.#byConnection.get(connection);
      targets?.delete(sessionId);
      if (targets?.size === 0) this.#byConnection.delete(connection);
    }
    this.#bySession.delete(sessionId);
  }

  /** The forms of a session's events that are wanted. */
  demand(sessionId: string): SubscriberDemand {
    const forms = new Set<Updates>();
    const subscribers = new Set<Connection>();
    const count = (connection: Connection, wanted: Wanted | undefined): void => {
      if (wanted === undefined || !sees(connection.access, sessionId)) return;
      forms.add(wanted.updates);
      subscribers.add(connection);
    };
    const own = this.#bySession.get(sessionId);
    for (const connection of own ?? []) {
      count(connection, this.#byConnection.get(connection)?.get(sessionId));
    }
    for (const connection of this.#wildcards) {
      if (!own?.has(connection)) count(connection, this.#byConnection.get(connection)?.get("*"));
    }
    for (const [connection, asked] of this.#asked) {
      for (const { target, wanted } of asked.values()) {
        if (target === sessionId || target === "*") count(connection, wanted);
      }
    }
    return { full: forms.has("full"), subscribers: subscribers.size };
  }

  /** Whether a connection has subscribed to that very session, or has asked to. */
  watched(sessionId: string): boolean {
    if (this.#bySession.has(sessionId)) return true;
    return [...this.#asked.values()].some((asked) =>
      [...asked.values()].some(({ target }) => target === sessionId)
    );
  }

  #unask(connection: Connection, target: string): boolean {
    const asked = this.#asked.get(connection);
    const keys = [...asked ?? []].filter(([, one]) => one.target === target).map(([key]) => key);
    for (const key of keys) asked?.delete(key);
    if (asked?.size === 0) this.#asked.delete(connection);
    if (target === "*") this.#gathering.delete(connection);
    return keys.length > 0;
  }

  /** Holds events that belong behind the answer to a `*` subscription. */
  beginWildcard(connection: Connection, wanted: Wanted, workers: readonly number[]): PendingWildcard {
    const gathering: PendingWildcard = { wanted, unanswered: new Set(workers), held: [] };
    this.#gathering.set(connection, gathering);
    return gathering;
  }

  /** The answer was a failure. The old subscription goes on. */
  abortWildcard(connection: Connection, gathering: PendingWildcard): void {
    if (this.#gathering.get(connection) !== gathering) return;
    this.#gathering.delete(connection);
    for (const published of gathering.held) this.#deliver(connection, published);
  }

  /** The answer is out. Delivers the held events that it does not contain, then as usual. */
  commitWildcard(
    connection: Connection,
    gathering: PendingWildcard,
    reached: ReadonlyMap<string, number>,
  ): void {
    if (this.#gathering.get(connection) !== gathering) return;
    this.#gathering.delete(connection);
    this.add(connection, "*", gathering.wanted);
    for (const { sessionId, epoch, records } of gathering.held) {
      const seen = reached.get(sessionId) ?? 0;
      const fresh = records.filter(({ seq }) => seq > seen);
      if (fresh.length > 0) this.#deliver(connection, { sessionId, epoch, records: fresh });
    }
  }

  /** Delivers events to every subscriber. */
  publish(published: Published, worker: number): void {
    const own = this.#bySession.get(published.sessionId);
    // Iterates over copies, because a connection may close in the middle.
    for (const connection of [...own ?? []]) this.#deliver(connection, published);
    for (const connection of [...this.#wildcards]) {
      // During a new `*`, the old one goes on for workers without a reply.
      const gathering = this.#gathering.get(connection);
      const waits = gathering === undefined || gathering.unanswered.has(worker);
      if (!own?.has(connection) && waits) this.#deliver(connection, published);
    }
    for (const [connection, { unanswered, held }] of this.#gathering) {
      if (!unanswered.has(worker) && !own?.has(connection)) held.push(published);
    }
  }

  /** Every subscription with a filter, and its sessions. */
  *filtered(
    sessionIds: readonly string[],
  ): Generator<{ connection: Connection; sessionIds: readonly string[] }> {
    for (const [connection, targets] of this.#byConnection) {
      for (const [target, { events }] of targets) {
        if (events === undefined) continue;
        const all = sessionIds.filter((sessionId) => !targets.has(sessionId));
        const seen = all.filter((sessionId) => sees(connection.access, sessionId));
        yield { connection, sessionIds: target === "*" ? seen : [target] };
      }
    }
  }

  #deliver(connection: Connection, { sessionId, epoch, records }: Published): void {
    const targets = this.#byConnection.get(connection);
    const wanted = targets?.get(sessionId) ?? targets?.get("*");
    // `*` means all sessions of the connection's token.
    if (wanted === undefined || !sees(connection.access, sessionId)) return;
    for (const record of records) connection.sendEvent(sessionId, epoch, record, wanted);
  }

  #dropFrom(sessionId: string, connection: Connection): void {
    const subscribers = this.#bySession.get(sessionId);
    subscribers?.delete(connection);
    if (subscribers?.size === 0) this.#bySession.delete(sessionId);
  }
}
