// Does: makes the reply to a command from its outcome: JSON at once, or for a large one when the reply leaves.
// Used by: session.ts and session_worker.ts.
import type { Failure } from "../../protocol/errors.ts";
import { toJson } from "../../base/text.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { Outcome } from "../../protocol/failures.ts";

/** An outcome, with its JSON if that exists already, or with a function that writes it. */
export type Answer = Outcome<unknown> & { readonly text?: string; readonly write?: () => string };

/** Fields of a reply beside its outcome. */
export type ReplyMarks = Pick<Reply, "sessionVersion"> & { readonly unstarted?: true };

/**
 * The reply, or a function that makes it when it is sent.
 *
 * @param defect reports a value that could not be encoded
 */
export function replyOf(
  answer: Answer,
  marks: ReplyMarks,
  defect: (error: unknown) => Failure,
): Reply | (() => Reply) {
  const { unstarted: _unstarted, ...version } = marks;
  if (!answer.ok) return { ok: false, failure: answer.failure, ...marks };
  const reply = (): Reply => {
    try {
      return { ok: true, dataText: answer.text ?? answer.write?.() ?? toJson(answer.value), ...version };
    } catch (error) {
      return { ok: false, failure: defect(error), ...version };
    }
  };
  return answer.write === undefined ? reply() : reply;
}
