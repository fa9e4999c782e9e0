// Generated from the schemas beside this file by `deno task gen`; do not edit.
// What commands are answered with.

import type {
  Budget,
  BudgetUsage,
  CommandInfo,
  Compaction,
  ContentPiece,
  ContextUsage,
  Disposition,
  FileRepair,
  Model,
  PendingUi,
  Queue,
  SessionInfo,
  SessionStats,
  Settled,
  Skill,
  StoredSession,
  Subscribed,
  Tool,
  TreeNode,
} from "./shapes.ts";

/** What `hello` answers with. */
export interface HelloData {
  /** `MAJOR.MINOR` of the protocol in use. */
  protocolVersion: string;
  /** Version of the server. */
  serverVersion: string;
  /** What a client may rely on beyond the plain commands. */
  capabilities: string[];
  /** The server's limits. */
  limits: Record<string, unknown>;
}

/** What `ping` answers with. */
export interface PingData {
  /** The server's clock, milliseconds since 1970. */
  now: number;
}

/** What `get_schema` answers with. */
export interface GetSchemaData {
  /** A JSON Schema. */
  schema: Record<string, unknown>;
  /** Changes whenever the protocol's schema does. */
  schemaHash: string;
}

/** What `list_sessions` answers with. */
export interface ListSessionsData {
  /** The sessions. */
  sessions: SessionInfo[];
  /** Sessions of nodes that are gone. */
  unavailable?: { sessionId: string; node: string }[];
  /** The protocol's `nextCursor`. */
  nextCursor?: string;
  /** Whether something was left out. */
  truncated?: true;
}

