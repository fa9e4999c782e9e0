// Does: holds the error table of the protocol (docs/PROTOCOL.md#error-codes): each code, its meaning, and `retryable`.
// Used by: both threads and the client. Imports nothing.
// Invariant: an expected failure is a value of type `Failure`. Only bugs are thrown.

/** The meaning of a code. */
export interface ErrorTraits {
  /** Whether sending the same command again can help. */
  readonly retryable: boolean;
  /** The fault, as a sentence. */
  readonly meaning: string;
}

const traits = (retryable: boolean, meaning: string): ErrorTraits => ({ retryable, meaning });

const TABLE = {
  invalid_json: traits(false, "The message is not a JSON object in UTF-8"),
  frame_too_large: traits(false, "The message has more bytes than the limit frameBytes"),
  unknown_command: traits(false, "There is no command of that type"),
  invalid_params: traits(false, "A field is missing, unknown or of the wrong kind"),
  forbidden: traits(false, "The connection's token does not allow the command; another token may"),
  unsupported_protocol_version: traits(
    false,
    "The server speaks none of the offered major versions of the protocol",
  ),
  session_not_found: traits(false, "There is no session with that id"),
  session_exists: traits(false, "A session with that id exists already"),
  session_in_use: traits(false, "Another session drives the session file"),
  session_limit: traits(true, "As many sessions are live as the limit allows"),
  rate_limited: traits(true, "More commands than the limit allows in this minute"),
  overloaded: traits(true, "Too many commands wait on this connection or session"),
  budget_exceeded: traits(false, "The session has used up its budget; set_budget raises it"),
  agent_busy: traits(true, "The session's agent is running"),
  no_model: traits(false, "The session has no model"),
  model_not_found: traits(false, "pi knows no such model"),
  no_api_key: traits(false, "pi has no credentials for the model's provider"),
  not_supported_by_engine: traits(
    false,
    "The server's pi cannot do that; `capabilities` name what it can",
  ),
  entry_not_found: traits(false, "The session's history has no such entry"),
  entry_not_on_branch: traits(false, "The entry is on a branch that the session has left"),
  content_not_found: traits(false, "The session's history no longer holds content with that reference"),
  cursor_invalid: traits(false, "This server has not made the cursor for that list"),
  cursor_foreign: traits(
    false,
    "The cursor comes from another server, or from an earlier start of this one",
  ),
  cursor_version: traits(false, "The cursor has the format of another version of the server"),
  cursor_expired: traits(false, "The server no longer keeps the list of the cursor; begin the list again"),
  version_conflict: traits(false, "The session has another version than the command expects"),
  idempotency_conflict: traits(false, "The idempotency key belongs to a different command"),
  outcome_unknown: traits(false, "A crash lost the answer to the command with that idempotency key"),
  ui_request_not_found: traits(false, "The session has no dialog with that id"),
  ui_already_resolved: traits(false, "The dialog is over; another client may have answered it"),
  path_forbidden: traits(false, "The path is outside the server's roots"),
  path_not_found: traits(false, "The path does not exist, or is not a directory"),
  not_a_session_file: traits(false, "The file has no header of a pi session"),
  session_file_newer: traits(false, "A newer pi wrote the session file; run the server with that pi"),
  session_file_damaged: traits(false, "The session file is damaged in a way that cannot be repaired"),
  session_file_too_large: traits(
    false,
    "The session file is too large for the memory of a worker, or has too long a branch",
  ),
  session_too_large: traits(false, "The session's history is too large for that command"),
  timeout: traits(true, "The command took too long; work that it started may still finish"),
  cancelled: traits(false, "The command was stopped before it could finish"),
  node_unavailable: traits(true, "The server cannot reach the node of the cluster that the command needs"),
  node_not_found: traits(false, "The cluster has no node of that name, or the server is in no cluster"),
  shutting_down: traits(true, "The server is shutting down"),
  agent_error: traits(false, "The agent or its model failed"),
  internal: traits(false, "A defect or a failure of the machine; the log has the details"),
} as const;

/** Code of an error response, for programs. */
export type ErrorCode = keyof typeof TABLE;

/** All codes with their meaning and whether a retry can help. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorTraits>> = TABLE;

/**
 * An expected failure. `message` is a sentence for people: the fault and the next step, without a full stop.
 */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** Milliseconds after which a retry can succeed, if known. */
  readonly retryAfterMs?: number;
  /** Details for programs. */
  readonly data?: unknown;
}

/** Makes a failure. */
export function failure(
  code: ErrorCode,
  message: string,
  more: { retryAfterMs?: number; data?: unknown } = {},
): Failure {
  return { code, message, ...more };
}
