// Which events may be merged with their neighbours while a reader lags (docs/PROTOCOL.md#reading-slowly): pieces of
// one content block are joined, the state of a running tool replaces an earlier one. Pure.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { CoalesceHint } from "../../../ipc/messages.ts";
import { isRecord } from "../../../base/json.ts";

/** A piece of a content block: all that is new in an update. */
export interface Piece {
  readonly of: string;
  readonly contentIndex: number;
  readonly delta: string;
}

const PIECES: ReadonlySet<string> = new Set(["text_delta", "thinking_delta", "toolcall_delta"]);
const OF_UPDATE: ReadonlySet<string> = new Set(["type", "message", "assistantMessageEvent"]);
const OF_PIECE: ReadonlySet<string> = new Set([
  ...["type", "contentIndex", "delta"],
  // What the delta form leaves out.
  ...["partial", "message", "error"],
]);

/** By far the most common event, told apart from all others; one that says anything more is none. */
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

/** How to merge an event that is no piece, if at all. */
export function stateOf(event: SessionEvent): CoalesceHint | undefined {
  if (event.type !== "tool_execution_update") return undefined;
  const { toolCallId } = event;
  return typeof toolCallId === "string" ? { kind: "state", key: toolCallId } : undefined;
}
