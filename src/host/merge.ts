// Which events may be merged with their neighbours while a reader lags (PROTOCOL §6, Slow readers): pieces of
// one content block are joined, the state of a running tool replaces an earlier one. Pure.
import type { SessionEvent } from "../protocol/events.ts";
import type { Merge } from "./edge.ts";
import { isRecord } from "../protocol/json.ts";

/** How to merge an event, if at all. */
export function mergeOf(event: SessionEvent): Merge | undefined {
  if (event.type === "tool_execution_update") {
    const { toolCallId } = event;
    return typeof toolCallId === "string" ? { kind: "state", key: toolCallId } : undefined;
  }
  if (event.type !== "message_update" || !isRecord(event["assistantMessageEvent"])) return undefined;
  const { type, contentIndex, delta } = event["assistantMessageEvent"];
  if (typeof type !== "string" || !type.endsWith("_delta")) return undefined;
  if (typeof contentIndex !== "number" || typeof delta !== "string") return undefined;
  return { kind: "piece", of: type, contentIndex, delta };
}
