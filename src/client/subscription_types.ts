// What a subscription takes and gives, as its user sees it; subscription.ts does the work.
import type { EventMap, SessionInfo, Snapshot, Subscribed } from "../protocol/generated/mod.ts";
import type { PiEventMap } from "../protocol/pi_events.ts";
import type { DialogHandler } from "./dialogs.ts";

/** How far one has come in a session's events. */
export interface Cursor {
  /** The stretch of numbering. */
  readonly epoch: string;
  /** The last event that was seen. */
  readonly seq: number;
}

/** How to subscribe. */
export interface SubscribeOptions {
  /** Every event after this first; for `*` by session. Default: from now on. */
  readonly from?: Cursor | { readonly sessions: Readonly<Record<string, Cursor>> };
  /** Whether the state comes first, as a snapshot item. Default: false. */
  readonly snapshot?: boolean;
  /** `delta`: what is new in each event; `full`: pi's events unchanged. Default: `delta`. */
  readonly updates?: "delta" | "full";
  /** Only events of these types. Default: all. */
  readonly events?: readonly string[];
  /** Answers the dialogs of the sessions' extensions. Default: they are left to others. */
  readonly onDialog?: DialogHandler;
  /** Bytes of events that may wait for the reader before the server is asked again later. Default: 16 MiB. */
  readonly queuedBytes?: number;
}

/** An event of a session: `type`, and what pi puts beside it. */
export interface SessionEvent {
  /** Type of the event, such as `message_update`. */
  readonly type: string;
  /** The event's own fields. */
  readonly [field: string]: unknown;
}

/** An event, with its address. */
export interface EventItem {
  /** Says that it is an event. */
  readonly kind: "event";
  /** The session that it is of. */
  readonly sessionId: string;
  /** Its number. */
  readonly seq: number;
  /** The event. */
  readonly event: SessionEvent;
  /** It stands for so many events, the last of which has this number. */
  readonly coalesced?: number;
}

/** The state of a session in place of events: it was asked for, or the events are gone. */
export interface SnapshotItem {
  /** Says that it is a state. */
  readonly kind: "snapshot";
  /** The session that it is of. */
  readonly sessionId: string;
  /** The stretch of numbering from here on. */
  readonly epoch: string;
  /** The last event that is in the state. */
  readonly seq: number;
  /** Whether there were events that this takes the place of. */
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
  /** Where one is in a session, to go on from in another life of the program. */
  cursor(sessionId?: string): Cursor | undefined;
  /** Ends it, here and at the server. */
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
