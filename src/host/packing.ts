// How a batch looks while it crosses a thread's edge: events as columns instead of records, since the copy that
// is made there pays for each record and each field name in it. Both ends are here. Pure.
import type { EventRecord, FromHost, Merge, ToHost } from "./edge.ts";

/** What many events of a batch have in common. */
interface Head {
  readonly type: string;
  readonly merge: Merge | undefined;
}

/** Events of one session, one number after the other. */
interface PackedEvents {
  readonly kind: "packed";
  readonly sessionId: string;
  /** Of the first event. */
  readonly seq: number;
  readonly texts: readonly string[];
  /** Full forms by index, where there are any. */
  readonly fulls: readonly (string | undefined)[] | undefined;
  readonly heads: readonly Head[];
  /** For each event the index of its head and `EventRecord.at`. */
  readonly marks: readonly number[];
}

type EventsMessage = Extract<FromHost, { kind: "events" }>;

/** A message as it crosses. */
export type Packed = PackedEvents | Exclude<FromHost, EventsMessage>;

/** What a host's thread posts. */
export interface HostSaid {
  readonly messages: readonly Packed[];
  readonly bytes: number;
}

/** What is posted to a host's thread; `took` are bytes of what it said that have been taken. */
export interface HostCall {
  readonly messages: readonly ToHost[];
  readonly took: number;
}

/** A batch, ready to be copied to another thread. */
export function pack(batch: readonly FromHost[]): readonly Packed[] {
  return batch.map((message) => message.kind === "events" ? packEvents(message) : message);
}

/** The messages of a batch, in their order. */
export function unpack(packed: readonly Packed[]): FromHost[] {
  return packed.map((message) => message.kind === "packed" ? unpackEvents(message) : message);
}

function packEvents({ sessionId, events }: EventsMessage): PackedEvents {
  const heads: Head[] = [];
  const marks: number[] = [];
  const texts: string[] = [];
  let fulls: (string | undefined)[] | undefined;
  for (const { type, text, full, merge, at = 0 } of events) {
    let head = heads.length - 1;
    if (heads[head]?.type !== type || heads[head]?.merge !== merge) {
      head = heads.findIndex((one) => one.type === type && one.merge === merge);
      if (head < 0) head = heads.push({ type, merge }) - 1;
    }
    marks.push(head, at);
    if (full !== undefined) (fulls ??= [])[texts.length] = full;
    texts.push(text);
  }
  return { kind: "packed", sessionId, seq: events[0]?.seq ?? 0, texts, fulls, heads, marks };
}

function unpackEvents({ sessionId, seq, texts, fulls, heads, marks }: PackedEvents): EventsMessage {
  const events = texts.map((text, index): EventRecord => {
    const head = heads[marks[index * 2] ?? 0];
    return {
      seq: seq + index,
      type: head?.type ?? "",
      text,
      full: fulls?.[index],
      merge: head?.merge,
      at: marks[index * 2 + 1] ?? 0,
    };
  });
  return { kind: "events", sessionId, events };
}
