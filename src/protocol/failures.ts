// Does: makes the failures that several files report in the same words.
// Used by: both threads. Uses: errors.ts.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "./errors.ts";
import type { Command } from "./schema/commands.ts";

/** The agent is busy, and the command would stop or orphan the run. */
export function agentBusy(): Failure {
  const sentence = "The agent is busy; abort first, or wait for agent_settled";
  return failure("agent_busy", sentence, { retryAfterMs: 250 });
}

/** The agent is busy, and the prompt has no streamingBehavior. */
export function promptBusy(): Failure {
  const sentence = "The agent is busy; send streamingBehavior, or wait for agent_settled";
  return failure("agent_busy", sentence, { retryAfterMs: 250 });
}

/** The session does not exist. */
export function noSession(sessionId: string): Failure {
  const sentence = `There is no session "${sessionId}"; list_sessions lists the sessions`;
  return failure("session_not_found", sentence);
}

/** Another session of this server, or another server, drives that file. */
export function fileInUse(owner: string | FileOwner): Failure {
  if (typeof owner === "string") {
    const sentence = `Session "${owner}" drives that file already; use that one`;
    return failure("session_in_use", sentence, { data: { sessionId: owner } });
  }
  const { pid, host, endpoint } = owner;
  const where = endpoint === undefined ? "end it first" : `connect to ${endpoint}, or end it first`;
  const sentence = `Another server (process ${pid} on ${host}) drives that file; ${where}`;
  return failure("session_in_use", sentence, { data: { ...owner } });
}

/** Another program, such as a pi terminal, has written to the session's file. */
export function writtenByOther(file: string): Failure {
  const sentence = `Another program (a pi terminal?) has written to ${file}; end that one, then send ` +
    "switch_session_file with this path to continue with its new content";
  return failure("session_in_use", sentence, { data: { sessionFile: file } });
}

/** A session file, or a folder of them, that the system does not let the server read. */
export function unreadable(error: unknown): { ok: false; failure: Failure } {
  return { ok: false, failure: failure("internal", `Session files cannot be read: ${errorMessage(error)}`) };
}

/** Another server that drives a session file. */
export interface FileOwner {
  readonly pid: number;
  /** Name of its machine. */
  readonly host: string;
  /** Where it can be reached. */
  readonly endpoint?: string;
}

/** Why a command that expects another version of the session may not run. */
export function versionConflict(command: Command, version: number): Failure | undefined {
  return conflictOf("ifSessionVersion" in command ? command.ifSessionVersion : undefined, version);
}

/** The same for a version. Undefined expects nothing. */
export function conflictOf(expected: number | undefined, version: number): Failure | undefined {
  if (expected === undefined || expected === version) return undefined;
  const sentence = `The session is at version ${version}; read its state and decide again`;
  return failure("version_conflict", sentence, { data: { sessionVersion: version } });
}

/** A value, or a failure. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };
