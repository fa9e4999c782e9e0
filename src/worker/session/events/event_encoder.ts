// Does: encodes a session's events: with seq, once for each wanted form, and with hints for the outbox. Pure.
// Used by: session.ts. Uses: merge_hints.ts. It builds the most common event by hand.
import { encodeEvent, eventPrefix, type SessionEvent, toDelta } from "../../../protocol/events.ts";
import { type CoalesceHint, DELTA_SUFFIX, type EncodedEvent } from "../../../ipc/messages.ts";
import { pieceOf, stateOf } from "./merge_hints.ts";

type PieceMerge = Extract<CoalesceHint, { kind: "delta" }>;

/** Encodes the events of one session. */
export class EventEncoder {
  readonly #sessionId: string;
  /** The parts of the prefix before and after the number. */
  readonly #before: string;
  #merge: PieceMerge = { kind: "delta", of: "", contentIndex: -1 };

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
    this.#before = eventPrefix(sessionId, 0).slice(0, -2);
  }

  /** @param full whether a subscriber wants the full form too */
  encode(seq: number, event: SessionEvent, full: boolean): EncodedEvent {
    const piece = pieceOf(event);
    if (piece === undefined) return this.#other(seq, event, full);
    const { of, contentIndex } = piece;
    const delta = JSON.stringify(piece.delta.toWellFormed());
    const update = `"event":{"type":"message_update","assistantMessageEvent":{"type":"${of}"`;
    const text = `${this.#before}${seq},${update},"contentIndex":${contentIndex},"delta":${delta}}}}`;
    if (this.#merge.of !== of || this.#merge.contentIndex !== contentIndex) {
      this.#merge = { kind: "delta", of, contentIndex };
    }
    return {
      seq,
      type: event.type,
      text,
      full: full ? encodeEvent(this.#sessionId, seq, event) : undefined,
      coalesce: this.#merge,
      // The quote before the delta is not part of it. The quote after it belongs to the end.
      at: text.length - delta.length - DELTA_SUFFIX.length + 2,
    };
  }

  #other(seq: number, event: SessionEvent, full: boolean): EncodedEvent {
    const slim = toDelta(event);
    return {
      seq,
      type: event.type,
      text: encodeEvent(this.#sessionId, seq, slim),
      // Most events have one form, which serves as both.
      full: full && slim !== event ? encodeEvent(this.#sessionId, seq, event) : undefined,
      coalesce: stateOf(event),
      at: 0,
    };
  }
}
