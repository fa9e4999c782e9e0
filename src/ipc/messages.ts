// The host's edge: what the router thread and a host say to each other. Plain data, in order, no callbacks
// and no shared objects, so a host may be this thread, a worker, or one day another machine.
import type { BudgetLimits } from "../governor/budget.ts";
import type { UsageDelta } from "../governor/counters.ts";
import type { Failure } from "../protocol/errors.ts";
import type { Command } from "../protocol/schema/commands.ts";
import type { Interrupted } from "../protocol/schema/responses.ts";
import type { SessionRecord } from "./session_record.ts";
import type { FileOwner } from "../protocol/failures.ts";

/** What a host must know to run sessions. */
export interface WorkerConfig {
  /** Folder that a relative `cwd` resolves against; also the default `cwd`. */
  readonly cwd: string;
  /** Folders that paths must stay in, after links are resolved; undefined means the default roots. */
  readonly roots?: readonly string[];
  /** Folders that stay closed even inside a root: the state folder with its tokens. */
  readonly closed?: readonly string[];
  readonly trustProjects: boolean;
  /** Folders that are remembered as trusted. */
  readonly trustedFolders?: readonly string[];
  readonly demo: boolean;
  /** Folder for the logs of long shell outputs, which the server removes at its end. */
  readonly outputDir: string;
  /** Most dialogs that may be open in one session. */
  readonly pendingUi: number;
  /** Bytes of memory at which the host is replaced; absent where nothing watches its memory. */
  readonly memoryBytes?: number;
  /** What each session may spend, until a client sets that. */
  readonly budget?: BudgetLimits;
  /** Milliseconds of silence after which a run is told as stalled; absent: never. */
  readonly turnStallMs?: number;
  /** Marks the processes that this very host starts; absent where it shares the router thread. */
  readonly processTag?: string;
  /** Marks the processes that all hosts of this state folder start. */
  readonly serverTag?: string | undefined;
}

/** Whether somebody wants the full form of a session's events, and how many connections watch it. */
export interface SubscriberDemand {
  readonly full: boolean;
  readonly subscribers: number;
}

/** Router thread → host. */
export type ToWorker =
  | { readonly kind: "start"; readonly config: WorkerConfig }
  /** Run a command; exactly one `reply` follows. `connection` groups what one client pipelines. */
  | { readonly kind: "command"; readonly ref: number; readonly connection: number; readonly command: Command }
  /** Build the session that a `create_session` or `load_session` with its id filled in asks for. */
  | {
    readonly kind: "create_session";
    readonly ref: number;
    readonly demand: SubscriberDemand;
    readonly command: Command;
    /** What an earlier life of that session was in the middle of. */
    readonly interrupted?: readonly Interrupted[];
  }
  /** Build a parked session again, under that epoch; its numbers go on if that is the old one. */
  | {
    readonly kind: "resume_session";
    readonly ref: number;
    readonly demand: SubscriberDemand;
    readonly epoch: string;
    readonly record: SessionRecord;
    /** What it was in the middle of when it was lost. */
    readonly interrupted: readonly Interrupted[];
  }
  /** Let go of a session, if nothing runs in it and nothing would be lost; `parked` follows. */
  | { readonly kind: "park_session"; readonly ref: number; readonly sessionId: string }
  /** Answer to a `record` that carried this number: it is kept. */
  | { readonly kind: "record_saved"; readonly ref: number; readonly error?: string }
  /** Check a session file and say which id it has. */
  | { readonly kind: "read_header"; readonly ref: number; readonly sessionPath: string }
  /** Answer to a `claim`; `owner` is another session, or another server, that has the file. */
  | { readonly kind: "claim_result"; readonly ref: number; readonly owner?: string | FileOwner }
  /** That file is driven by that session from now on, or by none. */
  | { readonly kind: "file_owner"; readonly file: string; readonly sessionId?: string }
  /** What clients say of a folder, on whatever host. */
  | { readonly kind: "trust_folder"; readonly folder: string; readonly trusted: boolean }
  | { readonly kind: "subscribers"; readonly sessionId: string; readonly demand: SubscriberDemand }
  /** State of the named sessions, or of all that are built, all at one point of the order. */
  | {
    readonly kind: "get_states";
    readonly ref: number;
    readonly sessionIds?: readonly string[];
    /** Sessions whose whole state is wanted too. */
    readonly snapshots: "all" | readonly string[];
  }
  /** Counts the busy sessions, and with `stop` has them and every bash stopped. */
  | { readonly kind: "count_busy"; readonly ref: number; readonly stop: boolean }
  /** Replies once no session (or none of those) is busy and no command runs. */
  | { readonly kind: "await_idle"; readonly ref: number; readonly sessionIds?: readonly string[] }
  /** Nobody is left who could answer a dialog. */
  | { readonly kind: "disable_dialogs" }
  | { readonly kind: "shutdown"; readonly ref: number }
  /** Answer at once, to show that the thread is not stuck. */
  | { readonly kind: "ping"; readonly ref: number };

