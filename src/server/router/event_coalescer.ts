// Does: queues the events of one connection, and coalesces them when the reader is slow. Pure.
// Used by: outbox.ts. It joins deltas of one content block, and replaces a tool's state by a later one.
// Invariant: a coalesced event has the count of numbers it stands for, so a reader sees neither gap nor repeat.
import { type CoalesceHint, DELTA_SUFFIX, type EncodedEvent } from "../../ipc/messages.ts";
import { eventPrefix } from "../../protocol/events.ts";

/** A queued event. It may still change while it waits. */
export interface QueuedEvent {
  readonly kind: "event";
  readonly sessionId: string;
  seq: number;
  readonly type: string;
  readonly merge: CoalesceHint | undefined;
  readonly text: string;
  /** Pieces that were joined to the first one, oldest first, encoded. */
  pieces: { readonly loose: string[]; readonly joined: string[] } | undefined;
  /** The seq in `text`. */
  readonly first: number;
  /** The number of seqs that it stands for. */
  covers: number;
  bytes: number;
  state: "queued" | "sent" | "merged";
  /** The neighbours in the same session. */
  before: QueuedEvent | undefined;
  after: QueuedEvent | undefined;
}

/** Pieces that are kept one by one. Each keeps alive the whole text that it was cut from. */
const LOOSE_PIECES = 256;

/** UTF-16 units of an event to which pieces are joined, at most. */
const JOINED_CHARS = 256 * 1024;

/** The queued events of one session that a later event may merge with. */
interface Tail {
  last: QueuedEvent | undefined;
  readonly states: Map<string, QueuedEvent>;
}

/** States of different kinds never replace each other, whatever their keys are. */
function stateKey(type: string, key: string): string {
  return `${type} ${key}`;
}

/** In its full form an update carries the whole message, so a later one replaces an earlier one. */
function mergeFor(record: EncodedEvent, text: string): CoalesceHint | undefined {
  if (record.coalesce?.kind !== "delta" || text !== record.full) return record.coalesce;
  return { kind: "state", key: "message" };
}

/** The events of one connection's queue. */
export class EventCoalescer {
  readonly #tails = new Map<string, Tail>();
  #bytes = 0;
  #coalesced = 0;

  /** Bytes of the queued events. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of events that were merged into others. */
  get coalesced(): number {
    return this.#coalesced;
  }

  /** Merges nothing more into queued events of that session, or of any (`*`). */
  forget(target: string): void {
    if (target === "*") this.#tails.clear();
    else this.#tails.delete(target);
  }

  clear(): void {
    this.#tails.clear();
    this.#bytes = 0;
  }

  /** Adds an event. `item` is what to queue, if it was not merged, and `bytes` the growth of the queue. */
  add(
    sessionId: string,
    record: EncodedEvent,
    text: string,
    merging: boolean,
  ): { item: QueuedEvent | undefined; bytes: number } {
    const tail = this.#tail(sessionId);
    const before = this.#bytes;
    const merge = mergeFor(record, text);
    const joined = merging && merge?.kind === "delta" && this.#join(tail.last, merge, record);
    const item = joined ? undefined : this.#append(tail, sessionId, record, merge, text, merging);
    return { item, bytes: this.#bytes - before };
  }

  /** The text to send. Undefined for an event that another one replaces. */
  take(item: QueuedEvent): string | undefined {
    if (item.state === "merged") return undefined;
    item.state = "sent";
    this.#bytes -= item.bytes;
    this.#unlink(item);
    if (item.covers === 1) return item.text;
    const { sessionId, seq, first, pieces, covers } = item;
    const event = item.text.slice(eventPrefix(sessionId, first).length);
    // Texts in JSON can be joined as they are, because no escape is cut in two.
    const whole = pieces === undefined
      ? event
      : [event.slice(0, -DELTA_SUFFIX.length), ...pieces.joined, ...pieces.loose, DELTA_SUFFIX].join("");
    return `${eventPrefix(sessionId, seq)}"coalesced":${covers},${whole}`;
  }

  #tail(sessionId: string): Tail {
    const known = this.#tails.get(sessionId);
    if (known !== undefined) return known;
    const tail: Tail = { last: undefined, states: new Map() };
    this.#tails.set(sessionId, tail);
    return tail;
  }

  #append(
    tail: Tail,
    sessionId: string,
    { seq, type }: EncodedEvent,
    merge: CoalesceHint | undefined,
    text: string,
    merging: boolean,
  ): QueuedEvent {
    const before = tail.last;
    const item: QueuedEvent = {
      kind: "event",
      sessionId,
      seq,
      type,
      merge,
      text,
      pieces: undefined,
      first: seq,
      covers: 1,
      bytes: text.length,
      state: "queued",
      before,
      after: undefined,
    };
    if (before !== undefined) before.after = item;
    tail.last = item;
    this.#bytes += item.bytes;
    if (merge?.kind !== "state") return item;
    const key = stateKey(item.type, merge.key);
    const older = tail.states.get(key);
    if (merging && older !== undefined) this.#supersede(older);
    tail.states.set(key, item);
    return item;
  }

  /** Its numbers go to the next event, which stands for both from now on. */
  #supersede(older: QueuedEvent): void {
    if (older.after === undefined) return;
    const { after } = older;
    after.covers = after.seq - (older.seq - older.covers);
    older.state = "merged";
    this.#bytes -= older.bytes;
    this.#coalesced++;
    this.#unlink(older);
  }

  #join(
    last: QueuedEvent | undefined,
    more: Extract<CoalesceHint, { kind: "delta" }>,
    record: EncodedEvent,
  ): boolean {
    const first = last?.merge;
    if (last === undefined || first?.kind !== "delta") return false;
    if (first.of !== more.of || first.contentIndex !== more.contentIndex) return false;
    const { text, seq, at = 0 } = record;
    const piece = text.slice(at, -DELTA_SUFFIX.length);
    // A client may take no message above its frame, however slowly it reads.
    if (last.bytes + piece.length > JOINED_CHARS) return false;
    last.pieces ??= { loose: [], joined: [] };
    if (last.pieces.loose.push(piece) >= LOOSE_PIECES) {
      last.pieces.joined.push(last.pieces.loose.join(""));
      last.pieces.loose.length = 0;
    }
    // Numbers in between were left out for this reader, and are covered too.
    last.covers += seq - last.seq;
    last.seq = seq;
    last.bytes += piece.length;
    this.#bytes += piece.length;
    this.#coalesced++;
    return true;
  }

  #unlink(item: QueuedEvent): void {
    const { before, after, sessionId, merge } = item;
    if (before !== undefined) before.after = after;
    if (after !== undefined) after.before = before;
    const tail = this.#tails.get(sessionId);
    if (tail === undefined) return;
    if (tail.last === item) tail.last = before;
    if (merge?.kind !== "state") return;
    const key = stateKey(item.type, merge.key);
    if (tail.states.get(key) === item) tail.states.delete(key);
  }
}
