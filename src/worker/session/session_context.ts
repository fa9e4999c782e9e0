// What a session is made of and what passes through it: its parts, a command on its way, and how handlers of
// commands look; `S` is the session itself. Types only.
import type { BudgetLimits } from "../../governor/budget.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Interrupted } from "../../protocol/schema/responses.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { AcceptedMessage, MessageState } from "./message_tracker.ts";
import type { EncodedEvent, Reply, SubscriberDemand } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Outcome } from "../../protocol/failures.ts";
import type { SessionFiles } from "./files/session_file_access.ts";

/** How a command went. With `later` it has left the mailbox, and the answer comes when that resolves. */
export type Handled =
  | {
    readonly ok: true;
    readonly value: unknown;
    /** The value as JSON, where somebody has it already. */
    readonly text?: string;
    /** Writes the value as JSON, for an answer that may be large: called when the answer leaves the worker. */
    readonly write?: () => string;
    readonly pending?: Promise<Outcome<unknown>>;
    /** The agent has taken a message over. */
    readonly message?: AcceptedMessage;
    /** Called once the answer is on its way, for work that may never yield. */
    readonly afterReply?: (() => void) | undefined;
  }
  | { readonly ok: false; readonly failure: Failure };

/** What is to be done about a command that takes too long. */
export interface OnTimeout<S> {
  /** Milliseconds that the command may still hold the mailbox once it was told to stop. */
  readonly holdMs: number;
  stop(session: S): void;
}

/** Carries out one kind of command. */
export interface Handler<S> {
  run(session: S, command: Command): Handled | Promise<Handled>;
  readonly onTimeout?: OnTimeout<S>;
}

/** What a session needs of its host. */
export interface SessionParts<S> {
  readonly place: SessionFiles;
  readonly uuid: () => string;
  readonly pendingUi: number;
  /** What it may spend, until a client sets that. */
  readonly budget?: BudgetLimits;
  /** Milliseconds of silence after which a run is told as stalled; absent: never. */
  readonly turnStallMs?: number;
  readonly handlers: ReadonlyMap<string, Handler<S>>;
  readonly sessionId: string;
  readonly epoch: string;
  readonly clock: Clock;
  readonly demand: SubscriberDemand;
  /** Messages that a crash of an earlier life has kept from finishing. */
  readonly interrupted?: readonly Interrupted[];
  /** How the session was left, when it is built again. */
  readonly restoredFrom?: SessionRecord;
  /** What is to be kept may have changed; resolves once it is kept, nothing when nobody need wait for it. */
  keep(session: S): Promise<void> | undefined;
  message(ref: number, state: MessageState): void;
  reply(ref: number, reply: Reply | (() => Reply)): void;
  accepted(ref: number): void;
  /** Sends what has been handed over so far at once. */
  flush(): void;
  event(sessionId: string, record: EncodedEvent): void;
  log(level: "debug" | "info" | "warn" | "error", message: string, fields: Record<string, unknown>): void;
  /** Something ended; whoever waits for idleness may look again. */
  changed(): void;
  /** The session is to be forgotten and what it holds released. */
  removed(session: S): void;
}

/** A command on its way. */
export interface Job {
  readonly ref: number;
  readonly connection: number;
  readonly command: Command;
  /** Whether its handler was called. */
  begun?: true;
}