/** What an outbox needs to merge an event with its neighbour while a reader lags. */
export type CoalesceHint =
  /** A piece of a content block: pieces of one block are joined, text to text. */
  | { readonly kind: "delta"; readonly of: string; readonly contentIndex: number }
  /** The state of something: a later one of that key stands for an earlier one. */
  | { readonly kind: "state"; readonly key: string };

/** How the text of every piece ends, behind the piece itself. */
export const DELTA_SUFFIX: string = '"}}}';

/** An encoded event with what the router thread needs of it, so that it never parses one. */
export interface EncodedEvent {
  readonly seq: number;
  readonly type: string;
  /** The whole message in its delta form, which most events have alone. */
  readonly text: string;
  /** In its full form, where that differs and somebody wants it. */
  readonly full?: string | undefined;
  readonly coalesce?: CoalesceHint | undefined;
  /** Of a piece: where in `text` it starts, encoded as JSON; it ends before PIECE_END. */
  readonly at?: number;
}

/** How a command ended. `dataText` is JSON already. */
export type Reply =
  | {
    readonly ok: true;
    readonly dataText: string;
    readonly sessionVersion?: number;
    /** An old answer, given again. */
    readonly replayed?: true;
  }
  | {
    readonly ok: false;
    readonly failure: Failure;
    readonly sessionVersion?: number;
    readonly replayed?: true;
    /** The command had not begun, whatever the code says. */
    readonly unstarted?: true;
    /** Whoever ran it is gone: nobody knows how far it came. */
    readonly lost?: true;
  };

/** What `attach` answers for one session. */
export interface SessionState {
  readonly sessionId: string;
  readonly epoch: string;
  /** The state is that after this event. */
  readonly seq: number;
  readonly sessionVersion: number;
  /** JSON of the snapshot, where one was wanted. */
  readonly snapshot?: string;
  /** JSON of the session's SessionInfo alone. */
  readonly infoText: string;
  /** JSON of each open dialog. */
  readonly pendingUi: readonly string[];
}

/** Host → router thread. */
export type FromWorker =
  /** The host listens. */
  | { readonly kind: "online" }
  /** The host has taken a batch of messages; its direct answers stand before this. */
  | { readonly kind: "batch_ack" }
  /** The host has failed at a message and cannot be trusted any more. */
  | { readonly kind: "fatal"; readonly reason: string }
  /** pi is loaded. */
  | { readonly kind: "pi_loaded" }
  | { readonly kind: "reply"; readonly ref: number; readonly reply: Reply }
  /** The command has left the mailbox and counts as in flight no longer; its reply is still to come. */
  | { readonly kind: "command_released"; readonly ref: number }
  /** How far the message of that command has come: the agent has it, has begun with it, needs it no more. */
  | { readonly kind: "message_progress"; readonly ref: number; readonly state: "accepted" | "began" | "done" }
  | { readonly kind: "states"; readonly ref: number; readonly sessions: readonly SessionState[] }
  /** The session exists from now on. */
  | { readonly kind: "session_started"; readonly sessionId: string; readonly epoch: string }
  /** What is to be kept of a session has changed; with `ref`, somebody's answer waits until it is kept. */
  | { readonly kind: "save_record"; readonly record: SessionRecord; readonly ref?: number }
  /** The session has been let go of; without a record it could not be, and lives on. */
  | { readonly kind: "park_result"; readonly ref: number; readonly record?: SessionRecord }
  | { readonly kind: "events"; readonly sessionId: string; readonly events: readonly EncodedEvent[] }
  | { readonly kind: "header"; readonly ref: number; readonly id: string; readonly file: string }
  /** May this session drive that file? */
  | { readonly kind: "claim_file"; readonly ref: number; readonly sessionId: string; readonly file: string }
  /** The session drives that file from now on, or none. */
  | { readonly kind: "session_file"; readonly sessionId: string; readonly file?: string }
  /** Turns, tokens and money that a session has spent since it said so last. */
  | { readonly kind: "usage"; readonly sessionId: string; readonly spending: UsageDelta }
  /** Answer to a `ping`; `at` is when the host got to it, in milliseconds since the epoch, `bytes` what it holds. */
  | { readonly kind: "pong"; readonly ref: number; readonly at: number; readonly bytes: number }
  /** A client has said whether that folder is to be trusted. */
  | { readonly kind: "trust_folder"; readonly folder: string; readonly trusted: boolean }
  | { readonly kind: "idle"; readonly ref: number }
  | { readonly kind: "busy_count"; readonly ref: number; readonly busy: number }
  | {
    readonly kind: "shutdown_done";
    readonly ref: number;
    readonly disposed: number;
    readonly failed: number;
    /** A login is being refreshed still; the same message without this follows once it is on disk. */
    readonly saving?: true;
  }
  | ProviderReport
  | ModelReport
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  };

/** An answer of a model has failed. Without an error: the first good answer after that. */
export interface ProviderReport {
  readonly kind: "provider_report";
  readonly sessionId: string;
  readonly provider: string;
  readonly modelId: string;
  readonly error?: string;
}

/** The faults of a worker's models, one sentence each. Sent once pi is loaded. */
export interface ModelReport {
  readonly kind: "model_report";
  readonly issues: readonly string[];
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
