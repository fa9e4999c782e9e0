// What a session needs of an agent, and no more. `pi.ts` implements it; a newer pi needs only another
// implementation. Expected failures are values; events come through one callback, in order.
import type { Failure } from "../protocol/errors.ts";
import type { SessionEvent } from "../protocol/events.ts";
import type { Disposition, QueuedTexts, SessionInfo, Usage, WireModel } from "../protocol/responses.ts";

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

/** A value, or why there is none. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

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
>;

/** One agent session. */
export interface AgentPort {
  info(): AgentInfo;
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
  clearQueue(): QueuedTexts;
  setName(name: string): void;
  models(): readonly WireModel[];
  setModel(provider: string, modelId: string): Promise<Outcome<WireModel>>;
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
  /** Id for pi's own file when the server chose it; a client's id never becomes a file name. */
  readonly piSessionId?: string;
  readonly cwd: string;
  readonly inMemory: boolean;
  readonly trusted: boolean;
  readonly sessionName?: string;
  readonly model?: { readonly provider: string; readonly id: string };
  readonly thinkingLevel?: SessionInfo["thinkingLevel"];
  readonly tools?: readonly string[];
}

/** Builds sessions; holds what they share. */
export interface AgentFactory {
  /** Folders that pi keeps sessions in, for the default roots. */
  readonly sessionFolders: readonly string[];
  build(request: AgentRequest, emit: (event: SessionEvent) => void): Promise<Outcome<AgentPort>>;
}
