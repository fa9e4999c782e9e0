// Does: counts slots, commands and rates, and refuses what exceeds a limit (docs/PROTOCOL.md#limits). Pure.
// Used by: the router and the manager. It knows connections and sessions only by their keys.
// Invariant: check and reservation are one synchronous step, and the caller releases its reservation.
import { type Failure, failure } from "../protocol/errors.ts";
import { Counters } from "./counters.ts";
import { type LimitName, type Limits, RETRY_AFTER_MS } from "./limits.ts";
import { TokenBuckets } from "./token_bucket.ts";

/** A reservation. `release` gives it back once, however often it is called. */
export interface Permit {
  release(): void;
}

function refusal(limit: LimitName, most: number, what: string): Failure {
  return failure("overloaded", `${what} (limit ${limit}: ${most}); wait for answers, then send it again`, {
    retryAfterMs: RETRY_AFTER_MS,
    data: { limit },
  });
}

function tooFast(limit: LimitName, most: number, what: string, retryAfterMs: number): Failure {
  const sentence = `${what} (limit ${limit}: ${most} in a minute); send it again in ${retryAfterMs} ms`;
  return failure("rate_limited", sentence, { retryAfterMs, data: { limit } });
}

/** The key of the bucket that all commands share. */
const ALL = "all";

/** The counters of one server. */
export class Governor {
  readonly limits: Limits;
  /** What has happened so far. */
  readonly counters = new Counters();
  #connections = 0;
  /** Connections of minted tokens. */
  readonly #ofTokens = new Map<string, number>();
  #sessions = 0;
  #parked = 0;
  readonly #inFlight = new Map<number, number>();
  readonly #mailboxes = new Map<string, number>();
  readonly #commands: TokenBuckets<typeof ALL>;
  readonly #ofSessions: TokenBuckets<string>;
  /** Commands to sessions that do not exist, by connection. */
  readonly #unknownSession: TokenBuckets<number>;
  readonly #invalid: TokenBuckets<number>;

  constructor(limits: Limits) {
    this.limits = limits;
    this.#commands = new TokenBuckets(limits.commandsPerMinute);
    this.#ofSessions = new TokenBuckets(limits.commandsPerMinutePerSession);
    this.#unknownSession = new TokenBuckets(limits.commandsPerMinutePerSession);
    this.#invalid = new TokenBuckets(limits.invalidPerMinutePerConnection);
  }

  /** Connections that are open or half open. */
  get connections(): number {
    return this.#connections;
  }

  /** Sessions that are live or being built. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Sessions that are parked. */
  get parkedSessions(): number {
    return this.#parked;
  }

  /** Reserves one more WebSocket connection. Undefined at the limit. */
  connection(): Permit | undefined {
    if (this.#connections >= this.limits.connections) {
      this.counters.refused("connections");
      return undefined;
    }
    this.#connections++;
    return once(() => this.#connections--);
  }

  /**
   * Reserves one more connection of a minted token, beside the reservation of `connection`. Undefined at the
   * limit.
   */
  connectionOfToken(tokenId: string): Permit | undefined {
    const permit = take(this.#ofTokens, tokenId, this.limits.connectionsPerToken);
    if (permit === undefined) this.counters.refused("connectionsPerToken");
    return permit;
  }

  /** Reserves the slot of one more live session. */
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

  /**
   * Counts a valid command. Or returns a failure with the time of the next try, and counts nothing.
   *
   * @param about the session of the command, or the number of the connection when that session does not exist;
   *   undefined for a command without a session
   * @param now milliseconds on a clock that never goes back
   */
  command(about: string | number | undefined, now: number): Failure | undefined {
    const all = this.#commands.waitMs(ALL, now);
    const own = typeof about === "string"
      ? this.#ofSessions.waitMs(about, now)
      : about === undefined
      ? 0
      : this.#unknownSession.waitMs(about, now);
    const { commandsPerMinute, commandsPerMinutePerSession } = this.limits;
    if (all > 0 && all >= own) {
      return tooFast("commandsPerMinute", commandsPerMinute, "The server gets too many commands", all);
    }
    if (own > 0) {
      const what = typeof about === "string"
        ? "This session gets too many commands"
        : "This connection sends too many commands to sessions that are not there";
      return tooFast("commandsPerMinutePerSession", commandsPerMinutePerSession, what, own);
    }
    this.#commands.take(ALL, now);
    if (typeof about === "string") this.#ofSessions.take(about, now);
    else if (about !== undefined) this.#unknownSession.take(about, now);
    return undefined;
  }

  /** Counts an invalid message. Returns a failure above the limit. */
  invalid(connection: number, now: number): Failure | undefined {
    const ms = this.#invalid.waitMs(connection, now);
    const most = this.limits.invalidPerMinutePerConnection;
    const what = "This connection sends too many invalid messages";
    if (ms > 0) return tooFast("invalidPerMinutePerConnection", most, what, ms);
    this.#invalid.take(connection, now);
    return undefined;
  }

  /** A session has ended. Drops its rate. */
  sessionGone(sessionId: string): void {
    this.#ofSessions.forget(sessionId);
  }

  /** A connection has ended. Drops its rates. */
  connectionGone(connection: number): void {
    this.#unknownSession.forget(connection);
    this.#invalid.forget(connection);
  }

  /** Reserves the slot of one more parked session. */
  parked(): Permit | Failure {
    const most = this.limits.parkedSessions;
    if (this.#parked >= most) {
      const sentence =
        `There are ${most} parked sessions, the most allowed; delete one, or raise --max-parked-sessions`;
      return failure("session_limit", sentence, { data: { limit: "parkedSessions" } });
    }
    this.#parked++;
    return once(() => this.#parked--);
  }

  /** Reserves one more unanswered command of a connection. */
  inFlight(connection: number): Permit | Failure {
    const most = this.limits.inFlightPerConnection;
    return take(this.#inFlight, connection, most) ??
      refusal("inFlightPerConnection", most, "Too many commands of this connection wait for their answer");
  }

  /** Reserves one more command in a session's mailbox, until the command has run or left it. */
  mailbox(sessionId: string): Permit | Failure {
    const most = this.limits.mailbox;
    // One of them runs. The limit counts those that wait.
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
