// Does: ends connections when their tokens expire by the wall clock, with one timer for all of them.
// Used by: the router. The wall clock may be set, and runs on while the machine sleeps, so the timer checks it often.
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { Connection } from "./connection.ts";

/** Milliseconds between two checks of the wall clock, while any token can expire. */
const LOOK_MS = 1_000;

/** The tokens of all connections. */
export class TokenExpiry {
  readonly #clock: Clock;
  readonly #end: (connection: Connection, reason: string) => void;
  readonly #expires = new Map<Connection, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, end: (connection: Connection, reason: string) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** Watches a connection until its token expires. It may have expired since the gate saw it. */
  watch(connection: Connection): void {
    const { expiresAt } = connection.access;
    if (expiresAt === undefined) return;
    this.#expires.set(connection, expiresAt);
    this.#arm();
  }

  /** The connection is gone. */
  forget(connection: Connection): void {
    this.#expires.delete(connection);
    if (this.#expires.size === 0) this.close();
  }

  /** Clears the timer. */
  close(): void {
    this.#expires.clear();
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer?.clear();
    const first = Math.min(...this.#expires.values());
    const left = Math.min(Math.max(0, first - this.#clock.now()), LOOK_MS);
    this.#timer = this.#clock.after(left, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const [connection, expiresAt] of [...this.#expires]) {
      if (expiresAt > now) continue;
      this.#expires.delete(connection);
      this.#end(connection, "The token has expired");
    }
    if (this.#expires.size > 0) this.#arm();
  }
}
