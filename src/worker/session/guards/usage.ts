// Does: reads turns, tokens and cost from one of pi's events. Pure.
// Used by: session_budget.ts and session_worker.ts. A turn is one answer of the model with its tool calls.
// Invariant: a cut answer costs too. Summaries of compactions have no event, so their cost is unknown.
import type { UsageDelta } from "../../../governor/counters.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";

const NOTHING: UsageDelta = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 };

function amount(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

/** The usage in that event. Undefined when there is none. */
export function usageOf(event: SessionEvent): UsageDelta | undefined {
  if (event.type === "turn_end") return { ...NOTHING, turns: 1 };
  const { message } = event;
  if (event.type !== "message_end" || !isRecord(message) || message.role !== "assistant") return undefined;
  const { usage } = message;
  if (!isRecord(usage)) return undefined;
  const { input, output, cacheRead, cacheWrite, cost } = usage;
  return {
    turns: 0,
    input: amount(input),
    output: amount(output),
    cacheRead: amount(cacheRead),
    cacheWrite: amount(cacheWrite),
    costUsd: isRecord(cost) ? amount(cost.total) : 0,
  };
}
