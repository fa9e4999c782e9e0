// Does: types for a session's parts, its commands and their handlers. `S` is the session itself. Types only.
// Used by: session.ts, the handlers and session_worker.ts.
import type { BudgetLimits } from "../../governor/budget.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Interrupted } from "../../protocol/schema/responses.ts";
import type { Clock, ContentBytes } from "../../runtime/runtime.ts";
import type { AcceptedMessage, MessageState } from "./message_tracker.ts";
import type { EncodedEvent, Reply, Silence, SubscriberDemand } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Outcome } from "../../protocol/failures.ts";
import type { SessionFiles } from "./files/session_file_access.ts";

/**
 * The result of a handler. With `later` the command has left the mailbox, and the reply waits for that promise.
 */
export type Handled =
  | {
    readonly ok: true;
    readonly value: unknown;
    /** The value as JSON, if that exists already. */
    readonly text?: string;
    /** Writes the value as JSON, for a reply that may be large. Called when the reply leaves the worker. */
    readonly write?: () => string;
    readonly pending?: Promise<Outcome<unknown>>;
    /** A message that the agent has accepted. */
    readonly message?: AcceptedMessage;
    /** Called after the reply has been posted, for work that may never yield. */
    readonly afterReply?: (() => void) | undefined;
  }
  | { readonly ok: false; readonly failure: Failure };

/** What to do with a command that takes too long. */
export interface OnTimeout<S> {
  /** Milliseconds that the command may still hold the mailbox after it was stopped. */
  readonly holdMs: number;
  stop(session: S): void;
}

/** Carries out one kind of command. */
export interface Handler<S> {
  run(session: S, command: Command): Handled | Promise<Handled>;
  readonly onTimeout?: OnTimeout<S>;
}

/** The worker, as a session needs it. */
export interface SessionParts<S> {
  readonly place: SessionFiles;
  readonly uuid: () => string;
  readonly pendingUi: number;
  /** The budget until a client sets one. */
  readonly budget?: BudgetLimits;
  /** Milliseconds of silence after which a run counts as stalled. Absent: never. */
  readonly turnStallMs?: number;
  /** The name of this node of a cluster. Absent outside of one. */
  readonly node?: string;
  readonly handlers: ReadonlyMap<string, Handler<S>>;
  readonly sessionId: string;
  readonly epoch: string;
  readonly clock: Clock;
  readonly content: ContentBytes;
  readonly demand: SubscriberDemand;
  /** Messages that an earlier crash interrupted. */
  readonly interrupted?: readonly Interrupted[];
  /** The record of a parked session that is built again. */
  readonly restoredFrom?: SessionRecord;
  /** The record may have changed. Resolves when it is written; undefined when no reply has to wait. */
  keep(session: S): Promise<void> | undefined;
  message(ref: number, state: MessageState): void;
  reply(ref: number, reply: Reply | (() => Reply)): void;
  accepted(ref: number): void;
  /** Sends everything that has been handed over, at once. */
  flush(): void;
  event(sessionId: string, record: EncodedEvent): void;
  log(level: "debug" | "info" | "warn" | "error", message: string, fields: Record<string, unknown>): void;
  /** The session is silent for too long; without `silence`, no longer. */
  silence?(sessionId: string, silence: Silence | undefined): void;
  /** Some work ended. Waiters for an idle session may check again. */
  changed(): void;
  /** The session is over. Removes it and releases its resources. */
  removed(session: S): void;
}

/** A command inside a session. */
export interface Job {
  readonly ref: number;
  readonly connection: number;
  readonly command: Command;
  /** Whether the handler was called. */
  begun?: true;
}
