// Generated from the schemas beside this file by `deno task gen`; do not edit.
// The commands.

/** What every command has. */
export interface AnyCommand {
  /** An id; of a command, echoed in its answer: 1 to 128 characters. */
  id?: string;
  /** A command that is sent again with the same key does not run twice: 1 to 128 characters. */
  idempotencyKey?: string;
}

/** What every command to a session has. */
export interface SessionCommand extends AnyCommand {
  /** The command runs only while `sessionVersion` has this value. */
  ifSessionVersion?: number;
  /** Id of the session. */
  sessionId: string;
}

/** Agrees on a protocol version and names the client. A client may omit this command. */
export interface HelloCommand extends AnyCommand {
  /** Says what it is. */
  type: "hello";
  /** Id of the session. */
  sessionId?: string;
  /** Versions that the client speaks: at most 32. */
  protocolVersions?: string[];
  /** Who connects. */
  client?: { name: string; version?: string };
}

/** Answers at once, with the server's clock in milliseconds. */
export interface PingCommand extends AnyCommand {
  /** Says what it is. */
  type: "ping";
  /** Id of the session. */
  sessionId?: string;
}

/** Returns the JSON Schema of the whole protocol, or of one command with its `data`. */
export interface GetSchemaCommand extends AnyCommand {
  /** Says what it is. */
  type: "get_schema";
  /** Id of the session. */
  sessionId?: string;
  /** A command: the client's shell command, or the name of one of the protocol's: 1 to 128 characters. */
  command?: string;
}

/** Lists the sessions that are live or parked, with their state: all, or page by page (see "Long lists"). */
export interface ListSessionsCommand extends AnyCommand {
  /** Says what it is. */
  type: "list_sessions";
  /** Id of the session. */
  sessionId?: string;
  /** The protocol's `cursor`: 1 to 512 characters. */
  cursor?: string;
  /** The protocol's `sort`. */
  sort?: "activity" | "created" | "name" | "cost";
  /** The protocol's `query`: 1 to 256 characters. */
  query?: string;
  /** The protocol's `archived`. */
  archived?: boolean;
  /** At most so many: 1 to 1000. */
  limit?: number;
  /** Whether it is in memory. */
  status?: "live" | "parked";
  /** Working directory. */
  cwd?: string;
}

/** Builds a session, and answers when it can take commands. Send `provider` and `modelId` together. */
export interface CreateSessionCommand extends AnyCommand {
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
  thinkingLevel?: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
  /** The tools: at most 256. */
  tools?: string[];
  /** Whether pi keeps no file of the session. */
  inMemory?: boolean;
  /** Whether the project's own extensions and settings are loaded. */
  trustProject?: boolean;
  /** Name of the node of a cluster. */
  node?: string;
}

/**
 * Ends a session at once: the server aborts its turn, waiting commands answer `cancelled`, and pi's file
 * stays. After the answer another server may drive that file. `lost` frees the id of a session whose node is
 * gone for good.
 */
export interface DeleteSessionCommand extends SessionCommand {
  /** Says what it is. */
  type: "delete_session";
  /** Whether to free the id of a session whose node is gone for good. */
  lost?: boolean;
}

/** Subscribes to one session with `full` updates and returns its state. */
export interface SwitchSessionCommand extends SessionCommand {
  /** Says what it is. */
  type: "switch_session";
}

/** Delivers a session's events to this connection from now on; `"*"` means all sessions, also future ones. */
export interface SubscribeCommand extends SessionCommand {
  /** Says what it is. */
  type: "subscribe";
  /** Where the client was: every later event comes first. */
  from?: { epoch: string; seq: number } | { sessions: Record<string, { epoch: string; seq: number }> };
  /** The state of the session at `seq`. */
  snapshot?: boolean;
  /** The protocol's `maxBytes`: 16384 to 67108864. */
  maxBytes?: number;
  /** The protocol's `refs`. */
  refs?: boolean;
  /** `delta`: events with only their new part; `full`: pi's events unchanged. */
  updates?: "delta" | "full";
  /** Only events of these types: at most 128. */
  events?: string[];
}

/** Ends a subscription of this connection, and returns whether there was one. */
export interface UnsubscribeCommand extends SessionCommand {
  /** Says what it is. */
  type: "unsubscribe";
}

/**
 * Lists pi's session files in the folders that clients may use, newest first. Without `limit` it lists at
 * most 1000. See "Long lists" for pages, orders and filters.
 */
