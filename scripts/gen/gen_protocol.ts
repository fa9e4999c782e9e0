// Writes the reference of docs/PROTOCOL.md between its markers, `deno task gen`: tables from the schemas, sentences
// from here, examples from a run of a real server (tests/support/protocol/protocol_scenario.ts). The rest of the page is
// written by hand. Usage: deno run -A scripts/gen/gen_protocol.ts [--check], which only says whether the page is stale.

import { ACCESS_COMMANDS } from "../../src/protocol/schema/access_commands.ts";
import { CATALOGUE_COMMANDS } from "../../src/protocol/schema/catalogue_commands.ts";
import { EVENT_SCHEMAS, PI_EVENTS, SERVER_EVENTS } from "../../src/protocol/events.ts";
import { HISTORY_COMMANDS } from "../../src/protocol/schema/history_commands.ts";
import { SERVER_COMMANDS } from "../../src/protocol/schema/server_commands.ts";
import { SESSION_COMMANDS } from "../../src/protocol/schema/session_commands.ts";
import { WATCH_COMMANDS } from "../../src/protocol/schema/monitoring_commands.ts";
import { reference, type Words } from "../../tests/support/protocol/protocol_reference.ts";
import { record } from "../../tests/support/protocol/protocol_scenario.ts";

const PAGE = new URL("../../docs/PROTOCOL.md", import.meta.url);
const BEGIN = "<!-- reference:begin -->";
const END = "<!-- reference:end -->";

