// The head of a session's page: its name, what it does, model and level, how full the context is, what it cost, and the
// ways to its settings, its tree and more.
import type { SessionInfo } from "../../client/browser.ts";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { clip, count, money, shortPath, visible } from "../text/format.ts";
import { Icon } from "../parts/icons.tsx";
import { Menu } from "../parts/menu.tsx";
import { budgetSentence, nameOf } from "../state/session_book.ts";
import type { ContextUse, SessionFeed } from "./feed.ts";
import { Button } from "../parts/button.tsx";

/** What opens over the page. */
export type SheetName = "settings" | "tree" | "rename" | "delete";

interface Props {
  readonly feed: SessionFeed;
  readonly sessionId: string;
  readonly onSheet: (name: SheetName) => void;
}

/** The head of the page. */
export function SessionHead({ feed, sessionId, onSheet }: Props) {
  const console = useConsole();
  const info = useCell(feed.info);
  const context = useCell(feed.context);
  const mayDrive = useMay("drive");
  const name = nameOf(info) || sessionId;
  const { attempt, link } = console;
  const run = (work: () => Promise<unknown>, done?: string): void => void attempt.call(console, work, done);
  const exportPage = (): void =>
    run(async () => {
      const { path, imagesLeftOut: left } = await link.request("export_html", { sessionId });
      console.notices.done(
        `Exported on the server to ${path}${left ? `; large images left out: ${left}` : ""}`,
      );
    });
  const over = info === undefined ? undefined : budgetSentence(info);
  return (
    <header class="sessionhead">
      <a class="icon back" href="#/" aria-label="All sessions">
        <Icon name="back" />
      </a>
      <div class="headname">
        <h1>
          <bdi>{clip(visible(name), 120)}</bdi>
        </h1>
        <p class="meta">
          <span class={`dot ${info?.isStreaming === true ? "works" : "idle"}`} aria-hidden="true" />
          <span>{stateOf(info)}</span>
          <bdi title={info?.cwd ?? ""}>{clip(visible(shortPath(info?.cwd ?? "")), 60)}</bdi>
          {over !== undefined && <span class="failure">{over}</span>}
        </p>
      </div>
      <span class="space" />
      {context !== undefined && <ContextBar context={context} />}
      {info?.usage !== undefined && info.usage.usd > 0 && (
        <span class="headcost" title="Cost so far">{money(info.usage.usd)}</span>
      )}
      <Button
        class="headmodel"
        onClick={() => onSheet("settings")}
        title="Settings"
      >
        <span class="sr">Settings</span>
        <bdi>{clip(visible(info?.model?.id ?? "no model"), 30)}</bdi>
        {info?.model?.reasoning === true && <span class="hint">{info.thinkingLevel}</span>}
        <Icon name="settings" />
      </Button>
      <Button class="icon" aria-label="Tree" title="Tree" onClick={() => onSheet("tree")}>
        <Icon name="tree" />
      </Button>
      {mayDrive && (
        <Menu label="More actions" icon={<Icon name="more" />}>
          <Button role="menuitem" onClick={() => onSheet("rename")}>Rename</Button>
          <Button
            role="menuitem"
            onClick={() => run(() => link.request("compact", { sessionId }), "Compacted")}
          >
            Compact
          </Button>
          <Button role="menuitem" onClick={exportPage}>Export as a page</Button>
          <Button
            role="menuitem"
            onClick={() => run(() => link.request("clone", { sessionId }), "Cloned: this is the copy")}
          >
            Clone
          </Button>
          <Button
            role="menuitem"
            onClick={() => run(() => link.request("new_session", { sessionId }))}
          >
            Begin anew
          </Button>
          <Button
            role="menuitem"
            onClick={() => run(() => link.request("reload", { sessionId }), "Loaded again")}
          >
            Reload extensions
          </Button>
          <Button role="menuitem" class="danger" onClick={() => onSheet("delete")}>
            Delete
          </Button>
        </Menu>
      )}
    </header>
  );
}

function stateOf(info: SessionInfo | undefined): string {
  if (info === undefined) return "Loads";
  if (info.isCompacting) return "Compacts";
  return info.isStreaming ? "Works" : "Idle";
}

function ContextBar({ context }: { readonly context: ContextUse }) {
  const { percent, tokens, contextWindow } = context;
  if (percent === null || tokens === null) return null;
  const words = `Context: ${count(tokens)} of ${count(contextWindow)} tokens`;
  return (
    <span class="context" title={words}>
      <meter min={0} max={100} high={80} optimum={0} value={percent} aria-label={words} />
      <span class="hint">{percent < 1 && percent > 0 ? "<1" : Math.round(percent)} %</span>
    </span>
  );
}
