// The tree of a session: every message and summary of every branch, with what leads there: go on from an entry, or fork
// a copy at a message of the person's.
import { useEffect, useState } from "preact/hooks";
import type { TreeNode } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { clip, visible } from "../text/format.ts";
import { Sheet } from "../parts/sheet.tsx";
import type { SessionFeed } from "./feed.ts";
import { treeLines } from "./tree.ts";
import { Button } from "../parts/button.tsx";

interface Props {
  readonly feed: SessionFeed;
  readonly sessionId: string;
  readonly onClose: () => void;
}

const FIRST_LINES = 200;

/** The sheet with the tree. */
export function TreeSheet({ feed, sessionId, onClose }: Props) {
  const console = useConsole();
  const { link } = console;
  const mayDrive = useMay("drive");
  const busy = useCell(feed.info)?.isStreaming === true;
  const [tree, setTree] = useState<{ nodes: readonly TreeNode[]; leaf: string | null } | undefined>(
    undefined,
  );
  const [summarize, setSummarize] = useState(false);
  const [shown, setShown] = useState(FIRST_LINES);
  useEffect(() => {
    void console.attempt(async () => {
      const { nodes, currentLeafId } = await link.request("get_tree", { sessionId });
      setTree({ nodes, leaf: currentLeafId });
    });
  }, [sessionId]);
  const navigate = (node: TreeNode): void =>
    void console.attempt(async () => {
      const { editorText } = await link.request("navigate_tree", {
        sessionId,
        targetId: node.entryId,
        options: { summarize },
      });
      feed.reload();
      if (editorText !== undefined) feed.offer(editorText);
      onClose();
    });
  const fork = (node: TreeNode): void =>
    void console.attempt(async () => {
      const { text } = await link.request("fork", { sessionId, entryId: node.entryId });
      feed.offer(text);
      onClose();
    }, "Forked: this is the copy");
  const lines = tree === undefined ? [] : treeLines(tree.nodes, tree.leaf);
  // The newest are what people look for first.
  const visibleLines = lines.slice(Math.max(0, lines.length - shown));
  return (
    <Sheet title="Tree" kind="side" onClose={onClose}>
      {mayDrive && (
        <label class="check">
          <input
            type="checkbox"
            checked={summarize}
            onChange={(event) => setSummarize(event.currentTarget.checked)}
          />
          <span>Summarize the branch that is left</span>
        </label>
      )}
      {busy && <p class="hint">While the agent works, the tree can only be looked at</p>}
      {tree !== undefined && lines.length === 0 && <p class="empty">The session has no messages yet</p>}
      {visibleLines.length < lines.length && (
        <Button
          class="more"
          onClick={() => setShown(shown + 500)}
        >
          Older entries ({lines.length - visibleLines.length})
        </Button>
      )}
      <ul class="tree" aria-label="Entries">
        {visibleLines.map(({ node, depth, current }) => (
          <li key={node.entryId} class={`${current ? "current" : ""} depth${Math.min(depth, 8)}`}>
            <span class={`who ${node.role ?? ""}`}>{wordOf(node)}</span>
            <bdi class="treetext">
              {clip(visible(node.text ?? "").replaceAll(/\s+/g, " "), 160) || node.entryType}
            </bdi>
            {node.label !== undefined && (
              <span class="chip">
                <bdi>{clip(visible(node.label), 60)}</bdi>
              </span>
            )}
            {node.entryId === tree?.leaf && <span class="chip">here</span>}
            {mayDrive && (
              <span class="treeacts">
                <Button
                  class="quiet"
                  disabled={busy}
                  onClick={() => navigate(node)}
                >
                  Go on here
                </Button>
                {node.role === "user" && (
                  <Button
                    class="quiet"
                    disabled={busy}
                    onClick={() => fork(node)}
                  >
                    Fork
                  </Button>
                )}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Sheet>
  );
}

function wordOf(node: TreeNode): string {
  if (node.role === "user") return "You";
  return node.role === "assistant" ? "Answer" : "Summary";
}
