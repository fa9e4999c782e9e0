// Does: checks that pi can walk the tree of a session file, and joins it where entries are lost. Pure.
// Used by: file_inspector.ts. pi walks without a bound, so a circle hangs its thread (docs/PI.md#session-files).
import type { Link } from "./entry_shape.ts";

/** A lost line, and what its rest says of its entry. */
export interface Hole {
  readonly line: number;
  readonly id?: string;
  readonly parentId?: string | null;
}

/** The changes that complete the tree, by line. */
export interface Joins {
  readonly parents: ReadonlyMap<number, string>;
  readonly firstKept: ReadonlyMap<number, string>;
}

/**
 * How to join the tree, and the length of its longest branch. Or a sentence that says why pi could not walk it.
 */
export type Joined = ({ readonly ok: true; readonly depth: number } & Joins) | {
  readonly ok: false;
  readonly why: string;
};

/** The index of each entry by its id, or two lines of different entries with one id. */
function indexOf(links: readonly Link[]): Map<string, number> | { readonly why: string } {
  const index = new Map<string, number>();
  for (const [at, link] of links.entries()) {
    const before = links[index.get(link.id) ?? -1];
    // pi has written files in which whole lines stand twice. The second one adds nothing.
    const same = before === undefined ||
      (before.parentId === link.parentId && before.timestamp === link.timestamp);
    if (!same) return { why: `lines ${before.line} and ${link.line} have the same id "${link.id}"` };
    index.set(link.id, at);
  }
  return index;
}

/** The distance from the deepest entry to its root, or the line of an entry that is its own ancestor. */
function walk(
  links: readonly Link[],
  parentAt: (at: number) => number | undefined,
): { readonly depth: number } | { readonly circle: number } {
  const WALKING = -1;
  /** Entries from here to the root. 0 means not visited. */
  const depths = new Int32Array(links.length);
  let deepest = 0;
  for (let start = 0; start < links.length; start++) {
    const way: number[] = [];
    let at: number | undefined = start;
    while (at !== undefined && depths[at] === 0) {
      depths[at] = WALKING;
      way.push(at);
      at = parentAt(at);
    }
    if (at !== undefined && depths[at] === WALKING) return { circle: links[at]?.line ?? 0 };
    let depth = at === undefined ? 0 : depths[at] ?? 0;
    for (const one of way.reverse()) depths[one] = ++depth;
    deepest = Math.max(deepest, depth);
  }
  return { depth: deepest };
}

/** The nearest ancestor that is left, according to the rests of lost lines. Undefined when they do not say. */
function survivor(
  parentId: string,
  lost: ReadonlyMap<string, Hole>,
  there: ReadonlyMap<string, number>,
): string | undefined {
  let at: string | null | undefined = parentId;
  for (let steps = 0; typeof at === "string" && steps <= lost.size; steps++) {
    if (there.has(at)) return at;
    at = lost.get(at)?.parentId;
  }
  return undefined;
}

/**
 * Joins the tree over lost lines: an entry without its parent hangs below the nearest ancestor that is left.
 *
 * @param links entries in the order of the file
 * @param holes lost lines in that order
 */
export function join(links: readonly Link[], holes: readonly Hole[]): Joined {
  const index = indexOf(links);
  if ("why" in index) return { ok: false, why: index.why };
  const lost = new Map(holes.flatMap((hole) => hole.id === undefined ? [] : [[hole.id, hole] as const]));
  const parents = new Map<number, string>();
  const firstKept = new Map<number, string>();
  const instead = new Map<string, string>();
  for (const [at, { line, parentId, firstKept: kept }] of links.entries()) {
    const before = links[at - 1];
    if (parentId !== null && parentId !== "" && !index.has(parentId) && before !== undefined) {
      const parent = survivor(parentId, lost, index) ?? instead.get(parentId) ?? before.id;
      instead.set(parentId, parent);
      parents.set(line, parent);
    }
    if (kept === undefined || index.has(kept)) continue;
    // Keeps rather too much than too little.
    const hole = lost.get(kept) ?? holes.find((one) => one.id === undefined && one.line < line);
    const next = hole === undefined ? undefined : links.find((link) => link.line > hole.line);
    if (next !== undefined && next.line < line) firstKept.set(line, next.id);
  }
  const walked = walk(links, (at) => {
    const link = links[at];
    const parentId = link === undefined ? null : parents.get(link.line) ?? link.parentId;
    return parentId === null ? undefined : index.get(parentId);
  });
  if ("circle" in walked) return { ok: false, why: `the entry of line ${walked.circle} is its own ancestor` };
  return { ok: true, parents, firstKept, depth: walked.depth };
}
