// Generated from the schemas beside this file by `deno task gen`; do not edit. The protocol's commands, answers and
// events as plain interfaces, for clients and for the package's public interface.

/** What a session may spend; a limit that is absent does not bound. */
export interface Budget {
  /** The protocol's `maxUsd`. */
  maxUsd?: number;
  /** The protocol's `maxTurns`. */
  maxTurns?: number;
  /** The protocol's `maxWallMs`. */
  maxWallMs?: number;
  /** The protocol's `onExceed`. */
  onExceed: "pause" | "abort";
  /** The protocol's `exceeded`. */
  exceeded?: "maxUsd" | "maxTurns" | "maxWallMs";
}

/** What a session has spent: US dollars, turns, and milliseconds in which its agent worked. */
export interface BudgetUsage {
  /** The protocol's `usd`. */
  usd: number;
  /** The protocol's `turns`. */
  turns: number;
  /** The protocol's `wallMs`. */
  wallMs: number;
}

/** How a prompt, steer or follow-up was taken. */
export type Disposition = "started" | "queued" | "handled";

/** The first message on every connection (PROTOCOL §2). */
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

/** A message that an agent had accepted and that a crash kept from finishing (PROTOCOL §7). */
export interface Interrupted {
  /** The protocol's `kind`. */
  kind: "prompt" | "steer" | "follow_up";
  /** Text of the message. */
  message: string;
  /** Images of the message. */
  images?: { type: "image"; data: string; mimeType: string }[];
  /** The protocol's `at`. */
  at: string;
  /** Sent again with the same key, the command does not run twice. */
  idempotencyKey?: string;
  /** The protocol's `started`. */
  started: boolean;
}

/** A model as clients see it: never headers, keys or a base URL (PROTOCOL §4). */
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
  /** What goes in: kinds of content that a model takes, or tokens. */
  input: string[];
  /** Tokens that fit the model's context. */
  contextWindow: number;
  /** Most tokens of one answer. */
  maxTokens: number;
  /** Money, in USD; of a model, for a million tokens. */
  cost: { input: number; output: number; cacheRead: number; cacheWrite: number };
}

/** Texts that were queued and have been removed. */
export interface Queue {
  /** Messages for the running turn. */
  steering: string[];
  /** Messages for after the run. */
  followUp: string[];
}

/** State of one session (PROTOCOL §4). */
export interface SessionInfo {
  /** Id of the session. */
  sessionId: string;
  /** Name of the session. */
  sessionName?: string;
  /** pi's file of the session. */
  sessionFile?: string;
  /** Working directory. */
  cwd: string;
  /** The model. */
  model?: Model;
  /** How much the model thinks. */
  thinkingLevel: "off" | "minimal" | "low" | "medium" | "high" | "xhigh";
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
  /** Grows by one with each command that changed something. */
  sessionVersion: number;
  /** The stretch of numbering that `seq` belongs to. */
  epoch: string;
  /** Number of the last event. */
  seq: number;
  /** What was not loaded, since the folder is not trusted. */
  untrusted?: string[];
  /** Tokens and cost of the run. */
  usage?: BudgetUsage;
  /** The protocol's `budget`. */
  budget?: Budget;
  /** The protocol's `interrupted`. */
  interrupted?: Interrupted[];
}

/** `data` of a prompt that was sent with `waitFor:"settled"`. */
export interface Settled {
  /** How the message was taken. */
  disposition: Disposition;
  /** Text; of a run, its last answer. */
  text: string | null;
  /** Why the last answer ended, as pi says it. */
  stopReason: string | null;
  /** Tokens and cost of the run. */
  usage: Usage | null;
}

/** The state of a session at exactly one sequence number (PROTOCOL §6). */
export interface Snapshot {
  /** Messages, oldest first. */
  messages: Record<string, unknown>[];
  /** Whether something was left out. */
  truncated?: boolean;
  /** How many messages there are. */
  messageCount: number;
  /** The answer that is under way. */
  streamingMessage?: Record<string, unknown>;
  /** Tools that run. */
  runningTools: Record<string, unknown>[];
  /** What is queued. */
  queue: Queue;
  /** The protocol's `interrupted`. */
  interrupted?: Interrupted[];
}

/** What `subscribe` answers for one session. */
export interface Subscribed {
  /** Which of the ways it is. */
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
  /** What goes in: kinds of content that a model takes, or tokens. */
  input: number;
  /** What comes out: printed text, or tokens. */
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

/** How full the model's context is; `tokens` is null right after a compaction. */
export interface ContextUsage {
  /** Tokens; null where they are not known. */
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
  /** Tokens; null where they are not known. */
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

/** A session file of pi's, as found on disk (PROTOCOL §4). */
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

/** An entry of a session's tree; the whole tree is sent flat, since nesting has no bound. */
export interface TreeNode {
  /** Id of an entry of the session's history. */
  entryId: string;
  /** The entry before it. */
  parentId: string | null;
  /** pi's type of the entry. */
  entryType: string;
  /** Whose message it is. */
  role?: string;
  /** Text; of a run, its last answer. */
  text?: string;
  /** When, ISO 8601. */
  timestamp: string;
  /** Its label. */
  label?: string;
}

/** Agrees on a protocol version and says who the client is; a client may leave it out. */
export interface HelloCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "hello";
  /** Id of the session. */
  sessionId?: string;
  /** Versions that the client speaks: at most 32. */
  protocolVersions?: string[];
  /** Who connects. */
  client?: { name: string; version?: string };
}

/** What `hello` answers with. */
export interface HelloData {
  /** `MAJOR.MINOR` of the protocol that is spoken. */
  protocolVersion: string;
  /** Version of the server. */
  serverVersion: string;
  /** What a client may rely on beyond the plain commands. */
  capabilities: string[];
  /** The server's limits. */
  limits: Record<string, unknown>;
}

/** Answers at once, with the server's clock in milliseconds. */
export interface PingCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "ping";
  /** Id of the session. */
  sessionId?: string;
}

