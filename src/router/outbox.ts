// What waits for one peer. Hands the transport a little at a time, so that the rest can be freed at once
// when the peer stalls, and reports when more is queued than the limit allows.
import { SOCKET_WINDOW_BYTES } from "../governor/limits.ts";
import type { Wire } from "./wire.ts";

/** The queue of one connection. */
export class Outbox {
  readonly #wire: Wire;
  readonly #closeBytes: number;
  readonly #overflow: () => void;
  readonly #flushed: (() => void)[] = [];
  #queue: string[] = [];
  #head = 0;
  #bytes = 0;
  #closed = false;

  /**
   * @param closeBytes most that may be queued, counted in UTF-16 units: exact for ASCII, low for the rest
   * @param overflow called once when more is queued
   */
  constructor(wire: Wire, closeBytes: number, overflow: () => void) {
    this.#wire = wire;
    this.#closeBytes = closeBytes;
    this.#overflow = overflow;
    wire.onDrain = () => this.#pump();
  }

  /** What is queued here, beyond what the transport holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Queues a message. */
  push(text: string): void {
    if (this.#closed) return;
    this.#queue.push(text);
    this.#bytes += text.length;
    this.#pump();
    if (this.#bytes <= this.#closeBytes) return;
    this.close();
    this.#overflow();
  }

  /** Resolves when everything has been handed over and taken. */
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
    for (const fn of this.#flushed.splice(0)) fn();
  }

  #pump(): void {
    while (this.#head < this.#queue.length && this.#wire.buffered < SOCKET_WINDOW_BYTES) {
      const text = this.#queue[this.#head++] ?? "";
      this.#bytes -= text.length;
      this.#wire.send(text);
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      if (this.#wire.buffered === 0) { for (const fn of this.#flushed.splice(0)) fn(); }
    } else if (this.#head > 1024) {
      // What was sent must not be kept by the array that held it.
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
