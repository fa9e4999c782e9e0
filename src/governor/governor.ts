// Counts what is in use and refuses what would be too much (PROTOCOL §8). Check and reserve are one
// synchronous step; whoever reserved releases. Knows no connection or session beyond its key. Pure.
import { type Failure, failure } from "../protocol/errors.ts";
import { type LimitName, type Limits, RETRY_AFTER_MS } from "./limits.ts";

/** Something reserved; `release` gives it back, once, however often it is called. */
export interface Permit {
  release(): void;
}

function refusal(limit: LimitName, most: number, what: string): Failure {
  return failure("overloaded", `${what} (limit ${limit}: ${most}); wait for answers, then send it again`, {
    retryAfterMs: RETRY_AFTER_MS,
    data: { limit },
  });
}

/** The counters of one server. */
export class Governor {
  readonly limits: Limits;
  #connections = 0;
  #sessions = 0;
  readonly #inFlight = new Map<number, number>();
  readonly #mailboxes = new Map<string, number>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** Connections that are open or half open. */
  get connections(): number {
    return this.#connections;
  }

  /** Sessions that are live or being built. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Room for one more WebSocket connection, or `undefined`. */
  connection(): Permit | undefined {
    if (this.#connections >= this.limits.connections) return undefined;
    this.#connections++;
    return once(() => this.#connections--);
  }

  /** Room for one more live session. */
  session(): Permit | Failure {
    const most = this.limits.sessions;
    if (this.#sessions >= most) {
      const sentence =
        `There are ${most} live sessions, the most allowed; delete one, or raise --max-sessions`;
      return failure("session_limit", sentence, { data: { limit: "sessions" } });
    }
    this.#sessions++;
    return once(() => this.#sessions--);
  }

  /** Room for one more unanswered command on that connection. */
  inFlight(connection: number): Permit | Failure {
    const most = this.limits.inFlightPerConnection;
    return take(this.#inFlight, connection, most) ??
      refusal("inFlightPerConnection", most, "Too many commands of this connection wait for their answer");
  }

  /** Room for one more command in that session's mailbox; released when it has run or left it. */
  mailbox(sessionId: string): Permit | Failure {
    const most = this.limits.mailbox;
    // One of them runs; the limit is about those that wait.
    return take(this.#mailboxes, sessionId, most + 1) ??
      refusal("mailbox", most, "Too many commands wait in this session");
  }
}

/** Tells a permit from a failure. */
export function isPermit(value: Permit | Failure): value is Permit {
  return "release" in value;
}

function take<K>(counts: Map<K, number>, key: K, most: number): Permit | undefined {
  const count = counts.get(key) ?? 0;
  if (count >= most) return undefined;
  counts.set(key, count + 1);
  return once(() => {
    const left = (counts.get(key) ?? 1) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  });
}

function once(fn: () => void): Permit {
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      fn();
    },
  };
}
