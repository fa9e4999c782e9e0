// What sessions have spent, added up. Pure.
import type { SessionInfo } from "../../client/browser.ts";

/** US dollars by model: a session counts for the model that it has now. */
export function spendByModel(entries: Iterable<SessionInfo>): Readonly<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const { model, usage } of entries) {
    const usd = usage?.usd ?? 0;
    if (usd > 0) sums.set(model?.id ?? "none", (sums.get(model?.id ?? "none") ?? 0) + usd);
  }
  return Object.fromEntries(sums);
}

/** US dollars of those sessions that have spent the most, by name. */
export function spendBySession(
  entries: Iterable<SessionInfo>,
  most: number,
): Readonly<Record<string, number>> {
  const sorted = [...entries].filter(({ usage }) => (usage?.usd ?? 0) > 0)
    .sort((a, b) => (b.usage?.usd ?? 0) - (a.usage?.usd ?? 0));
  return Object.fromEntries(
    sorted.slice(0, most).map((
      { sessionName, sessionId, usage },
    ) => [sessionName ?? sessionId, usage?.usd ?? 0]),
  );
}
