// Asks hosts for the state of their sessions at a point of the order (docs/PROTOCOL.md#coming-back), for subscriptions and lists.
// A host that is silent or dies is told as a failure.
import { type Failure, failure } from "../../protocol/errors.ts";
import { type CommandOf, specOf } from "../../protocol/schema/commands.ts";
import type { FromWorker, SessionState, ToWorker } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { PendingReplies } from "../../ipc/pending_replies.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";
import type { ReplyTo } from "../journal/reply_to.ts";

/** Called with what a host says of its sessions, or why it says nothing. */
export type OnStates = (sessions: readonly SessionState[] | Failure, host: number) => void;

/** Questions for the state of sessions. */
export class StateQueries {
  readonly #replies: PendingReplies<readonly SessionState[] | Failure>;
  readonly #number: () => number;
  readonly #send: (host: number, message: ToWorker) => boolean;

  /** @param send false when there is no such host any more */
  constructor(clock: Clock, number: () => number, send: (host: number, message: ToWorker) => boolean) {
    this.#replies = new PendingReplies(clock);
    this.#number = number;
    this.#send = send;
  }

  /**
   * Asks one host, of all its sessions or of those; `snapshots` are the ones whose whole state is wanted. `withinMs`
   * replaces the time of the command that asks.
   */
  query(
    host: number,
    sessionIds: readonly string[] | undefined,
    snapshots: "all" | readonly string[],
    done: OnStates,
    withinMs?: number,
  ): void {
    const ref = this.#number();
    const { timeoutMs: ofCommandMs } = specOf(sessionIds === undefined ? "list_sessions" : "create_session");
    const timeoutMs = withinMs ?? ofCommandMs;
    const value = failure("timeout", `A session's host has not answered within ${timeoutMs} ms`);
    this.#replies.expect(ref, host, (sessions) => done(sessions, host), { ms: timeoutMs, value });
    const ids = sessionIds === undefined ? {} : { sessionIds };
    if (!this.#send(host, { kind: "get_states", ref, snapshots, ...ids })) this.#replies.resolve(ref, []);
  }

  onStates(ref: number, sessions: readonly SessionState[]): void {
    this.#replies.resolve(ref, sessions);
  }

  /** A host is gone. */
  onWorkerLost(host: number, answer: readonly SessionState[] | Failure): void {
    this.#replies.resolveAllOf(host, answer);
  }
}

/** Called with the file's own id and its canonical path. */
export type OnHeader = (id: string, file: string) => void;

/** Files that are looked into. */
export class HeaderQueries {
  readonly #pending: PendingCommands;
  readonly #send: (host: number, message: ToWorker) => void;
  readonly #open = new Map<number, OnHeader>();

  constructor(pending: PendingCommands, send: (host: number, message: ToWorker) => void) {
    this.#pending = pending;
    this.#send = send;
  }

  /** Has a host look; when it cannot, the asker is told, and `go` is never called. */
  query(host: number, { type, sessionPath }: CommandOf<"load_session">, asker: ReplyTo, go: OnHeader): void {
    const ref = this.#pending.expectWithTimeout(host, asker, type, () => this.#open.delete(ref));
    this.#open.set(ref, go);
    this.#send(host, { kind: "read_header", ref, sessionPath });
  }

  onHeader({ ref, id, file }: Extract<FromWorker, { kind: "header" }>): void {
    const go = this.#open.get(ref);
    this.#open.delete(ref);
    if (this.#pending.cancel(ref)) go?.(id, file);
  }
}