/** What each command is for. */
export const COMMAND_SENTENCES: Readonly<Record<string, string>> = {
  hello: "Agrees on a protocol version and names the client. A client may omit this command.",
  ping: "Answers at once, with the server's clock in milliseconds.",
  get_schema: "Returns the JSON Schema of the whole protocol, or of one command with its `data`.",
  get_metrics:
    "Returns counts since the start: answers by outcome, refusals by limit, traffic, delays of threads, tokens, cost.",
  list_nodes:
    "Lists the nodes of the cluster with the room of each. The node that answers comes first. Without a cluster, the list is empty.",
  drain_node:
    "Makes a node leave: it takes no new sessions, finishes running turns and parks its sessions. The answer comes before that is done.",
  health_check: "Returns whether the server is healthy, with a sentence for each problem.",
  set_budget: "Replaces the session's budget: the money, turns and working time that it may spend in all. " +
    "Without a limit it may spend anything.",
  list_sessions:
    'Lists the sessions that are live or parked, with their state: all, or page by page (see "Long lists").',
  create_session:
    "Builds a session, and answers when it can take commands. Send `provider` and `modelId` together.",
  delete_session:
    "Ends a session at once: the server aborts its turn, waiting commands answer `cancelled`, and pi's file stays. " +
    "After the answer another server may drive that file. " +
    "`lost` frees the id of a session whose node is gone for good.",
  switch_session: "Subscribes to one session with `full` updates and returns its state.",
  subscribe:
    'Delivers a session\'s events to this connection from now on; `"*"` means all sessions, also future ones.',
  unsubscribe: "Ends a subscription of this connection, and returns whether there was one.",
  list_stored_sessions:
    'Lists pi\'s session files in the folders that clients may use, newest first. Without `limit` it lists at most 1000. See "Long lists" for pages, orders and filters.',
  search:
    "Searches the messages of all stored sessions, or of those in `sessions` (paths), in any case. The newest session comes first, with at most three hits of each session in one answer. An answer takes about a second, and `cursor` continues the search.",
  archive_session: "Marks a session file as archived. Both lists have the filter `archived`.",
  unarchive_session: "Removes the mark of `archive_session`.",
  rename_stored_session: "Sets the name of a session file that no session drives, without loading it.",
  delete_stored_session:
    "Moves a session file that no session drives into the folder `trash` beside it. With `permanent` it removes the file.",
  load_session:
    "Opens a session file as a live session, under the file's own id or the `sessionId` of the command.",
  list_pending_ui:
    "Lists the dialogs that wait for an answer, of one session or of all. `truncated` means that a node of the cluster left some out.",
  prompt: "Gives the agent a message, runs a slash command, or queues the message with `streamingBehavior`.",
  steer:
    "Queues a message for the running turn; the model reads it after the current tool calls. Starts a run when idle.",
  follow_up: "Queues a message for after the run; starts a run when idle.",
  abort: "Stops the run, a retry wait or a compaction. Empties the queue, and returns its messages.",
  clear_queue: "Empties the queue, and returns its messages; the run goes on.",
  get_state: "Returns the state of a session.",
  dismiss_interrupted: "Drops the messages that a crash stopped.",
  get_messages:
    "Returns the messages that the model sees, oldest first: the last `limit` before index `before`. The answer has at most `maxBytes`, or 8 MiB. If there are older ones, it has `truncated` and `before`.",
  set_session_name: "Sets the session's name, without blanks at its ends.",
  get_available_models:
    "Lists the models that pi has credentials for. Without a session, it lists those that every session has.",
  set_model: "Sets the session's model, from its next request to a model on.",
  bash: "Runs a shell command of the client in the session's folder. The output becomes one of the messages.",
  abort_bash: "Stops the client's shell command.",
  get_last_assistant_text:
    "Returns the text of the last answer, or `null`. Of a very long text it returns the beginning, with `truncated`.",
  get_session_stats: "Counts messages, tool calls, tokens and cost (USD).",
  get_context_usage: "Returns how full the model's context is; `null` when that is unknown.",
  cycle_model: "Switches to the next available model; `null` when there is only one.",
  set_thinking_level:
    "Sets how much the model thinks, and returns the level that takes effect for this model.",
  cycle_thinking_level: "Switches to the next level of the model; `null` when the model does not think.",
  get_available_thinking_levels:
    "Lists the levels of the session's model; only `off` when the model does not think.",
  set_steering_mode: "Sets whether steering messages are delivered all at once or one in each turn.",
  set_follow_up_mode: "Sets whether follow-ups are delivered all at once or one after the other.",
  compact: "Replaces the older messages by a summary that the model writes.",
  abort_compaction: "Stops a compaction, or the summary of a `navigate_tree`.",
  set_auto_compaction: "Sets whether pi compacts by itself when the context is nearly full.",
  set_auto_retry: "Sets whether pi retries after temporary errors of the model.",
  abort_retry: "Ends the wait before a retry; the error is then final.",
  extension_ui_response: "Answers a dialog; `cancelled` closes any kind without an answer.",
  new_session: "Gives the session an empty history, in a new file.",
  switch_session_file: "Gives the session the history of another session file.",
  fork:
    "Gives the session a copy of its history that ends before a user message, and returns the text of that message.",
  clone: "Gives the session a copy of its current branch.",
  get_fork_messages: "Lists the user messages at which `fork` can start, at most 8 MiB of the newest.",
  get_tree:
    "Returns every entry of the session's tree as a flat list; each entry names its parent by id. Above 8 MiB the oldest entries have no text, or are missing.",
  get_entries:
    "Returns entries as pi keeps them, oldest first. They are the newest ones, or those after `since` (`null`: from the start). With `more` comes `nextBefore` or `nextSince`, the cursor of the next page.",
  get_content:
    "Returns a piece of the content of a `contentRef`, in base64. `nextOffset` is present while there is more.",
  navigate_tree:
    "Continues the session from another entry of the tree. For a user message, it returns the text for editing.",
  export_html:
    "Writes the session as a web page, by default into the session's folder. `imagesLeftOut` counts the images that did not fit into the page.",
  get_commands:
    "Lists slash commands, prompt templates and skills that `prompt` understands, with their source.",
  get_skills: "Lists the loaded skills.",
  get_tools: "Lists all tools, and whether the model may use them.",
  set_tools: "Sets which tools the model may use.",
  list_session_files: "Lists pi's session files beside the one of this session, newest first.",
  mint_token:
    "Makes a token for a role, for all sessions or for some. It ends after `ttlMs`, or with the token that minted it. " +
    "Only this answer contains the token. Without `ttlMs` it opens only `/metrics` and has no end of its own.",
  list_tokens: "Lists the minted tokens that are valid, oldest first, without their secrets.",
  revoke_token: "Ends a minted token and all tokens that were minted from it, and closes their connections.",
  reload: "Loads extensions, skills, templates and settings again.",
};

