// Does: bounds unfinished WebSocket messages on Deno, which reports no part of them and has no limit for their fragments.
// Used by: deno.ts. Uses: what the system has received for a connection, and the messages that Deno has reported.
// Invariant: the difference is the unfinished message, and small control frames, which an allowance leaves out.
import { clock } from "../running_clock.ts";
import { type Holder, Unfinished, type Unwanted } from "../websocket/unfinished_messages.ts";
import { FreeMemory } from "./free_memory.ts";
import type { Arrival } from "./http_listener.ts";
import { type End, type TcpDescriptor, TcpDescriptors } from "./tcp_descriptors.ts";

/** Milliseconds between two looks at the memory of the process: usually, and while it grows by a step or a part of one. */
const [TICK_MS, GROWING_TICK_MS] = [20, 2];

/** Growth of the process that calls for a look at the connections, and the milliseconds after which they get one anyway. */
const [STEP_BYTES, LOOK_MS] = [2 * 1024 * 1024, 1_000];

/** Growth since the last tick that makes the next one come soon. Between two usual ones a flood fills 10 MiB. */
const GROWING_BYTES = 512 * 1024;

/** Bytes without a message that are no unfinished message: a handshake, and the largest ping every second. */
const [FREE_BYTES, FREE_BYTES_A_SECOND] = [64 * 1024, 160];

/**
 * Bytes that the system keeps of what a peer sends, until Deno reads them: for each new connection, and for one that
 * sends large messages. With the system's own choice, some MiB, Deno reads them all before the next look at its memory.
 * A turn of its event loop lasts until it has read all small messages that wait: some thousand.
 */
const [UNREAD_BYTES, MUCH_UNREAD_BYTES] = [8 * 1024, 64 * 1024];

/** Bytes of a large message, and how many smaller ones in a row make a connection one of small messages. */
const [LARGE_BYTES, MANY_SMALL] = [4 * 1024, 1024];

/** Bytes of a request's head at which its peer is cut off, and the answer. Deno itself would read 400 KB. */
const HEAD_BYTES = 64 * 1024;
const HEAD_TOO_LONG = new TextEncoder().encode(
  "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
);

/** Heads of fragments, as a part of their message. */
const HEADS = 1 / 16;

/** A connection that may hold an unfinished message. */
export interface WatchedHolder extends Holder {
  /** Its message is larger than a message may be. */
  tooLarge(): void;
}

/** What the watch asks. */
export interface WatchParts {
  /** The largest message. */
  readonly messageBytes: number;
  /** Memory of the process. */
  processBytes(): number;
  /** Milliseconds of a clock. */
  now(): number;
  /** Gives freed memory back to the system, where that is possible. */
  readonly giveBack?: (() => void) | undefined;
  /** The messages of all connections; by default with the usual bounds. */
  readonly unfinished?: Unfinished;
}

/** What the system tells of a connection. */
export type WatchedDescriptor = Pick<TcpDescriptor, "received" | "unread" | "bound">;

/** One connection's bytes: those that arrived, less those of its messages. */
export class HeldBytes {
  readonly #descriptor: WatchedDescriptor;
  #received = 0;
  #held = 0;
  #since: number;
  /** Since the last look. */
  #delivered = 0;
  #messages = 0;
  /** Small messages in a row. */
  #small = 0;
  /** Whether the system keeps much of what the peer sends. */
  #much = false;

  constructor(descriptor: WatchedDescriptor, now: number) {
    this.#descriptor = descriptor;
    this.#since = now;
  }