export interface ListStoredSessionsCommand extends AnyCommand {
  /** Says what it is. */
  type: "list_stored_sessions";
  /** Id of the session. */
  sessionId?: string;
  /** The protocol's `cursor`: 1 to 512 characters. */
  cursor?: string;
  /** The protocol's `sort`. */
  sort?: "activity" | "created" | "name" | "cost";
  /** The protocol's `query`: 1 to 256 characters. */
  query?: string;
  /** The protocol's `archived`. */
  archived?: boolean;
  /** Working directory. */
  cwd?: string;
  /** At most so many: 1 to 10000. */
  limit?: number;
  /** Whether it is in memory. */
  status?: "in_use" | "free";
}

/** Opens a session file as a live session, under the file's own id or the `sessionId` of the command. */
export interface LoadSessionCommand extends AnyCommand {
  /** Says what it is. */
  type: "load_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Name of the node of a cluster. */
  node?: string;
}

/**
 * Lists the dialogs that wait for an answer, of one session or of all. `truncated` means that a node of the
 * cluster left some out.
 */
export interface ListPendingUiCommand extends AnyCommand {
  /** Says what it is. */
  type: "list_pending_ui";
  /** Id of the session. */
  sessionId?: string;
}

/**
 * Searches the messages of all stored sessions, or of those in `sessions` (paths), in any case. The newest
 * session comes first, with at most three hits of each session in one answer. An answer takes about a second,
 * and `cursor` continues the search.
 */
export interface SearchCommand extends AnyCommand {
  /** Says what it is. */
  type: "search";
  /** Id of the session. */
  sessionId?: string;
  /** The protocol's `query`: 1 to 256 characters. */
  query: string;
  /** The sessions: at most 100. */
  sessions?: string[];
  /** At most so many: 1 to 1000. */
  limit?: number;
  /** The protocol's `cursor`: 1 to 512 characters. */
  cursor?: string;
}

/** Marks a session file as archived. Both lists have the filter `archived`. */
export interface ArchiveSessionCommand extends AnyCommand {
  /** Says what it is. */
  type: "archive_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Name of the node of a cluster. */
  node?: string;
}

/** Removes the mark of `archive_session`. */
export interface UnarchiveSessionCommand extends AnyCommand {
  /** Says what it is. */
  type: "unarchive_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Name of the node of a cluster. */
  node?: string;
}

/** Sets the name of a session file that no session drives, without loading it. */
export interface RenameStoredSessionCommand extends AnyCommand {
  /** Says what it is. */
  type: "rename_stored_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Name of the node of a cluster. */
  node?: string;
  /** Name of the session: 1 to 1024 characters. */
  sessionName: string;
}

/**
 * Moves a session file that no session drives into the folder `trash` beside it. With `permanent` it removes
 * the file.
 */
export interface DeleteStoredSessionCommand extends AnyCommand {
  /** Says what it is. */
  type: "delete_stored_session";
  /** Id of the session. */
  sessionId?: string;
  /** Path of a session file, inside the roots. */
  sessionPath: string;
  /** Name of the node of a cluster. */
  node?: string;
  /** The protocol's `permanent`. */
  permanent?: boolean;
}

/** Gives the agent a message, runs a slash command, or queues the message with `streamingBehavior`. */
export interface PromptCommand extends SessionCommand {
  /** Says what it is. */
  type: "prompt";
  /** Text of the message. */
  message: string;
  /**
   * Images of the message. A PNG, JPEG, GIF or WebP, up to 5 MB of base64 and 8000 pixels a side, not
   * animated: at most 32.
   */
  images?: { type: "image"; data: string; mimeType: string }[];
  /** What to do with the message while the agent is busy. */
  streamingBehavior?: "steer" | "followUp";
  /** When to answer: when pi has accepted the message, or when the run is over. */
  waitFor?: "accepted" | "settled";
  /** Milliseconds to wait at most for the run's end: 1 to 86400000. */
  waitMs?: number;
}

/**
 * Queues a message for the running turn; the model reads it after the current tool calls. Starts a run when
 * idle.
 */
export interface SteerCommand extends SessionCommand {
  /** Says what it is. */
  type: "steer";
  /** Text of the message. */
  message: string;
  /**
   * Images of the message. A PNG, JPEG, GIF or WebP, up to 5 MB of base64 and 8000 pixels a side, not
   * animated: at most 32.
   */
  images?: { type: "image"; data: string; mimeType: string }[];
}

/** Queues a message for after the run; starts a run when idle. */
export interface FollowUpCommand extends SessionCommand {
  /** Says what it is. */
  type: "follow_up";
  /** Text of the message. */
  message: string;
  /**
   * Images of the message. A PNG, JPEG, GIF or WebP, up to 5 MB of base64 and 8000 pixels a side, not
   * animated: at most 32.
   */
  images?: { type: "image"; data: string; mimeType: string }[];
}

