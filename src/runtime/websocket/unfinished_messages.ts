// Does: limits the memory of unfinished WebSocket messages of all peers, and the time of each message.
// Used by: node/websocket.ts, which sees every byte, and deno/unfinished_watch.ts, which asks the system.
// Invariant: at the limit, the message that has not grown for the longest time goes.
import { clock } from "../running_clock.ts";
import type { Timer } from "../runtime.ts";

/** The most bytes of unfinished messages, unless two of the largest messages need more. */
const TOTAL_BYTES = 20 * 1024 * 1024;

/** Milliseconds in which a message must be complete. */
const MESSAGE_MS = 120_000;

/** Why a message is dropped. */
export type Unwanted = "late" | "full";

/** Close code and reason for each. */
export const WHY_UNWANTED: Readonly<Record<Unwanted, [code: number, reason: string]>> = {
  late: [1008, "A message took too long to arrive; send it again, faster"],
  full: [1013, "Too many messages are unfinished; connect again and send it again later"],
};

/** A peer with an unfinished message. */
export interface Holder {
  /** Ends the connection at once. */
  giveUp(why: Unwanted): void;
}

interface Held {
  readonly bytes: number;
  readonly timer: Timer;
}

/** The unfinished messages of one server. */
export class Unfinished {
  /** In the order in which the messages last grew. */
  readonly #held = new Map<Holder, Held>();
  readonly #most: number;
  readonly #forMs: number;
  #bytes = 0;

  /** `messageBytes` is the limit of one message. */
  constructor(messageBytes: number, most = TOTAL_BYTES, forMs = MESSAGE_MS) {
    this.#most = Math.max(most, 2 * messageBytes);
    this.#forMs = forMs;
  }

  /** The bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** More bytes of that peer have arrived, or fewer are held after a control frame. */
  grew(holder: Holder, by: number): void {
    this.#change(holder, by);
    this.#makeRoom();
  }

  /** The same for several peers whose messages have grown at the same time, as far as anybody knows. */
  grewTogether(changes: Iterable<readonly [holder: Holder, by: number]>): void {
    for (const [holder, by] of changes) this.#change(holder, by);
    this.#makeRoom();
  }

  /** The message is complete, or the peer is gone. */
  done(holder: Holder): void {
    const held = this.#held.get(holder);
    if (held === undefined) return;
    held.timer.clear();
    this.#held.delete(holder);
    this.#bytes -= held.bytes;
  }

  #change(holder: Holder, by: number): void {
    const held = this.#held.get(holder);
    const bytes = (held?.bytes ?? 0) + by;
    if (bytes <= 0) return this.done(holder);
    this.#bytes += by;
    // It becomes the last one.
    this.#held.delete(holder);
    const timer = held?.timer ?? clock.after(this.#forMs, () => this.#giveUp(holder, "late"));
    this.#held.set(holder, { bytes, timer });
  }

  /** Drops the oldest ones, but for the last one of all. */
  #makeRoom(): void {
    if (this.#bytes <= this.#most) return;
    for (const oldest of [...this.#held.keys()].slice(0, -1)) {
      this.#giveUp(oldest, "full");
      if (this.#bytes <= this.#most) return;
    }
  }

  #giveUp(holder: Holder, why: Unwanted): void {
    this.done(holder);
    holder.giveUp(why);
  }
}
