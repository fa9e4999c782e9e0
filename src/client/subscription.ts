// Does: delivers the events of one session, or of all, as an async iterator that outlives connections.
// Used by: client.ts. After a loss it subscribes again from its cursor (docs/PROTOCOL.md#subscribing).
// Invariant: it drops events between a new request and its answer, because the replay repeats them.
import { isRecord } from "../base/json.ts";
import { type Deferred, deferred } from "../base/async/deferred.ts";
import type { Message } from "./connection.ts";
import { DIALOG_EVENTS, type Dialogs } from "./dialogs.ts";
import type { Outcome, Requests } from "./requests.ts";
import type {
  Cursor,
  SubscribeOptions,
  Subscription,
  SubscriptionItem,
  UnparsedEvent,
} from "./subscription_types.ts";
import type { SessionInfo, Snapshot, Subscribed } from "../protocol/generated/mod.ts";

interface Place {
  /** Unknown for a session that `*` met by an event. Its next answer has it. */
  epoch: string | undefined;
  seq: number;
}

interface Queued {
  readonly item: SubscriptionItem;
  readonly bytes: number;
}

export interface SubscriptionParts {
  readonly target: string;
  readonly options: SubscribeOptions;
  readonly requests: Requests;
  readonly dialogs?: Dialogs;
  /** Called once at the end. */
  over(): void;
}

/** Bytes of unread events above which a subscription stops listening and asks again later. */
const QUEUED_BYTES = 16 * 1024 * 1024;

