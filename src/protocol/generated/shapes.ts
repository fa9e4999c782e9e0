// Generated from the schemas beside this file by `deno task gen`; do not edit.
// What several answers and events share.

/** What a session may spend. An absent limit does not bound. */
export interface Budget {
  /** Dollars that the session may cost. */
  maxUsd?: number;
  /** Turns that the session may take. */
  maxTurns?: number;
  /** Milliseconds that the agent may work. */
  maxWallMs?: number;
  /** Whether a run finishes its turn at the limit, or ends at once. */
  onExceed: "pause" | "abort";
  /** The limit that was reached. */
  exceeded?: "maxUsd" | "maxTurns" | "maxWallMs";
}

/** What a session has spent: US dollars, turns, and milliseconds in which its agent worked. */
export interface BudgetUsage {
  /** Cost in USD. */
  usd: number;
  /** How many turns there were. */
  turns: number;
  /** Milliseconds that the agent has worked. */
  wallMs: number;
}

/** How the agent accepted a prompt, steer or follow-up. */
export type Disposition = "started" | "queued" | "handled";

/** The damage of a session file, and the path of the damaged original. */
export interface FileRepair {
  /** The protocol's `file`. */
  file: string;
  /** The damaged original, which keeps all of its bytes. */
  copy: string;
  /** How many lines were damaged. */
  lostLines: number;
  /** Numbers of the lines that were damaged, the first 100: at most 100. */
  lines: number[];
  /** How many entries hang below the nearest entry because their parent is lost. */
  rejoined: number;
  /** Text of the message. */
  message: string;
}

/** The first message on every connection. */
export interface Greeting {
  /** Says what it is. */
  type: "server_ready";
  /** Its content; of an image, base64. */
  data: {
    version: string;
    protocolVersion: string;
    serverId: string;
    transports: string[];
    endpoints: { transport: string; url: string }[];
    schemaHash: string;
    pi: { package: string; version: string };
    capabilities: string[];
    limits: { frameBytes: number; sessions: number };
  };
}

/** A message that the agent had accepted and that a crash stopped. */
export interface Interrupted {
  /** The protocol's `kind`. */
  kind: "prompt" | "steer" | "follow_up";
  /** Text of the message. */
  message: string;
  /**
   * Images of the message. A PNG, JPEG, GIF or WebP, up to 5 MB of base64 and 8000 pixels a side, not
   * animated.
   */
  images?: { type: "image"; data: string; mimeType: string }[];
  /** When, ISO 8601. */
  at: string;
  /** A command that is sent again with the same key does not run twice. */
  idempotencyKey?: string;
  /** Whether the agent had begun with it. */
  started: boolean;
}

/** What pi could not load for a session, or could not use as it stands. */
export interface LoadProblem {
  /** Path of the extension, or of the file or package at fault. */
  extensionPath: string;
  /** The event that was handled. */
  event: string;
  /** What is wrong, a sentence. */
  error: string;
}

/** A model as clients see it: never headers, keys or a base URL. */
export interface Model {
  /** Name of the model's provider. */
  provider: string;
  /** An id; of a command, echoed in its answer. */
  id: string;
  /** Its name. */
  name: string;
  /** The provider's API that it speaks. */
  api: string;
  /** Whether the model can think. */
  reasoning: boolean;
  /** Kinds of content that a model takes, or tokens that it read. */
  input: string[];
  /** Tokens that fit the model's context. */
  contextWindow: number;
  /** Most tokens of one answer. */
  maxTokens: number;
  /** Money, in USD; of a model, for a million tokens. */
  cost: { input: number; output: number; cacheRead: number; cacheWrite: number };
}

/** Queued texts that were removed. */
export interface Queue {
  /** Messages for the running turn. */
  steering: string[];
  /** Messages for after the run. */
  followUp: string[];
}

