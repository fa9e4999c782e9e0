// Does: applies a session's budget and stall detector to its events and dialogs.
// Used by: session.ts. Uses: session_budget.ts, stall_detector.ts and usage.ts.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { BudgetLimits } from "../../../governor/budget.ts";
import type { Clock } from "../../../runtime/runtime.ts";
import { type KeptBudget, SessionBudget } from "./session_budget.ts";
import type { SessionRecord } from "../../../ipc/session_record.ts";
import { StallDetector } from "./stall_detector.ts";

export interface RunGuardsParts {
  readonly clock: Clock;
  /** The budget until a client sets one. */
  readonly budget?: BudgetLimits;
  readonly turnStallMs?: number;
  /** What an earlier life of the session has left. */
  readonly restoredFrom?: SessionRecord;
}

/** The watch over one session. */
export class RunGuards {
  readonly budget: SessionBudget;
  readonly #stalls: StallDetector;

  constructor(parts: RunGuardsParts, emit: (event: SessionEvent) => void, stop: () => void) {
    const { clock, budget, turnStallMs: stallMs, restoredFrom } = parts;
    const kept = keptBudget(restoredFrom?.budget);
    this.budget = new SessionBudget({
      clock,
      default: budget,
      kept,
      used: restoredFrom?.info.usage,
      emit,
      stop,
    });
    this.#stalls = new StallDetector({ clock, stallMs, emit });
  }

  /** An event has been told. */
  follow(event: SessionEvent): void {
    this.budget.follow(event);
    this.#stalls.follow(event);
  }

  /** So many dialogs are open now. */
  dialogs(open: number): void {
    this.budget.dialogs(open);
    this.#stalls.dialogs(open);
  }

  close(): void {
    this.budget.close();
    this.#stalls.close();
  }
}

/** What a record says of a session's budget; undefined when it says nothing that makes sense. */
function keptBudget(value: unknown): KeptBudget | undefined {
  if (typeof value !== "object" || value === null || !("limits" in value)) return undefined;
  const { limits } = value;
  if (typeof limits !== "object" || limits === null) return {};
  const amount = (name: string): number | undefined => {
    const found: unknown = Reflect.get(limits, name);
    return typeof found === "number" && found >= 0 ? found : undefined;
  };
  const [maxUsd, maxTurns, maxWallMs] = [amount("maxUsd"), amount("maxTurns"), amount("maxWallMs")];
  return {
    limits: {
      ...(maxUsd === undefined ? {} : { maxUsd }),
      ...(maxTurns === undefined ? {} : { maxTurns }),
      ...(maxWallMs === undefined ? {} : { maxWallMs }),
      onExceed: Reflect.get(limits, "onExceed") === "abort" ? "abort" : "pause",
    },
  };
}