/** A subscription, with the methods that the client calls. */
export class ActiveSubscription implements Subscription {
  readonly target: string;
  readonly started: Promise<void>;
  readonly #parts: SubscriptionParts;
  readonly #places = new Map<string, Place>();
  readonly #first = deferred<void>();
  readonly #readers: Deferred<IteratorResult<SubscriptionItem, undefined>>[] = [];
  /** `asking`: an answer is due; `live`; `paused`: the reader is behind; `away`: no connection; `over`. */
  #phase: "asking" | "live" | "paused" | "away" | "over" = "asking";
  #established = false;
  #start: Subscribed | undefined;
  #asked: string | undefined;
  #answered: (() => void) | undefined;
  #queue: Queued[] = [];
  #head = 0;
  #bytes = 0;
  #error: unknown;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.target = parts.target;
    this.started = this.#first.promise;
    const { from } = parts.options;
    if (from !== undefined) {
      const places = "sessions" in from ? from.sessions : { [parts.target]: from };
      for (const [id, { epoch, seq }] of Object.entries(places)) this.#places.set(id, { epoch, seq });
    }
    this.#ask(false);
  }

  get start(): Subscribed | undefined {
    return this.#start;
  }

  /** Whether events of that session belong to this subscription: not before its first answer. */
  get listening(): boolean {
    return this.#established && this.#phase !== "over";
  }

  cursor(sessionId: string = this.target): Cursor | undefined {
    const place = this.#places.get(sessionId);
    return place?.epoch === undefined ? undefined : { epoch: place.epoch, seq: place.seq };
  }

  /** The connection is lost. */
  lost(): void {
    if (!this.#established || this.#phase === "over") return;
    this.#withdraw();
    if (this.#phase !== "paused") this.#phase = "away";
  }

  /** The connection is open again. False when there is nothing to ask; otherwise `answered` is called. */
  reopened(answered: () => void): boolean {
    if (this.#phase !== "away") return false;
    this.#ask(true);
    this.#answered = answered;
    return true;
  }

  /** The server has stopped delivering, or the worker was lost. Asks again from the cursor. */
  again(): void {
    if (this.#established && (this.#phase === "live" || this.#phase === "asking")) this.#ask(true);
  }

  /** Takes an event of a session. */
  event(message: Message, bytes: number): void {
    const { sessionId, seq, event, coalesced } = message;
    if (typeof sessionId !== "string" || typeof seq !== "number" || !isRecord(event)) return;
    this.#parts.dialogs?.event(sessionId, event);
    if (!this.#follows(sessionId, seq, typeof coalesced === "number" ? coalesced : 1)) return;
    const { type } = event;
    const told = { ...event, type: typeof type === "string" ? type : "unknown" };
    // Some events arrive only for the dialogs.
    if (this.#parts.options.events?.includes(told.type) === false) return;
    this.#push({
      kind: "event",
      sessionId,
      seq,
      event: told,
      ...(typeof coalesced === "number" ? { coalesced } : {}),
    }, bytes);
  }

  /** Takes an event that was not parsed. False when this subscription wants none. */
  unparsed({ sessionId, seq, covers, json }: UnparsedEvent): boolean {
    const { onUnparsed } = this.#parts.options;
    if (onUnparsed !== undefined && this.#follows(sessionId, seq, covers)) onUnparsed(json);
    return onUnparsed !== undefined;
  }

  /** Whether an event is the next one to tell; then the place moves to it. After a gap it asks again. */
  #follows(sessionId: string, seq: number, covers: number): boolean {
    if (this.#phase !== "live") return false;
    const place = this.#places.get(sessionId);
    if (place !== undefined && seq <= place.seq) return false;
    const gap = place !== undefined && seq - covers > place.seq;
    if (gap && this.#parts.options.events === undefined) {
      this.#ask(true);
      return false;
    }
    if (this.#bytes > (this.#parts.options.queuedBytes ?? QUEUED_BYTES)) {
      this.#phase = "paused";
      return false;
    }
    this.#places.set(sessionId, { epoch: place?.epoch, seq });
    return true;
  }

  /** Takes the cursor of a filtered subscription. */
  moved(sessionId: string, epoch: string, seq: number): void {
    const place = this.#places.get(sessionId);
    if (this.#phase !== "live" || place === undefined || place.epoch !== epoch) return;
    place.seq = Math.max(place.seq, seq);
  }

  /** A session was deleted. */
  deleted(sessionId: string): void {
    if (sessionId === this.target) this.end();
    else this.#places.delete(sessionId);
  }

  /** Ends the items. With an error, the reader gets it after the queued items. */
  end(error?: unknown): void {
    if (this.#phase === "over") return;
    this.#withdraw();
    this.#phase = "over";
    this.#error = error;
    if (error === undefined) this.#first.resolve();
    else this.#first.reject(error);
    // No caller may be waiting for the start.
    this.#first.promise.catch(() => {});
    this.#parts.dialogs?.close();
    for (const reader of this.#readers.splice(0)) {
      if (error === undefined) reader.resolve({ done: true, value: undefined });
      else reader.reject(error);
      this.#error = undefined;
    }
    this.#parts.over();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<SubscriptionItem, undefined>> {
    const queued = this.#queue[this.#head];
    if (queued !== undefined) {
      if (++this.#head === this.#queue.length || this.#head > 1024) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      this.#bytes -= queued.bytes;
      if (this.#queue.length === 0 && this.#phase === "paused") this.#ask(true);
      return Promise.resolve({ done: false, value: queued.item });
    }
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) return Promise.reject(error);
    if (this.#phase === "over") return Promise.resolve({ done: true, value: undefined });
    const reader = deferred<IteratorResult<SubscriptionItem, undefined>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<SubscriptionItem, undefined>> {
    return this.close().then(() => ({ done: true, value: undefined }));
  }

  /** Ends the subscription, here and at the server. */
  close(): Promise<void> {
    if (this.#phase === "over") return Promise.resolve();
    this.end();
    this.#queue = [];
    this.#head = 0;
    return new Promise((resolve) => {
      // It is over here in any case. A lost connection has ended it at the server.
      const fields = { sessionId: this.target };
      this.#parts.requests.add({ type: "unsubscribe", fields, passing: true, done: () => resolve() });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #withdraw(): void {
    if (this.#asked !== undefined) this.#parts.requests.drop(this.#asked);
    this.#asked = undefined;
    this.#release();
  }

  /** Running commands of the client wait no longer for this subscription. */
  #release(): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.();
  }

  #ask(urgent: boolean): void {
    this.#withdraw();
    this.#phase = "asking";
    const { options, requests } = this.#parts;
    const known = [...this.#places.keys()].map((id) => [id, this.cursor(id)] as const)
      .filter(([, cursor]) => cursor !== undefined);
    const own = this.cursor();
    const from = this.target === "*" ? { sessions: Object.fromEntries(known) } : own;
    // The text of the command has none that are undefined.
    const fields = {
      sessionId: this.target,
      updates: options.updates,
      refs: options.refs,
      maxBytes: options.maxBytes,
      events: options.events === undefined ? undefined : this.#wanted(options.events),
      snapshot: options.snapshot === true && !this.#established ? true : undefined,
      from: known.length === 0 ? undefined : from,
    };
    this.#asked = requests.add({
      type: "subscribe",
      fields,
      onWait: urgent ? () => this.#release() : undefined,
      done: (outcome) => this.#heard(outcome),
    });
  }

  /** The event types to request. */
  #wanted(events: readonly string[]): readonly string[] {
    return this.#parts.dialogs === undefined ? events : [...new Set([...events, ...DIALOG_EVENTS])];
  }

  #heard(outcome: Outcome): void {
    this.#asked = undefined;
    const answered = this.#answered;
    this.#answered = undefined;
    if (!outcome.ok) this.end(outcome.error);
    else this.#begin(outcome.response["data"]);
    answered?.();
  }

  #begin(data: unknown): void {
    const again = this.#established;
    this.#established = true;
    this.#phase = "live";
    if (this.target !== "*") {
      // The server's own schema guarantees the type of the answer.
      const start = data as Subscribed;
      this.#start ??= start;
      this.#take(this.target, start, this.#bytesOf(start.snapshot));
    } else if (isRecord(data) && isRecord(data["sessions"])) {
      const sessions = data["sessions"] as Record<string, Subscribed>;
      for (const id of [...this.#places.keys()]) if (!Object.hasOwn(sessions, id)) this.#places.delete(id);
      let unheard = false;
      for (const [id, start] of Object.entries(sessions)) {
        const place = this.#places.get(id);
        if (again && place?.epoch === undefined && start.seq > (place?.seq ?? 0)) {
          // It began during the loss, or its epoch was unknown. Its missed events are requested.
          this.#places.set(id, { epoch: start.epoch, seq: place?.seq ?? 0 });
          unheard = true;
        } else this.#take(id, start, this.#bytesOf(start.snapshot));
      }
      if (unheard) return this.#ask(true);
    }
    this.#first.resolve();
  }

  #bytesOf(snapshot: Snapshot | undefined): number {
    return snapshot === undefined ? 0 : JSON.stringify(snapshot).length;
  }

  /** Takes the start of one session. */
  #take(sessionId: string, start: Subscribed, bytes: number): void {
    const { mode, epoch, seq, snapshot, pendingUi } = start;
    const sessionInfo: SessionInfo = start.sessionInfo;
    this.#parts.dialogs?.pending(sessionId, pendingUi);
    const place = this.#places.get(sessionId);
    this.#places.set(sessionId, { epoch, seq: mode === "replay" ? place?.seq ?? 0 : seq });
    if (snapshot === undefined || mode === "replay") return;
    const missed = mode === "snapshot";
    this.#push({ kind: "snapshot", sessionId, epoch, seq, missed, snapshot, sessionInfo }, bytes);
  }

  #push(item: SubscriptionItem, bytes: number): void {
    const { onItem } = this.#parts.options;
    if (onItem !== undefined) return onItem(item);
    const reader = this.#readers.shift();
    if (reader !== undefined) return reader.resolve({ done: false, value: item });
    this.#queue.push({ item, bytes });
    this.#bytes += bytes;
  }
}
