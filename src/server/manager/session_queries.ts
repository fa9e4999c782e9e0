// Does: asks workers for the states of their sessions, and for the header of a session file.
// Used by: the session manager, for subscriptions, lists and `load_session`.
// Invariant: a worker that is silent or gone makes only that one query fail.
import { defined } from "../../base/json.ts";
import type { FromWorkerHandlers, SessionState, SnapshotForm } from "../../ipc/messages.ts";
import { PendingReplies } from "../../ipc/pending_replies.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { type CommandOf, specOf } from "../../protocol/schema/commands.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { SessionContext } from "./session_context.ts";

/** Called with the states of a worker's sessions, or why there are none. */
export type OnStates = (sessions: readonly SessionState[] | Failure, worker: number) => void;

/** Questions to workers about sessions. */
export class SessionQueries {
  readonly #context: SessionContext;
  readonly #replies = new PendingReplies<readonly SessionState[] | Failure>();

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Answers of workers. */
  readonly handlers = {
    states: ({ ref, sessions }) => this.#replies.resolve(ref, sessions),
    header: ({ ref, id, file }) => this.#context.commands.cancel(ref)?.onHeader?.(id, file),
  } satisfies Partial<FromWorkerHandlers>;

  /**
   * Asks one worker for all its sessions, or for those. `snapshots` names the sessions whose whole state is wanted.
   * `withinMs` replaces the time of the command that asks.
   */
  states(
    worker: number,
    sessionIds: readonly string[] | undefined,
    snapshots: "all" | readonly string[],
    done: OnStates,
    { withinMs, form }: { readonly withinMs?: number; readonly form?: SnapshotForm } = {},
  ): void {
    const { clock, workers } = this.#context;
    const ms = withinMs ?? specOf(sessionIds === undefined ? "list_sessions" : "create_session").timeoutMs;
    const value = failure("timeout", `A session's worker has not answered within ${ms} ms`);
    const onReply = (sessions: readonly SessionState[] | Failure): void => done(sessions, worker);
    const ref = this.#replies.expect({ worker, onReply }, { clock, ms, value });
    const sent = workers.send(worker, {
      kind: "get_states",
      ref,
      snapshots,
      ...defined({ sessionIds, form }),
    });
    if (!sent) this.#replies.resolve(ref, []);
  }

  /** Asks a worker for the id in a file's header, and the file's canonical path. A failure goes to `replyTo`. */
  header(
    worker: number,
    { type, sessionPath }: CommandOf<"load_session">,
    replyTo: ReplyTo,
    onHeader: (id: string, file: string) => void,
  ): void {
    const { commands, workers } = this.#context;
    const ref = commands.expectWithTimeout(worker, replyTo, type, { onHeader });
    workers.send(worker, { kind: "read_header", ref, sessionPath });
  }

  /** A worker is gone. */
  onWorkerLost(worker: number, answer: readonly SessionState[] | Failure): void {
    this.#replies.resolveAllOf(worker, answer);
  }
}
