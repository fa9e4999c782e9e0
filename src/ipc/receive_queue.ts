// Does: handles the messages of one worker in short slices, so that the server thread can serve its sockets.
// Used by: worker_link.ts. Invariant: it keeps the order, and returns credit after each batch.
import { CROSSING_BATCH_BYTES } from "../governor/limits.ts";
import type { FromWorker } from "./messages.ts";

/** Milliseconds of one slice. */
const SLICE_MS = 2;

export interface ReceiveQueueParts {
  readonly clock: { monotonic(): number; nextTick(fn: () => void): void };
  handle(message: FromWorker): void;
  /** Returns credit for handled bytes. */
  addCredit(bytes: number): void;
}

interface Batch {
  readonly messages: readonly FromWorker[];
  readonly bytes: number;
  next: number;
}

/** The batches of one worker. */
export class ReceiveQueue {
  readonly #parts: ReceiveQueueParts;
  readonly #batches: Batch[] = [];
  #taken = 0;
  #state: "idle" | "waiting" | "closed" = "idle";

  constructor(parts: ReceiveQueueParts) {
    this.#parts = parts;
  }

  /** Adds a batch. */
  enqueueBatch(messages: readonly FromWorker[], bytes: number): void {
    if (this.#state === "closed") return;
    this.#batches.push({ messages, bytes, next: 0 });
    if (this.#state === "idle") this.#slice(SLICE_MS);
  }

  /** Handles the rest at once. No batch follows. */
  handleRest(): void {
    this.#slice(Infinity);
    this.discard();
  }

  /** Drops the rest. */
  discard(): void {
    this.#state = "closed";
    for (const batch of this.#batches.splice(0)) batch.next = batch.messages.length;
  }

  #slice(ms: number): void {
    const { clock, handle: take } = this.#parts;
    const until = clock.monotonic() + ms;
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      for (let message = batch.messages[batch.next]; message !== undefined;) {
        batch.next++;
        take(message);
        message = batch.messages[batch.next];
        if (message !== undefined && clock.monotonic() >= until) return this.#later();
      }
      // A handled message may have ended the worker.
      if (this.#batches.shift() === undefined) return;
      this.#took(batch.bytes);
      if (this.#batches.length > 0 && clock.monotonic() >= until) return this.#later();
    }
    this.#state = "idle";
  }

  #later(): void {
    if (this.#state === "closed") return;
    this.#state = "waiting";
    this.#parts.clock.nextTick(() => {
      if (this.#state === "waiting") this.#slice(SLICE_MS);
    });
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < CROSSING_BATCH_BYTES) return;
    this.#parts.addCredit(this.#taken);
    this.#taken = 0;
  }
}
