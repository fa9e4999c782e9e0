// Does: joins the halves of a character that arrive in two pieces of one text. Pure.
// Used by: session.ts for deltas, and the bash handlers for shell output.
// Invariant: each piece is valid text by itself: live, merged, replayed, or after a snapshot.
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";
import { opensPair, REPLACEMENT } from "../../../base/text.ts";

/** One text that comes in pieces. */
export class WholeText {
  #half = "";

  /** The text that can be shown now: the piece without half a character at its end. */
  push(piece: string): string {
    const text = this.#half === "" ? piece : this.#half + piece;
    if (!opensPair(text.charCodeAt(text.length - 1))) {
      this.#half = "";
      return text;
    }
    this.#half = text.slice(-1);
    return text.slice(0, -1);
  }

  /** U+FFFD for a half that stayed alone. Empty without one. */
  end(): string {
    const rest = this.#half === "" ? "" : REPLACEMENT;
    this.#half = "";
    return rest;
  }
}

/** A content block whose last piece ended in half of a character. */
interface Held {
  readonly text: WholeText;
  readonly contentIndex: unknown;
  event: SessionEvent;
}

/** The pieces of the messages that one session streams. */
export class WholeDeltas {
  readonly #emit: (event: SessionEvent) => void;
  readonly #held = new Map<string, Held>();

  constructor(emit: (event: SessionEvent) => void) {
    this.#emit = emit;
  }

  /** Passes an event on, after the replacement for a half that now stays alone. */
  pass(event: SessionEvent): void {
    if (event.type === "message_update") return this.#update(event);
    if (this.#held.size > 0 && event.type === "message_end") this.#release(() => true);
    // The end of the last message never arrived.
    if (event.type === "message_start") this.#held.clear();
    this.#emit(event);
  }

  #update(event: SessionEvent): void {
    const update = event["assistantMessageEvent"];
    if (!isRecord(update)) return this.#emit(event);
    const { type, contentIndex, delta } = update;
    if (typeof delta !== "string") {
      if (this.#held.size > 0) this.#release((held) => held.contentIndex === contentIndex);
      return this.#emit(event);
    }
    if (this.#held.size === 0 && !opensPair(delta.charCodeAt(delta.length - 1))) return this.#emit(event);
    const block = `${String(type)} ${String(contentIndex)}`;
    const held = this.#held.get(block) ?? { text: new WholeText(), contentIndex, event };
    held.event = event;
    this.#held.set(block, held);
    const whole = held.text.push(delta);
    if (whole !== "") this.#emit(withDelta(event, whole));
  }

  #release(ends: (held: Held) => boolean): void {
    for (const [block, held] of [...this.#held]) {
      if (!ends(held)) continue;
      this.#held.delete(block);
      const rest = held.text.end();
      if (rest !== "") this.#emit(withDelta(held.event, rest));
    }
  }
}

function withDelta(event: SessionEvent, delta: string): SessionEvent {
  const update = event["assistantMessageEvent"];
  return isRecord(update) ? { ...event, assistantMessageEvent: { ...update, delta } } : event;
}
