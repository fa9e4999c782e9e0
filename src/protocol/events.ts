// Does: the events that pi does not have, the server events, and the two wire forms of an event. Pure.
// Used by: both threads. See docs/PROTOCOL.md#events.
// Invariant: pi's own events pass unchanged (`full`), or without repeated parts (`delta`).
import { type TObject, Type } from "typebox";
import { BudgetSchema, BudgetUsageSchema, FileRepairSchema, ModelSchema } from "./schema/responses.ts";
import { isRecord } from "../base/json.ts";
import { toJson } from "../base/text.ts";

/** How much of a streaming message a subscriber gets with each update. */
export type Updates = "delta" | "full";

/** An event of a session: `type` and pi's own fields. */
export interface SessionEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const text = Type.String();

/** Events beyond pi's own, by type. */
export const EVENT_SCHEMAS: Readonly<Record<string, TObject>> = {
  agent_settled: Type.Object({
    type: Type.Literal("agent_settled"),
    stopReason: Type.Union([text, Type.Null()]),
    aborted: Type.Boolean(),
    pendingMessageCount: Type.Integer({ minimum: 0 }),
    notice: Type.Optional(text),
  }),
  model_changed: Type.Object({ type: Type.Literal("model_changed"), model: ModelSchema }),
  bash_output: Type.Object({
    type: Type.Literal("bash_output"),
    commandId: Type.Optional(text),
    chunk: text,
  }),
  extension_ui_request: Type.Object({
    type: Type.Literal("extension_ui_request"),
    requestId: text,
    method: text,
  }),
  extension_ui_resolved: Type.Object({
    type: Type.Literal("extension_ui_resolved"),
    requestId: text,
    by: Type.Enum(["client", "timeout", "cancelled", "session"]),
  }),
  storage_error: Type.Object({ type: Type.Literal("storage_error"), file: text, error: text }),
  session_file_repaired: Type.Object({
    type: Type.Literal("session_file_repaired"),
    repair: FileRepairSchema,
  }),
  session_replaced: Type.Object({
    type: Type.Literal("session_replaced"),
    reason: text,
    sessionFile: Type.Optional(text),
  }),
  budget_exceeded: Type.Object({
    type: Type.Literal("budget_exceeded"),
    limit: Type.Enum(["maxUsd", "maxTurns", "maxWallMs"]),
    budget: BudgetSchema,
    usage: BudgetUsageSchema,
  }),
  turn_stalled: Type.Object({
    type: Type.Literal("turn_stalled"),
    phase: Type.Enum(["model", "tool", "ui"]),
    silentMs: Type.Integer({ minimum: 0 }),
    toolCallId: Type.Optional(text),
  }),
  extension_error: Type.Object({
    type: Type.Literal("extension_error"),
    extensionPath: text,
    event: text,
    error: text,
  }),
};

/** pi's own event types that reach subscribers. The last four come from pi 1.6 alone. */
export const PI_EVENTS: readonly string[] = [
  "agent_start",
  "turn_start",
  "message_start",
  "message_update",
  "message_end",
  "tool_execution_start",
  "tool_execution_update",
  "tool_execution_end",
  "turn_end",
  "agent_end",
  "queue_update",
  "compaction_start",
  "compaction_end",
  "auto_retry_start",
  "auto_retry_end",
  "session_info_changed",
  "thinking_level_changed",
  "entry_appended",
  "summarization_retry_scheduled",
  "summarization_retry_attempt_start",
  "summarization_retry_finished",
];

/** Server events: they go to every connection and have no cursor. `catalogue_changed` goes to subscribers of all. */
export const SERVER_EVENTS: readonly string[] = [
  "session_created",
  "session_deleted",
  "session_parked",
  "session_resumed",
  "session_crashed",
  "catalogue_changed",
  "server_shutdown",
  "sessions_unavailable",
  "sessions_available",
];

/** A server event, encoded. */
export function encodeServerEvent(type: string, data: Record<string, unknown>): string {
  return toJson({ type, data });
}

function without(event: SessionEvent, ...fields: string[]): SessionEvent {
  const { type, ...rest } = event;
  return { type, ...Object.fromEntries(Object.entries(rest).filter(([name]) => !fields.includes(name))) };
}

const REPEATED: ReadonlySet<string> = new Set(["text_end", "thinking_end", "toolcall_end"]);

/** `assistantMessageEvent` without the message so far, and without the content that an end repeats. */
function slimUpdate(update: unknown): unknown {
  if (!isRecord(update)) return update;
  const { partial: _partial, message: _message, error: _error, ...rest } = update;
  if (typeof rest.type === "string" && REPEATED.has(rest.type)) {
    const { content: _content, toolCall: _toolCall, ...end } = rest;
    return end;
  }
  return rest;
}

/** The delta form of an event: only its new part. A message of n bytes costs O(n). */
export function toDelta(event: SessionEvent): SessionEvent {
  switch (event.type) {
    case "message_update":
      return {
        ...without(event, "message", "assistantMessageEvent"),
        assistantMessageEvent: slimUpdate(event.assistantMessageEvent),
      };
    case "turn_end":
      return without(event, "message", "toolResults");
    case "agent_end":
      return without(event, "messages");
    default:
      return event;
  }
}

/** The text before the event itself. `coalesced` is inserted before it. */
export function eventPrefix(sessionId: string, seq: number): string {
  return `{"type":"event","sessionId":${JSON.stringify(sessionId)},"seq":${seq},`;
}

/** Encodes one event with its address. An event that cannot be encoded is reported with its `seq`. */
export function encodeEvent(sessionId: string, seq: number, event: SessionEvent): string {
  try {
    return `${eventPrefix(sessionId, seq)}"event":${toJson(event)}}`;
  } catch {
    const told = { type: event.type, unencodable: true };
    return `${eventPrefix(sessionId, seq)}"event":${JSON.stringify(told)}}`;
  }
}
