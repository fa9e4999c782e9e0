// What a pi of the tests understands of a session file: what pi 0.73.1 does.
import type { FileFormat } from "../../../src/ipc/file_format.ts";

/** The entries and roles of pi 0.73.1. */
export const PLAIN_FORMAT: FileFormat = {
  version: 3,
  types: new Set([
    "session",
    "message",
    "thinking_level_change",
    "model_change",
    "compaction",
    "branch_summary",
    "custom",
    "custom_message",
    "label",
    "session_info",
  ]),
  roles: new Set([
    "user",
    "assistant",
    "toolResult",
    "bashExecution",
    "custom",
    "branchSummary",
    "compactionSummary",
  ]),
  keepsNothing: false,
  skipsUnknown: false,
  wayOut: "start the server with --pi 1.6",
};
