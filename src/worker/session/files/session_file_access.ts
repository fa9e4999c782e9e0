// Does: describes what commands that name files need of the worker. Types only.
// Used by: a session and its handlers. Uses: path_guard.ts and the file checker.
import type { Files } from "../../../runtime/runtime.ts";
import type { FileOwner } from "../../../protocol/failures.ts";
import type { FileChecker } from "../file_check/file_checker.ts";
import type { PathGuard } from "./path_guard.ts";

// Does: describes what commands that name files need of the worker. Types only.
// Used by: a session and its handlers. Uses: path_guard.ts and the file checker.

/** What commands about files need of the host. */
export interface SessionFiles {
  readonly guard: PathGuard;
  readonly files: Files;
  readonly checker: FileChecker;
  /** Claims a session file; the id of the session that has it already, here or on another host, or another server. */
  claim(sessionId: string, file: string): Promise<string | FileOwner | undefined>;
  /** Gives back what the session has claimed beside the file that it drives. */
  giveBack(sessionId: string): void;
  /** The session that drives that file now. */
  liveSession(file: string): string | undefined;
}
