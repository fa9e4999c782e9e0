// Does: limits connections that have not authenticated yet. Each has a deadline, and their number is capped.
// Used by: the listeners of Deno and Node.
// Invariant: at the cap the oldest is dropped, so a flood of silent peers cannot block clients that authenticate at once.

import { clock } from "../running_clock.ts";
import type { Timer } from "../runtime.ts";

/** Milliseconds after which an unauthenticated peer is dropped, whatever it does. */
const STRANGER_MS = 10_000;

/** The most unauthenticated peers. */
const STRANGERS = 512;

/** The unauthenticated peers. */
export class HandshakeLimiter<Peer> {
  /** In the order of arrival, each with its deadline. */
  readonly #waiting = new Map<Peer, Timer>();
  readonly #end: (peer: Peer) => void;
  readonly #most: number;
  readonly #forMs: number;

  /** `end` drops a peer. It is called once for each peer whose deadline has passed or whose place is taken. */
  constructor(end: (peer: Peer) => void, most: number = STRANGERS, forMs: number = STRANGER_MS) {
    this.#end = end;
    this.#most = most;
    this.#forMs = forMs;
  }

  /** A peer has connected. */
  came(peer: Peer): void {
    this.#waiting.set(peer, clock.after(this.#forMs, () => this.#drop(peer)));
    if (this.#waiting.size > this.#most) this.#dropOldest(1);
  }

  /** The peer has authenticated, or has gone. */
  left(peer: Peer): void {
    this.#waiting.get(peer)?.clear();
    this.#waiting.delete(peer);
  }

  /** Drops the older half, because the machine has no room for more. */
  dropHalf(): void {
    this.#dropOldest(Math.ceil(this.#waiting.size / 2));
  }

  /** Drops all peers. */
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
