// Does: reads turns, tokens and cost from one of pi's events. Pure.
// Used by: session_worker.ts, for the budget and the counters. A turn is one answer of the model with its tool calls.
// Invariant: a cut answer costs too. pi 0.73 does not report the cost of summaries; pi 1.6 does for compactions.
import type { UsageDelta } from "../../../governor/counters.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";

const NOTHING: UsageDelta = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 };

function amount(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

/** Messages that cost: answers, and results of tools that have asked a model themselves. */
const COSTLY: ReadonlySet<unknown> = new Set(["assistant", "toolResult"]);

/** pi's own record of the usage. */
function recorded({ type, message, result }: SessionEvent): unknown {
  if (type === "message_end" && isRecord(message) && COSTLY.has(message["role"])) return message["usage"];
  return type === "compaction_end" && isRecord(result) ? result["usage"] : undefined;
}

/** The usage in that event. Undefined when there is none. */
export function usageOf(event: SessionEvent): UsageDelta | undefined {
  if (event.type === "turn_end") return { ...NOTHING, turns: 1 };
  const usage = recorded(event);
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
