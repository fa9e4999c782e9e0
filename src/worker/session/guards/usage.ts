// What an event of pi's says of turns, tokens and money. A turn is one answer of the model with its tool calls; an
// answer that was cut off costs too. Summaries of compactions have no event, so what they cost is not known. Pure.
import type { UsageDelta } from "../../../governor/counters.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";

const NOTHING: UsageDelta = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 };

function amount(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

/** What has been spent with that event; undefined when nothing. */
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
