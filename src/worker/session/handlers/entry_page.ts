// Does: chooses the entries of one page of a history, and writes the page (docs/PROTOCOL.md#reading-a-long-history). Pure.
// Used by: the handler of get_entries.
// Invariant: ids are the cursors, so a page is the same however many entries came since.
import { toJson } from "../../../base/text.ts";
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import { failure } from "../../../protocol/errors.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import type { PlacedEntry } from "../agent_port.ts";
import { newestJson, newestOf, oldestJson, oldestOf, type Referring } from "../events/bounded_json.ts";

/** The entries of a history, and the one at which the agent stands. */
export interface Entries {
  readonly leafId: string | null;
  readonly placed: readonly PlacedEntry[];
}

type Query = Omit<CommandOf<"get_entries">, "type" | "sessionId">;

/** The bounds of a page, and how large texts are replaced. */
export interface PageForm {
  readonly most: number;
  readonly refs?: Referring;
}

/** A page that was chosen. `items` holds what may fit, so that the history can change before it is written. */
export interface Page {
  readonly items: readonly unknown[];
  /** JSON of the page. */
  write(): string;
}

/** Copies of entries that hang below another entry than in the file. */
const MOVED = new WeakMap<object, object>();

/** The entry as clients see it. */
function shown({ entry, parentId }: PlacedEntry): object {
  if (entry.parentId === parentId) return entry;
  const known = MOVED.get(entry);
  if (known !== undefined && Reflect.get(known, "parentId") === parentId) return known;
  const moved = { ...entry, parentId };
  MOVED.set(entry, moved);
  return moved;
}

/** The entries from the root to the leaf. */
function branchOf({ leafId, placed }: Entries): readonly PlacedEntry[] {
  const known = new Map(placed.map((one) => [one.entry.id, one]));
  const branch: PlacedEntry[] = [];
  // An entry leaves the map, so that a circle ends.
  for (let next = leafId; next !== null;) {
    const one = known.get(next);
    if (one === undefined) break;
    known.delete(next);
    branch.push(one);
    next = one.parentId;
  }
  return branch.reverse();
}

function gone(field: string, id: string): Outcome<never> {
  const sentence = `/${field}: the session's history has no entry "${id}"; begin again without "${field}"`;
  return { ok: false, failure: failure("entry_not_found", sentence) };
}

/** The session has moved to another branch. The refusal names the last entry that both have. */
function leftBranch(
  field: string,
  id: string,
  { leafId, placed }: Entries,
  at: ReadonlyMap<string, number>,
): Outcome<never> {
  const parents = new Map(placed.map(({ entry, parentId }) => [entry.id, parentId]));
  let common: string | null = id;
  while (common !== null && !at.has(common)) {
    const parent: string | null = parents.get(common) ?? null;
    parents.delete(common);
    common = parent;
  }
  const next = common === null
    ? `begin again without "${field}"`
    : `the last entry of both is "${common}", so go on from there`;
  const sentence = `/${field}: entry "${id}" is on a branch that the session has left; ` +
    `${next}, or read with scope "tree"`;
  return {
    ok: false,
    failure: failure("entry_not_on_branch", sentence, { data: { leafId, commonEntryId: common } }),
  };
}

/** Chooses a page. */
export function pageOf(all: Entries, query: Query, { most, refs }: PageForm): Outcome<Page> {
  const branch = query.scope === "branch";
  const items = branch ? branchOf(all) : all.placed;
  const at = new Map(items.map(({ entry }, index) => [entry.id, index]));
  const known = branch ? new Set(all.placed.map(({ entry }) => entry.id)) : at;
  const { since, before, limit } = query;
  let lower = 0;
  let upper = items.length;
  if (since !== undefined && since !== null) {
    const index = at.get(since);
    if (index === undefined) {
      return known.has(since) ? leftBranch("since", since, all, at) : gone("since", since);
    }
    lower = index + 1;
  }
  if (before !== undefined) {
    const index = at.get(before);
    if (index === undefined) {
      return known.has(before) ? leftBranch("before", before, all, at) : gone("before", before);
    }
    upper = Math.max(lower, index);
  }
  const forward = since !== undefined;
  const count = Math.min(limit ?? Infinity, upper - lower);
  const chosen = forward
    ? items.slice(lower, lower + count).map(shown)
    : items.slice(upper - count, upper).map(shown);
  const kept = forward
    ? oldestOf(chosen, 0, chosen.length, most, refs !== undefined)
    : newestOf(chosen, 0, chosen.length, most, refs !== undefined);
  const head = { leafId: all.leafId, entryCount: items.length };
  const ids = items.slice(lower, upper).map(({ entry }) => entry.id);
  const write = (): string => {
    if (forward) {
      const { text, count: written } = oldestJson(kept, most, refs);
      const more = written < upper - lower ? { more: true, nextSince: ids[written - 1] } : {};
      return `{"entries":${text},${toJson({ ...head, ...more }).slice(1)}`;
    }
    const { text, start } = newestJson(kept, most, undefined, refs);
    const first = upper - kept.length + start - lower;
    const more = first > 0 ? { more: true, nextBefore: ids[first] ?? before } : {};
    return `{"entries":${text},${toJson({ ...head, ...more }).slice(1)}`;
  };
  return { ok: true, value: { items: kept, write } };
}