/** What `ping` answers with. */
export interface PingData {
  /** The server's clock, milliseconds since 1970. */
  now: number;
}

/** Returns the JSON Schema of the whole protocol, or of one command with its `data`. */
export interface GetSchemaCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "get_schema";
  /** Id of the session. */
  sessionId?: string;
  /** A command: the client's shell command, or the name of one of the protocol's: 1 to 128 characters. */
  command?: string;
}

/** What `get_schema` answers with. */
export interface GetSchemaData {
  /** A JSON Schema. */
  schema: Record<string, unknown>;
  /** Changes whenever the protocol's schema does. */
  schemaHash: string;
}

/** Lists the sessions that are live, with their state. */
export interface ListSessionsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "list_sessions";
  /** Id of the session. */
  sessionId?: string;
}

/** What `list_sessions` answers with. */
export interface ListSessionsData {
  /** The sessions. */
  sessions: SessionInfo[];
}

/** Builds a session and answers once it can take commands; `provider` and `modelId` go together. */
export interface CreateSessionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "create_session";
  /** Id of the session. */
  sessionId?: string;
  /** Working directory. */
  cwd?: string;
  /** Name of the session: 1 to 1024 characters. */
  sessionName?: string;
  /** Name of the model's provider: 1 to 256 characters. */
  provider?: string;
  /** Id of a model of that provider: 1 to 256 characters. */
  modelId?: string;
  /** How much the model thinks. */
  thinkingLevel?: "off" | "minimal" | "low" | "medium" | "high" | "xhigh";
  /** The tools: at most 256. */
  tools?: string[];
  /** Whether pi keeps no file of the session. */
  inMemory?: boolean;
  /** Whether the project's own extensions and settings are loaded. */
  trustProject?: boolean;
}

/** What `create_session` answers with. */
export interface CreateSessionData {
  /** Id of the session. */
  sessionId: string;
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** Ends a session at once: its turn is aborted, waiting commands answer `cancelled`, pi's file stays. */
export interface DeleteSessionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "delete_session";
  /** Id of the session. */
  sessionId: string;
}

/** What `delete_session` answers with. */
export interface DeleteSessionData {
  /** That it is gone. */
  deleted: true;
}

/** Subscribes to one session with `full` updates and returns its state. */
export interface SwitchSessionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "switch_session";
  /** Id of the session. */
  sessionId: string;
}

/** What `switch_session` answers with. */
export interface SwitchSessionData {
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** Delivers a session's events to this connection from now on; `"*"` means all sessions, later ones too. */
export interface SubscribeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "subscribe";
  /** Id of the session. */
  sessionId: string | "*";
  /** Where the client was: every later event comes first. */
  from?: { epoch: string; seq: number } | { sessions: Record<string, { epoch: string; seq: number }> };
  /** The state of the session at `seq`. */
  snapshot?: boolean;
  /** `delta`: what is new in each event; `full`: pi's events unchanged. */
  updates?: "delta" | "full";
  /** Only events of these types: at most 128. */
  events?: string[];
}

/** What `subscribe` answers with. */
export type SubscribeData = Subscribed | { sessions: Record<string, Subscribed> };

/** Ends a subscription of this connection and says whether there was one. */
export interface UnsubscribeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "unsubscribe";
  /** Id of the session. */
  sessionId: string | "*";
}

/** What `unsubscribe` answers with. */
export interface UnsubscribeData {
  /** Whether there was a subscription. */
  unsubscribed: boolean;
}

/**
 * Lists pi's session files in the folders that clients may use, newest first; at most 1000 without `limit`.
 */
export interface ListStoredSessionsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "list_stored_sessions";
  /** Id of the session. */
  sessionId?: string;
  /** Working directory. */
  cwd?: string;
  /** At most so many: 1 to 10000. */
  limit?: number;
}

/** What `list_stored_sessions` answers with. */
export interface ListStoredSessionsData {
  /** The sessions. */
  sessions: StoredSession[];
}

/** Opens a session file as a live session, under the file's own id unless another one is given. */
export interface LoadSessionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "load_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
}

/** What `load_session` answers with. */
export interface LoadSessionData {
  /** Id of the session. */
  sessionId: string;
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** Lists the dialogs that wait for an answer, of one session or of all. */
export interface ListPendingUiCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "list_pending_ui";
  /** Id of the session. */
  sessionId?: string;
}