/** Stops the run, a retry wait or a compaction. Empties the queue, and returns its messages. */
export interface AbortCommand extends SessionCommand {
  /** Says what it is. */
  type: "abort";
}

/** Empties the queue, and returns its messages; the run goes on. */
export interface ClearQueueCommand extends SessionCommand {
  /** Says what it is. */
  type: "clear_queue";
}

/** Returns the state of a session. */
export interface GetStateCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_state";
}

/**
 * Returns the messages that the model sees, oldest first: the last `limit` before index `before`. The answer
 * has at most `maxBytes`, or 8 MiB. If there are older ones, it has `truncated` and `before`.
 */
export interface GetMessagesCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_messages";
  /** At most so many: 1 to 100000. */
  limit?: number;
  /** Only messages before this index. */
  before?: number;
  /** The protocol's `maxBytes`: 16384 to 67108864. */
  maxBytes?: number;
  /** The protocol's `refs`. */
  refs?: boolean;
}

/** Sets the session's name, without blanks at its ends. */
export interface SetSessionNameCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_session_name";
  /** Its name: 1 to 1024 characters. */
  name: string;
}

/** Drops the messages that a crash stopped. */
export interface DismissInterruptedCommand extends SessionCommand {
  /** Says what it is. */
  type: "dismiss_interrupted";
}

/** Lists the models that pi has credentials for. Without a session, it lists those that every session has. */
export interface GetAvailableModelsCommand extends AnyCommand {
  /** The command runs only while `sessionVersion` has this value. */
  ifSessionVersion?: number;
  /** Says what it is. */
  type: "get_available_models";
  /** Id of the session. */
  sessionId?: string;
}

/** Sets the session's model, from its next request to a model on. */
export interface SetModelCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_model";
  /** Name of the model's provider: 1 to 256 characters. */
  provider: string;
  /** Id of a model of that provider: 1 to 256 characters. */
  modelId: string;
}

/** Runs a shell command of the client in the session's folder. The output becomes one of the messages. */
export interface BashCommand extends SessionCommand {
  /** Says what it is. */
  type: "bash";
  /** A command: the client's shell command, or the name of one of the protocol's. */
  command: string;
  /** Whether the model does not see it. */
  excludeFromContext?: boolean;
}

/** Stops the client's shell command. */
export interface AbortBashCommand extends SessionCommand {
  /** Says what it is. */
  type: "abort_bash";
}

/**
 * Returns the text of the last answer, or `null`. Of a very long text it returns the beginning, with
 * `truncated`.
 */
export interface GetLastAssistantTextCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_last_assistant_text";
}

/** Counts messages, tool calls, tokens and cost (USD). */
export interface GetSessionStatsCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_session_stats";
}

/** Returns how full the model's context is; `null` when that is unknown. */
export interface GetContextUsageCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_context_usage";
}

/** Switches to the next available model; `null` when there is only one. */
export interface CycleModelCommand extends SessionCommand {
  /** Says what it is. */
  type: "cycle_model";
  /** Which way to go. */
  direction?: "forward" | "backward";
}

/** Sets how much the model thinks, and returns the level that takes effect for this model. */
export interface SetThinkingLevelCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_thinking_level";
  /** The thinking level. */
  level: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
}

/** Switches to the next level of the model; `null` when the model does not think. */
export interface CycleThinkingLevelCommand extends SessionCommand {
  /** Says what it is. */
  type: "cycle_thinking_level";
}

/** Lists the levels of the session's model; only `off` when the model does not think. */
export interface GetAvailableThinkingLevelsCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_available_thinking_levels";
}

/** Sets whether steering messages are delivered all at once or one in each turn. */
export interface SetSteeringModeCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_steering_mode";
  /** Which of the possible ways applies. */
  mode: "all" | "one-at-a-time";
}

/** Sets whether follow-ups are delivered all at once or one after the other. */
export interface SetFollowUpModeCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_follow_up_mode";
  /** Which of the possible ways applies. */
  mode: "all" | "one-at-a-time";
}

/** Replaces the older messages by a summary that the model writes. */
export interface CompactCommand extends SessionCommand {
  /** Says what it is. */
  type: "compact";
  /** What the summary should attend to. */
  customInstructions?: string;
}

/** Stops a compaction, or the summary of a `navigate_tree`. */
export interface AbortCompactionCommand extends SessionCommand {
  /** Says what it is. */
  type: "abort_compaction";
}

/** Sets whether pi compacts by itself when the context is nearly full. */
export interface SetAutoCompactionCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_auto_compaction";
  /** Whether it is on. */
  enabled: boolean;
}

