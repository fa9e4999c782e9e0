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
import type { SessionEntry } from "./session_entry.ts";

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

  /**
   * Calls `done` with JSON of the SessionInfo of those sessions that are still there. Of a session that no worker runs,
   * or whose worker does not answer in time, `last` is asked.
   */
  infos(
    sessionIds: readonly string[],
    withinMs: number,
    last: (entry: SessionEntry) => string | undefined,
    done: (infos: ReadonlyMap<string, string>) => void,
  ): void {
    const { registry } = this.#context;
    const byWorker = new Map<number, string[]>();
    for (const id of sessionIds) {
      const entry = registry.get(id);
      if (entry === undefined || !(entry.isRunning || entry.state === "parking")) continue;
      byWorker.set(entry.worker, [...byWorker.get(entry.worker) ?? [], id]);
    }
    const infos = new Map<string, string>();
    let open = byWorker.size + 1;
    const finish = (): void => {
      if (--open > 0) return;
      for (const id of sessionIds) {
        const entry = registry.get(id);
        const text = entry === undefined ? undefined : infos.get(id) ?? last(entry);
        if (text === undefined) infos.delete(id);
        else infos.set(id, text);
      }
      done(infos);
    };
    for (const [worker, ids] of byWorker) {
      this.states(worker, ids, [], (sessions) => {
        if (!("code" in sessions)) { for (const one of sessions) infos.set(one.sessionId, one.infoText); }
        finish();
      }, { withinMs });
    }
    finish();
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
