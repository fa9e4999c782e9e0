// What a session needs of an agent, and no more. `pi.ts` implements it; a newer pi needs only another
// implementation. Expected failures are values; events come through one callback, in order.
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
import type { AgentKept } from "../../ipc/session_record.ts";
import type { Outcome } from "../../protocol/failures.ts";

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

/** How a message was taken, or why not. */
export type Acceptance =
  | {
    readonly ok: true;
    readonly disposition: Disposition;
    /** For a queued one: where and under which (expanded) text it waits. */
    readonly queued?: { readonly kind: QueueKind; readonly text: string };
  }
  | { readonly ok: false; readonly failure: Failure };

/** A prompt on its way. */
export interface PromptHandle {
  readonly accepted: Promise<Acceptance>;
  /** Resolves when pi is done with the call; for a slash command, when its handler has returned. */
  readonly returned: Promise<void>;
  /** Starts a slash command's handler, which may never yield: to be called once the answer is on its way. */
  readonly begin?: () => void;
}

/** What the last run came to. */
export interface RunResult {
  readonly text: string | null;
  readonly stopReason: string | null;
  readonly usage: Usage | null;
  readonly aborted: boolean;
  readonly errorMessage?: string;
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

/** How queued messages are delivered: all together, or one a turn. */
export type QueueMode = SessionInfo["steeringMode"];

/** How to leave one branch of the tree for another. */
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
  /** Returns the level in effect, after clamping to what the model can. */
  setThinkingLevel(level: ThinkingLevel): ThinkingLevel;
  cycleThinkingLevel(): ThinkingLevel | null;
  setSteeringMode(mode: QueueMode): void;
  setFollowUpMode(mode: QueueMode): void;
  setAutoCompaction(enabled: boolean): void;
  setAutoRetry(enabled: boolean): void;
}

/** The history of one session; whatever replaces it keeps the port. */
export interface AgentHistory {
  newSession(parentSession: string | undefined): Promise<Outcome<{ cancelled: boolean }>>;
  /**
   * The file must have been checked: pi overwrites what is not a session.
   *
   * @param repair what had to be repaired in it
   */
  switchFile(path: string, repair?: FileRepair): Promise<Outcome<{ cancelled: boolean }>>;
  fork(entryId: string): Promise<Outcome<{ text: string; cancelled: boolean }>>;
  clone(): Promise<Outcome<{ cancelled: boolean }>>;
  forkMessages(): readonly { entryId: string; text: string }[];
  tree(): { currentLeafId: string | null; nodes: readonly TreeNode[] };
  navigate(
    targetId: string,
    options: NavigateOptions,
  ): Promise<Outcome<{ editorText?: string; cancelled: boolean; aborted?: boolean }>>;
  /** Writes the page to that absolute path. */
  exportHtml(path: string): Promise<Outcome<{ path: string }>>;
}

/** What a session has at hand, and what it has used. */
export interface AgentDiscovery {
  commands(): readonly unknown[];
  skills(): readonly unknown[];
  tools(): readonly Tool[];
  /** Returns the names that are unknown, and then changes nothing. */
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
  /** What pi's file does not hold of the session. */
  kept(): AgentKept;
  /** The session's file, when another program has written to it since the session did. */
  foreignWrite(): string | undefined;
  /** Whether the session could be built again from its file and what is kept, with nothing lost. */
  restorable(): boolean;
  /** From acceptance to `agent_settled`, retry waits and compaction included. */
  busy(): boolean;
  messages(): readonly unknown[];
  /** What the last run came to; complete when `agent_settled` has been emitted. */
  lastRun(): RunResult;
  /** Runs `session_start` handlers of extensions. */
  start(): Promise<void>;
  prompt(input: PromptInput, whenBusy: QueueKind | undefined): PromptHandle;
  /** Queues while busy, starts a run otherwise. */
  queue(kind: QueueKind, input: PromptInput): Promise<Acceptance>;
  /** Tells everything that runs to stop and empties the queue. */
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
  /** Stops everything and lets go of it; extensions may hold this up, so bound it. */
  dispose(): Promise<void>;
}

/** What to build a session from. */
export interface AgentRequest {
  /** A checked session file to go on with, or the place of one that was never written; else a new session is made. */
  readonly sessionFile?: string;
  /** What had to be repaired in that file; told when the session starts. */
  readonly repair?: FileRepair;
  /** How the session was left, when it is built again; it wins over what the file says. */
  readonly kept?: AgentKept;
  readonly cwd: string;
  readonly inMemory: boolean;
  readonly trusted: boolean;
  readonly sessionName?: string;
  readonly model?: { readonly provider: string; readonly id: string };
  readonly thinkingLevel?: ThinkingLevel;
  readonly tools?: readonly string[];
}

/** What an agent tells and asks its session. */
export interface AgentHooks {
  emit(event: SessionEvent): void;
  ask(question: Question): Promise<Answer>;
  /** The session behind the port is about to be replaced: its dialogs have nobody left to answer to. */
  replacing(): void;
  /** Messages have changed without an event. */
  rewritten(): void;
  /** The session writes another file from now on, or none. */
  fileChanged(path: string | undefined): void;
  /**
   * An extension switches to a file. The host checks and claims it as for `switch_session_file`; `ready` runs once
   * the file has passed, then `change` with its canonical path and what had to be repaired in it.
   */
  switchFile(
    path: string,
    ready: () => Promise<void>,
    change: (path: string, repair?: FileRepair) => Promise<Outcome<{ cancelled: boolean }>>,
  ): Promise<Outcome<{ cancelled: boolean }>>;
}

/** What the loaded agent understands of a session file; a file that holds more is a newer agent's. */
export interface FileFormat {
  /** The newest version of a header. */
  readonly version: number;
  /** Types of entries. */
  readonly types: ReadonlySet<string>;
  /** Roles of messages. */
  readonly roles: ReadonlySet<string>;
  /** Whether a compaction may name itself as the first entry that it keeps, and so keep none. */
  readonly keepsNothing: boolean;
}

/** Builds sessions; holds what they share. */
export interface AgentFactory {
  readonly format: FileFormat;
  /** Folders that pi keeps sessions in, for the default roots. */
  readonly sessionFolders: readonly string[];
  build(request: AgentRequest, hooks: AgentHooks): Promise<Outcome<AgentPort>>;
  /** Resolves when refreshed logins are on disk, within a bound; undefined when no refresh is under way. */
  loginsSaved?(): Promise<void> | undefined;
}
