// Branches that pi copies into a session of their own, at clone and fork. pi 0.73.1 leaves the labels out and keeps the
// parents as they were: what hangs below a label has none any more, and everything before it is gone from the copy.

interface BranchEntry {
  readonly type: string;
  readonly id: string;
  readonly parentId: string | null;
  readonly firstKeptEntryId?: string;
}

/** The part of pi's history that copies a branch; some of it is not in pi's types. */
interface Brancher {
  fileEntries: readonly BranchEntry[];
  readonly flushed: boolean;
  getBranch(leafId: string): readonly BranchEntry[];
  _buildIndex(): void;
  _rewriteFile(): void;
}

/** For each label of a branch, the entry behind it that is not one. */
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

/** The entries of a copied branch, each below the one before; nothing when they are so already. */
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
    // The entry may belong to another history, too.
    return { ...entry, parentId, ...(kept === undefined ? {} : { firstKeptEntryId: kept }) };
  });
  return changed ? all : undefined;
}

/**
 * Makes pi's copies of branches whole.
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
