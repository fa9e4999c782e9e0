// What the unfinished WebSocket messages of all peers of a server hold in memory: bounded in bytes together, and each
// message in time. When there is too much, the message that has not grown for the longest time goes. For runtimes
// that tell how many bytes came (node.ts).
import { clock } from "../running_clock.ts";
import type { Timer } from "../runtime.ts";

/** Most bytes of unfinished messages, unless two of the largest messages need more. */
const TOTAL_BYTES = 24 * 1024 * 1024;

/** Milliseconds in which a message must be complete. */
const MESSAGE_MS = 120_000;

/** Why an unfinished message is given up. */
export type Unwanted = "late" | "full";

/** A peer whose message is not complete. */
export interface Holder {
  /** Its connection has to end, at once. */
  giveUp(why: Unwanted): void;
}

interface Held {
  readonly bytes: number;
  readonly timer: Timer;
}

/** The unfinished messages of one server. */
export class Unfinished {
  /** In the order in which the messages grew last. */
  readonly #held = new Map<Holder, Held>();
  readonly #most: number;
  readonly #forMs: number;
  #bytes = 0;

  /** `messageBytes` is the most that one message may have. */
  constructor(messageBytes: number, most = TOTAL_BYTES, forMs = MESSAGE_MS) {
    this.#most = Math.max(most, 2 * messageBytes);
    this.#forMs = forMs;
  }

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So many more bytes of that peer have come, or fewer are held: a control frame was among them. */
  grew(holder: Holder, by: number): void {
    const held = this.#held.get(holder);
    const bytes = (held?.bytes ?? 0) + by;
    if (bytes <= 0) return this.done(holder);
    this.#bytes += by;
    // It is the last one now.
    this.#held.delete(holder);
    const timer = held?.timer ?? clock.after(this.#forMs, () => this.#giveUp(holder, "late"));
    this.#held.set(holder, { bytes, timer });
    for (const oldest of [...this.#bytes > this.#most ? this.#held.keys() : []]) {
      if (this.#bytes <= this.#most || oldest === holder) return;
      this.#giveUp(oldest, "full");
    }
  }

  /** The peer's message is complete, or the peer is gone. */
  done(holder: Holder): void {
    const held = this.#held.get(holder);
    if (held === undefined) return;
    held.timer.clear();
    this.#held.delete(holder);
    this.#bytes -= held.bytes;
  }

  #giveUp(holder: Holder, why: Unwanted): void {
    this.done(holder);
    holder.giveUp(why);
  }
}
