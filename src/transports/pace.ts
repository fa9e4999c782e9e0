// Fairness among connections: one that sends thousands of messages at once gets its share of each turn of the
// event loop, and the rest of it waits, in order, while others are served.

/** Messages of one connection that are taken in one turn: a third of a millisecond's work, and a turn costs little. */
const SHARE = 64;

/** The inbound messages of one connection. */
export class Pace {
  readonly #soon: (fn: () => void) => void;
  readonly #take: (text: string) => void;
  #waiting: string[] = [];
  /** Messages taken since the last turn that was waited for. */
  #used = 0;

  /**
   * @param soon calls a function in the next turn of the event loop
   * @param take called with each message, in order
   */
  constructor(soon: (fn: () => void) => void, take: (text: string) => void) {
    this.#soon = soon;
    this.#take = take;
  }

  /** A message has come. */
  push(text: string): void {
    if (this.#used >= SHARE) this.#waiting.push(text);
    else this.#pass(text);
  }

  /** Drops what waits. */
  close(): void {
    this.#waiting = [];
  }

  #next(): void {
    this.#used = 0;
    const now = this.#waiting.splice(0, SHARE);
    for (const text of now) this.#pass(text);
  }

  #pass(text: string): void {
    // Only who sends much has to wait for a turn.
    if (++this.#used === SHARE) this.#soon(() => this.#next());
    this.#take(text);
  }
}
