// The entries of a session's tree as lines of a list: in the order of the tree, branches indented. Pure.
import type { TreeNode } from "../../../protocol/mod.ts";
import type { Choice } from "../dialogs/choice_list.ts";
import { sanitizeLine } from "../view/sanitize.ts";

const MOST_INDENT = 12;
/** What a person can go on from. */
const TYPES: ReadonlySet<string> = new Set(["message", "custom_message", "compaction", "branch_summary"]);

function labelOf({ entryType, role, text = "", label }: TreeNode): string {
  const who = entryType === "message" ? role ?? "message" : entryType.replaceAll("_", " ");
  const name = label === undefined ? "" : `[${sanitizeLine(label)}] `;
  return `${name}${sanitizeLine(who)}: ${sanitizeLine(text.slice(0, 300))}`;
}

/** The lines; the entry that the session stands at is marked. */
export function treeChoices(nodes: readonly TreeNode[], leaf: string | null): Choice<string>[] {
  const children = new Map<string, TreeNode[]>();
  const known = new Set(nodes.map(({ entryId }) => entryId));
  for (const node of nodes) {
    const parent = node.parentId !== null && known.has(node.parentId) ? node.parentId : "";
    const list = children.get(parent);
    if (list === undefined) children.set(parent, [node]);
    else list.push(node);
  }
  const choices: Choice<string>[] = [];
  // A stack and no recursion: a tree may be very deep.
  const stack = (children.get("") ?? []).map((node) => ({ node, depth: 0 })).reverse();
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, depth } = next;
    if (TYPES.has(node.entryType)) {
      const indent = "  ".repeat(Math.min(depth, MOST_INDENT));
      choices.push({
        value: node.entryId,
        label: `${indent}${labelOf(node)}`,
        ...(node.entryId === leaf ? { description: "← here" } : {}),
      });
    }
    const below = children.get(node.entryId) ?? [];
    for (const child of [...below].reverse()) {
      stack.push({ node: child, depth: below.length > 1 ? depth + 1 : depth });
    }
  }
  return choices;
}
