// Does: types pi's own events and messages as they cross the wire, in the delta form and in the full form.
// Used by: the client, whose `isEvent` knows them, and programs that read `get_messages`. Types only.
// Invariant: a test holds them to pi's own types, so that no field is promised that pi does not send.
import type { Usage } from "./generated/shapes.ts";

/** A piece of text. */
export interface TextBlock {
  /** The kind of this block. */
  type: "text";
  /** The text. */
  text: string;
  /** The provider's signature of the text. */
  textSignature?: string;
}

/** Thoughts of a model. */
export interface ThinkingBlock {
  /** The kind of this block. */
  type: "thinking";
  /** The thoughts as text. */
  thinking: string;
  /** The provider's signature of the thoughts. */
  thinkingSignature?: string;
  /** The provider has hidden the text. */
  redacted?: boolean;
}

/** An image, in base64. */
export interface ImageBlock {
  /** The kind of this block. */
  type: "image";
  /** The bytes in base64. */
  data: string;
  /** The media type, such as `image/png`. */
  mimeType: string;
}

/** A call of a tool. */
export interface ToolCallBlock {
  /** The kind of this block. */
  type: "toolCall";
  /** The id of the call. */
  id: string;
  /** The name of the tool. */
  name: string;
  /** The arguments of the call. */
  arguments: Record<string, unknown>;
  /** The provider's signature of the call. */
  thoughtSignature?: string;
}

/** Why an answer has ended. */
export type StopReason = "stop" | "length" | "toolUse" | "error" | "aborted";

