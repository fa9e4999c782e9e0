// Does: says in words what an editor has no picture for: retries, budgets, notices of extensions, lost events.
// Used by: acp_session.ts. Pure.
import type { SessionUpdate } from "@agentclientprotocol/sdk";
import type { SessionEvent } from "../../../client/mod.ts";

/** How serious the words are. */
export type Severity = "info" | "warning" | "error";

/** Words for a person. */
export interface Words {
  readonly severity: Severity;
  readonly title: string;
}

function warning(title: string): Words {
  return { severity: "warning", title };
}

/** What an event is worth saying; undefined for most. */
export function wordsOf(event: SessionEvent): Words | undefined {
  switch (event.type) {
    case "auto_retry_start":
      return warning(`The model failed, try ${event["attempt"]} follows: ${event["errorMessage"]}`);
    case "budget_exceeded":
      return warning(`The session has used up its budget (${event["limit"]}); set_budget raises it`);
    case "storage_error":
      return { severity: "error", title: `The session file cannot be written: ${event["error"]}` };
    case "session_file_repaired":
      return warning(
        "The session's file was damaged and has been repaired; the damaged one is kept beside it",
      );
    case "session_replaced":
      return warning(
        `The session has another history now (${event["reason"]}); open the session again to see it`,
      );
    case "extension_error":
      return warning(`An extension failed (${event["extensionPath"]}): ${event["error"]}`);
    case "turn_stalled":
      return warning(
        `Nothing has come for ${Math.round(Number(event["silentMs"]) / 1000)} s; it waits for the ${
          event["phase"] === "ui" ? "answer to a question" : event["phase"]
        }`,
      );
    case "extension_ui_request": {
      if (event["method"] !== "notify") return undefined;
      const type = event["notifyType"];
      return {
        severity: type === "warning" || type === "error" ? type : "info",
        title: String(event["message"] ?? ""),
      };
    }
    default:
      return undefined;
  }
}

/** The update that says it: a notice where the editor shows notices, else a quote between the answers. */
export function said({ severity, title }: Words, notices: boolean, number: number): SessionUpdate {
  const shown = title.trim() === "" ? "(no text)" : title;
  if (notices) return { sessionUpdate: "notice", severity, title: shown };
  const text = `\n\n${shown.split("\n").map((line) => `> ${line}`).join("\n")}\n\n`;
  return {
    sessionUpdate: "agent_message_chunk",
    messageId: `notice-${number}`,
    content: { type: "text", text },
  };
}
