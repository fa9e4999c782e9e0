// Commands that hosts have not answered yet: each is answered exactly once, by its host, by its timeout, or
// because the host is gone.
import type { Command } from "../../protocol/schema/commands.ts";
import { specOf } from "../../protocol/schema/commands.ts";
import { failure } from "../../protocol/errors.ts";
import type { Permit } from "../../governor/governor.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { ReplyTo } from "../journal/reply_to.ts";

/** One command. */
export interface PendingCommand {
  readonly host: number;
  readonly replyTo: ReplyTo;
  /** Its place in a mailbox. */
  readonly permit: Permit | undefined;
  /** Called before the answer is passed on. */
  readonly beforeReply?: (reply: Reply) => void;
  /** Called after the answer has been passed on. */
  readonly afterReply?: (reply: Reply) => void;
}

/** All commands under way, by number. */
export class PendingCommands {
  readonly #clock: Clock;
  readonly #number: () => number;
  readonly #answered: (host: number) => void;
  readonly #pending = new Map<number, PendingCommand>();

  /**
   * @param number gives the next number
   * @param answered called after each answer, with the host that the command was for
   */
  constructor(clock: Clock, number: () => number, answered: (host: number) => void = () => {}) {
    this.#answered = answered;
    this.#clock = clock;
    this.#number = number;
  }

  /** Numbers of all commands, or of those on one host. */
  refs(host?: number): readonly number[] {
    return [...this.#pending].filter(([, one]) => host === undefined || one.host === host).map(([ref]) =>
      ref
    );
  }

  /** Whether nobody has answered that command yet. */
  has(ref: number): boolean {
    return this.#pending.has(ref);
  }

  /** Expects an answer; returns the number that it will carry. */
  expect(pending: PendingCommand): number {
    const ref = this.#number();
    this.#pending.set(ref, pending);
    return ref;
  }

  /** Expects the answer to a command that no session bounds in time. */
  expectWithTimeout(
    host: number,
    asker: ReplyTo,
    type: Command["type"],
    settled: () => void = () => {},
  ): number {
    const { timeoutMs } = specOf(type);
    const done = (): void => {
      timer.clear();
      settled();
    };
    const ref = this.expect({ host, replyTo: asker, permit: undefined, afterReply: done });
    const timer = this.#clock.after(timeoutMs, () => {
      const sentence = `${type} took longer than ${timeoutMs} ms`;
      this.answer(ref, { ok: false, failure: failure("timeout", sentence), unstarted: true });
    });
    return ref;
  }

  /** The command has left its mailbox. */
  onReleased(ref: number): void {
    const pending = this.#pending.get(ref);
    pending?.permit?.release();
    pending?.replyTo.onReleased();
  }

  /** Passes the answer on, if nobody has answered yet. */
  answer(ref: number, reply: Reply): void {
    const pending = this.#pending.get(ref);
    if (pending === undefined) return;
    this.#pending.delete(ref);
    pending.permit?.release();
    pending.beforeReply?.(reply);
    pending.replyTo.answer(reply);
    pending.afterReply?.(reply);
    this.#answered(pending.host);
  }

  /** Passes the same answer on to all that wait. */
  answerAll(reply: Reply): void {
    for (const ref of this.refs()) this.answer(ref, reply);
  }

  /** Takes a command back, to be answered otherwise; false when it has been answered. */
  cancel(ref: number): boolean {
    const pending = this.#pending.get(ref);
    if (pending === undefined) return false;
    this.#pending.delete(ref);
    pending.afterReply?.({ ok: true, dataText: "null" });
    this.#answered(pending.host);
    return true;
  }
}
