// Does: the history commands of one pi session: new, switch, fork, clone, tree, export.
// Used by: agent.ts. Uses: live_session.ts, which replaces the session.
// Invariant: it checks first what pi would notice only after it has given up the old session (docs/PI.md#history).
import { errorMessage } from "../../base/error_message.ts";
import { existsSync } from "node:fs";
import { defined } from "../../base/json.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { TreeNode } from "../../protocol/schema/results.ts";
import { cut } from "../../base/text.ts";
import type { AgentHistory, NavigateOptions } from "../session/agent_port.ts";
import { exportPage } from "./export/html_export.ts";
import type { LiveSession } from "./live_session.ts";
import { type Placed, treeOf } from "./sdk/sdk.ts";
import type { Outcome } from "../../protocol/failures.ts";
import { textOf } from "../session/files/session_files.ts";

/** Characters of a message that a node of the tree shows. */
const NODE_CHARS = 4_096;

function shown(entry: Placed["entry"]): { role?: string; text?: string } {
  switch (entry.type) {
    case "message": {
      const { message } = entry;
      // Bash executions have a command instead of content.
      const text = "command" in message ? String(message.command) : textOf({ ...message }, NODE_CHARS);
      return { role: message.role, text: cut(text, NODE_CHARS) };
    }
    case "custom_message":
      return { role: "custom", text: cut(textOf({ content: entry.content }, NODE_CHARS), NODE_CHARS) };
    case "compaction":
    case "branch_summary":
      return { text: cut(entry.summary, NODE_CHARS) };
    default:
      return {};
  }
}

function nodeOf({ entry, parentId }: Placed, label: string | undefined): TreeNode {
  const { id, type, timestamp } = entry;
  return {
    entryId: id,
    parentId,
    entryType: type,
    ...shown(entry),
    timestamp,
    ...defined({ label }),
  };
}

/** pi forks the file, and writes it only with the first answer. */
function unwritten(live: LiveSession): Failure | undefined {
  const { sessionFile } = live.session;
  if (sessionFile === undefined || existsSync(sessionFile)) return undefined;
  const sentence = "The session is not on disk yet; pi writes it with the first answer, so prompt first";
  return failure("agent_error", sentence);
}

async function fork(
  live: LiveSession,
  entryId: string,
): Promise<Outcome<{ text: string; cancelled: boolean }>> {
  const entry = live.session.sessionManager.getEntry(entryId);
  if (entry?.type !== "message" || entry.message.role !== "user") {
    const sentence = `There is no user message "${entryId}" to fork at; see get_fork_messages`;
    return { ok: false, failure: failure("entry_not_found", sentence) };
  }
  const missing = unwritten(live);
  if (missing !== undefined) return { ok: false, failure: missing };
  const outcome = await live.replace("fork", (runtime) => runtime.fork(entryId));
  if (!outcome.ok) return outcome;
  const { selectedText, cancelled } = outcome.value;
  return { ok: true, value: { text: selectedText ?? "", cancelled } };
}

async function clone(live: LiveSession): Promise<Outcome<{ cancelled: boolean }>> {
  const leafId = live.session.sessionManager.getLeafId();
  if (leafId === null) {
    return {
      ok: false,
      failure: failure("entry_not_found", "The session is empty; there is nothing to clone"),
    };
  }
  const missing = unwritten(live);
  if (missing !== undefined) return { ok: false, failure: missing };
  const outcome = await live.replace("clone", (runtime) => runtime.fork(leafId, { position: "at" }));
  return outcome.ok ? { ok: true, value: { cancelled: outcome.value.cancelled } } : outcome;
}

async function navigate(
  live: LiveSession,
  targetId: string,
  options: NavigateOptions,
): ReturnType<AgentHistory["navigate"]> {
  if (live.session.sessionManager.getEntry(targetId) === undefined) {
    return {
      ok: false,
      failure: failure("entry_not_found", `There is no entry "${targetId}"; see get_tree`),
    };
  }
  try {
    const { editorText, cancelled, aborted } = await live.session.navigateTree(targetId, options);
    return {
      ok: true,
      value: {
        ...defined({ editorText }),
        cancelled,
        ...defined({ aborted }),
      },
    };
  } catch (error) {
    return { ok: false, failure: failure("agent_error", errorMessage(error)) };
  }
}

/** The history of the session behind `live`. */
export function piHistory(live: LiveSession): AgentHistory {
  return {
    newSession: (parentSession) =>
      live.replace(
        "new_session",
        (runtime) => runtime.newSession(parentSession === undefined ? undefined : { parentSession }),
      ),
    switchFile: (path, repair) => live.switchTo(path, repair),
    fork: (entryId) => fork(live, entryId),
    clone: () => clone(live),
    forkMessages: () => live.session.getUserMessagesForForking(),
    tree() {
      const { sessionManager } = live.session;
      const { leafId, placed } = treeOf(live.session);
      const nodes = placed.map((one) => nodeOf(one, sessionManager.getLabel(one.entry.id)));
      return { currentLeafId: leafId, nodes };
    },
    entries: () => treeOf(live.session),
    navigate: (targetId, options) => navigate(live, targetId, options),
    async exportHtml(path) {
      try {
        return await exportPage(live.session, path);
      } catch (error) {
        return { ok: false, failure: failure("agent_error", `export_html failed: ${errorMessage(error)}`) };
      }
    },
  };
}
