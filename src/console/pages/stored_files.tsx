// pi's session files that no session uses, newest first. A click makes a session of one.
import { useEffect, useState } from "preact/hooks";
import type { StoredSession } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { ago, clip, several, shortPath, visible } from "../text/format.ts";

const FIRST_LINES = 20;

interface Props {
  /** Words of the search. */
  readonly wanted: string;
  /** Whether many are shown at first. */
  readonly open: boolean;
}

/** The stored sessions. */
export function StoredFiles({ wanted, open }: Props) {
  const console = useConsole();
  const connected = useCell(console.link.state) === "connected";
  const live = useCell(console.sessions.entries);
  const [files, setFiles] = useState<readonly StoredSession[]>([]);
  const [shown, setShown] = useState(open ? 200 : FIRST_LINES);
  useEffect(() => {
    if (!connected) return;
    let over = false;
    console.link.request("list_stored_sessions", { limit: 1000 }).then(
      ({ sessions }) => over ? undefined : setFiles(sessions),
      (error) => over ? undefined : console.notices.failed(error),
    );
    return () => {
      over = true;
    };
  }, [connected, live.size]);
  const list = files.filter(({ liveSessionId }) => liveSessionId === undefined).filter((file) => {
    const all = `${file.sessionName ?? ""} ${file.firstMessage ?? ""} ${file.cwd} ${file.sessionId}`
      .toLowerCase();
    return wanted.split(/\s+/).every((word) => all.includes(word));
  });
  if (list.length === 0) return open ? <p class="empty">No stored session fits</p> : null;
  const more = list.length - shown;
  return (
    <section class="group" aria-label="Stored">
      <h2>
        Stored <span class="count">{list.length}</span>
      </h2>
      <ul class="lines">
        {list.slice(0, shown).map((file) => <StoredLine key={file.sessionPath} file={file} />)}
      </ul>
      {more > 0 && (
        <button type="button" class="more" onClick={() => setShown(shown + 200)}>
          Show more ({more} of {list.length})
        </button>
      )}
    </section>
  );
}

function StoredLine({ file }: { readonly file: StoredSession }) {
  const console = useConsole();
  const now = useCell(console.now);
  const mayDrive = useMay("drive");
  const [loading, setLoading] = useState(false);
  const { sessionPath, newerEntries } = file;
  const load = async (): Promise<void> => {
    setLoading(true);
    const loaded = await console.attempt(() => console.link.request("load_session", { sessionPath }));
    setLoading(false);
    if (loaded !== undefined) location.hash = sessionHref(loaded.sessionId);
  };
  const title = file.sessionName ?? file.firstMessage ?? file.sessionId;
  return (
    <li class="line">
      <button type="button" class="linemain" disabled={!mayDrive || loading} onClick={() => void load()}>
        <span class="dot stored" aria-hidden="true" />
        <span class="linename">
          <bdi class="name">{clip(visible(title).replaceAll(/\s+/g, " "), 120)}</bdi>
          <bdi class="path" title={file.cwd}>{clip(visible(shortPath(file.cwd)), 80)}</bdi>
        </span>
        <span class="linestate">
          {loading ? "Loads" : newerEntries === undefined ? "" : "Needs a newer pi"}
        </span>
        <span class="linemodel">{several(file.messageCount, "message")}</span>
        <span class="linecost" />
        <time class="lineage" dateTime={file.modifiedAt}>{ago(file.modifiedAt, now)}</time>
      </button>
    </li>
  );
}
