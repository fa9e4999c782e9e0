// Peers that have connected and have not been let in: each has its time, and there are at most so many. A new one
// takes the place of the one that has been there the longest, so that a flood of slow or silent peers keeps nobody
// out who says at once who he is. The same on Deno and Node, which say when a peer comes, and when it is let in.

import { clock } from "./running_clock.ts";
import type { Timer } from "./runtime.ts";

/** Milliseconds after which a peer that has not been let in is gone, whatever it is doing. */
const STRANGER_MS = 10_000;

/** Most peers that may be waited for at once. */
const STRANGERS = 512;

/** Everybody who is waited for. */
export class HandshakeLimiter<Peer> {
  /** In the order in which they came, with the end of their time. */
  readonly #waiting = new Map<Peer, Timer>();
  readonly #end: (peer: Peer) => void;
  readonly #most: number;
  readonly #forMs: number;

  /** `end` hangs up on a peer; it is called once for each whose time is over or whose place is taken. */
  constructor(end: (peer: Peer) => void, most: number = STRANGERS, forMs: number = STRANGER_MS) {
    this.#end = end;
    this.#most = most;
    this.#forMs = forMs;
  }

  /** Another peer is here. */
  came(peer: Peer): void {
    this.#waiting.set(peer, clock.after(this.#forMs, () => this.#drop(peer)));
    if (this.#waiting.size > this.#most) this.#dropOldest(1);
  }

  /** That peer was let in, or went by itself. */
  left(peer: Peer): void {
    this.#waiting.get(peer)?.clear();
    this.#waiting.delete(peer);
  }

  /** Hangs up on the older half: the machine has no room for more. */
  dropHalf(): void {
    this.#dropOldest(Math.ceil(this.#waiting.size / 2));
  }

  /** Hangs up on all. */
  dropAll(): void {
    this.#dropOldest(this.#waiting.size);
  }

  #dropOldest(count: number): void {
    for (const peer of [...this.#waiting.keys()].slice(0, count)) this.#drop(peer);
  }

  #drop(peer: Peer): void {
    this.left(peer);
    this.#end(peer);
  }
}