/** What `list_pending_ui` answers with. */
export interface ListPendingUiData {
  /** The dialogs. */
  requests: PendingUi[];
}

/** Gives the agent a message, runs a slash command, or queues the message with `streamingBehavior`. */
export interface PromptCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "prompt";
  /** Id of the session. */
  sessionId: string;
  /** Text of the message. */
  message: string;
  /** Images of the message: at most 32. */
  images?: { type: "image"; data: string; mimeType: string }[];
  /** What to do with the message while the agent is busy. */
  streamingBehavior?: "steer" | "followUp";
  /** When to answer: once accepted, or once the run is over. */
  waitFor?: "accepted" | "settled";
  /** Milliseconds to wait at most for the run's end: 1 to 86400000. */
  waitMs?: number;
}

/** What `prompt` answers with. */
export type PromptData = Settled | { disposition: Disposition };

/** Queues a message for the running turn, to be read after the current tool calls; starts a run when idle. */
export interface SteerCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "steer";
  /** Id of the session. */
  sessionId: string;
  /** Text of the message. */
  message: string;
  /** Images of the message: at most 32. */
  images?: { type: "image"; data: string; mimeType: string }[];
}

/** What `steer` answers with. */
export interface SteerData {
  /** How the message was taken. */
  disposition: Disposition;
}

/** Queues a message for after the run; starts a run when idle. */
export interface FollowUpCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "follow_up";
  /** Id of the session. */
  sessionId: string;
  /** Text of the message. */
  message: string;
  /** Images of the message: at most 32. */
  images?: { type: "image"; data: string; mimeType: string }[];
}

/** What `follow_up` answers with. */
export interface FollowUpData {
  /** How the message was taken. */
  disposition: Disposition;
}

/** Stops the run, a retry wait or a compaction, empties the queue and returns what was in it. */
export interface AbortCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "abort";
  /** Id of the session. */
  sessionId: string;
}

/** What `abort` answers with. */
export type AbortData = Queue;

/** Empties the queue and returns what was in it; the run goes on. */
export interface ClearQueueCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "clear_queue";
  /** Id of the session. */
  sessionId: string;
}

/** What `clear_queue` answers with. */
export type ClearQueueData = Queue;

/** Returns the state of a session. */
export interface GetStateCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_state";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_state` answers with. */
export type GetStateData = SessionInfo;

/**
 * Returns the messages that the model sees, oldest first: the last `limit` of those before index `before`.
 */
export interface GetMessagesCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_messages";
  /** Id of the session. */
  sessionId: string;
  /** At most so many: 1 to 100000. */
  limit?: number;
  /** Only messages before this index. */
  before?: number;
}

/** What `get_messages` answers with. */
export interface GetMessagesData {
  /** Messages, oldest first. */
  messages: Record<string, unknown>[];
  /** How many messages there are. */
  messageCount: number;
}

/** Names the session; blanks at both ends are dropped. */
export interface SetSessionNameCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_session_name";
  /** Id of the session. */
  sessionId: string;
  /** Its name: 1 to 1024 characters. */
  name: string;
}

/** What `set_session_name` answers with. */
export type SetSessionNameData = Record<string, unknown>;

/** Lets go of the messages that a crash has kept from finishing. */
export interface DismissInterruptedCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "dismiss_interrupted";
  /** Id of the session. */
  sessionId: string;
}

/** What `dismiss_interrupted` answers with. */
export type DismissInterruptedData = Record<string, unknown>;

/** Lists the models that pi has credentials for. */
export interface GetAvailableModelsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_available_models";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_available_models` answers with. */
export interface GetAvailableModelsData {
  /** The models that pi has credentials for. */
  models: Model[];
}

/** Chooses the session's model, from the next request to a model on. */
export interface SetModelCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_model";
  /** Id of the session. */
  sessionId: string;
  /** Name of the model's provider: 1 to 256 characters. */
  provider: string;
  /** Id of a model of that provider: 1 to 256 characters. */
  modelId: string;
}

/** What `set_model` answers with. */
export interface SetModelData {
  /** The model. */
  model: Model;
}

/** Runs a shell command of the client's in the session's folder; the output joins the messages. */
export interface BashCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "bash";
  /** Id of the session. */
  sessionId: string;
  /** A command: the client's shell command, or the name of one of the protocol's. */
  command: string;
  /** Whether the model is to see nothing of it. */
  excludeFromContext?: boolean;
}

/** What `bash` answers with. */
export interface BashData {
  /** What comes out: printed text, or tokens. */
  output: string;
  /** The exit code; absent when it was cancelled or killed. */
  exitCode?: number;
  /** Whether it was stopped before its end. */
  cancelled: boolean;
  /** Whether something was left out. */
  truncated: boolean;
  /** File with the whole output. */
  fullOutputPath?: string;
}

/** Stops the client's shell command. */
export interface AbortBashCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "abort_bash";
  /** Id of the session. */
  sessionId: string;
}

/** What `abort_bash` answers with. */
export type AbortBashData = Record<string, unknown>;