/** Sets whether pi retries after temporary errors of the model. */
export interface SetAutoRetryCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_auto_retry";
  /** Whether it is on. */
  enabled: boolean;
}

/** Ends the wait before a retry; the error is then final. */
export interface AbortRetryCommand extends SessionCommand {
  /** Says what it is. */
  type: "abort_retry";
}

/** Answers a dialog; `cancelled` closes any kind without an answer. */
export interface ExtensionUiResponseCommand extends SessionCommand {
  /** Says what it is. */
  type: "extension_ui_response";
  /** Id of a dialog: 1 to 128 characters. */
  requestId: string;
  /** The answer to a dialog. */
  response: { method: "select" | "input" | "editor"; value: string } | {
    method: "confirm";
    confirmed: boolean;
  } | { method: "cancelled" };
}

/** Gives the session an empty history, in a new file. */
export interface NewSessionCommand extends SessionCommand {
  /** Says what it is. */
  type: "new_session";
  /** Session file that the new one names as its parent. */
  parentSession?: string;
}

/** Gives the session the history of another session file. */
export interface SwitchSessionFileCommand extends SessionCommand {
  /** Says what it is. */
  type: "switch_session_file";
  /** Path of a session file, inside the roots. */
  sessionPath: string;
}

/**
 * Gives the session a copy of its history that ends before a user message, and returns the text of that
 * message.
 */
export interface ForkCommand extends SessionCommand {
  /** Says what it is. */
  type: "fork";
  /** Id of an entry of the session's history: 1 to 128 characters. */
  entryId: string;
}

/** Gives the session a copy of its current branch. */
export interface CloneCommand extends SessionCommand {
  /** Says what it is. */
  type: "clone";
}

/** Lists the user messages at which `fork` can start, at most 8 MiB of the newest. */
export interface GetForkMessagesCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_fork_messages";
}

/**
 * Returns every entry of the session's tree as a flat list; each entry names its parent by id. Above 8 MiB
 * the oldest entries have no text, or are missing.
 */
export interface GetTreeCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_tree";
}

/**
 * Returns entries as pi keeps them, oldest first. They are the newest ones, or those after `since` (`null`:
 * from the start). With `more` comes `nextBefore` or `nextSince`, the cursor of the next page.
 */
export interface GetEntriesCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_entries";
  /** The protocol's `since`. */
  since?: string | null;
  /** Only messages before this index: 1 to 128 characters. */
  before?: string;
  /** At most so many: 1 to 100000. */
  limit?: number;
  /** The protocol's `scope`. */
  scope?: "tree" | "branch";
  /** The protocol's `maxBytes`: 16384 to 67108864. */
  maxBytes?: number;
  /** The protocol's `refs`. */
  refs?: boolean;
}

/**
 * Returns a piece of the content of a `contentRef`, in base64. `nextOffset` is present while there is more.
 */
export interface GetContentCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_content";
  /** The protocol's `ref`. */
  ref: string;
  /** The protocol's `offset`. */
  offset?: number;
  /** The protocol's `length`: 1 to 4194304. */
  length?: number;
}

/**
 * Continues the session from another entry of the tree. For a user message, it returns the text for editing.
 */
export interface NavigateTreeCommand extends SessionCommand {
  /** Says what it is. */
  type: "navigate_tree";
  /** The entry to continue from: 1 to 128 characters. */
  targetId: string;
  /** How to do it. */
  options?: {
    summarize?: boolean;
    customInstructions?: string;
    replaceInstructions?: boolean;
    label?: string;
  };
}

/**
 * Writes the session as a web page, by default into the session's folder. `imagesLeftOut` counts the images
 * that did not fit into the page.
 */
export interface ExportHtmlCommand extends SessionCommand {
  /** Says what it is. */
  type: "export_html";
  /** File to write, inside the roots. */
  outputPath?: string;
}

/** Lists slash commands, prompt templates and skills that `prompt` understands, with their source. */
export interface GetCommandsCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_commands";
}

/** Lists the loaded skills. */
export interface GetSkillsCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_skills";
}

/** Lists all tools, and whether the model may use them. */
export interface GetToolsCommand extends SessionCommand {
  /** Says what it is. */
  type: "get_tools";
}

/** Sets which tools the model may use. */
export interface SetToolsCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_tools";
  /** The tools: at most 256. */
  tools: string[];
}

/** Lists pi's session files beside the one of this session, newest first. */
export interface ListSessionFilesCommand extends SessionCommand {
  /** Says what it is. */
  type: "list_session_files";
}