/** State of one session. */
export interface SessionInfo {
  /** Id of the session. */
  sessionId: string;
  /** Name of the session. */
  sessionName?: string;
  /** How the first user message begins. */
  firstMessage?: string;
  /** pi's file of the session. */
  sessionFile?: string;
  /** Working directory. */
  cwd: string;
  /** The model. */
  model?: Model;
  /** How much the model thinks. */
  thinkingLevel: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
  /** Whether a run is under way. */
  isStreaming: boolean;
  /** Whether a compaction runs. */
  isCompacting: boolean;
  /** Whether steering messages are delivered all at once. */
  steeringMode: "all" | "one-at-a-time";
  /** Whether follow-ups are delivered all at once. */
  followUpMode: "all" | "one-at-a-time";
  /** Whether pi compacts by itself when the context is nearly full. */
  autoCompactionEnabled: boolean;
  /** How many messages there are. */
  messageCount: number;
  /** How many messages are queued. */
  pendingMessageCount: number;
  /** When it was made, ISO 8601. */
  createdAt: string;
  /** When something last happened, ISO 8601. */
  lastActivityAt: string;
  /** Whether it is in memory. */
  status: "live" | "parked";
  /** How many connections are subscribed. */
  subscribers: number;
  /** Grows by one with each command that changes the session. */
  sessionVersion: number;
  /** The stretch of numbering that `seq` belongs to. */
  epoch: string;
  /** Number of the last event. */
  seq: number;
  /** Resources that pi did not load because the folder is not trusted. */
  untrusted?: string[];
  /** The damage in the session's file that the server repaired when it opened the file. */
  fileRepair?: FileRepair;
  /** Faults that the last load of the session reported: at most 50. */
  extensionErrors?: LoadProblem[];
  /** Tokens and cost of the run. */
  usage?: BudgetUsage;
  /** What the session may spend. */
  budget?: Budget;
  /** Messages that a crash has stopped, oldest first. */
  interrupted?: Interrupted[];
  /** The protocol's `unloaded`. */
  unloaded?: string;
  /** The protocol's `archived`. */
  archived?: true;
  /** Name of the node of a cluster. */
  node?: string;
}

/** `data` of a prompt with `waitFor: "settled"`. */
export interface Settled {
  /** How pi handles the message. */
  disposition: Disposition;
  /** Text; of a run, its last answer. */
  text: string | null;
  /** Why the last answer ended, as pi says it. */
  stopReason: string | null;
  /** Tokens and cost of the run. */
  usage: Usage | null;
  /** Says that the last answer is empty, or holds only thoughts. */
  notice?: string;
}

/** The state of a session at exactly one sequence number. */
export interface Snapshot {
  /** Messages, oldest first. */
  messages: Record<string, unknown>[];
  /** Whether something was left out. */
  truncated?: boolean;
  /** Only messages before this index. */
  before?: number;
  /** How many messages there are. */
  messageCount: number;
  /** The answer that is under way. */
  streamingMessage?: Record<string, unknown>;
  /** Tools that run. */
  runningTools: Record<string, unknown>[];
  /** What is queued. */
  queue: Queue;
  /** Messages that a crash has stopped, oldest first. */
  interrupted?: Interrupted[];
}

/** The answer of `subscribe` for one session. */
export interface Subscribed {
  /** Which of the possible ways applies. */
  mode: "live" | "replay" | "snapshot";
  /** The stretch of numbering that `seq` belongs to. */
  epoch: string;
  /** Number of the last event. */
  seq: number;
  /** The state of the session. */
  sessionInfo: SessionInfo;
  /** Dialogs that wait for an answer. */
  pendingUi: Record<string, unknown>[];
  /** The state of the session at `seq`. */
  snapshot?: Snapshot;
}

/** Tokens and cost of a run, as pi reports them; money in USD. */
export interface Usage {
  /** Kinds of content that a model takes, or tokens that it read. */
  input: number;
  /** Printed text, or tokens that the model wrote. */
  output: number;
  /** Read from the provider's cache. */
  cacheRead: number;
  /** Written to the provider's cache. */
  cacheWrite: number;
  /** All tokens together. */
  totalTokens: number;
  /** Money, in USD; of a model, for a million tokens. */
  cost: { input: number; output: number; cacheRead: number; cacheWrite: number; total: number };
}

/** A slash command that `prompt` understands, and where it comes from. */
export interface CommandInfo {
  /** Its name. */
  name: string;
  /** What it is for. */
  description?: string;
  /** Where it comes from. */
  source: "extension" | "prompt" | "skill";
  /** pi's details on where it comes from. */
  sourceInfo?: Record<string, unknown>;
}

/** Result of a compaction. */
export interface Compaction {
  /** The summary. */
  summary: string;
  /** The first entry that was not summarised. */
  firstKeptEntryId: string;
  /** Tokens before the compaction. */
  tokensBefore: number;
}

