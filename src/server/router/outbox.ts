// Does: queues the messages of one peer, counted in bytes. For a slow reader it coalesces events, lags, or gives up.
// Used by: connection.ts (docs/PROTOCOL.md#reading-slowly). Uses: event_coalescer.ts.
// Invariant: it gives the transport a little at a time, so that the rest can be freed at once.
import type { EncodedEvent } from "../../ipc/messages.ts";
import { ANSWERS_AHEAD, SOCKET_WINDOW_BYTES, STALL_MS } from "../../governor/limits.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import { EventCoalescer, type QueuedEvent } from "./event_coalescer.ts";
import type { Peer } from "./peer.ts";

/** Bytes at each threshold. */
export interface OutboxLimits {
  readonly outboxSoftBytes: number;
  readonly outboxHardBytes: number;
  readonly outboxCloseBytes: number;
}

export interface OutboxParts {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly limits: OutboxLimits;
  /** The peer must go. Called once. */
  giveUp(reason: "full" | "stalled"): void;
}

interface Plain {
  readonly kind: "plain";
  readonly text: string;
  /** Of a large answer: called after it was passed on. */
  readonly sent?: (() => void) | undefined;
}

type Item = Plain | QueuedEvent;

/** The share of `outboxCloseBytes` at which the commands of a peer wait until it reads answers. */
const CLOSE_SHARE = 1 / 4;

/** A lower bound of a text's bytes in UTF-8. Exact for ASCII, as most JSON is. */
function bytesOf(text: string): number {
  return text.length;
}

