// Does: the messages between the server thread and a worker. Types only.
// Used by: both threads. A worker may be this thread or another one.
// Invariant: messages are plain data in order, without callbacks and without shared objects.
import type { BudgetLimits } from "../governor/budget.ts";
import type { UsageDelta } from "../governor/counters.ts";
import type { Failure } from "../protocol/errors.ts";
import type { Engine, PiResources } from "../protocol/pi_package.ts";
import type { Command } from "../protocol/schema/commands.ts";
import type { Interrupted } from "../protocol/schema/responses.ts";
import type { SessionRecord } from "./session_record.ts";
import type { FileOwner } from "../protocol/failures.ts";

/** The configuration of a worker. */
export interface WorkerConfig {
  /** The version of pi that the worker loads. */
  readonly engine: Engine;
  /** The proxy in pi's settings, which holds where the environment names none. */
  readonly httpProxy?: string;
  /** Base of a relative `cwd`, and the default `cwd`. */
  readonly cwd: string;
  /** Folders that paths must stay in, after links are resolved. Undefined means the default roots. */
  readonly roots?: readonly string[];
  /** Folders that stay closed even inside a root: the state folder with its tokens. */
  readonly closed?: readonly string[];
  readonly trustProjects: boolean;
  /** Folders in the trust store. */
  readonly trustedFolders?: readonly string[];
  /** What pi loads for every session. */
  readonly resources: PiResources;
  readonly demo: boolean;
  /** Folder for the logs of long shell outputs, which the server removes at its end. */
  readonly outputDir: string;
  /** The most open dialogs of one session. */
  readonly pendingUi: number;
  /** Bytes of memory at which the worker is replaced. Absent without a memory limit. */
  readonly memoryBytes?: number;
  /** The budget of each session until a client sets one. */
  readonly budget?: BudgetLimits;
  /** Milliseconds of silence after which a run counts as stalled. Absent: never. */
  readonly turnStallMs?: number;
  /** Marks the processes that this worker starts. Absent for a worker in the server thread. */
  readonly processTag?: string;
  /** Marks the processes that all workers of this state folder start. */
  readonly serverTag?: string | undefined;
  /** The name of this node of a cluster. Absent outside of one. */
  readonly node?: string;
  /** Whether another node may take the sessions over, so that writes need a lease. */
  readonly shared?: true;
}

/** Whether a subscriber wants the full form of a session's events, and how many connections watch it. */
export interface SubscriberDemand {
  readonly full: boolean;
  readonly subscribers: number;
}

/** How large the snapshots of an answer may be. */
export interface SnapshotForm {
  /** Bytes of each snapshot's messages. */
  readonly bytes: number;
  /** The bytes are those of the whole state, with its SessionInfo and dialogs. */
  readonly whole?: true;
  /** Large texts and images go by reference. */
  readonly refs?: true;
}