  /** A message with a payload of so many bytes has arrived. */
  message(bytes: number): void {
    this.#messages++;
    this.#delivered += bytes + (bytes < 126 ? 6 : bytes < 65_536 ? 8 : 14);
    if (bytes >= LARGE_BYTES) this.#keep(true);
    else if (++this.#small > MANY_SMALL) this.#keep(false);
  }

  /** Chooses how much the system keeps. */
  #keep(much: boolean): void {
    this.#small = 0;
    if (this.#much === much) return;
    this.#much = much;
    this.#descriptor.bound(much ? MUCH_UNREAD_BYTES : UNREAD_BYTES);
  }

  /** The bytes of the unfinished message, and whether it is another one than at the last look. */
  look(now: number): { bytes: number; isNew: boolean } {
    const received = this.#descriptor.received();
    if (received === undefined) return { bytes: 0, isNew: true };
    const grown = received - this.#received;
    const isNew = this.#messages > 0;
    // With a message between two looks, what is left has arrived between them, too.
    if (isNew) this.#held = Math.min(grown, Math.max(0, this.#held + grown - this.#delivered));
    else this.#held += grown;
    if (isNew) this.#since = now;
    this.#received = received;
    this.#delivered = 0;
    this.#messages = 0;
    const free = FREE_BYTES + FREE_BYTES_A_SECOND * (now - this.#since) / 1000;
    if (this.#held <= free) return { bytes: 0, isNew };
    this.#keep(true);
    return { bytes: Math.max(0, this.#held - this.#descriptor.unread() - free), isNew };
  }
}

/** One connection of the watch. */
class Entry implements Holder {
  readonly held: HeldBytes;
  readonly holder: WatchedHolder;
  bytes = 0;
  /** It was cut off, and its memory will be free soon. */
  gone = false;

  constructor(held: HeldBytes, holder: WatchedHolder) {
    this.held = held;
    this.holder = holder;
  }

  giveUp(why: Unwanted): void {
    this.gone = true;
    this.holder.giveUp(why);
  }
}

/** The connections of one server. */
export class UnfinishedWatch {
  readonly #parts: WatchParts;
  readonly #unfinished: Unfinished;
  readonly #entries = new Map<WatchedHolder, Entry>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lookedAt = 0;
  /** At the last look at the connections, or less since. */
  #processBytes = 0;
  #tickBytes = Infinity;
  /** Whether memory of cut messages has become free since the last look. */
  #freed = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#unfinished = parts.unfinished ?? new Unfinished(parts.messageBytes);
  }

  /** Watches a connection until `remove`. */
  add(holder: WatchedHolder, descriptor: WatchedDescriptor): HeldBytes {
    const held = new HeldBytes(descriptor, this.#parts.now());
    this.#entries.set(holder, new Entry(held, holder));
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
    return held;
  }

  remove(holder: WatchedHolder): void {
    const entry = this.#entries.get(holder);
    if (entry === undefined) return;
    this.#freed ||= entry.gone || entry.bytes > 0;
    this.#unfinished.done(entry);
    this.#entries.delete(holder);
    if (this.#entries.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  removeAll(): void {
    for (const holder of [...this.#entries.keys()]) this.remove(holder);
  }

  #tick(): void {
    const ms = this.tick();
    if (this.#entries.size > 0) this.#timer = setTimeout(() => this.#tick(), ms);
  }

  /**
   * Looks at the connections when the process has grown, or has not done so for a while.
   *
   * @returns milliseconds until the next tick
   */
  tick(): number {
    const [now, processBytes] = [this.#parts.now(), this.#parts.processBytes()];
    const ms = processBytes - this.#tickBytes >= GROWING_BYTES ? GROWING_TICK_MS : TICK_MS;
    this.#tickBytes = processBytes;
    this.#processBytes = Math.min(this.#processBytes, processBytes);
    if (now - this.#lookedAt < LOOK_MS && processBytes - this.#processBytes < STEP_BYTES) return ms;
    // Growing messages leave pieces behind, as do those that are gone.
    if (this.#freed || this.#unfinished.bytes > this.#parts.messageBytes) this.#parts.giveBack?.();
    this.#freed = false;
    this.#lookedAt = now;
    this.#processBytes = processBytes;
    const grown: [Entry, by: number][] = [];
    for (const entry of [...this.#entries.values()]) {
      const by = entry.gone ? 0 : this.#look(entry, now);
      if (by !== 0) grown.push([entry, by]);
    }
    // Only now, since whose turn comes later in this look has not stalled.
    this.#unfinished.grewTogether(grown);
    return ms;
  }

  /** Returns by how much the message has grown. */
  #look(entry: Entry, now: number): number {
    const { bytes, isNew } = entry.held.look(now);
    if (isNew) {
      this.#unfinished.done(entry);
      entry.bytes = 0;
    }
    const before = entry.bytes;
    entry.bytes = bytes;
    if (bytes > this.#parts.messageBytes * (1 + HEADS)) {
      this.#unfinished.done(entry);
      entry.gone = true;
      entry.holder.tooLarge();
      return 0;
    }
    return bytes - before;
  }
}

/** A connection whose unfinished messages are bounded. */
export interface Watched {
  readonly held: HeldBytes;
  /** Ends the connection at once, after these bytes. */
  cut(lastWords: Uint8Array<ArrayBuffer>): void;
  release(): void;
}

/** Bounds the connections of a server. */
export class Watcher implements Disposable {
  readonly #descriptors = TcpDescriptors.open();
  readonly #memory = FreeMemory.open();
  readonly #watch: UnfinishedWatch;
  #closed = false;

  constructor(messageBytes: number) {
    this.#watch = new UnfinishedWatch({
      messageBytes,
      processBytes: () => Deno.memoryUsage().rss,
      now: () => clock.monotonic(),
      giveBack: () => this.#memory?.giveBack(),
    });
  }

  /** Bounds what the system keeps of each new connection to that port. */
  boundNew(localPort: number): void {
    this.#descriptors?.boundNew(localPort, UNREAD_BYTES);
  }

  /** Cuts off those of the peers whose requests have too long a head. */
  cutLongHeads(peers: Iterable<End>, localPort: number): void {
    if (!this.#closed) this.#descriptors?.endLonger(peers, localPort, HEAD_BYTES, HEAD_TOO_LONG);
  }

  /** Undefined when the connection is gone, or where the system does not tell what it has received. */
  add(holder: WatchedHolder, { peer, localPort }: Arrival): Watched | undefined {
    const descriptor = this.#closed ? undefined : this.#descriptors?.find(peer, localPort);
    if (descriptor === undefined) return undefined;
    return {
      held: this.#watch.add(holder, descriptor),
      cut: (lastWords) => void (this.#closed || descriptor.end(lastWords)),
      release: () => {
        this.#watch.remove(holder);
        descriptor.release();
      },
    };
  }

  /** The server has stopped, and connections that are left have no bounds. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.removeAll();
    this.#descriptors?.[Symbol.dispose]();
    this.#memory?.[Symbol.dispose]();
  }
}