/** When each event comes. */
const RUN_EVENTS: Readonly<Record<string, string>> = {
  agent_start: "The agent begins to work; each retry begins with one.",
  turn_start: "A turn begins: one answer of the model with its tool calls.",
  message_start: "A message begins: a user's, the model's, a tool's result.",
  message_update:
    "The model's message grows; `assistantMessageEvent` has the new part. `full` adds the message so far.",
  message_end: "A message is complete. The event has the whole message.",
  tool_execution_start: "A tool begins.",
  tool_execution_update: "A tool reports its output so far.",
  tool_execution_end: "A tool has ended.",
  turn_end: "A turn is over. `full` adds its message and tool results.",
  agent_end: "The agent stops, perhaps to retry or to compact. `full` adds the messages.",
  agent_settled: "The run is over: nothing runs and nothing will start by itself. Once for each run.",
  queue_update:
    "The queue of steering messages and follow-ups has changed. The event has both as they are now.",
  auto_retry_start: "The model failed, and pi tries again after `delayMs`.",
  auto_retry_end: "The retries are over. pi does not send this event in every case.",
  compaction_start: "A compaction begins; `reason` is `manual`, `threshold` or `overflow`.",
  compaction_end: "A compaction has ended, with its result, an error, or `aborted`.",
  summarization_retry_scheduled:
    "The request for a summary failed, and pi tries again after `delayMs`. Capability `summarization_retry`.",
  summarization_retry_attempt_start:
    "pi asks for the summary again; `source` is `compaction` (with its `reason`) or `branchSummary`.",
  summarization_retry_finished: "The retries of a summary are over, with or without success.",
};

const SESSION_EVENTS: Readonly<Record<string, string>> = {
  session_info_changed: "The session has another name.",
  thinking_level_changed: "The thinking level has changed.",
  entry_appended:
    "pi has added an entry to the session's file, for an extension or for itself. The event has that entry. It does not come for messages. " +
    "Capability `entry_appended`.",
  model_changed: "The session has another model.",
  bash_output:
    "A client's shell command has printed something; `commandId` is the `id` of its `bash` command.",
  session_replaced:
    "The session has another history, under the same id. A client or an extension used `new_session`, " +
    "`switch_session_file`, `fork` or `clone`. With the reason `recovered`, one of these failed halfway.",
  session_file_repaired:
    "The session's file was damaged. Before pi opened it, the server joined the whole entries in a new file; `copy` is the " +
    "damaged one. This is the first event of a session that was loaded or resumed.",
  storage_error:
    "pi could not write its session file. It keeps the missing part in memory, and writes it when the disk takes it.",
  budget_exceeded:
    "The session has used up its budget. The server refuses messages until `set_budget` raises it.",
  turn_stalled:
    "A run has been silent for long; `phase` says what it waits for. The event comes again while the silence lasts.",
  extension_ui_request: "An extension opens a dialog or sends a notice. The other fields depend on `method`.",
  extension_ui_resolved: "A dialog is over; `by` says how it ended.",
  extension_error:
    "An extension failed, could not be loaded (`event` is `load`), or opened too many dialogs (`event` is `ui`). " +
    "`event` is `model` when the session's model no longer exists and the session continues with another one. " +
    "`load` also reports settings, models, skills, prompts and packages that pi cannot use. `extensionPath` is the " +
    "path of the file or package at fault, or names a command. `extensionErrors` of the session's state lists the " +
    "faults of the last load, and `health_check` and the log name them too.",
};