/** Returns the text of the last answer, or `null`. */
export interface GetLastAssistantTextCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_last_assistant_text";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_last_assistant_text` answers with. */
export interface GetLastAssistantTextData {
  /** Text; of a run, its last answer. */
  text: string | null;
}

/** Counts messages, tool calls, tokens and cost (USD). */
export interface GetSessionStatsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_session_stats";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_session_stats` answers with. */
export type GetSessionStatsData = SessionStats;

/** Says how full the model's context is; `null` when that cannot be told. */
export interface GetContextUsageCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_context_usage";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_context_usage` answers with. */
export type GetContextUsageData = ContextUsage | null;

/** Goes on to the next model that is available; `null` when there is only one. */
export interface CycleModelCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "cycle_model";
  /** Id of the session. */
  sessionId: string;
  /** Which way to go. */
  direction?: "forward" | "backward";
}

/** What `cycle_model` answers with. */
export type CycleModelData = {
  model: Model;
  thinkingLevel: "off" | "minimal" | "low" | "medium" | "high" | "xhigh";
  isScoped: boolean;
} | null;

/** Sets how much the model thinks, and returns the level that the model makes of it. */
export interface SetThinkingLevelCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_thinking_level";
  /** Id of the session. */
  sessionId: string;
  /** The thinking level. */
  level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh";
}

/** What `set_thinking_level` answers with. */
export interface SetThinkingLevelData {
  /** The thinking level. */
  level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh";
}

/** Goes on to the next level of the model; `null` when it does not think. */
export interface CycleThinkingLevelCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "cycle_thinking_level";
  /** Id of the session. */
  sessionId: string;
}

/** What `cycle_thinking_level` answers with. */
export type CycleThinkingLevelData =
  | { level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" }
  | null;

/** Says whether steering messages are delivered all at once or one in each turn. */
export interface SetSteeringModeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_steering_mode";
  /** Id of the session. */
  sessionId: string;
  /** Which of the ways it is. */
  mode: "all" | "one-at-a-time";
}

/** What `set_steering_mode` answers with. */
export type SetSteeringModeData = Record<string, unknown>;

/** Says whether follow-ups are delivered all at once or one after the other. */
export interface SetFollowUpModeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_follow_up_mode";
  /** Id of the session. */
  sessionId: string;
  /** Which of the ways it is. */
  mode: "all" | "one-at-a-time";
}

/** What `set_follow_up_mode` answers with. */
export type SetFollowUpModeData = Record<string, unknown>;

/** Replaces the older messages by a summary that the model writes. */
export interface CompactCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "compact";
  /** Id of the session. */
  sessionId: string;
  /** What the summary should attend to. */
  customInstructions?: string;
}

/** What `compact` answers with. */
export type CompactData = Compaction;

/** Stops a compaction, or the summary of a `navigate_tree`. */
export interface AbortCompactionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "abort_compaction";
  /** Id of the session. */
  sessionId: string;
}

/** What `abort_compaction` answers with. */
export type AbortCompactionData = Record<string, unknown>;

/** Says whether pi compacts by itself when the context is nearly full. */
export interface SetAutoCompactionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_auto_compaction";
  /** Id of the session. */
  sessionId: string;
  /** Whether it is on. */
  enabled: boolean;
}

/** What `set_auto_compaction` answers with. */
export type SetAutoCompactionData = Record<string, unknown>;

/** Says whether pi tries again after errors of the model that may pass. */
export interface SetAutoRetryCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_auto_retry";
  /** Id of the session. */
  sessionId: string;
  /** Whether it is on. */
  enabled: boolean;
}

/** What `set_auto_retry` answers with. */
export type SetAutoRetryData = Record<string, unknown>;

/** Ends the wait before a retry; the error is then final. */
export interface AbortRetryCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "abort_retry";
  /** Id of the session. */
  sessionId: string;
}

/** What `abort_retry` answers with. */
export type AbortRetryData = Record<string, unknown>;

/** Answers a dialog; `cancelled` closes any kind without an answer. */
export interface ExtensionUiResponseCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "extension_ui_response";
  /** Id of the session. */
  sessionId: string;
  /** Id of a dialog: 1 to 128 characters. */
  requestId: string;
  /** The answer to a dialog. */
  response: { method: "select" | "input" | "editor"; value: string } | {
    method: "confirm";
    confirmed: boolean;
  } | { method: "cancelled" };
}

/** What `extension_ui_response` answers with. */
export type ExtensionUiResponseData = Record<string, unknown>;

/** Replaces the session by an empty one with a file of its own. */
export interface NewSessionCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "new_session";
  /** Id of the session. */
  sessionId: string;
  /** Session file that the new one names as its parent. */
  parentSession?: string;
}

/** What `new_session` answers with. */
export interface NewSessionData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** Replaces the session by the one in that file. */
export interface SwitchSessionFileCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "switch_session_file";
  /** Id of the session. */
  sessionId: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
}

/** What `switch_session_file` answers with. */
export interface SwitchSessionFileData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** Replaces the session by a copy that ends before that user message, whose text is returned. */
export interface ForkCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "fork";
  /** Id of the session. */
  sessionId: string;
  /** Id of an entry of the session's history: 1 to 128 characters. */
  entryId: string;
}

