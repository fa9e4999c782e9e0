// Does: answers each command exactly once: by its worker, by its timeout, or because the worker is gone.
// Used by: the session manager and its services.
// Invariant: the place in the mailbox is free before the answer goes out.
import type { Permit } from "../../governor/governor.ts";
import type { FromWorkerHandlers, Reply } from "../../ipc/messages.ts";
import { type ExpectedReply, PendingReplies, type ReplyTimeout } from "../../ipc/pending_replies.ts";
import { failure } from "../../protocol/errors.ts";
import { type Command, specOf } from "../../protocol/schema/commands.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { ReplyTo } from "../journal/reply_to.ts";

/** One command. */
export interface PendingCommand {
  readonly worker: number;
  readonly replyTo: ReplyTo;
  /** Its place in a mailbox. */
  readonly permit: Permit | undefined;
  /** Called before the answer goes out. */
  readonly beforeReply?: (reply: Reply) => void;
  /** Called after the answer has gone out. */
  readonly afterReply?: (reply: Reply) => void;
  /** Takes the header of a session file, where the command asked for one. */
  readonly onHeader?: (id: string, file: string) => void;
}

interface OpenCommand extends ExpectedReply<Reply> {
  readonly worker: number;
  readonly command: PendingCommand;
}

/** All commands without an answer, by number. */
export class PendingCommands {
  readonly #clock: Clock;
  readonly #replies = new PendingReplies<Reply, OpenCommand>();
  /** Called after each answer, with the worker of the command. */
  onAnswered: (worker: number) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Messages of workers about commands. */
  readonly handlers = {
    reply: ({ ref, reply }) => this.answer(ref, reply),
    command_released: ({ ref }) => this.onReleased(ref),
  } satisfies Partial<FromWorkerHandlers>;

  /** Numbers of all commands, or of those on one worker. */
  refs(worker?: number): readonly number[] {
    return this.#replies.refs(worker);
  }

  /** Whether that command has no answer yet. */
  has(ref: number): boolean {
    return this.#replies.get(ref) !== undefined;
  }

  /** Expects an answer. Returns the number that it will carry. */
  expect(command: PendingCommand, timeout?: ReplyTimeout<Reply>): number {
    const onReply = (reply: Reply): void => this.#settle(command, reply);
    return this.#replies.expect({ worker: command.worker, command, onReply }, timeout);
  }

  /** Expects the answer to a command that no session bounds in time. */
  expectWithTimeout(
    worker: number,
    replyTo: ReplyTo,
    type: Command["type"],
    more: Pick<PendingCommand, "onHeader"> = {},
  ): number {
    const { timeoutMs: ms } = specOf(type);
    const late = failure("timeout", `${type} took longer than ${ms} ms`);
    const value: Reply = { ok: false, failure: late, unstarted: true };
    return this.expect({ worker, replyTo, permit: undefined, ...more }, { clock: this.#clock, ms, value });
  }

  /** The command has left its mailbox. */
  onReleased(ref: number): void {
    const command = this.#replies.get(ref)?.command;
    command?.permit?.release();
    command?.replyTo.onReleased();
  }

  /** Answers the command, unless it has its answer. */
  answer(ref: number, reply: Reply): void {
    this.#replies.resolve(ref, reply);
  }

  /** Gives every command the same answer. */
  answerAll(reply: Reply): void {
    for (const ref of this.refs()) this.answer(ref, reply);
  }

  /** Takes a command back, to be answered otherwise; undefined when it has its answer. */
  cancel(ref: number): PendingCommand | undefined {
    const open = this.#replies.cancel(ref);
    if (open !== undefined) this.onAnswered(open.worker);
    return open?.command;
  }

  #settle(command: PendingCommand, reply: Reply): void {
    command.permit?.release();
    command.beforeReply?.(reply);
    command.replyTo.answer(reply);
    command.afterReply?.(reply);
    this.onAnswered(command.worker);
  }
}
