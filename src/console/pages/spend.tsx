// What the sessions have spent until now: by session and by model, the most first.
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { clip, money, visible } from "../text/format.ts";
import { nameOf } from "../state/session_book.ts";
import { spendByModel } from "../state/spend.ts";

const MOST_LINES = 8;

/** The bars of what was spent. */
export function Spend() {
  const console = useConsole();
  const entries = [...useCell(console.sessions.entries).values()];
  const sessions = entries.filter(({ usage }) => (usage?.usd ?? 0) > 0)
    .sort((a, b) => (b.usage?.usd ?? 0) - (a.usage?.usd ?? 0));
  const models = Object.entries(spendByModel(entries)).sort(([, a], [, b]) => b - a);
  if (sessions.length === 0) return null;
  const [mostSession, mostModel] = [sessions[0]?.usage?.usd ?? 0, models[0]?.[1] ?? 0];
  return (
    <section class="group" aria-label="Spend">
      <h2>
        Spend <span class="count">{money(models.reduce((sum, [, usd]) => sum + usd, 0))}</span>
      </h2>
      <div class="spend">
        <ul aria-label="By session">
          {sessions.slice(0, MOST_LINES).map((entry) => (
            <li key={entry.sessionId}>
              <a href={sessionHref(entry.sessionId)}>
                <bdi>{clip(visible(nameOf(entry)), 60)}</bdi>
              </a>
              <Bar usd={entry.usage?.usd ?? 0} most={mostSession} />
            </li>
          ))}
        </ul>
        <ul aria-label="By model">
          {models.slice(0, MOST_LINES).map(([model, usd]) => (
            <li key={model}>
              <bdi>{clip(visible(model), 60)}</bdi>
              <Bar usd={usd} most={mostModel} />
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Bar({ usd, most }: { readonly usd: number; readonly most: number }) {
  return (
    <>
      <meter class="bar" min={0} max={Math.max(most, Number.MIN_VALUE)} value={usd} aria-hidden="true" />
      <span class="amount">{money(usd)}</span>
    </>
  );
}