/** What `create_session` answers with. */
export interface CreateSessionData {
  /** Id of the session. */
  sessionId: string;
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** What `delete_session` answers with. */
export interface DeleteSessionData {
  /** That it is gone. */
  deleted: true;
}

/** What `switch_session` answers with. */
export interface SwitchSessionData {
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** What `subscribe` answers with. */
export type SubscribeData = Subscribed | { sessions: Record<string, Subscribed> };

/** What `unsubscribe` answers with. */
export interface UnsubscribeData {
  /** Whether there was a subscription. */
  unsubscribed: boolean;
}

/** What `list_stored_sessions` answers with. */
export interface ListStoredSessionsData {
  /** The sessions. */
  sessions: StoredSession[];
  /** The protocol's `index`. */
  index: { files: number; indexed: number };
  /** The protocol's `nextCursor`. */
  nextCursor?: string;
  /** Whether something was left out. */
  truncated?: true;
}

/** What `load_session` answers with. */
export interface LoadSessionData {
  /** Id of the session. */
  sessionId: string;
  /** The state of the session. */
  sessionInfo: SessionInfo;
}

/** What `list_pending_ui` answers with. */
export interface ListPendingUiData {
  /** The dialogs. */
  requests: PendingUi[];
  /** Whether something was left out. */
  truncated?: true;
}

/** What `search` answers with. */
export interface SearchData {
  /** The protocol's `hits`. */
  hits: {
    sessionFile: string;
    sessionPath: string;
    sessionId: string;
    sessionName?: string;
    liveSessionId?: string;
    node?: string;
    cwd: string;
    entryId?: string;
    role: string;
    timestamp?: string;
    snippet: string;
    matchAt: number;
    matchLength: number;
  }[];
  /** The protocol's `searched`. */
  searched: number;
  /** The sessions. */
  sessions: number;
  /** The protocol's `unsearched`. */
  unsearched: number;
  /** The protocol's `nextCursor`. */
  nextCursor?: string;
}

/** What `archive_session` answers with. */
export interface ArchiveSessionData {
  /** pi's file of the session. */
  sessionFile: string;
  /** The protocol's `archived`. */
  archived: true;
}

/** What `unarchive_session` answers with. */
export interface UnarchiveSessionData {
  /** pi's file of the session. */
  sessionFile: string;
  /** The protocol's `archived`. */
  archived: false;
}

/** What `rename_stored_session` answers with. */
export interface RenameStoredSessionData {
  /** The protocol's `session`. */
  session: StoredSession;
}

/** What `delete_stored_session` answers with. */
export interface DeleteStoredSessionData {
  /** That it is gone. */
  deleted: true;
  /** The protocol's `trashFile`. */
  trashFile?: string;
}

/** What `prompt` answers with. */
export type PromptData = Settled | { disposition: Disposition };

/** What `steer` answers with. */
export interface SteerData {
  /** How pi handles the message. */
  disposition: Disposition;
}

/** What `follow_up` answers with. */
export interface FollowUpData {
  /** How pi handles the message. */
  disposition: Disposition;
}

/** What `abort` answers with. */
export type AbortData = Queue;

/** What `clear_queue` answers with. */
export type ClearQueueData = Queue;

/** What `get_state` answers with. */
export type GetStateData = SessionInfo;

/** What `get_messages` answers with. */
export interface GetMessagesData {
  /** Messages, oldest first. */
  messages: Record<string, unknown>[];
  /** How many messages there are. */
  messageCount: number;
  /** Only messages before this index. */
  before?: number;
  /** Whether something was left out. */
  truncated?: true;
  /** Text of the message. */
  message?: string;
}

/** What `set_session_name` answers with. */
export type SetSessionNameData = Record<string, unknown>;

/** What `dismiss_interrupted` answers with. */
export type DismissInterruptedData = Record<string, unknown>;

/** What `get_available_models` answers with. */
export interface GetAvailableModelsData {
  /** The models that pi has credentials for. */
  models: Model[];
}

/** What `set_model` answers with. */
export interface SetModelData {
  /** The model. */
  model: Model;
}

/** What `bash` answers with. */
export interface BashData {
  /** Printed text, or tokens that the model wrote. */
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

/** What `abort_bash` answers with. */
export type AbortBashData = Record<string, unknown>;

/** What `get_last_assistant_text` answers with. */
export interface GetLastAssistantTextData {
  /** Text; of a run, its last answer. */
  text: string | null;
  /** Whether something was left out. */
  truncated?: true;
  /** Text of the message. */
  message?: string;
}

/** What `get_session_stats` answers with. */
export type GetSessionStatsData = SessionStats;

/** What `get_context_usage` answers with. */
export type GetContextUsageData = ContextUsage | null;

/** What `cycle_model` answers with. */
export type CycleModelData = {
  model: Model;
  thinkingLevel: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
  isScoped: boolean;
} | null;

/** What `set_thinking_level` answers with. */
export interface SetThinkingLevelData {
  /** The thinking level. */
  level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
}

/** What `cycle_thinking_level` answers with. */
export type CycleThinkingLevelData = {
  level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
} | null;

/** What `get_available_thinking_levels` answers with. */
export interface GetAvailableThinkingLevelsData {
  /** Thinking levels, from none to most. */
  levels: ("off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max")[];
}

/** What `set_steering_mode` answers with. */
export type SetSteeringModeData = Record<string, unknown>;

/** What `set_follow_up_mode` answers with. */
export type SetFollowUpModeData = Record<string, unknown>;

/** What `compact` answers with. */
export type CompactData = Compaction;

/** What `abort_compaction` answers with. */
export type AbortCompactionData = Record<string, unknown>;

/** What `set_auto_compaction` answers with. */
export type SetAutoCompactionData = Record<string, unknown>;

/** What `set_auto_retry` answers with. */
export type SetAutoRetryData = Record<string, unknown>;

/** What `abort_retry` answers with. */
export type AbortRetryData = Record<string, unknown>;

/** What `extension_ui_response` answers with. */
export type ExtensionUiResponseData = Record<string, unknown>;

/** What `new_session` answers with. */
export interface NewSessionData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** What `switch_session_file` answers with. */
export interface SwitchSessionFileData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
  /** The damage in the session's file that the server repaired when it opened the file. */
  fileRepair?: FileRepair;
}

/** What `fork` answers with. */
export interface ForkData {
  /** Text; of a run, its last answer. */
  text: string;
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** What `clone` answers with. */
export interface CloneData {
  /** Whether it was stopped before its end. */
  cancelled: boolean;
}

/** What `get_fork_messages` answers with. */
export interface GetForkMessagesData {
  /** Messages, oldest first. */
  messages: { entryId: string; text: string }[];
  /** Whether something was left out. */
  truncated?: true;
  /** Text of the message. */
  message?: string;
}

/** What `get_tree` answers with. */
export interface GetTreeData {
  /** The entry that the session stands at. */
  currentLeafId: string | null;
  /** All entries, whose parents are named by id; or all nodes of the cluster. */
  nodes: TreeNode[];
  /** Whether something was left out. */
  truncated?: true;
  /** Text of the message. */
  message?: string;
}

/** What `get_entries` answers with. */
export interface GetEntriesData {
  /** The protocol's `entries`. */
  entries: Record<string, unknown>[];
  /** The protocol's `leafId`. */
  leafId: string | null;
  /** The protocol's `entryCount`. */
  entryCount?: number;
  /** The protocol's `unloaded`. */
  unloaded?: true;
  /** The protocol's `more`. */
  more?: true;
  /** The protocol's `nextSince`. */
  nextSince?: string;
  /** The protocol's `nextBefore`. */
  nextBefore?: string;
}

/** What `get_content` answers with. */
export type GetContentData = ContentPiece;

/** What `navigate_tree` answers with. */
export interface NavigateTreeData {
  /** Text of the user message, for editing. */
  editorText?: string;
  /** Whether it was stopped before its end. */
  cancelled: boolean;
  /** Whether it was stopped. */
  aborted?: boolean;
}

/** What `export_html` answers with. */
export interface ExportHtmlData {
  /** Path of the file. */
  path: string;
  /** The protocol's `imagesLeftOut`. */
  imagesLeftOut?: number;
}

/** What `get_commands` answers with. */
export interface GetCommandsData {
  /** The slash commands. */
  commands: CommandInfo[];
}

/** What `get_skills` answers with. */
export interface GetSkillsData {
  /** The skills. */
  skills: Skill[];
}

/** What `get_tools` answers with. */
export interface GetToolsData {
  /** The tools. */
  tools: Tool[];
}

/** What `set_tools` answers with. */
export type SetToolsData = Record<string, unknown>;

/** What `list_session_files` answers with. */
export interface ListSessionFilesData {
  /** The session files. */
  files: StoredSession[];
}

/** What `reload` answers with. */
export type ReloadData = Record<string, unknown>;

/** What `mint_token` answers with. */
export interface MintTokenData {
  /** The token. No later message holds it. */
  token: string;
  /** Id of the minted token: 1 to 128 characters. */
  tokenId: string;
  /** When the token ends, in milliseconds since 1970; absent: when it is revoked. */
  expiresAt?: number;
}

/** What `list_tokens` answers with. */
export interface ListTokensData {
  /** Tokens of the model, null where they are not known; or minted tokens. */
  tokens: {
    tokenId: string;
    label?: string;
    parentId?: string;
    role: "observe" | "answer" | "drive" | "admin";
    sessions?: string[];
    scrape?: true;
    mintedAt: number;
    expiresAt?: number;
    lastUsedAt?: number;
    connections: number;
  }[];
}

/** What `revoke_token` answers with. */
export interface RevokeTokenData {
  /** Whether there was such a token. */
  revoked: boolean;
}

/** What `get_metrics` answers with. */
export interface GetMetricsData {
  /** Milliseconds since the server started. */
  uptimeMs: number;
  /** The sessions. */
  sessions: { live: number; parked: number };
  /** How many workers there are. */
  hosts: number;
  /** How many connections are open. */
  connections: number;
  /** The slash commands. */
  commands: Record<string, number>;
  /** Refused commands, by limit. */
  refusals: Record<string, number>;
  /** Refused requests, by cause: `host`, `origin`, `peer`, `token`, `request`. */
  refusedRequests: Record<string, number>;
  /** Failed answers of models: by HTTP status, `connection`, or `other`. */
  providerFailures: Record<string, number>;
  /** Connections since the start. */
  connectionsOpened: number;
  /** Sessions since the start. */
  sessionsCreated: number;
  /** Only events of these types. */
  events: number;
  /** Bytes from clients, since the start. */
  bytesIn: number;
  /** Bytes to clients, since the start. */
  bytesOut: number;
  /** How many events the server has coalesced into later ones, since the start. */
  coalesced: number;
  /** How often the server dropped events for a client that reads too slowly. */
  lagged: number;
  /** How many connections the server closed because their clients read too slowly. */
  evicted: number;
  /** Bytes that wait for clients that read slowly. */
  outboxBytes: number;
  /** How late the server thread (`router`) and each worker (`hosts`) are, in milliseconds. */
  loopDelayMs: { router: number; hosts: number[] };
  /** Memory of the process, of the server thread (`router`) and of each worker (`hosts`). */
  memoryBytes?: { process: number; router: number; hosts: number[] };
  /** How many turns there were. */
  turns: number;
  /** Tokens of the model, null where they are not known; or minted tokens. */
  tokens: { input: number; output: number; cacheRead: number; cacheWrite: number };
  /** Cost of all sessions since the start, in USD. */
  costUsd: number;
  /** All entries, whose parents are named by id; or all nodes of the cluster. */
  nodes?: {
    node: string;
    address?: string;
    version: string;
    protocolVersion: string;
    pi: string;
    state: "running" | "draining" | "gone";
    self?: true;
    gateway?: true;
    sessions: { live: number; parked: number; limit: number };
    memoryBytes: number;
    machineBytes: number;
    load: number;
  }[];
  /** What the journal keeps. */
  journal: { keys: number; keyBytes: number; messageBytes: number };
}

/** What `health_check` answers with. */
export interface HealthCheckData {
  /** Whether there is no problem. */
  healthy: boolean;
  /** A sentence for each problem. */
  issues: string[];
}

/** What `set_budget` answers with. */
export interface SetBudgetData {
  /** What the session may spend. */
  budget?: Budget;
  /** Tokens and cost of the run. */
  usage: BudgetUsage;
}

/** What `list_nodes` answers with. */
export interface ListNodesData {
  /** All entries, whose parents are named by id; or all nodes of the cluster. */
  nodes: {
    node: string;
    address?: string;
    version: string;
    protocolVersion: string;
    pi: string;
    state: "running" | "draining" | "gone";
    self?: true;
    gateway?: true;
    sessions: { live: number; parked: number; limit: number };
    memoryBytes: number;
    machineBytes: number;
    load: number;
  }[];
}

/** What `drain_node` answers with. */
export interface DrainNodeData {
  /** Name of the node of a cluster. */
  node: string;
  /** Whether it takes no new sessions and is about to leave. */
  draining: true;
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
  /** Of `search`. */
  search: SearchData;
  /** Of `archive_session`. */
  archive_session: ArchiveSessionData;
  /** Of `unarchive_session`. */
  unarchive_session: UnarchiveSessionData;
  /** Of `rename_stored_session`. */
  rename_stored_session: RenameStoredSessionData;
  /** Of `delete_stored_session`. */
  delete_stored_session: DeleteStoredSessionData;
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
  /** Of `get_available_thinking_levels`. */
  get_available_thinking_levels: GetAvailableThinkingLevelsData;
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
  /** Of `get_entries`. */
  get_entries: GetEntriesData;
  /** Of `get_content`. */
  get_content: GetContentData;
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
  /** Of `list_tokens`. */
  list_tokens: ListTokensData;
  /** Of `revoke_token`. */
  revoke_token: RevokeTokenData;
  /** Of `get_metrics`. */
  get_metrics: GetMetricsData;
  /** Of `health_check`. */
  health_check: HealthCheckData;
  /** Of `set_budget`. */
  set_budget: SetBudgetData;
  /** Of `list_nodes`. */
  list_nodes: ListNodesData;
  /** Of `drain_node`. */
  drain_node: DrainNodeData;
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
  | "not_supported_by_engine"
  | "entry_not_found"
  | "entry_not_on_branch"
  | "content_not_found"
  | "cursor_invalid"
  | "cursor_foreign"
  | "cursor_version"
  | "cursor_expired"
  | "version_conflict"
  | "idempotency_conflict"
  | "outcome_unknown"
  | "ui_request_not_found"
  | "ui_already_resolved"
  | "path_forbidden"
  | "path_not_found"
  | "not_a_session_file"
  | "session_file_newer"
  | "session_file_damaged"
  | "session_file_too_large"
  | "session_too_large"
  | "timeout"
  | "cancelled"
  | "node_unavailable"
  | "node_not_found"
  | "shutting_down"
  | "agent_error"
  | "internal";
