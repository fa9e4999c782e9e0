// Generated from the schemas beside this file by `deno task gen`; do not edit.
// Events beyond pi's own.

import type { Budget, BudgetUsage, FileRepair, Model } from "./shapes.ts";

/** The run is over: nothing runs and nothing will start by itself. Once for each run. */
export interface AgentSettledEvent {
  /** Says what it is. */
  type: "agent_settled";
  /** Why the last answer ended, as pi says it. */
  stopReason: string | null;
  /** Whether it was stopped. */
  aborted: boolean;
  /** How many messages are queued. */
  pendingMessageCount: number;
  /** Says that the last answer is empty, or holds only thoughts. */
  notice?: string;
}

/** The session has another model. */
export interface ModelChangedEvent {
  /** Says what it is. */
  type: "model_changed";
  /** The model. */
  model: Model;
}

/** A client's shell command has printed something; `commandId` is the `id` of its `bash` command. */
export interface BashOutputEvent {
  /** Says what it is. */
  type: "bash_output";
  /** The `id` of the command that it belongs to. */
  commandId?: string;
  /** What was printed, since the last one. */
  chunk: string;
}

/** An extension opens a dialog or sends a notice. The other fields depend on `method`. */
export interface ExtensionUiRequestEvent {
  /** Says what it is. */
  type: "extension_ui_request";
  /** Id of a dialog. */
  requestId: string;
  /** The kind of dialog. */
  method: string;
}

/** A dialog is over; `by` says how it ended. */
export interface ExtensionUiResolvedEvent {
  /** Says what it is. */
  type: "extension_ui_resolved";
  /** Id of a dialog. */
  requestId: string;
  /** Who or what ended it. */
  by: "client" | "timeout" | "cancelled" | "session";
}

/**
 * pi could not write its session file. It keeps the missing part in memory, and writes it when the disk takes
 * it.
 */
export interface StorageErrorEvent {
  /** Says what it is. */
  type: "storage_error";
  /** The protocol's `file`. */
  file: string;
  /** What is wrong, a sentence. */
  error: string;
}

/**
 * The session's file was damaged. Before pi opened it, the server joined the whole entries in a new file;
 * `copy` is the damaged one. This is the first event of a session that was loaded or resumed.
 */
export interface SessionFileRepairedEvent {
  /** Says what it is. */
  type: "session_file_repaired";
  /** The damage that the server repaired. */
  repair: FileRepair;
}

/**
 * The session has another history, under the same id. A client or an extension used `new_session`,
 * `switch_session_file`, `fork` or `clone`. With the reason `recovered`, one of these failed halfway.
 */
export interface SessionReplacedEvent {
  /** Says what it is. */
  type: "session_replaced";
  /** Why. */
  reason: string;
  /** pi's file of the session. */
  sessionFile?: string;
}

/** The session has used up its budget. The server refuses messages until `set_budget` raises it. */
export interface BudgetExceededEvent {
  /** Says what it is. */
  type: "budget_exceeded";
  /** At most so many. */
  limit: "maxUsd" | "maxTurns" | "maxWallMs";
  /** What the session may spend. */
  budget: Budget;
  /** Tokens and cost of the run. */
  usage: BudgetUsage;
}

/**
 * A run has been silent for long; `phase` says what it waits for. The event comes again while the silence
 * lasts.
 */
export interface TurnStalledEvent {
  /** Says what it is. */
  type: "turn_stalled";
  /** What the run waits for: the model, a tool, or the answer to a dialog. */
  phase: "model" | "tool" | "ui";
  /** How long the run has been silent, in milliseconds. */
  silentMs: number;
  /** Id of the tool call. */
  toolCallId?: string;
}

/**
 * An extension failed, could not be loaded (`event` is `load`), or opened too many dialogs (`event` is `ui`).
 * `event` is `model` when the session's model no longer exists and the session continues with another one.
 * `load` also reports settings, models, skills, prompts and packages that pi cannot use. `extensionPath` is
 * the path of the file or package at fault, or names a command. `extensionErrors` of the session's state
 * lists the faults of the last load, and `health_check` and the log name them too.
 */
export interface ExtensionErrorEvent {
  /** Says what it is. */
  type: "extension_error";
  /** Path of the extension, or of the file or package at fault. */
  extensionPath: string;
  /** The event that was handled. */
  event: string;
  /** What is wrong, a sentence. */
  error: string;
}

/** Events beyond pi's own, by type. */
export interface EventMap {
  /** Of `agent_settled`. */
  agent_settled: AgentSettledEvent;
  /** Of `model_changed`. */
  model_changed: ModelChangedEvent;
  /** Of `bash_output`. */
  bash_output: BashOutputEvent;
  /** Of `extension_ui_request`. */
  extension_ui_request: ExtensionUiRequestEvent;
  /** Of `extension_ui_resolved`. */
  extension_ui_resolved: ExtensionUiResolvedEvent;
  /** Of `storage_error`. */
  storage_error: StorageErrorEvent;
  /** Of `session_file_repaired`. */
  session_file_repaired: SessionFileRepairedEvent;
  /** Of `session_replaced`. */
  session_replaced: SessionReplacedEvent;
  /** Of `budget_exceeded`. */
  budget_exceeded: BudgetExceededEvent;
  /** Of `turn_stalled`. */
  turn_stalled: TurnStalledEvent;
  /** Of `extension_error`. */
  extension_error: ExtensionErrorEvent;
}
