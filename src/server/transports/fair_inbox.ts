// Fairness among connections: one that sends thousands of messages at once gets its share of each turn of the event
// loop. The rest waits, in order and bounded. Where the runtime can stop reading, the peer waits instead.

/** Messages of one connection that are taken in one turn: a third of a millisecond's work, and a turn costs little. */
const SHARE = 64;

/** Waiting messages, and their bytes, from which the peer is read no further, where the runtime can do that. */
const [HOLD_MESSAGES, HOLD_BYTES] = [1024, 1024 * 1024];

/** Most messages, and bytes, that wait for one connection: far more than a burst of commands, and little memory. */
const [MOST_MESSAGES, MOST_BYTES] = [65_536, 32 * 1024 * 1024];

/** Most bytes that wait for all connections. */
const TOTAL_BYTES = 48 * 1024 * 1024;

/** Bytes that a waiting message takes beside its text. */
const OVERHEAD_BYTES = 64;

/** Empty slots at the front of the queue from which it is worth moving the rest. */
const SLOTS = 1024;

/** What waits for all connections of a server. */
export class Backlog {
  bytes = 0;
}

/** What a pace is made of. */
export interface PaceParts {
  /** Calls a function in the next turn of the event loop. */
  soon(fn: () => void): void;
  /** Called with each message, in order. */
  take(text: string): void;
  /** Resolves when the peer has read enough of its answers to be asked for more; undefined when it has. */
  room(): Promise<void> | undefined;
  /** Stops reading; false where the runtime cannot. */
  pause(): boolean;
  resume(): void;
  /** More waits than may. Called once; nothing is taken after it. */
  full(): void;
  readonly backlog: Backlog;
}

/** The inbound messages of one connection. */
export class FairInbox {
  readonly #parts: PaceParts;
  #waiting: string[] = [];
  /** Where in `#waiting` the first message is. */
  #head = 0;
  #bytes = 0;
  /** Messages taken since the last turn that was waited for. */
  #used = 0;
  #paused = false;
  #closed = false;

  constructor(parts: PaceParts) {
    this.#parts = parts;
  }

  /** A message has come. */
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

  /** Drops what waits, and everything that comes from now on. */
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
    // A connection waits for a turn only when it sends much.
    if (++this.#used === SHARE) this.#wait();
    this.#parts.take(text);
  }

  #wait(): void {
    const next = (): void => this.#parts.soon(() => this.#next());
    const room = this.#parts.room();
    if (room === undefined) next();
    else void room.then(next);
  }
}
