// Does: the types of a subscription for its user: options, items and cursors.
// Used by: subscription.ts, which does the work.
import type { EventMap, SessionInfo, Snapshot, Subscribed } from "../protocol/generated/mod.ts";
import type { PiEventMap } from "../protocol/pi_events.ts";
import type { DialogHandler } from "./dialogs.ts";

/** The point up to which a client has read a session. */
export interface Cursor {
  /** The epoch. */
  readonly epoch: string;
  /** The seq of the last event. */
  readonly seq: number;
}

/** An event of which only the address was read. */
export interface UnparsedEvent {
  /** Its session. */
  readonly sessionId: string;
  /** Its number. */
  readonly seq: number;
  /** The number of events that it stands for. */
  readonly covers: number;
  /** The event itself, as a text or its bytes. */
  readonly json: string | Uint8Array;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /** First every event after this cursor; for `*` by session. Default: from now on. */
  readonly from?: Cursor | { readonly sessions: Readonly<Record<string, Cursor>> };
  /** Whether a snapshot item comes first. Default: false. */
  readonly snapshot?: boolean;
  /** `delta`: only the new part of each event; `full`: pi's events unchanged. Default: `delta`. */
  readonly updates?: "delta" | "full";
  /** Whether large texts and images go by reference, see `readContent`. Not with `full`. Default: false. */
  readonly refs?: boolean;
  /** Bytes of an answer with snapshots, at most. Default: the server's. */
  readonly maxBytes?: number;
  /** Only events of these types. Default: all. */
  readonly events?: readonly string[];
  /** Answers the dialogs of the sessions' extensions. Default: other clients answer them. */
  readonly onDialog?: DialogHandler;
  /** Bytes of unread events above which the client stops listening and asks again later. Default: 16 MiB. */
  readonly queuedBytes?: number;
  /**
   * Called with each item in place of the iterator, before the client handles any later message. The iterator
   * then only tells the end.
   */
  readonly onItem?: (item: SubscriptionItem) => void;
  /**
   * Called with the JSON of each event that the client's `readUnparsed` has recognized, in place of `onItem`. Bytes
   * are valid until it returns: later messages overwrite them.
   */
  readonly onUnparsed?: (json: string | Uint8Array) => void;
}

/** An event of a session: `type`, and pi's own fields. */
export interface SessionEvent {
  /** Type of the event, such as `message_update`. */
  readonly type: string;
  /** The event's own fields. */
  readonly [field: string]: unknown;
}

/** An event with its address. */
export interface EventItem {
  /** Marks an event. */
  readonly kind: "event";
  /** The session of the event. */
  readonly sessionId: string;
  /** Its number. */
  readonly seq: number;
  /** The event. */
  readonly event: SessionEvent;
  /** The number of events that it stands for. The last one has this seq. */
  readonly coalesced?: number;
}

/** The state of a session in place of events, because it was requested or the events are gone. */
export interface SnapshotItem {
  /** Marks a snapshot. */
  readonly kind: "snapshot";
  /** The session of the snapshot. */
  readonly sessionId: string;
  /** The epoch from here on. */
  readonly epoch: string;
  /** The seq of the last event in the state. */
  readonly seq: number;
  /** Whether it replaces missed events. */
  readonly missed: boolean;
  /** The state. */
  readonly snapshot: Snapshot;
  /** Model, folder and the like. */
  readonly sessionInfo: SessionInfo;
}

/** What a subscription yields. */
export type SubscriptionItem = EventItem | SnapshotItem;

/**
 * The events of one session, or of all, in order and without a gap. Breaking out of the loop ends it.
 *
 * @example
 * ```ts
 * import { connect } from "@pi/server/client";
 *
 * await using client = await connect();
 * for await (const item of await client.subscribe("*")) {
 *   if (item.kind === "event") console.log(item.sessionId, item.seq, item.event.type);
 *   else console.log(item.sessionId, "is at", item.seq);
 * }
 * ```
 */
export interface Subscription extends AsyncIterableIterator<SubscriptionItem, undefined>, AsyncDisposable {
  /** The session's id, or `*`. */
  readonly target: string;
  /** The first answer of a subscription by id. */
  readonly start: Subscribed | undefined;
  /** The cursor in a session, for a later run of the program. */
  cursor(sessionId?: string): Cursor | undefined;
  /** Ends the subscription, here and at the server. */
  close(): Promise<void>;
}

/** All events of a session by type: pi's own, and those beyond. */
export type AllEvents = EventMap & PiEventMap;

/** Whether an event is of that type, pi's own or one beyond. */
export function isEvent<N extends keyof AllEvents>(event: SessionEvent, type: N): event is
  & SessionEvent
  & AllEvents[N] {
  return event.type === type;
}
