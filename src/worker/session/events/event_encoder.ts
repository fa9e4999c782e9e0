// Turns a session's events into records for the router thread: stamped, encoded once for each form that someone
// wants, and with what an outbox needs to merge them. The common event is put together by hand. Pure.
import { encodeEvent, eventPrefix, type SessionEvent, toDelta } from "../../../protocol/events.ts";
import { type CoalesceHint, DELTA_SUFFIX, type EncodedEvent } from "../../../ipc/messages.ts";
import { pieceOf, stateOf } from "./merge_hints.ts";

type PieceMerge = Extract<CoalesceHint, { kind: "delta" }>;

/** Encodes the events of one session. */
export class EventEncoder {
  readonly #sessionId: string;
  /** All of the prefix that is before the number, and behind it. */
  readonly #before: string;
  #merge: PieceMerge = { kind: "delta", of: "", contentIndex: -1 };

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
    this.#before = eventPrefix(sessionId, 0).slice(0, -2);
  }

  /** @param full whether somebody wants the full form, too */
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
