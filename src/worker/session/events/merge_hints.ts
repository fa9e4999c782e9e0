// Does: marks the events that the outbox may merge for a slow reader (docs/PROTOCOL.md#reading-slowly). Pure.
// Used by: event_encoder.ts. Pieces of one content block are joined; a later state of a tool replaces an earlier one.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { CoalesceHint } from "../../../ipc/messages.ts";
import { isRecord } from "../../../base/json.ts";

/** A piece of a content block: the new part of an update. */
export interface Piece {
  readonly of: string;
  readonly contentIndex: number;
  readonly delta: string;
}

const PIECES: ReadonlySet<string> = new Set(["text_delta", "thinking_delta", "toolcall_delta"]);
const OF_UPDATE: ReadonlySet<string> = new Set(["type", "message", "assistantMessageEvent"]);
const OF_PIECE: ReadonlySet<string> = new Set([
  ...["type", "contentIndex", "delta"],
  // Fields that the delta form leaves out.
  ...["partial", "message", "error"],
]);

/** Recognises the most common event. An event with any further field does not count. */
export function pieceOf(event: SessionEvent): Piece | undefined {
  if (event.type !== "message_update") return undefined;
  const update = event["assistantMessageEvent"];
  if (!isRecord(update)) return undefined;
  const { type, contentIndex, delta } = update;
  if (typeof type !== "string" || !PIECES.has(type)) return undefined;
  if (typeof contentIndex !== "number" || !Number.isSafeInteger(contentIndex)) return undefined;
  if (typeof delta !== "string") return undefined;
  for (const name in event) if (!OF_UPDATE.has(name)) return undefined;
  for (const name in update) if (!OF_PIECE.has(name)) return undefined;
  return { of: type, contentIndex, delta };
}

/** How to merge an event that is not a piece, if at all. */
export function stateOf(event: SessionEvent): CoalesceHint | undefined {
  if (event.type !== "tool_execution_update") return undefined;
  const { toolCallId } = event;
  return typeof toolCallId === "string" ? { kind: "state", key: toolCallId } : undefined;
}
