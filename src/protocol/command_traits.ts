// Generated from the schemas beside this file by `deno task gen`; do not edit. What a client must know of a command
// to send it again after a lost connection.

/** Commands that take an `idempotencyKey`. */
export const KEYED: ReadonlySet<string> = new Set<string>([]);

/** Commands that do no harm when they run twice. */
export const REPEATABLE: ReadonlySet<string> = new Set<string>([
  "hello",
  "ping",
  "get_schema",
  "list_sessions",
  "switch_session",
  "subscribe",
  "unsubscribe",
  "list_stored_sessions",
  "list_pending_ui",
  "abort",
  "get_state",
  "get_messages",
  "get_available_models",
  "abort_bash",
  "get_last_assistant_text",
  "get_session_stats",
  "get_context_usage",
  "abort_compaction",
  "abort_retry",
  "extension_ui_response",
  "get_fork_messages",
  "get_tree",
  "export_html",
  "get_commands",
  "get_skills",
  "get_tools",
  "list_session_files",
]);
