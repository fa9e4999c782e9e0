// Does: keeps ids in the order of a key that may change, and hands out that order as a list that never changes. Pure.
// Used by: the lists of sessions, in the server thread and in the catalogue thread. See listings.ts.
// Invariant: a list that was handed out stays as it was. The next one costs one copy, however many ids there are.

/** What ids are sorted by. Texts and numbers are not mixed in one order. */
export type SortKey = string | number;

function compare(a: SortKey, b: SortKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Ids in order. */
export class SortedIds {
  readonly #keyOf: (id: string) => SortKey | undefined;
  readonly #keys = new Map<string, SortKey>();
  /** Ids that were added, changed or removed since the last list. */
  readonly #touched = new Set<string>();
  #sorted: readonly string[] = [];

  /**
   * @param keyOf the key of an id now; undefined when the id is gone. Smaller keys come first, and ids decide between
   *   equal keys.
   */
  constructor(keyOf: (id: string) => SortKey | undefined, ids: Iterable<string> = []) {
    this.#keyOf = keyOf;
    for (const id of ids) this.#touched.add(id);
  }

  /** Call when an id is new, gone, or has another key. */
  touch(id: string): void {
    this.#touched.add(id);
  }

  /** All ids in order. The same list until something changes. */
  list(): readonly string[] {
    if (this.#touched.size === 0) return this.#sorted;
    const moved: string[] = [];
    const out = new Set<string>();
    for (const id of this.#touched) {
      const [before, now] = [this.#keys.get(id), this.#keyOf(id)];
      if (before === now) continue;
      if (before !== undefined) out.add(id);
      if (now === undefined) this.#keys.delete(id);
      else {
        this.#keys.set(id, now);
        moved.push(id);
      }
    }
    this.#touched.clear();
    if (moved.length === 0 && out.size === 0) return this.#sorted;
    const kept = out.size === 0 ? this.#sorted : this.#sorted.filter((id) => !out.has(id));
    this.#sorted = this.#merge(kept, moved.sort((a, b) => this.#order(a, b)));
    return this.#sorted;
  }

  #order(a: string, b: string): number {
    return compare(this.#keys.get(a) ?? "", this.#keys.get(b) ?? "") || compare(a, b);
  }

  /** Joins two sorted lists, of which the second one is short most of the time. */
  #merge(long: readonly string[], short: readonly string[]): readonly string[] {
    const merged: string[] = [];
    let from = 0;
    for (const id of short) {
      const at = this.#placeOf(long, id, from);
      for (; from < at; from++) merged.push(long[from] ?? "");
      merged.push(id);
    }
    for (; from < long.length; from++) merged.push(long[from] ?? "");
    return merged;
  }

  /** Where an id belongs in a sorted list, at or after `from`. */
  #placeOf(list: readonly string[], id: string, from: number): number {
    let [low, high] = [from, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(list[middle] ?? "", id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