/** The queue of one connection. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #events = new EventCoalescer();
  readonly #flushed: (() => void)[] = [];
  /** Sent messages leave holes at the front, so that nothing keeps them alive. */
  #queue: (Item | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** The number of queued messages that are never dropped, and their bytes without those of large answers. */
  #plain = 0;
  #plainBytes = 0;
  #rooms: (() => void)[] = [];
  #empty: (() => void)[] = [];
  #sent = 0;
  #stall: Timer | undefined;
  /** The transport's waiting bytes at the last check. */
  #buffered = 0;
  /** The time of the last movement, on the monotonic clock. */
  #movedAt = 0;
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    parts.peer.onDrain = () => this.#pump();
  }

  /** Queued bytes here, without those of the transport. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes passed to the transport so far. */
  get sent(): number {
    return this.#sent;
  }

  /** The number of events that were merged into others. */
  get coalesced(): number {
    return this.#events.coalesced;
  }

  /**
   * Resolves when so much of what is never dropped was sent that more may be asked for; undefined when that is so
   * now. Commands can bring about that much, events cannot: a lagging reader of events can still send an `abort`.
   */
  room(): Promise<void> | undefined {
    if (this.#closed || !this.#isAhead(1)) return undefined;
    return new Promise((resolve) => this.#rooms.push(resolve));
  }

  /** Calls `fn` once the transport has taken everything that is queued. False when nothing is queued now. */
  onceEmpty(fn: () => void): boolean {
    if (this.#closed || this.#head === this.#queue.length) return false;
    this.#empty.push(fn);
    return true;
  }

  /**
   * Queues a message that is never dropped.
   *
   * @param sent of a large answer, which has its turn: called once it was handed to the transport
   */
  push(text: string, sent?: () => void): void {
    if (this.#closed) return;
    this.#queue.push({ kind: "plain", text, sent });
    this.#plain++;
    if (sent === undefined) this.#plainBytes += bytesOf(text);
    this.#bytes += bytesOf(text);
    this.#pump();
    if (this.#bytes > this.#parts.limits.outboxCloseBytes) this.#giveUp("full");
  }

  /**
   * Queues an event; false when so many bytes of events are queued that this session's must stop.
   *
   * @param text the form that this peer wants
   */
  pushEvent(sessionId: string, record: EncodedEvent, text: string): boolean {
    if (this.#closed) return true;
    if (this.#head === this.#queue.length && this.#sendNow(text)) return true;
    const { outboxSoftBytes, outboxHardBytes } = this.#parts.limits;
    const merging = this.#bytes > outboxSoftBytes;
    const { item, bytes } = this.#events.add(sessionId, record, text, merging);
    this.#bytes += bytes;
    if (item !== undefined) this.#queue.push(item);
    this.#pump();
    return this.#events.bytes <= outboxHardBytes;
  }

  /** Merges nothing more into queued events of that session, or of any (`*`). */
  forget(target: string): void {
    this.#events.forget(target);
  }

  /** Resolves when the transport has sent everything. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#flushed.push(resolve);
      this.#pump();
    });
  }

  /** Drops what is queued. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#plain = 0;
    this.#plainBytes = 0;
    this.#events.clear();
    this.#stall?.clear();
    for (const fn of this.#flushed.splice(0)) fn();
    for (const fn of this.#empty.splice(0)) fn();
    this.#makeRoom();
  }

  /** Passes an event on at once when nothing waits before it. False when there is no room. */
  #sendNow(text: string): boolean {
    const { peer, clock } = this.#parts;
    const { buffered } = peer;
    if (buffered >= SOCKET_WINDOW_BYTES) return false;
    if (buffered < this.#buffered || buffered === 0) this.#movedAt = clock.monotonic();
    this.#buffered = buffered + bytesOf(text);
    this.#sent += bytesOf(text);
    peer.send(text);
    this.#watch(STALL_MS);
    return true;
  }

  #giveUp(reason: "full" | "stalled"): void {
    if (this.#closed) return;
    this.close();
    this.#parts.giveUp(reason);
  }

  #pump(): void {
    const { peer, clock } = this.#parts;
    // Asks once and then estimates, because the question is not free on Deno.
    let buffered = peer.buffered;
    // A peer has taken bytes when fewer wait in the transport. Free room alone proves nothing.
    let moved = buffered < this.#buffered;
    const empty = buffered === 0;
    while (this.#head < this.#queue.length && buffered < SOCKET_WINDOW_BYTES) {
      const item = this.#queue[this.#head];
      this.#queue[this.#head++] = undefined;
      if (item === undefined) continue;
      const text = item.kind === "plain" ? item.text : this.#events.take(item);
      // An event that was merged into a later one has no text.
      if (text === undefined) continue;
      this.#bytes -= item.kind === "plain" ? bytesOf(text) : item.bytes;
      buffered += bytesOf(text);
      this.#sent += bytesOf(text);
      moved ||= empty;
      peer.send(text);
      if (item.kind === "plain") this.#handedOver(item);
    }
    this.#buffered = buffered;
    if (this.#rooms.length > 0 && !this.#isAhead(1 / 2)) this.#makeRoom();
    if (moved) this.#movedAt = clock.monotonic();
    if (this.#head === this.#queue.length) this.#emptied();
    else if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (buffered > 0) this.#watch(STALL_MS);
  }

  /** Counts a message that is never dropped as sent. */
  #handedOver({ text, sent }: Plain): void {
    this.#plain--;
    if (sent === undefined) this.#plainBytes -= bytesOf(text);
    else sent();
  }

  /** Whether too many or too large answers are queued for further commands. */
  #isAhead(share: number): boolean {
    // Large answers have turns of their own. Another share of commands must not close a peer that reads.
    const most = this.#parts.limits.outboxCloseBytes * CLOSE_SHARE;
    return this.#plain > ANSWERS_AHEAD * share || this.#plainBytes > most * share;
  }

  #makeRoom(): void {
    for (const fn of this.#rooms.splice(0)) fn();
  }

  #emptied(): void {
    this.#queue = [];
    this.#head = 0;
    if (this.#empty.length > 0) { for (const fn of this.#empty.splice(0)) fn(); }
    // Asks only when a caller waits, because the question is not free on Deno.
    if (this.#flushed.length === 0 || this.#parts.peer.buffered > 0) return;
    for (const fn of this.#flushed.splice(0)) fn();
  }

  /** A peer that takes nothing while something waits is given up after a while. One timer, however much moves. */
  #watch(ms: number): void {
    if (this.#closed) return;
    this.#stall ??= this.#parts.clock.after(ms, () => {
      this.#stall = undefined;
      const { peer, clock } = this.#parts;
      if (peer.buffered === 0 && this.#head === this.#queue.length) return;
      if (peer.buffered < this.#buffered) this.#pump();
      const left = this.#movedAt + STALL_MS - clock.monotonic();
      if (left > 0) this.#watch(left);
      else this.#giveUp("stalled");
    });
  }
}