/** What `fork` answers with. */
export interface ForkData {
  /** Text; of a run, its last answer. */
  text: string;
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** Replaces the session by a copy of the current branch. */
export interface CloneCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "clone";
  /** Id of the session. */
  sessionId: string;
}

/** What `clone` answers with. */
export interface CloneData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** Lists the user messages that `fork` can be given. */
export interface GetForkMessagesCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_fork_messages";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_fork_messages` answers with. */
export interface GetForkMessagesData {
  /** Messages, oldest first. */
  messages: { entryId: string; text: string }[];
}

/** Returns every entry of the session's tree, flat: parents are named by id. */
export interface GetTreeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_tree";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_tree` answers with. */
export interface GetTreeData {
  /** The entry that the session stands at. */
  currentLeafId: string | null;
  /** All entries; parents are named by id. */
  nodes: TreeNode[];
}

/** Goes on from another entry of the tree; of a user message, the text comes back for editing. */
export interface NavigateTreeCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "navigate_tree";
  /** Id of the session. */
  sessionId: string;
  /** The entry to go on from: 1 to 128 characters. */
  targetId: string;
  /** How to do it. */
  options?: {
    summarize?: boolean;
    customInstructions?: string;
    replaceInstructions?: boolean;
    label?: string;
  };
}

/** What `navigate_tree` answers with. */
export interface NavigateTreeData {
  /** Text of the user message, for editing. */
  editorText?: string;
  /** Whether it was stopped before its end. */
  cancelled: boolean;
  /** Whether it was stopped. */
  aborted?: boolean;
}

/** Writes the session as a web page, by default into the session's folder. */
export interface ExportHtmlCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "export_html";
  /** Id of the session. */
  sessionId: string;
  /** File to write, inside the roots. */
  outputPath?: string;
}

/** What `export_html` answers with. */
export interface ExportHtmlData {
  /** Path of the file. */
  path: string;
}

/** Lists slash commands, prompt templates and skills that `prompt` understands, with their source. */
export interface GetCommandsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_commands";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_commands` answers with. */
export interface GetCommandsData {
  /** The slash commands. */
  commands: CommandInfo[];
}

/** Lists the skills that are loaded. */
export interface GetSkillsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_skills";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_skills` answers with. */
export interface GetSkillsData {
  /** The skills. */
  skills: Skill[];
}

/** Lists the tools that there are, and whether the model may use them. */
export interface GetToolsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_tools";
  /** Id of the session. */
  sessionId: string;
}

/** What `get_tools` answers with. */
export interface GetToolsData {
  /** The tools. */
  tools: Tool[];
}

/** Sets which tools the model may use. */
export interface SetToolsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_tools";
  /** Id of the session. */
  sessionId: string;
  /** The tools: at most 256. */
  tools: string[];
}

/** What `set_tools` answers with. */
export type SetToolsData = Record<string, unknown>;

/** Lists pi's session files beside the one of this session, newest first. */
export interface ListSessionFilesCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "list_session_files";
  /** Id of the session. */
  sessionId: string;
}

/** What `list_session_files` answers with. */
export interface ListSessionFilesData {
  /** The session files. */
  files: StoredSession[];
}

/** Loads extensions, skills, templates and settings again. */
export interface ReloadCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "reload";
  /** Id of the session. */
  sessionId: string;
}

/** What `reload` answers with. */
export type ReloadData = Record<string, unknown>;

/** Makes a token for a role, perhaps for some sessions only, that ends by itself; it is told this once. */
export interface MintTokenCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "mint_token";
  /** Id of the session. */
  sessionId?: string;
  /** Whose message it is. */
  role: "observe" | "answer" | "drive" | "admin";
  /** The sessions: at most 1000. */
  sessions?: string[];
  /** The protocol's `ttlMs`: 1 to 2073600000. */
  ttlMs: number;
}

/** What `mint_token` answers with. */
export interface MintTokenData {
  /** The protocol's `token`. */
  token: string;
  /** The protocol's `tokenId`: 1 to 128 characters. */
  tokenId: string;
  /** The protocol's `expiresAt`. */
  expiresAt: number;
}

/** Ends a minted token and closes the connections that came in with it. */
export interface RevokeTokenCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "revoke_token";
  /** Id of the session. */
  sessionId?: string;
  /** The protocol's `tokenId`: 1 to 128 characters. */
  tokenId: string;
}

/** What `revoke_token` answers with. */
export interface RevokeTokenData {
  /** The protocol's `revoked`. */
  revoked: boolean;
}

/**
 * Counts since the start: answers by outcome, refusals by limit, traffic, delays of threads, tokens and cost.
 */
export interface GetMetricsCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "get_metrics";
  /** Id of the session. */
  sessionId?: string;
}