/** Loads extensions, skills, templates and settings again. */
export interface ReloadCommand extends SessionCommand {
  /** Says what it is. */
  type: "reload";
}

/**
 * Makes a token for a role, for all sessions or for some. It ends after `ttlMs`, or with the token that
 * minted it. Only this answer contains the token. Without `ttlMs` it opens only `/metrics` and has no end of
 * its own.
 */
export interface MintTokenCommand extends AnyCommand {
  /** Says what it is. */
  type: "mint_token";
  /** Id of the session. */
  sessionId?: string;
  /** The author of the message; for a token, the role. */
  role: "observe" | "answer" | "drive" | "admin";
  /** The sessions: at most 1000. */
  sessions?: string[];
  /** Its label: a name for people: 1 to 128 characters. */
  label?: string;
  /** Milliseconds until the token ends; it never outlives the token that mints it: 1 to 2073600000. */
  ttlMs?: number;
}

/** Lists the minted tokens that are valid, oldest first, without their secrets. */
export interface ListTokensCommand extends AnyCommand {
  /** Says what it is. */
  type: "list_tokens";
  /** Id of the session. */
  sessionId?: string;
}

/** Ends a minted token and all tokens that were minted from it, and closes their connections. */
export interface RevokeTokenCommand extends AnyCommand {
  /** Says what it is. */
  type: "revoke_token";
  /** Id of the session. */
  sessionId?: string;
  /** Id of the minted token: 1 to 128 characters. */
  tokenId: string;
}

/**
 * Returns counts since the start: answers by outcome, refusals by limit, traffic, delays of threads, tokens,
 * cost.
 */
export interface GetMetricsCommand extends AnyCommand {
  /** Says what it is. */
  type: "get_metrics";
  /** Id of the session. */
  sessionId?: string;
}

/** Returns whether the server is healthy, with a sentence for each problem. */
export interface HealthCheckCommand extends AnyCommand {
  /** Says what it is. */
  type: "health_check";
  /** Id of the session. */
  sessionId?: string;
}

/**
 * Replaces the session's budget: the money, turns and working time that it may spend in all. Without a limit
 * it may spend anything.
 */
export interface SetBudgetCommand extends SessionCommand {
  /** Says what it is. */
  type: "set_budget";
  /** Dollars that the session may cost: 0 to 1000000. */
  maxUsd?: number;
  /** Turns that the session may take: 0 to 1000000000. */
  maxTurns?: number;
  /** Milliseconds that the agent may work: 0 to 2073600000. */
  maxWallMs?: number;
  /** Whether a run finishes its turn at the limit, or ends at once. */
  onExceed?: "pause" | "abort";
}

/**
 * Lists the nodes of the cluster with the room of each. The node that answers comes first. Without a cluster,
 * the list is empty.
 */
export interface ListNodesCommand extends AnyCommand {
  /** Says what it is. */
  type: "list_nodes";
  /** Id of the session. */
  sessionId?: string;
}

/**
 * Makes a node leave: it takes no new sessions, finishes running turns and parks its sessions. The answer
 * comes before that is done.
 */
export interface DrainNodeCommand extends AnyCommand {
  /** Says what it is. */
  type: "drain_node";
  /** Id of the session. */
  sessionId?: string;
  /** Name of the node of a cluster. */
  node: string;
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
  /** Of `search`. */
  search: SearchCommand;
  /** Of `archive_session`. */
  archive_session: ArchiveSessionCommand;
  /** Of `unarchive_session`. */
  unarchive_session: UnarchiveSessionCommand;
  /** Of `rename_stored_session`. */
  rename_stored_session: RenameStoredSessionCommand;
  /** Of `delete_stored_session`. */
  delete_stored_session: DeleteStoredSessionCommand;
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
  /** Of `get_available_thinking_levels`. */
  get_available_thinking_levels: GetAvailableThinkingLevelsCommand;
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
  /** Of `get_entries`. */
  get_entries: GetEntriesCommand;
  /** Of `get_content`. */
  get_content: GetContentCommand;
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
  /** Of `list_tokens`. */
  list_tokens: ListTokensCommand;
  /** Of `revoke_token`. */
  revoke_token: RevokeTokenCommand;
  /** Of `get_metrics`. */
  get_metrics: GetMetricsCommand;
  /** Of `health_check`. */
  health_check: HealthCheckCommand;
  /** Of `set_budget`. */
  set_budget: SetBudgetCommand;
  /** Of `list_nodes`. */
  list_nodes: ListNodesCommand;
  /** Of `drain_node`. */
  drain_node: DrainNodeCommand;
}

/** Name of a command. */
export type WireCommandName = keyof CommandMap;
