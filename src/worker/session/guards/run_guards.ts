// Does: applies a session's budget and stall detector to its events and dialogs.
// Used by: session.ts. Uses: session_budget.ts and stall_detector.ts.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { BudgetLimits } from "../../../governor/budget.ts";
import type { Silence } from "../../../ipc/messages.ts";
import type { Clock } from "../../../runtime/runtime.ts";
import { type KeptBudget, SessionBudget } from "./session_budget.ts";
import type { SessionRecord } from "../../../ipc/session_record.ts";
import { StallDetector } from "./stall_detector.ts";

export interface RunGuardsParts {
  readonly clock: Clock;
  /** The budget until a client sets one. */
  readonly budget?: BudgetLimits;
  readonly turnStallMs?: number;
  /** The record of a parked session. */
  readonly restoredFrom?: SessionRecord;
  /** Takes a silence that no person explains; undefined once it is over. */
  readonly report?: (silence: Silence | undefined) => void;
}

/** The guards of one session's runs. */
export class RunGuards {
  readonly budget: SessionBudget;
  readonly #stalls: StallDetector;

  constructor(parts: RunGuardsParts, emit: (event: SessionEvent) => void, stop: () => void) {
    const { clock, budget, turnStallMs: stallMs, restoredFrom, report } = parts;
    const kept = keptBudget(restoredFrom?.budget);
    this.budget = new SessionBudget({
      clock,
      default: budget,
      kept,
      used: restoredFrom?.info.usage,
      emit,
      stop,
    });
    this.#stalls = new StallDetector({ clock, stallMs, emit, report });
  }

  /** Takes an event, after the subscribers. */
  follow(event: SessionEvent): void {
    this.budget.follow(event);
    this.#stalls.follow(event);
  }

  /** A command is carried out until the returned function is called. */
  begin(name: string): () => void {
    return this.#stalls.begin(name);
  }

  /** Takes the number of open dialogs. */
  dialogs(open: number): void {
    this.budget.dialogs(open);
    this.#stalls.dialogs(open);
  }

  close(): void {
    this.budget.close();
    this.#stalls.close();
  }
}

/** The budget in a record. Undefined when the record has no valid one. */
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
