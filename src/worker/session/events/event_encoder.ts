// Does: encodes a session's events: with seq, once for each wanted form, and with hints for the outbox. Pure.
// Used by: session.ts. Uses: merge_hints.ts. It builds the most common event by hand.
import { isRecord } from "../../../base/json.ts";
import { encodeEvent, eventPrefix, type SessionEvent, toDelta } from "../../../protocol/events.ts";
import { BLOCK_CHARS, LEAST_BLOCK_CHARS, REF_EVENT_BYTES } from "../../../governor/limits.ts";
import { type CoalesceHint, DELTA_SUFFIX, type EncodedEvent } from "../../../ipc/messages.ts";
import { fittingJson, type Referring } from "./bounded_json.ts";
import { pieceOf, stateOf } from "./merge_hints.ts";

type PieceMerge = Extract<CoalesceHint, { kind: "delta" }>;

const isEvent = (value: unknown): value is SessionEvent =>
  isRecord(value) && typeof value["type"] === "string";

/** Encodes the events of one session. */
export class EventEncoder {
  readonly #sessionId: string;
  readonly #refs: Referring | undefined;
  /** The parts of the prefix before and after the number. */
  readonly #before: string;
  #merge: PieceMerge = { kind: "delta", of: "", contentIndex: -1 };

  /** @param refs puts references in the place of large texts; without them, events have no such form */
  constructor(sessionId: string, refs?: Referring) {
    this.#sessionId = sessionId;
    this.#refs = refs;
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
      brief: undefined,
      coalesce: this.#merge,
      // The quote before the delta is not part of it. The quote after it belongs to the end.
      at: text.length - delta.length - DELTA_SUFFIX.length + 2,
    };
  }

  #other(seq: number, event: SessionEvent, full: boolean): EncodedEvent {
    const slim = toDelta(event);
    const text = encodeEvent(this.#sessionId, seq, slim);
    return {
      seq,
      type: event.type,
      text,
      brief: text.length > BLOCK_CHARS ? this.#brief(seq, slim, this.#refs) : undefined,
      // Most events have one form, which serves as both.
      full: full && slim !== event ? encodeEvent(this.#sessionId, seq, event) : undefined,
      coalesce: stateOf(event),
      at: 0,
    };
  }

  /** The event with references. Undefined when it has nothing to refer to. */
  #brief(seq: number, event: SessionEvent, refs: Referring | undefined): string | undefined {
    if (refs === undefined) return undefined;
    for (const block of [BLOCK_CHARS, LEAST_BLOCK_CHARS]) {
      const short = refs.shortened(event, block);
      if (!isEvent(short) || (short === event && block === BLOCK_CHARS)) continue;
      if (fittingJson(short, REF_EVENT_BYTES) !== undefined) return encodeEvent(this.#sessionId, seq, short);
    }
    if (fittingJson(event, REF_EVENT_BYTES) !== undefined) return undefined;
    const parts = Object.entries(event).map(([name, value]) =>
      typeof value === "object" && value !== null ? [name, refs.whole(value)] : [name, value]
    );
    const { type } = event;
    return encodeEvent(this.#sessionId, seq, { ...Object.fromEntries(parts), type });
  }
}
