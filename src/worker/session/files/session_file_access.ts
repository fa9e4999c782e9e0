// Does: describes what commands with paths need from the worker. Types only.
// Used by: a session and its handlers. Uses: path_guard.ts and the file checker.
import type { Files } from "../../../runtime/runtime.ts";
import type { FileOwner } from "../../../protocol/failures.ts";
import type { FileChecker } from "../file_check/file_checker.ts";
import type { PathGuard } from "./path_guard.ts";

/** The worker, as commands about files need it. */
export interface SessionFiles {
  readonly guard: PathGuard;
  readonly files: Files;
  readonly checker: FileChecker;
  /**
   * Claims a session file. Resolves with the session, here or on another worker, or the other server that has
   * it.
   */
  claim(sessionId: string, file: string): Promise<string | FileOwner | undefined>;
  /** Releases the files that the session has claimed beside the one that it drives. */
  giveBack(sessionId: string): void;
  /** The session that drives the file now. */
  liveSession(file: string): string | undefined;
}
