// Fairness among connections: one that sends thousands of messages at once gets its share of each turn of the
// event loop, and the rest of it waits, in order, while others are served.
import type { Clock, Timer } from "../runtime/runtime.ts";

/** Messages of one connection that are taken in one turn. A turn lasts about a millisecond when it is used up. */
const SHARE = 128;

/** The inbound messages of one connection. */
export class Pace {
  readonly #clock: Clock;
  readonly #take: (text: string) => void;
  #waiting: string[] = [];
  #used = 0;
  #turn: Timer | undefined;

  /** @param take called with each message, in order */
  constructor(clock: Clock, take: (text: string) => void) {
    this.#clock = clock;
    this.#take = take;
  }

  /** A message has come. */
  push(text: string): void {
    this.#turn ??= this.#clock.after(0, () => this.#next());
    if (this.#waiting.length > 0 || this.#used >= SHARE) this.#waiting.push(text);
    else this.#pass(text);
  }

  /** Drops what waits. */
  close(): void {
    this.#turn?.clear();
    this.#waiting = [];
  }

  #next(): void {
    this.#turn = undefined;
    this.#used = 0;
    if (this.#waiting.length === 0) return;
    this.#turn = this.#clock.after(0, () => this.#next());
    const now = this.#waiting.slice(0, SHARE);
    this.#waiting = this.#waiting.slice(SHARE);
    for (const text of now) this.#pass(text);
  }

  #pass(text: string): void {
    this.#used++;
    this.#take(text);
  }
}
