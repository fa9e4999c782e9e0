// Does: reports folders that sessions need and that are gone or cannot be written.
// Used by: the composition root, for health_check.
// Invariant: it writes nothing. For a folder that pi makes itself, it only checks the parent.
import { agentFolder, namedSessionFolder } from "../../base/pi_folders.ts";
import { errorMessage } from "../../base/error_message.ts";
import type { Files, Runtime } from "../../runtime/runtime.ts";

/** Absolute folders. */
export interface FoldersInUse {
  /** The folder of sessions that name none. */
  readonly cwd: string;
  /** Where pi keeps session files. */
  readonly sessions: string;
}

async function whyUnwritable(files: Files, folder: string): Promise<string | undefined> {
  for (let at = folder;; at = files.parent(at)) {
    const found = await files.stat(at);
    if (found === undefined && files.parent(at) !== at) continue;
    if (found?.kind !== "directory") return `${at} is not a folder`;
    return await files.writable(at) ? undefined : `${at} may not be written by this user`;
  }
}

/** A sentence for each issue, with the next step. */
export async function folderIssues(
  files: Files,
  { cwd, sessions }: FoldersInUse,
): Promise<readonly string[]> {
  const issues: string[] = [];
  try {
    const found = await files.stat(cwd);
    if (found?.kind !== "directory") {
      issues.push(`The default folder ${cwd} of sessions is gone; create it, or start with another --cwd`);
    }
    const why = await whyUnwritable(files, sessions);
    if (why !== undefined) issues.push(`Sessions cannot be stored: ${why}; change its permissions or owner`);
  } catch (error) {
    issues.push(`A folder of sessions cannot be read: ${errorMessage(error)}`);
  }
  return issues;
}

/** The folders of a server whose sessions work in `cwd` unless they name another. */
export function foldersInUse(runtime: Runtime, cwd: string): FoldersInUse {
  const sessions = namedSessionFolder(runtime) ?? runtime.files.join(agentFolder(runtime), "sessions");
  return { cwd: runtime.absolute(cwd), sessions };
}
