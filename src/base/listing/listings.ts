// Does: keeps the order of each list that a client is paging through, and takes pages from it. Pure.
// Used by: the lists of sessions, in the server thread and in the catalogue thread (docs/PROTOCOL.md#long-lists).
// Invariant: bounded in number, in time and in ids. A list that is gone is never continued from another order.

/** The most lists that are kept, and the most ids in all of them. The list in use longest ago is dropped first. */
const [MOST_LISTS, MOST_IDS] = [64, 1_000_000];

/** Milliseconds that a list is kept after its last page. */
export const LISTING_MS = 15 * 60_000;

/** Ids that one page looks at, at most. A page may be short because a filter left out most of them. */
export const MOST_LOOKED_AT = 2_000;

/** A list that a client pages through. */
export interface Listing<Q> {
  readonly key: number;
  readonly ids: readonly string[];
  /** What the client asked for with the first page. */
  readonly query: Q;
}

interface Kept<Q> extends Listing<Q> {
  usedAt: number;
}

/** The lists of all clients. */
export class Listings<Q> {
  readonly #now: () => number;
  /** In the order of their last use. */
  readonly #kept = new Map<number, Kept<Q>>();
  #next: number;

  /** @param now milliseconds on a clock that never goes back, @param first the key of the first list */
  constructor(now: () => number, first = 1) {
    this.#now = now;
    this.#next = first;
  }

  /** How many lists are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** Begins a list. Nothing is kept until `keep`. */
  begin(ids: readonly string[], query: Q): Listing<Q> {
    return { key: this.#next++, ids, query };
  }

  /** Keeps a list for its next page. */
  keep(listing: Listing<Q>): void {
    this.#kept.delete(listing.key);
    this.#kept.set(listing.key, { ...listing, usedAt: this.#now() });
    this.#sweep();
  }

  /** The list of that key. Undefined when it is gone. */
  find(key: number): Listing<Q> | undefined {
    this.#sweep();
    return this.#kept.get(key);
  }

  #sweep(): void {
    const before = this.#now() - LISTING_MS;
    // Lists between two changes share their ids.
    const counted = new Set<readonly string[]>();
    let ids = 0;
    const newestFirst = [...this.#kept.values()].reverse();
    newestFirst.forEach((listing, index) => {
      if (!counted.has(listing.ids)) ids += listing.ids.length;
      counted.add(listing.ids);
      const tooMany = index >= MOST_LISTS || (index > 0 && ids > MOST_IDS);
      if (tooMany || listing.usedAt < before) this.#kept.delete(listing.key);
    });
  }
}
