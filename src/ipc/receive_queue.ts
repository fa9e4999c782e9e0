// What a host says, taken a slice at a time: between two slices the router thread turns to its sockets, however
// much has come. Keeps order; tells when a batch has been taken, so that the host may send more.
import { CROSSING_BATCH_BYTES } from "../governor/limits.ts";
import type { FromWorker } from "./messages.ts";

/** Milliseconds after which the router thread turns to something else. */
const SLICE_MS = 2;

/** What an inbox is made of. */
export interface ReceiveQueueParts {
  readonly clock: { monotonic(): number; nextTick(fn: () => void): void };
  handle(message: FromWorker): void;
  /** That many bytes have been taken. */
  addCredit(bytes: number): void;
}

interface Batch {
  readonly messages: readonly FromWorker[];
  readonly bytes: number;
  next: number;
}

/** The batches of one host. */
export class ReceiveQueue {
  readonly #parts: ReceiveQueueParts;
  readonly #batches: Batch[] = [];
  #taken = 0;
  #state: "idle" | "waiting" | "closed" = "idle";

  constructor(parts: ReceiveQueueParts) {
    this.#parts = parts;
  }

  /** A batch has come. */
  enqueueBatch(messages: readonly FromWorker[], bytes: number): void {
    if (this.#state === "closed") return;
    this.#batches.push({ messages, bytes, next: 0 });
    if (this.#state === "idle") this.#slice(SLICE_MS);
  }

  /** Takes all that is left at once; nothing comes behind it. */
  handleRest(): void {
    this.#slice(Infinity);
    this.discard();
  }

  /** Drops what is left. */
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
      // What was taken may have been the host's end.
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
