// Does: sends the messages of one worker in order, in batches of a bounded size.
// Used by: session_worker.ts. Events of a fast stream wait a little for more; a reply takes waiting events along.
// Invariant: posted bytes that the server thread has not handled stay within the credit. The rest waits here.
import { CROSSING_BATCH_BYTES } from "../governor/limits.ts";
import type { Clock, Timer } from "../runtime/runtime.ts";
import type { EncodedEvent, FromWorker } from "./messages.ts";

/** Milliseconds that events of a fast stream wait for more. */
const BATCH_MS = 2;
/** The most events of one message, and the most bytes of them. A larger event goes alone. */
const EVENTS = 32;
const EVENTS_BYTES = 16 * 1024;
/** Roughly the cost of a message beside its texts. */
const MESSAGE_BYTES = 64;

type EventsMessage = Extract<FromWorker, { kind: "events" }>;

/** Makes a large message when its turn to be posted has come. */
export type MakeMessage = () => FromWorker;

interface QueuedMessage {
  message: FromWorker | MakeMessage;
  bytes: number;
}

/** The last waiting message, while more events of its session may join it. */
interface Tail {
  readonly entry: QueuedMessage;
  readonly sessionId: string;
  readonly events: EncodedEvent[];
}

function bytesOf(message: FromWorker): number {
  if (message.kind === "reply" && message.reply.ok) return message.reply.dataText.length + MESSAGE_BYTES;
  if (message.kind !== "states") return MESSAGE_BYTES;
  return message.sessions.reduce(
    (sum, { snapshot = "", infoText }) => sum + snapshot.length + infoText.length,
    MESSAGE_BYTES,
  );
}

/** The queue of one worker. */
export class SendQueue {
  readonly #clock: Clock;
  readonly #post: (batch: readonly FromWorker[], bytes: number) => void;
  readonly #window: number;
  #queue: QueuedMessage[] = [];
  #tail: Tail | undefined;
  #bytes = 0;
  /** Posted bytes that the other side has not handled yet. */
  #posted = 0;
  #state: "empty" | "soon" | "later" | "blocked" = "empty";
  #timer: Timer | undefined;
  #flushedAt = 0;

  /**
   * @param post takes a batch and its size; `addCredit` returns that size later
   * @param window bytes that may be posted before the other side has handled them
   */
  constructor(clock: Clock, post: (batch: readonly FromWorker[], bytes: number) => void, window: number) {
    this.#clock = clock;
    this.#post = post;
    this.#window = window;
  }

  /** Queues an event of a session. */
  sendEvent(sessionId: string, record: EncodedEvent): void {
    const bytes = record.text.length + (record.full?.length ?? 0) + (record.brief?.length ?? 0) +
      MESSAGE_BYTES;
    this.#bytes += bytes;
    const tail = this.#tail;
    if (
      tail !== undefined && tail.sessionId === sessionId && tail.events.length < EVENTS &&
      tail.entry.bytes + bytes <= EVENTS_BYTES
    ) {
      tail.events.push(record);
      tail.entry.bytes += bytes;
    } else {
      const events = [record];
      const message: EventsMessage = { kind: "events", sessionId, events };
      const entry = { message, bytes };
      this.#queue.push(entry);
      this.#tail = { entry, sessionId, events };
    }
    this.#scheduleFlush();
  }

  /** Queues any other message. A large one is made when it is posted, so that only one such text exists. */
  send(message: FromWorker | MakeMessage): void {
    const bytes = typeof message === "function" ? MESSAGE_BYTES : bytesOf(message);
    this.#bytes += bytes;
    this.#queue.push({ message, bytes });
    this.#tail = undefined;
    if (this.#state === "soon" || this.#state === "blocked") return;
    this.#soon();
  }

  /** Takes credit for bytes that the other side has handled. */
  addCredit(bytes: number): void {
    this.#posted -= bytes;
    if (this.#state === "blocked") this.#drain();
  }

  /** Posts everything at once, whatever the credit. The next step may never yield. */
  flush(): void {
    this.#drain(Infinity);
  }

  #scheduleFlush(): void {
    if (this.#state === "soon" || this.#state === "blocked") return;
    const waited = this.#clock.monotonic() - this.#flushedAt >= BATCH_MS;
    if (this.#state === "empty" && !waited) {
      this.#state = "later";
      this.#timer = this.#clock.after(BATCH_MS, this.#drain);
    } else if (this.#state === "empty" || waited || this.#bytes >= CROSSING_BATCH_BYTES) {
      // A timer would be too late: a whole answer may arrive in one turn of the event loop.
      this.#soon();
    }
  }

  #soon(): void {
    this.#timer?.clear();
    this.#state = "soon";
    queueMicrotask(() => {
      if (this.#state === "soon") this.#drain();
    });
  }

  #made(entry: QueuedMessage): FromWorker {
    if (typeof entry.message !== "function") return entry.message;
    entry.message = entry.message();
    this.#bytes -= entry.bytes;
    entry.bytes = bytesOf(entry.message);
    this.#bytes += entry.bytes;
    return entry.message;
  }

  readonly #drain = (window = this.#window): void => {
    this.#timer?.clear();
    this.#flushedAt = this.#clock.monotonic();
    const queue = this.#queue;
    let at = 0;
    while (at < queue.length && this.#posted < window) {
      const batch: FromWorker[] = [];
      let bytes = 0;
      for (let next = queue[at]; next !== undefined; next = queue[++at]) {
        // A large message is made alone, and only when its turn has come, so that it holds no other up for longer.
        if (batch.length > 0 && typeof next.message === "function") break;
        // A message that is too large for this batch waits for the next one.
        const message = this.#made(next);
        if (batch.length > 0 && bytes + next.bytes > CROSSING_BATCH_BYTES) break;
        batch.push(message);
        bytes += next.bytes;
      }
      this.#posted += bytes;
      this.#bytes -= bytes;
      this.#post(batch, bytes);
    }
    this.#queue = queue.slice(at);
    if (this.#queue.length === 0) this.#tail = undefined;
    this.#state = this.#queue.length === 0 ? "empty" : "blocked";
  };
}