/** What `get_metrics` answers with. */
export interface GetMetricsData {
  /** The protocol's `uptimeMs`. */
  uptimeMs: number;
  /** The sessions. */
  sessions: { live: number; parked: number };
  /** The protocol's `hosts`. */
  hosts: number;
  /** The protocol's `connections`. */
  connections: number;
  /** The slash commands. */
  commands: Record<string, number>;
  /** The protocol's `refusals`. */
  refusals: Record<string, number>;
  /** Only events of these types. */
  events: number;
  /** The protocol's `bytesIn`. */
  bytesIn: number;
  /** The protocol's `bytesOut`. */
  bytesOut: number;
  /** The protocol's `coalesced`. */
  coalesced: number;
  /** The protocol's `lagged`. */
  lagged: number;
  /** The protocol's `evicted`. */
  evicted: number;
  /** The protocol's `outboxBytes`. */
  outboxBytes: number;
  /** The protocol's `loopDelayMs`. */
  loopDelayMs: { router: number; hosts: number[] };
  /** The protocol's `turns`. */
  turns: number;
  /** Tokens; null where they are not known. */
  tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
  /** The protocol's `costUsd`. */
  costUsd: number;
  /** The protocol's `journal`. */
  journal: { keys: number; keyBytes: number; messageBytes: number };
}

/** Says whether all is well, with a sentence for each thing that is not. */
export interface HealthCheckCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Says what it is. */
  type: "health_check";
  /** Id of the session. */
  sessionId?: string;
}

/** What `health_check` answers with. */
export interface HealthCheckData {
  /** The protocol's `healthy`. */
  healthy: boolean;
  /** The protocol's `issues`. */
  issues: string[];
}

/**
 * Sets what the session may spend in all (money, turns, time in which its agent works) instead of what was
 * set before; without a limit it may spend anything.
 */
export interface SetBudgetCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** Sent again with the same key, the command does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
  /** Runs only while `sessionVersion` is this. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "set_budget";
  /** Id of the session. */
  sessionId: string;
  /** The protocol's `maxUsd`: 0 to 1000000. */
  maxUsd?: number;
  /** The protocol's `maxTurns`: 0 to 1000000000. */
  maxTurns?: number;
  /** The protocol's `maxWallMs`: 0 to 2073600000. */
  maxWallMs?: number;
  /** The protocol's `onExceed`. */
  onExceed?: "pause" | "abort";
}

/** What `set_budget` answers with. */
export interface SetBudgetData {
  /** The protocol's `budget`. */
  budget?: Budget;
  /** Tokens and cost of the run. */
  usage: BudgetUsage;
}

/** All commands by name. */
export interface CommandMap {
  /** Of `hello`. */
  hello: HelloCommand;
  /** Of `ping`. */
  ping: PingCommand;
  /** Of `get_schema`. */
  get_schema: GetSchemaCommand;
  /** Of `list_sessions`. */
  list_sessions: ListSessionsCommand;
  /** Of `create_session`. */
  create_session: CreateSessionCommand;
  /** Of `delete_session`. */
  delete_session: DeleteSessionCommand;
  /** Of `switch_session`. */
  switch_session: SwitchSessionCommand;
  /** Of `subscribe`. */
  subscribe: SubscribeCommand;
  /** Of `unsubscribe`. */
  unsubscribe: UnsubscribeCommand;
  /** Of `list_stored_sessions`. */
  list_stored_sessions: ListStoredSessionsCommand;
  /** Of `load_session`. */
  load_session: LoadSessionCommand;
  /** Of `list_pending_ui`. */
  list_pending_ui: ListPendingUiCommand;
  /** Of `prompt`. */
  prompt: PromptCommand;
  /** Of `steer`. */
  steer: SteerCommand;
  /** Of `follow_up`. */
  follow_up: FollowUpCommand;
  /** Of `abort`. */
  abort: AbortCommand;
  /** Of `clear_queue`. */
  clear_queue: ClearQueueCommand;
  /** Of `get_state`. */
  get_state: GetStateCommand;
  /** Of `get_messages`. */
  get_messages: GetMessagesCommand;
  /** Of `set_session_name`. */
  set_session_name: SetSessionNameCommand;
  /** Of `dismiss_interrupted`. */
  dismiss_interrupted: DismissInterruptedCommand;
  /** Of `get_available_models`. */
  get_available_models: GetAvailableModelsCommand;
  /** Of `set_model`. */
  set_model: SetModelCommand;
  /** Of `bash`. */
  bash: BashCommand;
  /** Of `abort_bash`. */
  abort_bash: AbortBashCommand;
  /** Of `get_last_assistant_text`. */
  get_last_assistant_text: GetLastAssistantTextCommand;
  /** Of `get_session_stats`. */
  get_session_stats: GetSessionStatsCommand;
  /** Of `get_context_usage`. */
  get_context_usage: GetContextUsageCommand;
  /** Of `cycle_model`. */
  cycle_model: CycleModelCommand;
  /** Of `set_thinking_level`. */
  set_thinking_level: SetThinkingLevelCommand;
  /** Of `cycle_thinking_level`. */
  cycle_thinking_level: CycleThinkingLevelCommand;
  /** Of `set_steering_mode`. */
  set_steering_mode: SetSteeringModeCommand;
  /** Of `set_follow_up_mode`. */
  set_follow_up_mode: SetFollowUpModeCommand;
  /** Of `compact`. */
  compact: CompactCommand;
  /** Of `abort_compaction`. */
  abort_compaction: AbortCompactionCommand;
  /** Of `set_auto_compaction`. */
  set_auto_compaction: SetAutoCompactionCommand;
  /** Of `set_auto_retry`. */
  set_auto_retry: SetAutoRetryCommand;
  /** Of `abort_retry`. */
  abort_retry: AbortRetryCommand;
  /** Of `extension_ui_response`. */
  extension_ui_response: ExtensionUiResponseCommand;
  /** Of `new_session`. */
  new_session: NewSessionCommand;
  /** Of `switch_session_file`. */
  switch_session_file: SwitchSessionFileCommand;
  /** Of `fork`. */
  fork: ForkCommand;
  /** Of `clone`. */
  clone: CloneCommand;
  /** Of `get_fork_messages`. */
  get_fork_messages: GetForkMessagesCommand;
  /** Of `get_tree`. */
  get_tree: GetTreeCommand;
  /** Of `navigate_tree`. */
  navigate_tree: NavigateTreeCommand;
  /** Of `export_html`. */
  export_html: ExportHtmlCommand;
  /** Of `get_commands`. */
  get_commands: GetCommandsCommand;
  /** Of `get_skills`. */
  get_skills: GetSkillsCommand;
  /** Of `get_tools`. */
  get_tools: GetToolsCommand;
  /** Of `set_tools`. */
  set_tools: SetToolsCommand;
  /** Of `list_session_files`. */
  list_session_files: ListSessionFilesCommand;
  /** Of `reload`. */
  reload: ReloadCommand;
  /** Of `mint_token`. */
  mint_token: MintTokenCommand;
  /** Of `revoke_token`. */
  revoke_token: RevokeTokenCommand;
  /** Of `get_metrics`. */
  get_metrics: GetMetricsCommand;
  /** Of `health_check`. */
  health_check: HealthCheckCommand;
  /** Of `set_budget`. */
  set_budget: SetBudgetCommand;
}

