// Counts what is in use and refuses what would be too much (docs/PROTOCOL.md#limits). Check and reserve are one
// synchronous step; whoever reserved releases. Knows no connection or session beyond its key. Pure.
import { type Failure, failure } from "../protocol/errors.ts";
import { Counters } from "./counters.ts";
import { type LimitName, type Limits, RETRY_AFTER_MS } from "./limits.ts";
import { TokenBuckets } from "./token_bucket.ts";

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

function tooFast(limit: LimitName, most: number, what: string, retryAfterMs: number): Failure {
  const sentence = `${what} (limit ${limit}: ${most} in a minute); send it again in ${retryAfterMs} ms`;
  return failure("rate_limited", sentence, { retryAfterMs, data: { limit } });
}

/** The one bucket that all commands share. */
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
  /** Commands to sessions that there are not, by connection. */
  readonly #astray: TokenBuckets<number>;
  readonly #invalid: TokenBuckets<number>;

  constructor(limits: Limits) {
    this.limits = limits;
    this.#commands = new TokenBuckets(limits.commandsPerMinute);
    this.#ofSessions = new TokenBuckets(limits.commandsPerMinutePerSession);
    this.#astray = new TokenBuckets(limits.commandsPerMinutePerSession);
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

  /** Room for one more WebSocket connection, or `undefined`. */
  connection(): Permit | undefined {
    if (this.#connections >= this.limits.connections) {
      this.counters.refused("connections");
      return undefined;
    }
    this.#connections++;
    return once(() => this.#connections--);
  }

  /** Room for one more WebSocket connection of that minted token, or `undefined`; beside the room for any. */
  connectionOfToken(tokenId: string): Permit | undefined {
    const permit = take(this.#ofTokens, tokenId, this.limits.connectionsPerToken);
    if (permit === undefined) this.counters.refused("connectionsPerToken");
    return permit;
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

  /**
   * Counts a valid command, or says when it may come again; then nothing is counted.
   *
   * @param about the session that it is for; a connection's number when there is no such session; nothing when it
   *   is for none
   * @param now milliseconds on a clock that never goes back
   */
  command(about: string | number | undefined, now: number): Failure | undefined {
    const all = this.#commands.waitMs(ALL, now);
    const own = typeof about === "string"
      ? this.#ofSessions.waitMs(about, now)
      : about === undefined
      ? 0
      : this.#astray.waitMs(about, now);
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
    else if (about !== undefined) this.#astray.take(about, now);
    return undefined;
  }

  /** Counts a message that was no valid command, or says that there were too many. */
  invalid(connection: number, now: number): Failure | undefined {
    const ms = this.#invalid.waitMs(connection, now);
    const most = this.limits.invalidPerMinutePerConnection;
    const what = "This connection sends too many invalid messages";
    if (ms > 0) return tooFast("invalidPerMinutePerConnection", most, what, ms);
    this.#invalid.take(connection, now);
    return undefined;
  }

  /** A session is gone, and its rate with it. */
  sessionGone(sessionId: string): void {
    this.#ofSessions.forget(sessionId);
  }

  /** A connection is gone, and its rates with it. */
  connectionGone(connection: number): void {
    this.#astray.forget(connection);
    this.#invalid.forget(connection);
  }

  /** Room for one more parked session. */
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
