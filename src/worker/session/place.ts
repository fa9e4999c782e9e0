// Where a session's files are: what commands that name files need of the host. Types only.
import type { Files } from "../../runtime/runtime.ts";
import type { FileOwner } from "../../ipc/messages.ts";
import type { FileChecker } from "./file_check/file_checker.ts";
import type { PathGuard } from "./files/path_guard.ts";

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