/** Messages from the server thread to a worker. */
export type ToWorker =
  | { readonly kind: "start"; readonly config: WorkerConfig }
  /** Run a command. Exactly one `reply` follows. `connection` groups the commands of one client. */
  | { readonly kind: "command"; readonly ref: number; readonly connection: number; readonly command: Command }
  /** Build the session of a `create_session` or `load_session`. The command has its session id. */
  | {
    readonly kind: "create_session";
    readonly ref: number;
    readonly demand: SubscriberDemand;
    readonly command: Command;
    /** Messages that a crash of that session interrupted. */
    readonly interrupted?: readonly Interrupted[];
  }
  /** Build a parked session again, under that epoch. Its numbers go on if that is the old epoch. */
  | {
    readonly kind: "resume_session";
    readonly ref: number;
    readonly demand: SubscriberDemand;
    readonly epoch: string;
    readonly record: SessionRecord;
    /** Messages that were interrupted when the session was lost. */
    readonly interrupted: readonly Interrupted[];
  }
  /** Park a session, if it is idle and its record loses nothing. `park_result` follows. */
  | { readonly kind: "park_session"; readonly ref: number; readonly sessionId: string }
  /** Reply to a `save_record` with this number: the record is written. */
  | { readonly kind: "record_saved"; readonly ref: number; readonly error?: string }
  /** Check a session file and return its id. */
  | { readonly kind: "read_header"; readonly ref: number; readonly sessionPath: string }
  /** Reply to a `claim_file`. `owner` is the other session or server that has the file. */
  | { readonly kind: "claim_result"; readonly ref: number; readonly owner?: string | FileOwner }
  /** That session drives the file from now on, or none does. */
  | { readonly kind: "file_owner"; readonly file: string; readonly sessionId?: string }
  /** A client's statement of trust, on any worker. */
  | { readonly kind: "trust_folder"; readonly folder: string; readonly trusted: boolean }
  | { readonly kind: "subscribers"; readonly sessionId: string; readonly demand: SubscriberDemand }
  /** Return the state of the named sessions, or of all, at one point of the order. */
  | {
    readonly kind: "get_states";
    readonly ref: number;
    readonly sessionIds?: readonly string[];
    /** Sessions whose snapshot is wanted too. */
    readonly snapshots: "all" | readonly string[];
    /** Absent: the default for so many snapshots. */
    readonly form?: SnapshotForm;
  }
  /** Count the busy sessions. With `stop`, stop them and every bash. */
  | { readonly kind: "count_busy"; readonly ref: number; readonly stop: boolean }
  /** Reply when no session (or none of those) is busy and no command runs. */
  | { readonly kind: "await_idle"; readonly ref: number; readonly sessionIds?: readonly string[] }
  /** No client is left that could answer a dialog. */
  | { readonly kind: "disable_dialogs" }
  | { readonly kind: "shutdown"; readonly ref: number }
  /** Reply at once, to show that the thread is alive. Until `writesUntil` on its own steady clock it may write. */
  | { readonly kind: "ping"; readonly ref: number; readonly writesUntil?: number };

/** How the outbox may merge an event with its neighbour. */
export type CoalesceHint =
  /** A piece of a content block: pieces of one block are joined, text to text. */
  | { readonly kind: "delta"; readonly of: string; readonly contentIndex: number }
  /** The state of something. A later one with that key replaces an earlier one. */
  | { readonly kind: "state"; readonly key: string };

/** The text after each piece of a delta. */
export const DELTA_SUFFIX: string = '"}}}';

/** An encoded event, with all that the server thread needs of it. The server thread never parses an event. */
export interface EncodedEvent {
  readonly seq: number;
  readonly type: string;
  /** The whole message in its delta form. Most events have only this form. */
  readonly text: string;
  /** The full form, if it differs and a subscriber wants it. */
  readonly full?: string | undefined;
  /** The delta form with references, if the event has large texts or images. */
  readonly brief?: string | undefined;
  readonly coalesce?: CoalesceHint | undefined;
  /** Of a piece: its offset in `text`, encoded as JSON. It ends before DELTA_SUFFIX. */
  readonly at?: number;
}

/** The result of a command. `dataText` is JSON already. */
export type Reply =
  | {
    readonly ok: true;
    readonly dataText: string;
    readonly sessionVersion?: number;
    /** A stored answer of an earlier command. */
    readonly replayed?: true;
  }
  | {
    readonly ok: false;
    readonly failure: Failure;
    readonly sessionVersion?: number;
    readonly replayed?: true;
    /** The command had not begun, whatever the code says. */
    readonly unstarted?: true;
    /** The worker of the command is gone, and the outcome is unknown. */
    readonly lost?: true;
  };

/** The reply to `attach` for one session. */
export interface SessionState {
  readonly sessionId: string;
  readonly epoch: string;
  /** The state is the one after this event. */
  readonly seq: number;
  readonly sessionVersion: number;
  /** JSON of the snapshot, if one was wanted. */
  readonly snapshot?: string;
  /** JSON of the session's SessionInfo alone. */
  readonly infoText: string;
  /** JSON of each open dialog. */
  readonly pendingUi: readonly string[];
}

