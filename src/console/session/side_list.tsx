// The sessions beside a session's page, in wide windows: the live ones, to go from one to the next.
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { ago, clip, shortPath, visible } from "../text/format.ts";
import { doing, nameOf } from "../state/session_book.ts";

const MOST = 60;
const ORDER = { waits: 0, works: 1, failed: 2, idle: 3, parked: 4 } as const;

/** A narrow list of sessions. */
export function SideList({ current }: { readonly current: string }) {
  const console = useConsole();
  const entries = useCell(console.sessions.entries);
  const dialogs = useCell(console.dialogs.open);
  const now = useCell(console.now);
  const open = (id: string): number => dialogs.filter(({ sessionId }) => sessionId === id).length;
  const list = [...entries.values()]
    .map((entry) => ({ entry, kind: doing(entry, open(entry.sessionId)) }))
    .sort((a, b) =>
      ORDER[a.kind] - ORDER[b.kind] || b.entry.lastActivityAt.localeCompare(a.entry.lastActivityAt)
    )
    .slice(0, MOST);
  return (
    <nav class="sidelist" aria-label="Other sessions">
      <ul>
        {list.map(({ entry, kind }) => (
          <li key={entry.sessionId}>
            <a
              href={sessionHref(entry.sessionId)}
              aria-current={entry.sessionId === current ? "page" : undefined}
            >
              <span class={`dot ${kind}`} aria-hidden="true" />
              <span class="linename">
                <bdi class="name">{clip(visible(nameOf(entry)), 80)}</bdi>
                <bdi class="path">{clip(visible(shortPath(entry.cwd)), 60)}</bdi>
              </span>
              <span class="lineage">{ago(entry.lastActivityAt, now)}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
