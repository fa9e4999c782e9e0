// Does: gives each connection a share of every turn of the event loop.
// Used by: websocket.ts and stdio.ts. Further messages wait, in order and bounded.
// Invariant: where the runtime can stop reading, the peer waits instead.

/** Messages of one connection in one turn: a third of a millisecond of work. */
const SHARE = 64;

/** Characters for which a message counts as one more, because they take as long to read. */
const CHARACTERS = 4_096;

/** Waiting messages, and their bytes, at which the server stops reading, where the runtime can. */
const [HOLD_MESSAGES, HOLD_BYTES] = [1024, 1024 * 1024];

/** The most messages, and bytes, that wait for one connection: far more than a burst of commands. */
const [MOST_MESSAGES, MOST_BYTES] = [65_536, 32 * 1024 * 1024];

/** The most bytes that wait for all connections. */
const TOTAL_BYTES = 48 * 1024 * 1024;

/** Bytes of a waiting message beside its text. */
const OVERHEAD_BYTES = 64;

/** Empty slots at the front of the queue at which the rest is moved. */
const SLOTS = 1024;

/** Waiting messages of all connections of a server. */
export class Backlog {
  bytes = 0;
}

export interface FairInboxParts {
  /** Calls a function in the next turn of the event loop. */
  soon(fn: () => void): void;
  /** Called with each message, in order. */
  take(text: string): void;
  /** Resolves when the peer has read enough answers for further commands. Undefined when it has. */
  room(): Promise<void> | undefined;
  /** Stops reading. False where the runtime cannot. */
  pause(): boolean;
  resume(): void;
  /** Too many messages wait. Called once; no message is taken after it. */
  full(): void;
  readonly backlog: Backlog;
}

/** The inbound messages of one connection. */
export class FairInbox {
  readonly #parts: FairInboxParts;
  #waiting: string[] = [];
  /** The index of the first message in `#waiting`. */
  #head = 0;
  #bytes = 0;
  /** Messages taken since the last wait for a turn; a long one counts as several. */
  #used = 0;
  #paused = false;
  #closed = false;

  constructor(parts: FairInboxParts) {
    this.#parts = parts;
  }

  /** Adds a message. */
  push(text: string): void {
    if (this.#closed) return;
    if (this.#used < SHARE) return this.#pass(text);
    this.#waiting.push(text);
    this.#count(text.length + OVERHEAD_BYTES);
    const messages = this.#waiting.length - this.#head;
    if (!this.#paused && (messages > HOLD_MESSAGES || this.#bytes > HOLD_BYTES)) {
      this.#paused = this.#parts.pause();
    }
    if (messages <= MOST_MESSAGES && this.#bytes <= MOST_BYTES && this.#parts.backlog.bytes <= TOTAL_BYTES) {
      return;
    }
    this.close();
    this.#parts.full();
  }

  /** Drops waiting messages, and all later ones. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#head = 0;
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#parts.backlog.bytes += bytes;
  }

  #next(): void {
    this.#used = 0;
    while (this.#used < SHARE && this.#head < this.#waiting.length) {
      const text = this.#waiting[this.#head] ?? "";
      this.#waiting[this.#head++] = "";
      this.#count(-text.length - OVERHEAD_BYTES);
      this.#pass(text);
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    } else if (this.#head > SLOTS && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    const few = this.#waiting.length - this.#head <= HOLD_MESSAGES / 2 && this.#bytes <= HOLD_BYTES / 2;
    if (!this.#paused || !few) return;
    this.#paused = false;
    this.#parts.resume();
  }

  #pass(text: string): void {
    const used = this.#used;
    this.#used += 1 + Math.floor(text.length / CHARACTERS);
    // A connection waits for a turn only when it sends much.
    if (used < SHARE && this.#used >= SHARE) this.#wait();
    this.#parts.take(text);
  }

  #wait(): void {
    const next = (): void => this.#parts.soon(() => this.#next());
    const room = this.#parts.room();
    if (room === undefined) next();
    else void room.then(next);
  }
}