/** What each command answers with, by its name. */
export interface DataMap {
  /** Of `hello`. */
  hello: HelloData;
  /** Of `ping`. */
  ping: PingData;
  /** Of `get_schema`. */
  get_schema: GetSchemaData;
  /** Of `list_sessions`. */
  list_sessions: ListSessionsData;
  /** Of `create_session`. */
  create_session: CreateSessionData;
  /** Of `delete_session`. */
  delete_session: DeleteSessionData;
  /** Of `switch_session`. */
  switch_session: SwitchSessionData;
  /** Of `subscribe`. */
  subscribe: SubscribeData;
  /** Of `unsubscribe`. */
  unsubscribe: UnsubscribeData;
  /** Of `list_stored_sessions`. */
  list_stored_sessions: ListStoredSessionsData;
  /** Of `load_session`. */
  load_session: LoadSessionData;
  /** Of `list_pending_ui`. */
  list_pending_ui: ListPendingUiData;
  /** Of `prompt`. */
  prompt: PromptData;
  /** Of `steer`. */
  steer: SteerData;
  /** Of `follow_up`. */
  follow_up: FollowUpData;
  /** Of `abort`. */
  abort: AbortData;
  /** Of `clear_queue`. */
  clear_queue: ClearQueueData;
  /** Of `get_state`. */
  get_state: GetStateData;
  /** Of `get_messages`. */
  get_messages: GetMessagesData;
  /** Of `set_session_name`. */
  set_session_name: SetSessionNameData;
  /** Of `dismiss_interrupted`. */
  dismiss_interrupted: DismissInterruptedData;
  /** Of `get_available_models`. */
  get_available_models: GetAvailableModelsData;
  /** Of `set_model`. */
  set_model: SetModelData;
  /** Of `bash`. */
  bash: BashData;
  /** Of `abort_bash`. */
  abort_bash: AbortBashData;
  /** Of `get_last_assistant_text`. */
  get_last_assistant_text: GetLastAssistantTextData;
  /** Of `get_session_stats`. */
  get_session_stats: GetSessionStatsData;
  /** Of `get_context_usage`. */
  get_context_usage: GetContextUsageData;
  /** Of `cycle_model`. */
  cycle_model: CycleModelData;
  /** Of `set_thinking_level`. */
  set_thinking_level: SetThinkingLevelData;
  /** Of `cycle_thinking_level`. */
  cycle_thinking_level: CycleThinkingLevelData;
  /** Of `set_steering_mode`. */
  set_steering_mode: SetSteeringModeData;
  /** Of `set_follow_up_mode`. */
  set_follow_up_mode: SetFollowUpModeData;
  /** Of `compact`. */
  compact: CompactData;
  /** Of `abort_compaction`. */
  abort_compaction: AbortCompactionData;
  /** Of `set_auto_compaction`. */
  set_auto_compaction: SetAutoCompactionData;
  /** Of `set_auto_retry`. */
  set_auto_retry: SetAutoRetryData;
  /** Of `abort_retry`. */
  abort_retry: AbortRetryData;
  /** Of `extension_ui_response`. */
  extension_ui_response: ExtensionUiResponseData;
  /** Of `new_session`. */
  new_session: NewSessionData;
  /** Of `switch_session_file`. */
  switch_session_file: SwitchSessionFileData;
  /** Of `fork`. */
  fork: ForkData;
  /** Of `clone`. */
  clone: CloneData;
  /** Of `get_fork_messages`. */
  get_fork_messages: GetForkMessagesData;
  /** Of `get_tree`. */
  get_tree: GetTreeData;
  /** Of `navigate_tree`. */
  navigate_tree: NavigateTreeData;
  /** Of `export_html`. */
  export_html: ExportHtmlData;
  /** Of `get_commands`. */
  get_commands: GetCommandsData;
  /** Of `get_skills`. */
  get_skills: GetSkillsData;
  /** Of `get_tools`. */
  get_tools: GetToolsData;
  /** Of `set_tools`. */
  set_tools: SetToolsData;
  /** Of `list_session_files`. */
  list_session_files: ListSessionFilesData;
  /** Of `reload`. */
  reload: ReloadData;
  /** Of `mint_token`. */
  mint_token: MintTokenData;
  /** Of `revoke_token`. */
  revoke_token: RevokeTokenData;
  /** Of `get_metrics`. */
  get_metrics: GetMetricsData;
  /** Of `health_check`. */
  health_check: HealthCheckData;
  /** Of `set_budget`. */
  set_budget: SetBudgetData;
}

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
}

