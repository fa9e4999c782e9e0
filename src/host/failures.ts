// Failures that several files of the host speak of in the same words.
import { type Failure, failure } from "../protocol/errors.ts";

/** The agent runs, and the command would cut or orphan the run. */
export function agentBusy(): Failure {
  const sentence = "The agent is busy; send streamingBehavior, or wait for agent_settled";
  return failure("agent_busy", sentence, { retryAfterMs: 250 });
}

/** There is no such session. */
export function noSession(sessionId: string): Failure {
  const sentence = `There is no session "${sessionId}"; list_sessions shows what there is`;
  return failure("session_not_found", sentence);
}

/** Another session of this server drives that file. */
export function fileInUse(owner: string): Failure {
  const sentence = `Session "${owner}" drives that file already; use that one`;
  return failure("session_in_use", sentence, { data: { sessionId: owner } });
}
