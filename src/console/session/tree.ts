// The entries of a session's tree in the order in which a list shows them. A branch is indented only where the tree
// forks, so a long conversation stays flat. Pure.
import type { TreeNode } from "../../client/browser.ts";

/** A line of the tree. */
export interface TreeLine {
  readonly node: TreeNode;
  readonly depth: number;
  /** Whether it is on the way to where the session stands. */
  readonly current: boolean;
}

/** Entries that people look for: messages, summaries, and what has a label. */
function shown(node: TreeNode): boolean {
  if (node.label !== undefined) return true;
  if (node.entryType === "message") {
    return node.role === "user" || (node.role === "assistant" && (node.text ?? "") !== "");
  }
  return /summary|compaction/.test(node.entryType);
}

/** The lines of a tree. */
export function treeLines(nodes: readonly TreeNode[], leafId: string | null): readonly TreeLine[] {
  const byId = new Map(nodes.map((node) => [node.entryId, node]));
  const children = new Map<string | null, TreeNode[]>();
  for (const node of nodes) {
    const parent = node.parentId !== null && byId.has(node.parentId) ? node.parentId : null;
    const list = children.get(parent) ?? [];
    list.push(node);
    children.set(parent, list);
  }
  const path = new Set<string>();
  for (let id = leafId; id !== null && !path.has(id); id = byId.get(id)?.parentId ?? null) path.add(id);
  const lines: TreeLine[] = [];
  // Its own stack: a long conversation is a deep tree.
  const stack = (children.get(null) ?? []).toReversed().map((node) => ({ node, depth: 0 }));
  const seen = new Set<string>();
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, depth } = top;
    if (seen.has(node.entryId)) continue;
    seen.add(node.entryId);
    if (shown(node)) lines.push({ node, depth, current: path.has(node.entryId) });
    const next = children.get(node.entryId) ?? [];
    const deeper = next.length > 1 ? depth + 1 : depth;
    // The branch that the session is on comes last, straight below its fork.
    const sorted = next.toSorted((a, b) => Number(path.has(a.entryId)) - Number(path.has(b.entryId)));
    for (const child of sorted.toReversed()) {
      stack.push({ node: child, depth: path.has(child.entryId) && next.length > 1 ? depth : deeper });
    }
  }
  return lines;
}