/** The session has got another model. */
export interface ModelChangedEvent {
  /** Says what it is. */
  type: "model_changed";
  /** The model. */
  model: Model;
}

/** A client's shell command has printed something; `commandId` is the `id` of its `bash`. */
export interface BashOutputEvent {
  /** Says what it is. */
  type: "bash_output";
  /** The `id` of the command that it belongs to. */
  commandId?: string;
  /** What was printed, since the last one. */
  chunk: string;
}

/** An extension asks or tells something; further fields depend on `method`. */
export interface ExtensionUiRequestEvent {
  /** Says what it is. */
  type: "extension_ui_request";
  /** Id of a dialog. */
  requestId: string;
  /** The kind of dialog. */
  method: string;
}

/** A dialog is over, by whomever. */
export interface ExtensionUiResolvedEvent {
  /** Says what it is. */
  type: "extension_ui_resolved";
  /** Id of a dialog. */
  requestId: string;
  /** Who or what ended it. */
  by: "client" | "timeout" | "cancelled" | "session";
}

/**
 * pi could not write its session file; what is missing there is kept in memory and written once the disk
 * takes it.
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
 * Another session of pi's stands behind the same id: after `new_session`, `switch_session_file`, `fork`,
 * `clone`, also when an extension did it, or, with the reason `recovered`, after one of them failed halfway.
 */
export interface SessionReplacedEvent {
  /** Says what it is. */
  type: "session_replaced";
  /** Why. */
  reason: string;
  /** pi's file of the session. */
  sessionFile?: string;
}

/** The session has spent what it may: messages are refused until `set_budget` raises that. */
export interface BudgetExceededEvent {
  /** Says what it is. */
  type: "budget_exceeded";
  /** At most so many. */
  limit: "maxUsd" | "maxTurns" | "maxWallMs";
  /** The protocol's `budget`. */
  budget: Budget;
  /** Tokens and cost of the run. */
  usage: BudgetUsage;
}

/** A run has been silent for long; `phase` says whom it waits for. Told again while it lasts. */
export interface TurnStalledEvent {
  /** Says what it is. */
  type: "turn_stalled";
  /** The protocol's `phase`. */
  phase: "model" | "tool" | "ui";
  /** The protocol's `silentMs`. */
  silentMs: number;
  /** The protocol's `toolCallId`. */
  toolCallId?: string;
}

/**
 * An extension failed, could not be loaded (`event` is `load`), or asked too much at once (`event` is `ui`);
 * `extensionPath` is pi's, and may name a command instead.
 */
export interface ExtensionErrorEvent {
  /** Says what it is. */
  type: "extension_error";
  /** Path of the extension. */
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
  /** Of `session_replaced`. */
  session_replaced: SessionReplacedEvent;
  /** Of `budget_exceeded`. */
  budget_exceeded: BudgetExceededEvent;
  /** Of `turn_stalled`. */
  turn_stalled: TurnStalledEvent;
  /** Of `extension_error`. */
  extension_error: ExtensionErrorEvent;
}

/** Code of an error, for programs. */
export type ErrorCode =
  | "invalid_json"
  | "frame_too_large"
  | "unknown_command"
  | "invalid_params"
  | "forbidden"
  | "unsupported_protocol_version"
  | "session_not_found"
  | "session_exists"
  | "session_in_use"
  | "session_limit"
  | "rate_limited"
  | "overloaded"
  | "budget_exceeded"
  | "agent_busy"
  | "no_model"
  | "model_not_found"
  | "no_api_key"
  | "entry_not_found"
  | "version_conflict"
  | "idempotency_conflict"
  | "outcome_unknown"
  | "ui_request_not_found"
  | "ui_already_resolved"
  | "path_forbidden"
  | "path_not_found"
  | "not_a_session_file"
  | "timeout"
  | "cancelled"
  | "shutting_down"
  | "agent_error"
  | "internal";

/** Name of a command. */
export type WireCommandName = keyof CommandMap;
