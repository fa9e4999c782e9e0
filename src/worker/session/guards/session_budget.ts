// A session's budget at work: follows its events, tells when the budget is used up, aborts what would go on where
// that is wanted, and refuses messages until the budget is raised. A turn that was complete is never aborted for it.
import {
  Budget,
  type BudgetLimit,
  type BudgetLimits,
  type BudgetUsage,
  type OnExceed,
} from "../../../governor/budget.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";
import { usageOf } from "./usage.ts";

/** What a client said of a budget; without limits, that there are none. */
export interface KeptBudget {
  readonly limits?: BudgetLimits | undefined;
}

/** What a session's budget is made of. */
export interface SessionBudgetParts {
  readonly clock: Clock;
  /** What holds until a client says otherwise. */
  readonly default?: BudgetLimits | undefined;
  /** What a client said in an earlier life of the session, and what that one has spent. */
  readonly kept?: KeptBudget | undefined;
  readonly used?: BudgetUsage | undefined;
  emit(event: SessionEvent): void;
  /** Stops the run. */
  stop(): void;
}

/** What a session's state tells of its budget. */
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
  #told = false;
  #kept: KeptBudget | undefined;
  #timer: Timer | undefined;

  constructor(parts: SessionBudgetParts) {
    this.#parts = parts;
    this.#kept = parts.kept;
    this.#budget = new Budget(parts.kept === undefined ? parts.default : parts.kept.limits, parts.used);
  }

  /** What a client has said, to be kept for a later life; undefined when none has. */
  get kept(): { readonly limits: BudgetLimits | null } | undefined {
    // JSON has no undefined: limits that were lifted are null there.
    return this.#kept === undefined ? undefined : { limits: this.#kept.limits ?? null };
  }

  /** What get_state tells. */
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
    this.#told = false;
    this.#check();
    if (this.#run !== "none" && limits?.onExceed === "abort") this.#stopIfExceeded();
  }

  /** Why a message to the agent is refused; undefined when it is not. */
  get refusal(): Failure | undefined {
    const { usage, budget } = this.state;
    if (budget?.exceeded === undefined) return undefined;
    const { exceeded: limit } = budget;
    const sentence = `The session's budget is used up (${limit}: ${budget[limit]}); raise it with set_budget`;
    return failure("budget_exceeded", sentence, { data: { limit, usage } });
  }

  /** An event has been told. */
  follow(event: SessionEvent): void {
    const spending = usageOf(event);
    if (spending !== undefined) this.#budget.spend(spending.costUsd, spending.turns);
    if (event.type === "agent_start" && this.#run === "none") {
      this.#turnTo("working");
      // An extension may begin a run without asking.
      this.#stopIfExceeded();
    } else if (event.type === "agent_settled") this.#turnTo("none");
    if (spending !== undefined) this.#check();
    if (STOPS[this.#budget.limits?.onExceed ?? "pause"].has(event.type)) this.#stopIfExceeded();
  }

  /** So many dialogs are open now: a person's time is not the agent's. */
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
      if (this.#told) return;
      this.#told = true;
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
