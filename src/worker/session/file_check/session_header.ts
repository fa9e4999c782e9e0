// Does: reads the first line of a session file.
// Used by: file_inspector.ts and files/session_files.ts.
import { type Failure, failure } from "../../../protocol/errors.ts";
import { tryParseRecord } from "../../../base/json.ts";

/** The first line of a session file. */
export interface SessionHeader {
  readonly id: string;
  readonly cwd: string;
  readonly timestamp: string;
  /** 1 when the header has none, as in pi. */
  readonly version: number;
}

/** The header in a line, if it is one. */
export function headerOf(line: string): SessionHeader | undefined {
  const entry = tryParseRecord(line);
  if (entry?.["type"] !== "session" || typeof entry["id"] !== "string") return undefined;
  const { id, cwd, timestamp, version } = entry;
  return {
    id,
    cwd: typeof cwd === "string" ? cwd : "",
    timestamp: typeof timestamp === "string" ? timestamp : new Date(0).toISOString(),
    version: typeof version === "number" ? version : 1,
  };
}

/** The failure for a file without a header. */
export function notASession(path: string): Failure {
  const sentence = `${path} has no header of a pi session; choose a file that list_stored_sessions names`;
  return failure("not_a_session_file", sentence);
}
