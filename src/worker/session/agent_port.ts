// Does: describes the agent that a session needs. Types only. worker/pi/factory.ts implements them on pi.
// Used by: the session and its handlers.
// Invariant: expected failures are values, and events arrive through one callback, in order.
import type { Failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type {
  Disposition,
  FileRepair,
  QueuedTexts,
  SessionInfo,
  Usage,
  WireModel,
} from "../../protocol/schema/responses.ts";
import type { ContextUsage, Tool, TreeNode } from "../../protocol/schema/results.ts";
import type { Answer, Question } from "./dialogs.ts";
import type { FileFormat } from "../../ipc/file_format.ts";
import type { AgentKept } from "../../ipc/session_record.ts";
import type { Outcome } from "../../protocol/failures.ts";
import type { Clock } from "../../runtime/runtime.ts";

/** An image of a prompt, as pi takes it. */
export interface PromptImage {
  readonly type: "image";
  readonly data: string;
  readonly mimeType: string;
}

/** A message to the agent. */
export interface PromptInput {
  readonly message: string;
  readonly images: readonly PromptImage[];
}

/** How to take a message while the agent is busy. */
export type QueueKind = "steer" | "followUp";

/** How the agent accepted a message, or why it refused. */
export type Acceptance =
  | {
    readonly ok: true;
    readonly disposition: Disposition;
    /** For a queued message: the queue, and its (expanded) text. */
    readonly queued?: { readonly kind: QueueKind; readonly text: string };
  }
  | { readonly ok: false; readonly failure: Failure };

/** A prompt that the agent may not have accepted yet. */
export interface PromptHandle {
  readonly accepted: Promise<Acceptance>;
  /** Resolves when pi's call has ended. For a slash command, when its handler has returned. */
  readonly returned: Promise<void>;
  /** Starts the handler of a slash command, which may never yield. Call it after the reply has been posted. */
  readonly begin?: () => void;
}

/** The result of the last run. */
export interface RunResult {
  readonly text: string | null;
  readonly stopReason: string | null;
  readonly usage: Usage | null;
  readonly aborted: boolean;
  readonly errorMessage?: string;
  /** What is unusual about the last answer, for a user. */
  readonly notice?: string;
}

/** Result of a bash command; `exitCode` is absent when it was cancelled or killed. */
export interface BashOutcome {
  readonly output: string;
  readonly exitCode?: number;
  readonly cancelled: boolean;
  readonly truncated: boolean;
  readonly fullOutputPath?: string;
}

/** The part of SessionInfo that the agent knows. */
export type AgentInfo = Pick<
  SessionInfo,
  | "sessionName"
  | "firstMessage"
  | "sessionFile"
  | "cwd"
  | "model"
  | "thinkingLevel"
  | "isStreaming"
  | "isCompacting"
  | "steeringMode"
  | "followUpMode"
  | "autoCompactionEnabled"
  | "messageCount"
  | "pendingMessageCount"
  | "untrusted"
  | "fileRepair"
  | "extensionErrors"
>;

/** pi's thinking levels. */
export type ThinkingLevel = SessionInfo["thinkingLevel"];

/** How the agent delivers queued messages: all together, or one a turn. */
export type QueueMode = SessionInfo["steeringMode"];

/** Options for a move to another branch of the tree. */
export interface NavigateOptions {
  readonly summarize?: boolean;
  readonly customInstructions?: string;
  readonly replaceInstructions?: boolean;
  readonly label?: string;
}

/** The model, the thinking level and the modes of one session. */
export interface AgentSettings {
  models(): readonly WireModel[];
  setModel(provider: string, modelId: string): Promise<Outcome<WireModel>>;
  cycleModel(
    direction: "forward" | "backward",
  ): Promise<{ model: WireModel; thinkingLevel: ThinkingLevel; isScoped: boolean } | null>;
  /** Returns the level in effect, within the limits of the model. */
  setThinkingLevel(level: ThinkingLevel): Outcome<ThinkingLevel>;
  /** The levels of the current model. */
  thinkingLevels(): readonly ThinkingLevel[];
  cycleThinkingLevel(): ThinkingLevel | null;
  setSteeringMode(mode: QueueMode): void;
  setFollowUpMode(mode: QueueMode): void;
  setAutoCompaction(enabled: boolean): void;
  setAutoRetry(enabled: boolean): void;
}

/** An entry of pi's history, and the entry that it hangs below for clients. */
export interface PlacedEntry {
  readonly entry: { readonly id: string; readonly parentId: string | null };
  readonly parentId: string | null;
}

/** The history of one session. A replacement keeps the port. */
export interface AgentHistory {
  newSession(parentSession: string | undefined): Promise<Outcome<{ cancelled: boolean }>>;
  /**
   * The file must have been checked, because pi overwrites a file without a session.
   *
   * @param repair the repair of the file
   */
  switchFile(path: string, repair?: FileRepair): Promise<Outcome<{ cancelled: boolean }>>;
  fork(entryId: string): Promise<Outcome<{ text: string; cancelled: boolean }>>;
  clone(): Promise<Outcome<{ cancelled: boolean }>>;
  forkMessages(): readonly { entryId: string; text: string }[];
  tree(): { currentLeafId: string | null; nodes: readonly TreeNode[] };
  /** Every entry that clients see, in the order of the file, and the one at which the agent stands. */
  entries(): { leafId: string | null; placed: readonly PlacedEntry[] };
  navigate(
    targetId: string,
    options: NavigateOptions,
  ): Promise<Outcome<{ editorText?: string; cancelled: boolean; aborted?: boolean }>>;
  /** Makes the page, in UTF-8. For that, pi writes its own form of the page to that absolute path. */
  exportHtml(path: string): Promise<Outcome<{ page: Uint8Array; imagesLeftOut?: number }>>;
}

/** The commands, skills and tools of a session, and its usage. */
export interface AgentDiscovery {
  commands(): readonly unknown[];
  skills(): readonly unknown[];
  tools(): readonly Tool[];
  /** Returns unknown names, and then changes nothing. */
  setTools(names: readonly string[]): readonly string[];
  reload(): Promise<Outcome<undefined>>;
  lastAssistantText(): string | null;
  stats(): Readonly<Record<string, unknown>>;
  contextUsage(): ContextUsage | null;
  /** Folder in which pi keeps this session's file; absent when it has none. */
  sessionFolder(): string | undefined;
}

/** One agent session. */
export interface AgentPort {
  readonly settings: AgentSettings;
  readonly history: AgentHistory;
  readonly discovery: AgentDiscovery;
  info(): AgentInfo;
  /** The state of the session that pi's file does not hold. */
  kept(): AgentKept;
  /** The session's file, when another program has written to it since the session did. */
  externalWrite(): string | undefined;
  /** Whether the file and the record are enough to rebuild the session without a loss. */
  restorable(): boolean;
  /** True from acceptance to `agent_settled`, including retry waits and compaction. */
  busy(): boolean;
  messages(): readonly unknown[];
  /** The result of the last run. Complete when `agent_settled` has been emitted. */
  lastRun(): RunResult;
  /** Runs `session_start` handlers of extensions. */
  start(): Promise<void>;
  prompt(input: PromptInput, whenBusy: QueueKind | undefined): PromptHandle;
  /** Queues while busy, starts a run otherwise. */
  queue(kind: QueueKind, input: PromptInput): Promise<Acceptance>;
  /** Stops everything that runs, and empties the queue. */
  abort(): QueuedTexts;
  abortRetry(): void;
  /** Stops a compaction or the summary of a branch. */
  abortCompaction(): void;
  clearQueue(): QueuedTexts;
  setName(name: string): void;
  compact(customInstructions: string | undefined): Promise<Outcome<unknown>>;
  bash(
    command: string,
    excludeFromContext: boolean,
    onChunk: (chunk: string) => void,
  ): Promise<Outcome<BashOutcome>>;
  abortBash(): void;
  /** Stops everything and releases it. Extensions may delay this, so limit the wait. */
  dispose(): Promise<void>;
}

/** The request for a new agent. */
export interface AgentRequest {
  /** A checked session file, or the path of one that pi never wrote. Absent: a new session. */
  readonly sessionFile?: string;
  /** The repair of that file. The session reports it at its start. */
  readonly repair?: FileRepair;
  /** The state of a parked session. It wins over the file. */
  readonly kept?: AgentKept;
  readonly cwd: string;
  readonly inMemory: boolean;
  readonly trusted: boolean;
  readonly sessionName?: string;
  readonly model?: { readonly provider: string; readonly id: string };
  readonly thinkingLevel?: ThinkingLevel;
  readonly tools?: readonly string[];
}

/** The callbacks from an agent to its session. */
export interface AgentHooks {
  emit(event: SessionEvent): void;
  ask(question: Question): Promise<Answer>;
  /** The session behind the port will be replaced. Its dialogs end without an answer. */
  replacing(): void;
  /** Messages have changed without an event. */
  rewritten(): void;
  /** The session writes another file from now on, or none. */
  fileChanged(path: string | undefined): void;
  /**
   * Switches to a file for an extension. The worker checks and claims the file as for `switch_session_file`. It calls
   * `ready` after the check, then `change` with the canonical path and the repair.
   */
  switchFile(
    path: string,
    ready: () => Promise<void>,
    change: (path: string, repair?: FileRepair) => Promise<Outcome<{ cancelled: boolean }>>,
  ): Promise<Outcome<{ cancelled: boolean }>>;
}

/** Refreshes of logins. */
export interface LoginRefreshes {
  /** Resolves when refreshed logins are on disk, within a bound; undefined when no refresh is under way. */
  saved(clock: Clock): Promise<void> | undefined;
  /** Called when a provider is slow with a refresh, and when none is any more. */
  onSlow: (isSlow: boolean) => void;
}

/** Builds sessions, and holds what they share. */
export interface AgentFactory {
  readonly format: FileFormat;
  /** Folders that pi keeps sessions in, for the default roots. */
  readonly sessionFolders: readonly string[];
  build(request: AgentRequest, hooks: AgentHooks): Promise<Outcome<AgentPort>>;
  readonly logins?: LoginRefreshes;
  /** The models that can be used, without those that extensions of a session register. */
  models?(): Promise<readonly WireModel[]>;
  /** A sentence for each thing that the user's models lack. */
  modelIssues?(): Promise<readonly string[]>;
}
