// The list of sessions: those that wait for a person first, then those that work, the idle, the parked, and the files
// that no session uses.
import { useMemo, useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { Icon } from "../parts/icons.tsx";
import { type Doing, doing, type SessionEntry } from "../state/session_book.ts";
import { NewSession } from "./new_session.tsx";
import { SessionLine } from "./session_line.tsx";
import { StoredFiles } from "./stored_files.tsx";
import { Button } from "../parts/button.tsx";

const GROUPS: readonly (readonly [Doing, string])[] = [
  ["waits", "Wait for you"],
  ["works", "Working"],
  ["failed", "Stopped"],
  ["idle", "Idle"],
  ["parked", "Parked"],
];
const FILTERS = ["all", "live", "parked", "stored"] as const;
const WORDS = { all: "All", live: "Live", parked: "Parked", stored: "Stored" } as const;
/** Lines of one group at first. */
const FIRST_LINES = 100;

function fits(entry: SessionEntry, wanted: string): boolean {
  const { sessionId, sessionName = "", cwd, model } = entry;
  const all = `${sessionId} ${sessionName} ${cwd} ${model?.id ?? ""}`.toLowerCase();
  return wanted.split(/\s+/).every((word) => all.includes(word));
}

/** The first page. */
export function Sessions() {
  const console = useConsole();
  const entries = useCell(console.sessions.entries);
  const ready = useCell(console.sessions.ready);
  const dialogs = useCell(console.dialogs.open);
  const { whole } = useCell(console.link.access);
  // A token for some sessions makes none but these, and they are there already.
  const mayDrive = useMay("drive") && whole;
  const [search, setSearch] = useState("");
  const [filter, setFilter] = useState<typeof FILTERS[number]>("all");
  const [making, setMaking] = useState(false);
  const wanted = search.trim().toLowerCase();
  const groups = useMemo(() => {
    const sorted = [...entries.values()].filter((entry) => wanted === "" || fits(entry, wanted))
      .filter((entry) => filter === "all" || filter === entry.status)
      .sort((a, b) => b.lastActivityAt.localeCompare(a.lastActivityAt));
    const open = (id: string): number => dialogs.filter(({ sessionId }) => sessionId === id).length;
    const doings = sorted.map((entry) => [entry, doing(entry, open(entry.sessionId))] as const);
    return GROUPS.map(([key, title]) => ({
      key,
      title,
      list: doings.filter(([, one]) => one === key).map(([entry]) => entry),
    })).filter(({ list }) => list.length > 0);
  }, [entries, dialogs, wanted, filter]);
  return (
    <div class="page">
      <header class="pagehead">
        <h1>Sessions</h1>
        <span class="space" />
        {mayDrive && (
          <Button class="primary" onClick={() => setMaking(true)}>
            <Icon name="plus" /> New session
          </Button>
        )}
      </header>
      <div class="tools">
        <label class="search">
          <Icon name="search" />
          <span class="sr">Search sessions</span>
          <input
            id="search"
            type="search"
            placeholder="Name, folder, model"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </label>
        <div class="segments" role="group" aria-label="Which sessions">
          {FILTERS.filter((one) => whole || one !== "stored").map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === filter}
              onClick={() => setFilter(one)}
            >
              {WORDS[one]}
            </button>
          ))}
        </div>
      </div>
      {filter !== "stored" &&
        groups.map(({ key, title, list }) => <Group key={key} title={title} list={list} kind={key} />)}
      {filter !== "stored" && groups.length === 0 && ready && (
        <div class="empty">
          <p>{entries.size === 0 ? "There is no session yet" : "No session fits"}</p>
          {mayDrive && entries.size === 0 && (
            <p class="hint">A session is one agent in one folder. Make one, or take up a stored one below.</p>
          )}
        </div>
      )}
      {whole && (filter === "all" || filter === "stored") && (
        <StoredFiles wanted={wanted} open={filter === "stored"} />
      )}
      {making && <NewSession onClose={() => setMaking(false)} />}
    </div>
  );
}

interface GroupProps {
  readonly title: string;
  readonly kind: Doing;
  readonly list: readonly SessionEntry[];
}

function Group({ title, kind, list }: GroupProps) {
  const [shown, setShown] = useState(FIRST_LINES);
  const more = list.length - shown;
  return (
    <section class="group" aria-label={title}>
      <h2>
        {title} <span class="count">{list.length}</span>
      </h2>
      <ul class="lines">
        {list.slice(0, shown).map((entry) => <SessionLine key={entry.sessionId} entry={entry} kind={kind} />)}
      </ul>
      {more > 0 && (
        <Button class="more" onClick={() => setShown(shown + 200)}>
          Show more ({more} of {list.length})
        </Button>
      )}
    </section>
  );
}
