// Does: completes the branch that pi copies into a new session at clone and fork.
// Used by: factory.ts. pi leaves labels out and does not join the entries below them (docs/PI.md#session-files).

interface BranchEntry {
  readonly type: string;
  readonly id: string;
  readonly parentId: string | null;
  readonly firstKeptEntryId?: string;
}

/** The part of pi's history that copies a branch. Some of it is missing in pi's types. */
interface Brancher {
  fileEntries: readonly BranchEntry[];
  readonly flushed: boolean;
  getBranch(leafId: string): readonly BranchEntry[];
  _buildIndex(): void;
  _rewriteFile(): void;
}

/** For each label of a branch, the next entry that is not a label. */
function behindLabels(branch: readonly BranchEntry[]): ReadonlyMap<string, string> {
  const behind = new Map<string, string>();
  let labels: string[] = [];
  for (const { id, type } of branch) {
    if (type === "label") labels.push(id);
    else {
      for (const label of labels) behind.set(label, id);
      labels = [];
    }
  }
  return behind;
}

/** The entries of a copied branch, each with the one before as parent. Undefined when they are so already. */
function joined(
  entries: readonly BranchEntry[],
  behind: ReadonlyMap<string, string>,
): readonly BranchEntry[] | undefined {
  let changed = false;
  let before: string | undefined;
  const all = entries.map((entry): BranchEntry => {
    if (entry.type === "session") return entry;
    const parentId: string | null = before ?? entry.parentId;
    before = entry.id;
    const kept = entry.firstKeptEntryId === undefined ? undefined : behind.get(entry.firstKeptEntryId);
    if (parentId === entry.parentId && kept === undefined) return entry;
    changed = true;
    // The entry may belong to another history, so it stays unchanged.
    return { ...entry, parentId, ...(kept === undefined ? {} : { firstKeptEntryId: kept }) };
  });
  return changed ? all : undefined;
}

/**
 * Makes pi copy branches completely.
 *
 * @param histories the prototype of pi's histories
 */
export function joinBranches(histories: object): void {
  const branch: unknown = Reflect.get(histories, "createBranchedSession");
  if (typeof branch !== "function") return;
  Reflect.set(histories, "createBranchedSession", function (this: Brancher, leafId: string): unknown {
    const behind = behindLabels(this.getBranch(leafId));
    const path: unknown = Reflect.apply(branch, this, [leafId]);
    const whole = joined(this.fileEntries, behind);
    if (whole !== undefined) {
      this.fileEntries = whole;
      this._buildIndex();
      if (this.flushed && path !== undefined) this._rewriteFile();
    }
    return path;
  });
}
