// Does: ends a server that no longer has clients (`--linger`).
// Used by: server.ts. The router reports each connection that comes or goes.
// Invariant: it never ends a server with a connection or a busy session.
import type { Clock, Timer } from "../runtime/runtime.ts";

/** Milliseconds that the first client gets to connect. */
const FIRST_MS = 60_000;

/** What it watches, and what it ends. */
export interface LingerParts {
  readonly clock: Clock;
  readonly lingerMs: number;
  /** Resolves when no session is busy. */
  idle(): Promise<void>;
  /** Begins the shutdown. */
  end(): void;
}

/** Waits for the time without clients. */
export class Linger {
  readonly #parts: LingerParts;
  #connections = 0;
  /** Grows with each change, so that a wait that is out of date has no effect. */
  #turn = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: LingerParts) {
    this.#parts = parts;
    this.#wait(Math.max(FIRST_MS, parts.lingerMs));
  }

  /** The number of connections has changed. */
  connections(count: number): void {
    if (this.#closed) return;
    this.#connections = count;
    this.#cancel();
    if (count === 0) void this.#whenIdle(this.#turn);
  }

  /** Waits no more. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #cancel(): void {
    this.#turn++;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  async #whenIdle(turn: number): Promise<void> {
    await this.#parts.idle();
    if (turn === this.#turn) this.#wait(this.#parts.lingerMs);
  }

  #wait(ms: number): void {
    const turn = this.#turn;
    this.#timer = this.#parts.clock.after(ms, () => {
      // A run that an extension began meanwhile is waited for as well.
      void this.#parts.idle().then(() => {
        if (turn === this.#turn && this.#connections === 0) this.#parts.end();
      });
    });
  }
}