/** What a user said. */
export interface UserMessage {
  /** Tells the messages apart. */
  role: "user";
  /** The content, block by block. */
  content: string | (TextBlock | ImageBlock)[];
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** What a model answered. */
export interface AssistantMessage {
  /** Tells the messages apart. */
  role: "assistant";
  /** The content, block by block. */
  content: (TextBlock | ThinkingBlock | ToolCallBlock)[];
  /** The provider's API. */
  api: string;
  /** The name of the provider. */
  provider: string;
  /** The id of the model. */
  model: string;
  /** Tokens and cost of the answer. */
  usage: Usage;
  /** The reason why the answer has ended. */
  stopReason: StopReason;
  /** With `stopReason: "error"`. */
  errorMessage?: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** What a tool returned. */
export interface ToolResultMessage {
  /** Tells the messages apart. */
  role: "toolResult";
  /** The id of the call that it answers. */
  toolCallId: string;
  /** The name of the tool. */
  toolName: string;
  /** The content, block by block. */
  content: (TextBlock | ImageBlock)[];
  /** Data of the tool or the extension. */
  details?: unknown;
  /** Whether the tool failed. */
  isError: boolean;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** A command that a client ran with `bash`. */
export interface BashExecutionMessage {
  /** Tells the messages apart. */
  role: "bashExecution";
  /** The command line. */
  command: string;
  /** The last lines of the output. */
  output: string;
  /** The exit code. Absent when the command was killed. */
  exitCode?: number | undefined;
  /** Whether a client aborted the command. */
  cancelled: boolean;
  /** Whether the output was longer. */
  truncated: boolean;
  /** The file with the whole output. */
  fullOutputPath?: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** Whether the model never sees it. */
  excludeFromContext?: boolean;
}

/** A message of an extension. */
export interface CustomMessage {
  /** Tells the messages apart. */
  role: "custom";
  /** The extension's own kind of message. */
  customType: string;
  /** The content, block by block. */
  content: string | (TextBlock | ImageBlock)[];
  /** Whether a terminal shows it. */
  display: boolean;
  /** Data of the tool or the extension. */
  details?: unknown;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** The summary of a branch that was left. */
export interface BranchSummaryMessage {
  /** Tells the messages apart. */
  role: "branchSummary";
  /** The summary. */
  summary: string;
  /** The entry where the branch began. */
  fromId: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** The summary that took the place of older messages. */
export interface CompactionSummaryMessage {
  /** Tells the messages apart. */
  role: "compactionSummary";
  /** The summary. */
  summary: string;
  /** Tokens of the context before the compaction. */
  tokensBefore: number;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** A message of a session, distinguished by `role`. */
export type PiMessage =
  | UserMessage
  | AssistantMessage
  | ToolResultMessage
  | BashExecutionMessage
  | CustomMessage
  | BranchSummaryMessage
  | CompactionSummaryMessage;

/** What is new in an answer; `partial`, the answer so far, comes with `updates: "full"` alone. */
export type AssistantMessageEvent =
  & { partial?: AssistantMessage }
  & (
    | { type: "start" }
    | { type: "text_start" | "thinking_start" | "toolcall_start"; contentIndex: number }
    | { type: "text_delta" | "thinking_delta" | "toolcall_delta"; contentIndex: number; delta: string }
    | { type: "text_end" | "thinking_end"; contentIndex: number; content: string }
    | { type: "toolcall_end"; contentIndex: number; toolCall: ToolCallBlock }
  );

/** An entry of a session file, distinguished by `type`. Its other fields belong to that type. */
export interface SessionEntry {
  /** The kind of entry, such as `custom`. */
  type: string;
  /** The id of the entry. */
  id: string;
  /** The entry above it. */
  parentId: string | null;
  /** The time, as in the file. */
  timestamp: string;
}

/** pi's own events by type. Fields that only `updates: "full"` brings are optional. */
export interface PiEventMap {
  /** A run begins. */
  agent_start: { type: "agent_start" };
  /** A run has ended; a retry or a compaction may follow. */
  agent_end: {
    type: "agent_end";
    messages?: PiMessage[];
    /** Whether pi tries again. pi 0.73 does not report it. */
    willRetry?: boolean;
  };
  /** A model is asked. */
  turn_start: { type: "turn_start" };
  /** Its answer and its tools are done. */
  turn_end: { type: "turn_end"; message?: PiMessage; toolResults?: ToolResultMessage[] };
  /** A message begins. */
  message_start: { type: "message_start"; message: PiMessage };
  /** An answer goes on. */
  message_update: {
    type: "message_update";
    message?: PiMessage;
    assistantMessageEvent: AssistantMessageEvent;
  };
  /** A message is whole. */
  message_end: { type: "message_end"; message: PiMessage };
  /** A tool begins. */
  tool_execution_start: { type: "tool_execution_start"; toolCallId: string; toolName: string; args: unknown };
  /** A tool has something to show. */
  tool_execution_update: {
    type: "tool_execution_update";
    toolCallId: string;
    toolName: string;
    args: unknown;
    partialResult: unknown;
  };
  /** A tool is done. */
  tool_execution_end: {
    type: "tool_execution_end";
    toolCallId: string;
    toolName: string;
    result: unknown;
    isError: boolean;
  };
  /** Messages wait for the run, or no longer. */
  queue_update: { type: "queue_update"; steering: readonly string[]; followUp: readonly string[] };
  /** Older messages are being summed up. */
  compaction_start: { type: "compaction_start"; reason: "manual" | "threshold" | "overflow" };
  /** That is over. */
  compaction_end: {
    type: "compaction_end";
    reason: "manual" | "threshold" | "overflow";
    result?:
      | { summary: string; firstKeptEntryId: string; tokensBefore: number; details?: unknown }
      | undefined;
    aborted: boolean;
    willRetry: boolean;
    errorMessage?: string;
  };
  /** An error that passes: pi waits and asks again. */
  auto_retry_start: {
    type: "auto_retry_start";
    attempt: number;
    maxAttempts: number;
    delayMs: number;
    errorMessage: string;
  };
  /** The retries are over. */
  auto_retry_end: { type: "auto_retry_end"; success: boolean; attempt: number; finalError?: string };
  /** The session has another name. */
  session_info_changed: { type: "session_info_changed"; name?: string | undefined };
  /** The model thinks more, or less. */
  thinking_level_changed: { type: "thinking_level_changed"; level: string };
  /** pi has added an entry other than a message, mostly for an extension. Capability `entry_appended`. */
  entry_appended: { type: "entry_appended"; entry: SessionEntry };
  /** The request for a summary failed, and pi waits. Capability `summarization_retry`. */
  summarization_retry_scheduled: {
    type: "summarization_retry_scheduled";
    attempt: number;
    maxAttempts: number;
    delayMs: number;
    errorMessage: string;
  };
  /** pi asks for the summary again. */
  summarization_retry_attempt_start: {
    type: "summarization_retry_attempt_start";
    source: "compaction" | "branchSummary";
    /** Of a compaction alone. */
    reason?: "manual" | "threshold" | "overflow";
  };
  /** The retries of the summary are over. */
  summarization_retry_finished: { type: "summarization_retry_finished" };
}
