// Asks hosts for the state of their sessions at a point of the order (PROTOCOL §6), for subscriptions and lists.
// A host that is silent or dies is told as a failure.
import { type Failure, failure } from "../../protocol/errors.ts";
import { specOf } from "../../protocol/schema/commands.ts";
import type { Attachment, ToHost } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { Replies } from "../../ipc/pending_replies.ts";

/** Called with what a host says of its sessions, or why it says nothing. */
export type Attached = (sessions: readonly Attachment[] | Failure, host: number) => void;

/** Questions for the state of sessions. */
export class Attaching {
  readonly #replies: Replies<readonly Attachment[] | Failure>;
  readonly #number: () => number;
  readonly #send: (host: number, message: ToHost) => boolean;

  /** @param send false when there is no such host any more */
  constructor(clock: Clock, number: () => number, send: (host: number, message: ToHost) => boolean) {
    this.#replies = new Replies(clock);
    this.#number = number;
    this.#send = send;
  }

  /**
   * Asks one host, of all its sessions or of those; `snapshots` are the ones whose whole state is wanted. `withinMs`
   * replaces the time of the command that asks.
   */
  ask(
    host: number,
    sessionIds: readonly string[] | undefined,
    snapshots: "all" | readonly string[],
    done: Attached,
    withinMs?: number,
  ): void {
    const ref = this.#number();
    const { timeoutMs: ofCommandMs } = specOf(sessionIds === undefined ? "list_sessions" : "create_session");
    const timeoutMs = withinMs ?? ofCommandMs;
    const value = failure("timeout", `A session's host has not answered within ${timeoutMs} ms`);
    this.#replies.expect(ref, host, (sessions) => done(sessions, host), { ms: timeoutMs, value });
    const ids = sessionIds === undefined ? {} : { sessionIds };
    if (!this.#send(host, { kind: "attach", ref, snapshots, ...ids })) this.#replies.settle(ref, []);
  }

  answered(ref: number, sessions: readonly Attachment[]): void {
    this.#replies.settle(ref, sessions);
  }

  /** A host is gone. */
  lost(host: number, answer: readonly Attachment[] | Failure): void {
    this.#replies.lost(host, answer);
  }
}