/** Messages from a worker to the server thread. */
export type FromWorker =
  /** The worker listens. */
  | { readonly kind: "online" }
  /** The worker has taken a batch of messages. Its direct replies came before this. */
  | { readonly kind: "batch_ack" }
  /** The worker has failed at a message and must be replaced. */
  | { readonly kind: "fatal"; readonly reason: string }
  /** The worker loads pi: one step, in which it answers nothing. */
  | { readonly kind: "load_begun" }
  /** pi is loaded, or cannot be loaded. */
  | { readonly kind: "load_ended" }
  | { readonly kind: "reply"; readonly ref: number; readonly reply: Reply }
  /** The command has left the mailbox and no longer counts as in flight. Its reply follows later. */
  | { readonly kind: "command_released"; readonly ref: number }
  /** The progress of that command's message: accepted, begun, or done. */
  | { readonly kind: "message_progress"; readonly ref: number; readonly state: "accepted" | "began" | "done" }
  | { readonly kind: "states"; readonly ref: number; readonly sessions: readonly SessionState[] }
  /** The session exists from now on. */
  | { readonly kind: "session_started"; readonly sessionId: string; readonly epoch: string }
  /** A session record has changed. With `ref`, a reply waits until the record is written. */
  | { readonly kind: "save_record"; readonly record: SessionRecord; readonly ref?: number }
  /** The result of `park_session`. With a record the session is parked. Without one it stays live. */
  | { readonly kind: "park_result"; readonly ref: number; readonly record?: SessionRecord }
  | { readonly kind: "events"; readonly sessionId: string; readonly events: readonly EncodedEvent[] }
  | { readonly kind: "header"; readonly ref: number; readonly id: string; readonly file: string }
  /** Ask whether this session may drive that file. */
  | { readonly kind: "claim_file"; readonly ref: number; readonly sessionId: string; readonly file: string }
  /** The session drives that file from now on, or none. */
  | { readonly kind: "session_file"; readonly sessionId: string; readonly file?: string }
  /** Turns, tokens and cost of a session since its last report. */
  | { readonly kind: "usage"; readonly sessionId: string; readonly usage: UsageDelta }
  /**
   * Reply to a `ping`. `at` is the time of the ping's turn in milliseconds since the epoch, `bytes` the used
   * memory, and `steady` its steady clock where writes end.
   */
  | {
    readonly kind: "pong";
    readonly ref: number;
    readonly at: number;
    readonly bytes: number;
    readonly steady?: number;
  }
  /** A client's statement of trust for a folder. */
  | { readonly kind: "trust_folder"; readonly folder: string; readonly trusted: boolean }
  | { readonly kind: "idle"; readonly ref: number }
  | { readonly kind: "busy_count"; readonly ref: number; readonly busy: number }
  | {
    readonly kind: "shutdown_done";
    readonly ref: number;
    readonly disposed: number;
    readonly failed: number;
    /** pi still refreshes a login. The same message without this field follows when the login is on disk. */
    readonly saving?: true;
  }
  | ProviderReport
  | ModelReport
  | SilenceReport
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  };

/** An answer of a model has failed; without an error, the first good one after that. */
export interface ProviderReport {
  readonly kind: "provider_report";
  readonly sessionId: string;
  readonly provider: string;
  readonly modelId: string;
  readonly error?: string;
}

/** What the models of a worker lack, once pi is loaded: a sentence for each thing. */
export interface ModelReport {
  readonly kind: "model_report";
  readonly issues: readonly string[];
}

/** What a session has heard nothing from for too long. */
export interface Silence {
  /** `model`: a run waits for its model, or for a handler of an extension. `command`: a command has not ended. */
  readonly of: "model" | "tool" | "command";
  /** The name of the tool or the command. */
  readonly name?: string;
  /** Milliseconds so far. */
  readonly ms: number;
}

/** A session is silent; without `silence`, no longer. */
export interface SilenceReport {
  readonly kind: "silence_report";
  readonly sessionId: string;
  readonly silence?: Silence;
}

type OfKind<M extends { readonly kind: string }, K extends M["kind"]> = Extract<M, { readonly kind: K }>;

/** One handler for each message of a worker. A new kind without a handler does not compile. */
export type FromWorkerHandlers = {
  readonly [K in FromWorker["kind"]]: (message: OfKind<FromWorker, K>, worker: number) => void;
};

/** One handler for each message of the server thread. */
export type ToWorkerHandlers = {
  readonly [K in ToWorker["kind"]]: (message: OfKind<ToWorker, K>) => void;
};
