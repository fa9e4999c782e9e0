// Does: counts commands, refusals, events and usage since the start, for metrics. Pure.
// Used by: the governor's owner, the router and the manager.
// Invariant: keys come from closed sets (codes and limits), so clients cannot make the tables grow.
import type { LimitName } from "./limits.ts";

/** Tokens and money of turns, as pi reports them. */
export interface UsageDelta {
  readonly turns: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly costUsd: number;
}

/** What was wrong with a request that the gate has refused. */
export type RefusedFor = "host" | "origin" | "peer" | "token" | "request";

/** Counts of one server. */
export class Counters {
  /** Responses by outcome: `ok`, or the code of an error. */
  readonly commands = new Map<string, number>();
  /** Refusals by the limit that was reached. */
  readonly refusals = new Map<LimitName, number>();
  /** Requests that the gate has refused, by what was wrong with them. */
  readonly refusedRequests = new Map<RefusedFor, number>();
  /** Connections that were admitted, and sessions that were created. */
  connectionsOpened = 0;
  sessionsCreated = 0;
  /** Events of sessions. */
  events = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Events that the outbox has merged into others. */
  coalesced = 0;
  /** The number of `lagged` messages. */
  lagged = 0;
  /** Connections that were closed because their clients read too slowly. */
  evicted = 0;
  #spent: UsageDelta = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 };

  /** Turns, tokens and cost of all sessions. */
  get spent(): UsageDelta {
    return this.#spent;
  }

  /** Counts the response to a command or an invalid message. */
  answered(outcome: string): void {
    this.commands.set(outcome, (this.commands.get(outcome) ?? 0) + 1);
  }

  refused(limit: LimitName): void {
    this.refusals.set(limit, (this.refusals.get(limit) ?? 0) + 1);
  }

  refusedRequest(why: RefusedFor): void {
    this.refusedRequests.set(why, (this.refusedRequests.get(why) ?? 0) + 1);
  }

  spend(more: UsageDelta): void {
    const { turns, input, output, cacheRead, cacheWrite, costUsd } = this.#spent;
    this.#spent = {
      turns: turns + more.turns,
      input: input + more.input,
      output: output + more.output,
      cacheRead: cacheRead + more.cacheRead,
      cacheWrite: cacheWrite + more.cacheWrite,
      costUsd: costUsd + more.costUsd,
    };
  }
}
