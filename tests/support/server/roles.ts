// Who may do what (docs/PROTOCOL.md#roles), and which commands only read: decided by hand and not taken from the
// sources, for the unit tests and for the walk over the wire.
import { type Role, ROLES } from "../../../src/protocol/schema/roles.ts";

/** What each role adds to the one before it. A command that is not here fails, until it gets a role. */
export const ADDED: Readonly<Record<Role, readonly string[]>> = {
  observe: [
    ..."hello ping get_schema list_sessions subscribe unsubscribe switch_session list_stored_sessions".split(
      " ",
    ),
    ..."list_pending_ui get_state get_messages get_available_models get_last_assistant_text".split(" "),
    ..."get_session_stats get_context_usage get_available_thinking_levels get_fork_messages get_tree get_commands get_skills get_tools"
      .split(" "),
    ..."get_entries get_content list_session_files get_metrics health_check search list_nodes".split(" "),
  ],
  answer: ["extension_ui_response"],
  drive: [
    ..."create_session load_session delete_session prompt steer follow_up abort clear_queue bash abort_bash"
      .split(
        " ",
      ),
    ..."set_session_name set_model cycle_model set_thinking_level cycle_thinking_level set_steering_mode"
      .split(" "),
    ..."set_follow_up_mode compact abort_compaction set_auto_compaction set_auto_retry abort_retry".split(
      " ",
    ),
    ..."new_session switch_session_file fork clone navigate_tree export_html set_tools reload".split(" "),
    ..."dismiss_interrupted archive_session unarchive_session rename_stored_session delete_stored_session"
      .split(
        " ",
      ),
  ],
  admin: ["mint_token", "list_tokens", "revoke_token", "set_budget", "drain_node"],
};

/** Commands that only read, though their names do not begin with `get_` or `list_`. */
const OTHER_READS: readonly string[] = ["health_check", "search"];

/** Whether that command only reads. */
export function isRead(command: string): boolean {
  return command.startsWith("get_") || command.startsWith("list_") || OTHER_READS.includes(command);
}

/** Whether that role may send that command. */
export function may(role: Role, command: string): boolean {
  return ROLES.slice(0, ROLES.indexOf(role) + 1).some((one) => ADDED[one].includes(command));
}