/** A piece of a content, in base64. */
export interface ContentPiece {
  /** The protocol's `hash`. */
  hash: string;
  /** The protocol's `kind`. */
  kind: "image" | "text" | "json";
  /** The protocol's `size`. */
  size: number;
  /** The protocol's `mediaType`. */
  mediaType?: string;
  /** The protocol's `offset`. */
  offset: number;
  /** Its content; of an image, base64. */
  data: string;
  /** The protocol's `nextOffset`. */
  nextOffset?: number;
}

/** What stands in the place of a large text or image when a client asks for `refs`. */
export interface ContentRef {
  /** The protocol's `hash`. */
  hash: string;
  /** The protocol's `kind`. */
  kind: "image" | "text" | "json";
  /** The protocol's `size`. */
  size: number;
  /** The protocol's `mediaType`. */
  mediaType?: string;
}

/** How full the model's context is; `tokens` is null right after a compaction. */
export interface ContextUsage {
  /** Tokens of the model, null where they are not known; or minted tokens. */
  tokens: number | null;
  /** Tokens that fit the model's context. */
  contextWindow: number;
  /** How full the context is; null right after a compaction. */
  percent: number | null;
}

/** An open dialog of an extension; its own fields (`options`, `message`, …) stand beside these. */
export interface PendingUi {
  /** Id of the session. */
  sessionId: string;
  /** Id of a dialog. */
  requestId: string;
  /** The kind of dialog. */
  method: "select" | "confirm" | "input" | "editor";
  /** Its title. */
  title: string;
  /** When it was made, ISO 8601. */
  createdAt: string;
}

/** Counts, tokens and cost of a session (USD). */
export interface SessionStats {
  /** Id of the session. */
  sessionId: string;
  /** pi's file of the session. */
  sessionFile?: string;
  /** How many messages of the user there are. */
  userMessages: number;
  /** How many answers of the model there are. */
  assistantMessages: number;
  /** How many tools were called. */
  toolCalls: number;
  /** How many tools have answered. */
  toolResults: number;
  /** How many messages there are. */
  totalMessages: number;
  /** Tokens of the model, null where they are not known; or minted tokens. */
  tokens: { input: number; output: number; cacheRead: number; cacheWrite: number; total: number };
  /** Money, in USD; of a model, for a million tokens. */
  cost: number;
  /** How full the model's context is. */
  contextUsage?: ContextUsage;
}

/** A skill. */
export interface Skill {
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** Path of its file. */
  filePath: string;
  /** Folder that its relative paths start from. */
  baseDir: string;
}

/** One of pi's session files on disk. */
export interface StoredSession {
  /** Id of the session. */
  sessionId: string;
  /** Name of the session. */
  sessionName?: string;
  /** pi's file of the session. */
  sessionFile: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Working directory. */
  cwd: string;
  /** When it was made, ISO 8601. */
  createdAt: string;
  /** When it was last written, ISO 8601. */
  modifiedAt: string;
  /** How many messages there are. */
  messageCount: number;
  /** How the first user message begins. */
  firstMessage?: string;
  /** The session that drives this file here. */
  liveSessionId?: string;
  /** Entries of the file that only a newer pi knows; the server refuses to open it. */
  newerEntries?: string[];
  /** The protocol's `lastMessage`. */
  lastMessage?: string;
  /** Cost of all sessions since the start, in USD. */
  costUsd?: number;
  /** The model. */
  model?: { provider: string; id: string };
  /** The protocol's `archived`. */
  archived?: true;
  /** Name of the node of a cluster. */
  node?: string;
  /** The protocol's `indexing`. */
  indexing?: true;
}

/** A tool, and whether the model may use it now. */
export interface Tool {
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** Whether the model may use it now. */
  active: boolean;
}

/** An entry of a session's tree. The tree is sent flat, because nesting has no bound. */
export interface TreeNode {
  /** Id of an entry of the session's history. */
  entryId: string;
  /** The entry before it; for a token, the minted token that minted it. */
  parentId: string | null;
  /** pi's type of the entry. */
  entryType: string;
  /** The author of the message; for a token, the role. */
  role?: string;
  /** Text; of a run, its last answer. */
  text?: string;
  /** When, ISO 8601. */
  timestamp: string;
  /** Its label: a name for people. */
  label?: string;
}
