// An event as it crosses the edge: encoded once for each form that somebody wants. Pure.
import { encodeEvent, type SessionEvent, toDelta } from "../protocol/events.ts";
import type { EventRecord } from "./edge.ts";
import { mergeOf } from "./merge.ts";

/**
 * Encodes an event.
 *
 * @param full whether somebody wants the full form; most events have one form, which then stands in for both
 */
export function eventRecord(sessionId: string, seq: number, event: SessionEvent, full: boolean): EventRecord {
  const slim = toDelta(event);
  const text = (form: SessionEvent): string => encodeEvent(sessionId, seq, form);
  const merge = mergeOf(event);
  return {
    seq,
    type: event.type,
    text: text(slim),
    ...(full && slim !== event ? { full: text(event) } : {}),
    ...(merge === undefined ? {} : { merge }),
  };
}
