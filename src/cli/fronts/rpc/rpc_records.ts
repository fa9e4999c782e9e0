// Does: makes the records that pi's RPC mode writes, from the events of a session. Pure.
// Used by: rpc_front.ts.
// Invariant: an event that pi does not have leaves no record.
import { isRecord } from "../../../base/json.ts";
import { PI_EVENTS } from "../../../protocol/events.ts";
import type { Dialect, PiRecord } from "./rpc_commands.ts";

/** Events of the newer engine beyond those of the older one. */
const NEWER_EVENTS: readonly string[] = [
  "entry_appended",
  "summarization_retry_scheduled",
  "summarization_retry_attempt_start",
  "summarization_retry_finished",
];

const KNOWN: Readonly<Record<Dialect, ReadonlySet<string>>> = {
  "0.73": new Set(PI_EVENTS),
  "1.6": new Set([...PI_EVENTS, ...NEWER_EVENTS]),
};

/** The records of one event: mostly one, or none. */
export function recordsOf(
  event: PiRecord,
  dialect: Dialect,
  bash: PiRecord | undefined,
): readonly PiRecord[] {
  const type = String(event["type"]);
  if (type === "extension_ui_request") return [dialogRecord(event)];
  if (type === "extension_error") {
    const { extensionPath, event: during, error } = event;
    return [{ type, extensionPath, event: during, error }];
  }
  // The older pi lacks this one. Programs that are made for the newer wait for it.
  if (type === "agent_settled") return [{ type, aborted: event["aborted"] === true }];
  if (dialect === "1.6") {
    if (type === "message_update") return [slimUpdate(event)];
    if (type === "bash_output") {
      return [{
        type: "bash_execution_update",
        ...(bash === undefined ? {} : { id: bash["id"] }),
        delta: event["chunk"],
      }];
    }
  }
  return KNOWN[dialect].has(type) ? [event] : [];
}

/** A dialog, or what an extension shows, as pi asks its client. */
export function dialogRecord(request: PiRecord): PiRecord {
  const { requestId, timeoutMs, type: _type, ...fields } = request;
  const { method, ...rest } = fields;
  return {
    type: "extension_ui_request",
    id: requestId,
    method,
    ...rest,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  };
}

/** The newer RPC mode sends only what is new in an answer. */
function slimUpdate(event: PiRecord): PiRecord {
  const { message } = event;
  const update = isRecord(event["assistantMessageEvent"]) ? event["assistantMessageEvent"] : {};
  const { partial, ...fresh } = update;
  const content = isRecord(partial) && Array.isArray(partial["content"]) ? partial["content"] : [];
  const call: unknown = content[Number(update["contentIndex"])];
  const called = update["type"] === "toolcall_start" && isRecord(call);
  return {
    type: "message_update",
    ...(isRecord(message) ? { usage: message["usage"] } : {}),
    assistantMessageEvent: called ? { ...fresh, id: call["id"], toolName: call["name"] } : fresh,
  };
}

/** What a client has missed, from the state that came in place of the events. */
export class Missed {
  #last: string | undefined;
  #run: PiRecord[] | undefined;

  /** Takes each record that goes out. */
  saw(record: PiRecord): void {
    const { type, message } = record;
    if (type === "agent_start") this.#run = [];
    else if (type === "agent_end") this.#run = undefined;
    else if (type === "message_end" && isRecord(message)) {
      this.#last = keyOf(message);
      this.#run?.push(message);
    }
  }

  /**
   * The records that bring a client from the last record to the state.
   *
   * @param running whether the agent still works
   */
  records(messages: readonly unknown[], running: boolean, dialect: Dialect): readonly PiRecord[] {
    const known = messages.findLastIndex((message) => isRecord(message) && keyOf(message) === this.#last);
    const fresh = messages.slice(known + 1).filter(isRecord);
    const began = this.#run !== undefined;
    const told: PiRecord[] = fresh.flatMap((message) => [
      { type: "message_start", message },
      { type: "message_end", message },
    ]);
    if (!began || running) return told;
    const messagesOfRun = [...this.#run ?? [], ...fresh];
    const end = { type: "agent_end", messages: messagesOfRun };
    const settled = { type: "agent_settled", aborted: false };
    return [...told, dialect === "0.73" ? end : { ...end, willRetry: false }, settled];
  }
}

function keyOf({ role, timestamp, toolCallId }: PiRecord): string {
  return `${role} ${timestamp} ${toolCallId}`;
}
