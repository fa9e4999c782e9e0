// Does: one peer as the router sees it: outbox, unanswered commands, and commands that were read ahead (stdio).
// Used by: the router and the subscriptions. It does not read the fields of commands.
import type { Access } from "../auth/access.ts";
import { READ_AHEAD_BYTES } from "../../governor/limits.ts";
import type { EncodedEvent } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Updates } from "../../protocol/events.ts";
import { BulkTurns, type Held } from "./bulk_turns.ts";
import { Outbox, type OutboxLimits } from "./outbox.ts";
import type { Peer } from "./peer.ts";

/** The wish of a subscriber. */
export interface Wanted {
  readonly updates: Updates;
  /** Only these types. Absent: all. */
  readonly events?: ReadonlySet<string>;
  /** Large texts and images go by reference. */
  readonly refs?: true;
}

export interface ConnectionParts {
  readonly id: number;
  readonly peer: Peer;
  readonly clock: Clock;
  readonly limits: OutboxLimits;
  readonly access: Access;
  /** The peer reads too slowly and must go. */
  giveUp(connection: Connection, reason: "full" | "stalled"): void;
}

/** One connection. */
export class Connection {
  readonly id: number;
  readonly peer: Peer;
  readonly outbox: Outbox;
  /** Its large answers, a few at a time. */
  readonly bulk = new BulkTurns();
  /** The rights of the peer's token. */
  readonly access: Access;
  /** Sessions that got a command from this connection, for the end of its input. */
  readonly usedSessions = new Set<string>();
  /** The number of `lagged` messages. */
  lagged = 0;
  /** Whether a valid command has arrived. */
  hasSentCommand = false;
  readonly #lagging = new Set<string>();
  readonly #backlog: Held[] = [];
  readonly #rooms: (() => void)[] = [];
  readonly #quiet: (() => void)[] = [];
  #heldBytes = 0;
  #unanswered = 0;
  #retrying = false;
  #counted = false;
  #open = true;

  constructor(parts: ConnectionParts) {
    const { id, peer, clock, limits } = parts;
    this.id = id;
    this.peer = peer;
    this.access = parts.access;
    this.outbox = new Outbox({ peer, clock, limits, giveUp: (reason) => parts.giveUp(this, reason) });
  }

  get open(): boolean {
    return this.#open;
  }

  /** @param sent called after a large answer was passed to the transport */
  send(text: string, sent?: () => void): void {
    if (this.#open) this.outbox.push(text, sent);
  }

  /**
   * Queues an event in the wanted form, unless the filter excludes it or the peer lags in that session. The first event
   * that comes too late sends `lagged`.
   */
  sendEvent(sessionId: string, epoch: string, record: EncodedEvent, wanted: Wanted): void {
    if (!this.#open || wanted.events !== undefined && !wanted.events.has(record.type)) return;
    // An event with one form carries only that one.
    const text = wanted.updates === "full"
      ? record.full ?? record.text
      : wanted.refs === true
      ? record.brief ?? record.text
      : record.text;
    if (this.#lagging.size > 0 && this.#lagging.has(sessionId)) {
      // A dialog passes, because a client has to answer it.
      if (record.type === "extension_ui_request") this.outbox.push(text);
      return;
    }
    if (this.outbox.pushEvent(sessionId, record, text)) return;
    this.#lagging.add(sessionId);
    this.lagged++;
    this.outbox.forget(sessionId);
    this.outbox.push(JSON.stringify({ type: "lagged", sessionId, epoch, afterSeq: record.seq }));
  }

  /** Whether the peer lags in that session. */
  lags(sessionId: string): boolean {
    return this.#lagging.has(sessionId);
  }

  /** The peer subscribes again, to one session or to all, and gets events again. */
  caughtUp(target: string): void {
    if (target === "*") this.#lagging.clear();
    else this.#lagging.delete(target);
    // Queued events come before the answer, so no later event may be merged into them.
    this.outbox.forget(target);
  }

  /** A command was accepted. `answered` must follow. */
  asked(): void {
    this.#unanswered++;
  }

  answered(): void {
    this.#unanswered--;
    this.#checkQuiet();
  }

  /** Whether commands wait for room. Later ones must then wait behind them. */
  get holding(): boolean {
    return this.#backlog.length > 0;
  }

  defer(held: Held): void {
    this.#backlog.push(held);
    this.#heldBytes += held.bytes;
  }

  /** Tries the held commands again, in order, until one finds no room. */
  retry(take: (held: Held) => "taken" | "full"): void {
    // A command with an immediate answer makes room, and returns here.
    if (this.#retrying) return;
    this.#retrying = true;
    while (this.#backlog.length > 0) {
      const next = this.#backlog[0];
      if (next === undefined || take(next) === "full") break;
      this.#backlog.shift();
      this.#heldBytes -= next.bytes;
    }
    this.#retrying = false;
    this.#makeRoom();
    this.#checkQuiet();
  }

  /** Counts bytes of commands that wait on their way to another node. A negative number of them wait no more. */
  holds(bytes: number): void {
    this.#heldBytes += bytes;
    this.#makeRoom();
  }

  /** Whether a command counts for the rates. Of those of one HTTP request only the first one does. */
  counts(): boolean {
    const counts = !this.#counted || this.peer.isOneRequest !== true;
    this.#counted = true;
    return counts;
  }

  /** Whether the transport may read on. */
  get writable(): boolean {
    return this.#heldBytes < READ_AHEAD_BYTES || !this.#open;
  }

  /** Resolves when the transport may read on. */
  whenWritable(): Promise<void> {
    if (this.writable) return Promise.resolve();
    return new Promise((resolve) => this.#rooms.push(resolve));
  }

  /** Resolves when every command has its answer. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet.push(resolve);
      this.#checkQuiet();
    });
  }

  /** The peer is gone. */
  closed(): void {
    this.#open = false;
    this.#backlog.length = 0;
    this.#heldBytes = 0;
    this.bulk.close();
    this.outbox.close();
    for (const fn of this.#rooms.splice(0)) fn();
    for (const fn of this.#quiet.splice(0)) fn();
  }

  #makeRoom(): void {
    if (this.#heldBytes < READ_AHEAD_BYTES) { for (const fn of this.#rooms.splice(0)) fn(); }
  }

  #checkQuiet(): void {
    if (this.#unanswered > 0 || this.#backlog.length > 0) return;
    for (const fn of this.#quiet.splice(0)) fn();
  }
}
