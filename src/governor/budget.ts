// What a session may spend (money, turns, time in which its agent works) and what it has spent. Says when a limit is
// reached; what follows is its owner's business. Pure: time is an argument, in milliseconds on a clock that never
// goes back.

/** What a used-up budget stops: a run before its next turn, or a run before its next turn, tool, or at once. */
export type OnExceed = "pause" | "abort";

/** Limits of one session; one that is absent does not bound. */
export interface BudgetLimits {
  readonly maxUsd?: number;
  readonly maxTurns?: number;
  readonly maxWallMs?: number;
  readonly onExceed: OnExceed;
}

/** What was spent since the session was made. */
export interface BudgetUsage {
  readonly usd: number;
  readonly turns: number;
  /** Time in which the agent worked; waiting for a person does not count. */
  readonly wallMs: number;
}

/** The limits by name. */
export type BudgetLimit = "maxUsd" | "maxTurns" | "maxWallMs";

/** The budget of one session. */
export class Budget {
  #limits: BudgetLimits | undefined;
  #usd = 0;
  #turns = 0;
  #wallMs = 0;
  /** Since when the agent works, while it does. */
  #since: number | undefined;

  constructor(limits?: BudgetLimits, used: BudgetUsage = { usd: 0, turns: 0, wallMs: 0 }) {
    this.#limits = limits;
    this.#usd = used.usd;
    this.#turns = used.turns;
    this.#wallMs = used.wallMs;
  }

  get limits(): BudgetLimits | undefined {
    return this.#limits;
  }

  /** Replaces the limits; what was spent stays. */
  set(limits: BudgetLimits | undefined): void {
    this.#limits = limits;
  }

  spend(usd: number, turns: number): void {
    this.#usd += usd;
    this.#turns += turns;
  }

  /** The agent works from now on, or no longer. */
  work(working: boolean, now: number): void {
    if (working) this.#since ??= now;
    else if (this.#since !== undefined) {
      this.#wallMs += now - this.#since;
      this.#since = undefined;
    }
  }

  usage(now: number): BudgetUsage {
    const running = this.#since === undefined ? 0 : now - this.#since;
    return { usd: this.#usd, turns: this.#turns, wallMs: Math.round(this.#wallMs + running) };
  }

  /** The limit that is reached; the first one, if there are several. */
  exceeded(now: number): BudgetLimit | undefined {
    const { maxUsd = Infinity, maxTurns = Infinity, maxWallMs = Infinity } = this.#limits ?? {};
    const { usd, turns, wallMs } = this.usage(now);
    if (usd >= maxUsd) return "maxUsd";
    if (turns >= maxTurns) return "maxTurns";
    return wallMs >= maxWallMs ? "maxWallMs" : undefined;
  }

  /** Milliseconds of work that are left; undefined when they are not bounded, or the agent does not work. */
  wallMsLeft(now: number): number | undefined {
    const most = this.#limits?.maxWallMs;
    if (most === undefined || this.#since === undefined) return undefined;
    return Math.max(0, most - this.usage(now).wallMs);
  }
}
