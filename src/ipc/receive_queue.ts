// What a host says, taken a slice at a time: between two slices the router thread turns to its sockets, however
// much has come. Keeps order; tells when a batch has been taken, so that the host may send more.
import { CROSSING_BATCH_BYTES } from "../governor/limits.ts";
import type { FromHost } from "./messages.ts";

/** Milliseconds after which the router thread turns to something else. */
const SLICE_MS = 2;

/** What an inbox is made of. */
export interface InboxParts {
  readonly clock: { monotonic(): number; soon(fn: () => void): void };
  take(message: FromHost): void;
  /** That many bytes have been taken. */
  took(bytes: number): void;
}

interface Batch {
  readonly messages: readonly FromHost[];
  readonly bytes: number;
  next: number;
}

/** The batches of one host. */
export class Inbox {
  readonly #parts: InboxParts;
  readonly #batches: Batch[] = [];
  #taken = 0;
  #state: "idle" | "waiting" | "closed" = "idle";

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** A batch has come. */
  push(messages: readonly FromHost[], bytes: number): void {
    if (this.#state === "closed") return;
    this.#batches.push({ messages, bytes, next: 0 });
    if (this.#state === "idle") this.#slice(SLICE_MS);
  }

  /** Takes all that is left at once; nothing comes behind it. */
  finish(): void {
    this.#slice(Infinity);
    this.close();
  }

  /** Drops what is left. */
  close(): void {
    this.#state = "closed";
    for (const batch of this.#batches.splice(0)) batch.next = batch.messages.length;
  }

  #slice(ms: number): void {
    const { clock, take } = this.#parts;
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
    this.#parts.clock.soon(() => {
      if (this.#state === "waiting") this.#slice(SLICE_MS);
    });
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < CROSSING_BATCH_BYTES) return;
    this.#parts.took(this.#taken);
    this.#taken = 0;
  }
}
