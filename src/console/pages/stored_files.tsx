// pi's session files that no session uses, newest first. A click makes a session of one.
import { useEffect, useState } from "preact/hooks";
import type { StoredSession } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { ago, clip, several, shortPath, visible } from "../text/format.ts";
import { Button } from "../parts/button.tsx";

const FIRST_LINES = 20;

/** Sessions of one answer. */
const PAGE = 100;

/** Milliseconds after the last key before the server is asked. */
const TYPING_MS = 200;

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
  const [next, setNext] = useState<string | undefined>();
  const [shown, setShown] = useState(open ? PAGE : FIRST_LINES);
  const words = wanted.split(/\s+/).filter((word) => word !== "");
  // The server finds the longest word, and the page looks for the others in what comes.
  const query = words.toSorted((a, b) => b.length - a.length)[0]?.slice(0, 256) ?? "";
  useEffect(() => {
    if (!connected) return;
    let over = false;
    const read = (): void => {
      const fields = {
        sort: "activity",
        status: "free",
        limit: PAGE,
        ...query === "" ? {} : { query },
      } as const;
      console.link.request("list_stored_sessions", fields).then(
        ({ sessions, nextCursor }) => {
          if (over) return;
          setFiles(sessions);
          setNext(nextCursor);
        },
        (error) => over ? undefined : console.notices.failed(error),
      );
    };
    const timer = setTimeout(read, query === "" ? 0 : TYPING_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [connected, live.size, query]);
  const list = files.filter((file) => {
    const all = `${file.sessionName ?? ""} ${file.firstMessage ?? ""} ${file.cwd}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const showMore = async (): Promise<void> => {
    setShown(shown + PAGE);
    if (next === undefined || list.length > shown + PAGE) return;
    const page = await console.attempt(() =>
      console.link.request("list_stored_sessions", { cursor: next, limit: PAGE })
    );
    if (page === undefined) return setNext(undefined);
    setFiles((before) => [...before, ...page.sessions]);
    setNext(page.nextCursor);
  };
  if (list.length === 0 && next === undefined) {
    return open ? <p class="empty">No stored session fits</p> : null;
  }
  const more = list.length - shown;
  const rest = next === undefined ? "" : "+";
  return (
    <section class="group" aria-label="Stored">
      <h2>
        Stored <span class="count">{list.length}{rest}</span>
      </h2>
      <ul class="lines">
        {list.slice(0, shown).map((file) => <StoredLine key={file.sessionPath} file={file} />)}
      </ul>
      {(more > 0 || next !== undefined) && (
        <Button class="more" onClick={() => void showMore()}>
          Show more ({Math.max(0, more)}
          {rest} of {list.length}
          {rest})
        </Button>
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
      <Button class="linemain" disabled={!mayDrive || loading} onClick={() => void load()}>
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
      </Button>
    </li>
  );
}
