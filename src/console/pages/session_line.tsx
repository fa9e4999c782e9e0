// One session in the list: what it does, its name and folder, model, cost and age, and what can be done to it.
import { useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import { ago, clip, money, shortPath, visible } from "../text/format.ts";
import { Icon } from "../parts/icons.tsx";
import { Menu } from "../parts/menu.tsx";
import { Sheet } from "../parts/sheet.tsx";
import { budgetSentence, type Doing, nameOf, type SessionEntry } from "../state/session_book.ts";
import { Button } from "../parts/button.tsx";

const WORDS = {
  waits: "Waits for you",
  works: "Works",
  failed: "Stopped",
  idle: "Idle",
  parked: "Parked",
} as const;

interface Props {
  readonly entry: SessionEntry;
  readonly kind: Doing;
}

/** A line of the list. */
export function SessionLine({ entry, kind }: Props) {
  const console = useConsole();
  const now = useCell(console.now);
  const mayDrive = useMay("drive");
  const [sheet, setSheet] = useState<"rename" | "delete" | undefined>(undefined);
  const name = nameOf(entry);
  const state = kind === "failed" ? budgetSentence(entry) ?? entry.failure ?? WORDS[kind] : WORDS[kind];
  const cost = entry.usage?.usd ?? 0;
  return (
    <li class="line">
      <a href={sessionHref(entry.sessionId)} class="linemain">
        <span class={`dot ${kind}`} aria-hidden="true" />
        <span class="linename">
          <bdi class="name">{clip(visible(name), 120)}</bdi>
          <bdi class="path" title={entry.cwd}>{clip(visible(shortPath(entry.cwd)), 80)}</bdi>
        </span>
        <span class={`linestate ${kind}`}>{state}</span>
        <bdi class="linemodel">{clip(visible(entry.model?.id ?? "no model"), 40)}</bdi>
        <span class="linecost">{cost > 0 ? money(cost) : ""}</span>
        <time class="lineage" dateTime={entry.lastActivityAt} title={`Last activity ${entry.lastActivityAt}`}>
          {ago(entry.lastActivityAt, now)}
        </time>
      </a>
      {mayDrive && (
        <Menu label={`Actions for ${clip(visible(name), 80)}`} icon={<Icon name="more" />}>
          <Button role="menuitem" onClick={() => setSheet("rename")}>Rename</Button>
          <Button role="menuitem" class="danger" onClick={() => setSheet("delete")}>
            Delete
          </Button>
        </Menu>
      )}
      {sheet === "rename" && <Rename entry={entry} onClose={() => setSheet(undefined)} />}
      {sheet === "delete" && <Delete entry={entry} onClose={() => setSheet(undefined)} />}
    </li>
  );
}

interface SheetProps {
  readonly entry: SessionEntry;
  readonly onClose: () => void;
}

/** Asks for another name. */
export function Rename({ entry, onClose }: SheetProps) {
  const console = useConsole();
  const [name, setName] = useState(entry.sessionName ?? "");
  const { sessionId } = entry;
  return (
    <Sheet title="Rename the session" onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void console.attempt(() => console.link.request("set_session_name", { sessionId, name }), "Renamed")
            .then(onClose);
        }}
      >
        <label>
          Name
          <input
            type="text"
            dir="auto"
            required
            maxLength={1024}
            pattern=".*\S.*"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <div class="choices">
          <button type="submit" class="primary">Rename</button>
        </div>
      </form>
    </Sheet>
  );
}

/** Asks whether the session may go. */
export function Delete({ entry, onClose }: SheetProps) {
  const console = useConsole();
  const { sessionId } = entry;
  const remove = (): void => {
    void console.attempt(() => console.link.request("delete_session", { sessionId }), "Deleted").then(() => {
      onClose();
      if (console.route.value.page === "session") location.hash = "#/";
    });
  };
  return (
    <Sheet title="Delete the session" onClose={onClose}>
      <p class="said" dir="auto">{clip(visible(nameOf(entry)), 200)}</p>
      <p class="hint">
        {entry.isStreaming ? "Its run is stopped. " : ""}pi's file of the session stays, and can be loaded
        again.
      </p>
      <div class="choices">
        <Button class="danger" onClick={remove}>Delete</Button>
        <Button class="quiet" onClick={onClose}>Keep</Button>
      </div>
    </Sheet>
  );
}