const SERVER_SENTENCES: Readonly<Record<string, string>> = {
  session_created: "A session has been created or loaded.",
  session_deleted: "A session has been deleted.",
  session_parked:
    "The session is idle, and only its files remain. Lists still show it, and the next command that needs it brings it back.",
  session_resumed: "A parked session is live again; its events have this `epoch`.",
  session_crashed:
    "The worker of the session was lost, and its open commands have been answered. `status` is `parked`, with the new " +
    "`epoch`, or `deleted` for a session in memory. Subscriptions to it have ended.",
  catalogue_changed:
    'The stored sessions have changed. The event goes to connections that subscribe to `"*"` and may see all sessions. It ' +
    "either has `sessionFile` and its `change`: `archived`, `unarchived`, `renamed` or `deleted`. Or `files` and " +
    "`indexed` count the session files and those in the index.",
  server_shutdown: "The server shuts down; runs may go on for `timeoutMs`.",
  sessions_unavailable:
    "A node of the cluster is gone, and these sessions with it. Commands to them answer `node_unavailable` until it is " +
    "back, or until another node has taken them over (`--shared-sessions`).",
  sessions_available:
    "The node is back, and so are these sessions. Subscriptions go on by themselves. A node that has taken sessions " +
    "over sends `session_crashed` for each of them, so these subscriptions have ended.",
};

/** What each event of a session means. */
export const EVENT_SENTENCES: Readonly<Record<string, string>> = { ...RUN_EVENTS, ...SESSION_EVENTS };

/** The events that have no example: the run that makes the examples does not meet them. */
export const UNSHOWN: readonly string[] = [
  ...["catalogue_changed", "session_crashed", "session_parked", "session_resumed", "turn_stalled"],
  // pi 1.6 alone sends these, and the examples come from a run on the older one.
  ...["entry_appended", "summarization_retry_scheduled", "summarization_retry_attempt_start"],
  "summarization_retry_finished",
  // These come in a cluster alone.
  ...["sessions_unavailable", "sessions_available"],
];

const WORDS: Words = {
  groups: [
    { title: "Server commands", commands: Object.keys(SERVER_COMMANDS) },
    { title: "Commands on stored sessions", commands: Object.keys(CATALOGUE_COMMANDS) },
    { title: "Session commands", commands: Object.keys(SESSION_COMMANDS) },
    { title: "Commands on history and discovery", commands: Object.keys(HISTORY_COMMANDS) },
    { title: "Commands on metrics, health and budgets", commands: Object.keys(WATCH_COMMANDS) },
    { title: "Commands on access", commands: Object.keys(ACCESS_COMMANDS) },
  ],
  commands: COMMAND_SENTENCES,
  events: [
    { title: "Events of a run", types: RUN_EVENTS },
    { title: "Other events of a session", types: SESSION_EVENTS },
    { title: "Server events", types: SERVER_SENTENCES },
  ],
  unshown: UNSHOWN,
};

/** The page with its reference replaced. */
function withReference(page: string, text: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/PROTOCOL.md must have the lines ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 1 || (args.length === 1 && args[0] !== "--check")) {
    console.error("Use --check, or no argument to write docs/PROTOCOL.md");
    return 2;
  }
  const page = await Deno.readTextFile(PAGE);
  const types = [...PI_EVENTS, ...Object.keys(EVENT_SCHEMAS), ...SERVER_EVENTS];
  const fresh = withReference(page, reference(WORDS, await record(), types));
  if (fresh === page) {
    console.log("docs/PROTOCOL.md is up to date");
    return 0;
  }
  if (args.length === 1) {
    console.error(
      `docs/PROTOCOL.md is stale from line ${firstDifference(page, fresh)} on; run: deno task gen`,
    );
    return 1;
  }
  await Deno.writeTextFile(PAGE, fresh);
  console.log("docs/PROTOCOL.md is written");
  return 0;
}

function firstDifference(old: string, fresh: string): number {
  const lines = old.split("\n");
  const at = fresh.split("\n").findIndex((line, index) => line !== lines[index]);
  return (at < 0 ? lines.length : at) + 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
