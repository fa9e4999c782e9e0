// Ends connections when their tokens expire: one timer for each connection that came in with such a token.
import type { Clock, Timer } from "../runtime/runtime.ts";
import type { Connection } from "./connection.ts";

/** The timers of all connections. */
export class Expiry {
  readonly #clock: Clock;
  readonly #end: (connection: Connection, reason: string) => void;
  readonly #timers = new Map<Connection, Timer>();

  constructor(clock: Clock, end: (connection: Connection, reason: string) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** From now on until the token expires; at once when it has expired since the gate saw it. */
  watch(connection: Connection): void {
    const { expiresAt } = connection.access;
    if (expiresAt === undefined) return;
    const left = Math.max(0, expiresAt - this.#clock.now());
    this.#timers.set(
      connection,
      this.#clock.after(left, () => this.#end(connection, "The token has expired")),
    );
  }

  /** The connection is gone. */
  forget(connection: Connection): void {
    this.#timers.get(connection)?.clear();
    this.#timers.delete(connection);
  }

  /** Clears all timers. */
  close(): void {
    for (const connection of [...this.#timers.keys()]) this.forget(connection);
  }
}
