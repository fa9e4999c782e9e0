// Does: handles set_budget. The usage is in the session's state.
// Used by: mod.ts.
import { defined } from "../../../base/json.ts";
import type { BudgetLimits } from "../../../governor/budget.ts";
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import { done, type Entry, on } from "./handler.ts";

function limitsOf(command: CommandOf<"set_budget">): BudgetLimits | undefined {
  const { maxUsd, maxTurns, maxWallMs, onExceed } = command;
  if (maxUsd === undefined && maxTurns === undefined && maxWallMs === undefined) return undefined;
  return {
    ...defined({ maxUsd, maxTurns, maxWallMs }),
    onExceed: onExceed ?? "pause",
  };
}

/** The group's handlers. */
export const BUDGET: readonly Entry[] = [
  on("set_budget", (session, command) => {
    session.watch.budget.set(limitsOf(command));
    return done(session.watch.budget.state);
  }),
];
