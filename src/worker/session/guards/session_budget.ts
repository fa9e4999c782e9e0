// Does: counts what a session spends, reports a used-up budget, refuses messages, and aborts runs if asked to.
// Used by: run_guards.ts; session_worker.ts hands it the usage of each event.
// Invariant: a complete turn is never aborted for the budget.
import {
  Budget,
  type BudgetLimit,
  type BudgetLimits,
  type BudgetUsage,
  type OnExceed,
} from "../../../governor/budget.ts";
import type { UsageDelta } from "../../../governor/counters.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

/** A client's budget. Without limits, the client has lifted them. */
export interface KeptBudget {
  readonly limits?: BudgetLimits | undefined;
}

export interface SessionBudgetParts {
  readonly clock: Clock;
  /** The budget until a client sets one. */
  readonly default?: BudgetLimits | undefined;
  /** The client's budget and the usage in the session record. */
  readonly kept?: KeptBudget | undefined;
  readonly used?: BudgetUsage | undefined;
  emit(event: SessionEvent): void;
  /** Stops the run. */
  stop(): void;
}

/** The budget in a session's state. */
export interface BudgetState {
  readonly usage: BudgetUsage;
  readonly budget?: BudgetLimits & { readonly exceeded?: BudgetLimit };
}

/** What a used-up budget lets no run begin; each of them costs money or time. */
const STOPS: Readonly<Record<OnExceed, ReadonlySet<string>>> = {
  pause: new Set(["turn_start"]),
  abort: new Set(["turn_start", "tool_execution_start"]),
};

/** The budget of one session. */
export class SessionBudget {
  readonly #parts: SessionBudgetParts;
  readonly #budget: Budget;
  #run: "none" | "working" | "asking" = "none";
  #reported = false;
  #kept: KeptBudget | undefined;
  #timer: Timer | undefined;

  constructor(parts: SessionBudgetParts) {
    this.#parts = parts;
    this.#kept = parts.kept;
    this.#budget = new Budget(parts.kept === undefined ? parts.default : parts.kept.limits, parts.used);
  }

  /** The client's budget for the session record. Undefined when no client has set one. */
  get kept(): { readonly limits: BudgetLimits | null } | undefined {
    // JSON has no undefined, so lifted limits are null.
    return this.#kept === undefined ? undefined : { limits: this.#kept.limits ?? null };
  }

  /** The budget's part of get_state. */
  get state(): BudgetState {
    const now = this.#now();
    const { limits } = this.#budget;
    const usage = this.#budget.usage(now);
    if (limits === undefined) return { usage };
    const exceeded = this.#budget.exceeded(now);
    return { usage, budget: { ...limits, ...(exceeded === undefined ? {} : { exceeded }) } };
  }

  /** Replaces the limits, or lifts them. */
  set(limits: BudgetLimits | undefined): void {
    this.#budget.set(limits);
    this.#kept = { limits };
    this.#reported = false;
    this.#check();
    if (this.#run !== "none" && limits?.onExceed === "abort") this.#stopIfExceeded();
  }

  /** Why a message to the agent is refused. Undefined when it is not. */
  get refusal(): Failure | undefined {
    const { usage, budget } = this.state;
    if (budget?.exceeded === undefined) return undefined;
    const { exceeded: limit } = budget;
    const sentence = `The session's budget is used up (${limit}: ${budget[limit]}); raise it with set_budget`;
    return failure("budget_exceeded", sentence, { data: { limit, usage } });
  }

  /** Adds the cost and turns of an event, after the subscribers have got it. */
  spend({ costUsd, turns }: UsageDelta): void {
    this.#budget.spend(costUsd, turns);
    this.#check();
  }

  /** Takes an event, after the subscribers. */
  follow(event: SessionEvent): void {
    if (event.type === "agent_start" && this.#run === "none") {
      this.#turnTo("working");
      // An extension may begin a run by itself.
      this.#stopIfExceeded();
    } else if (event.type === "agent_settled") this.#turnTo("none");
    if (STOPS[this.#budget.limits?.onExceed ?? "pause"].has(event.type)) this.#stopIfExceeded();
  }

  /** Takes the number of open dialogs. The time of a person does not count as the agent's. */
  dialogs(open: number): void {
    if (this.#run !== "none") this.#turnTo(open > 0 ? "asking" : "working");
  }

  close(): void {
    this.#timer?.clear();
  }

  #turnTo(run: "none" | "working" | "asking"): void {
    this.#run = run;
    this.#budget.work(run === "working", this.#now());
    this.#check();
  }

  #check(): void {
    const { clock, emit } = this.#parts;
    this.#timer?.clear();
    const { usage, budget } = this.state;
    if (budget?.exceeded !== undefined) {
      if (this.#reported) return;
      this.#reported = true;
      const { exceeded: limit, ...limits } = budget;
      return emit({ type: "budget_exceeded", limit, budget: limits, usage });
    }
    const left = this.#budget.wallMsLeft(this.#now());
    if (left === undefined) return;
    this.#timer = clock.after(Math.max(1, left), () => {
      this.#check();
      if (this.#budget.limits?.onExceed === "abort") this.#stopIfExceeded();
    });
  }

  #stopIfExceeded(): void {
    if (this.#budget.exceeded(this.#now()) !== undefined) this.#parts.stop();
  }

  #now(): number {
    return this.#parts.clock.monotonic();
  }
}
