// The lines at the edges of the screen: the tabs above, and below them folder, model, level, context, cost, and how
// the connection is. Pure.
import { truncateToWidth, visibleWidth } from "@mariozechner/pi-tui";
import type { SessionTab } from "../session/session_tab.ts";
import { sanitizeLine } from "./sanitize.ts";
import type { Theme } from "./theme.ts";

/** How the connection is. */
export type ConnectionState = "connected" | "lost" | "closed";

/** The mark of a tab, in a character that every terminal has. */
const MARKS: Readonly<Record<SessionTab["mark"], string>> = {
  opening: "…",
  asks: "?",
  works: "*",
  failed: "!",
  idle: "",
  gone: "x",
};

function short(count: number): string {
  if (count < 1000) return String(count);
  return count < 1_000_000 ? `${Math.round(count / 1000)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

/** A text at the left and one at the right, in one line. */
export function spread(left: string, right: string, width: number): string {
  const room = width - visibleWidth(right) - 1;
  if (room < 1) return truncateToWidth(right, width, "…");
  const start = truncateToWidth(left, room, "…");
  return start + " ".repeat(Math.max(1, width - visibleWidth(start) - visibleWidth(right))) + right;
}

/** The line of tabs: the number of each, its name and its mark; the one that is shown stands out. */
export function tabLine(
  tabs: readonly SessionTab[],
  shown: SessionTab | undefined,
  width: number,
  theme: Theme,
): string {
  const most = Math.max(8, Math.floor((width - 2) / Math.max(1, Math.min(tabs.length, 4))) - 6);
  const labels = tabs.map((tab, index) => {
    const { mark } = tab;
    const name = ` ${index + 1} ${truncateToWidth(tab.name, most, "…")}${MARKS[mark]} `;
    const style = mark === "failed"
      ? theme.error
      : mark === "asks" || mark === "works"
      ? theme.warning
      : theme.muted;
    return tab === shown ? theme.reverse(name) : style(name);
  });
  // With many tabs the one that is shown must be among those that are seen.
  let from = 0;
  const at = shown === undefined ? 0 : tabs.indexOf(shown);
  const widthOf = (start: number): number =>
    labels.slice(start, at + 1).reduce((sum, label) => sum + visibleWidth(label), 0);
  while (from < at && widthOf(from) > width - 2) from++;
  return truncateToWidth((from > 0 ? theme.muted("‹") : "") + labels.slice(from).join(""), width, "›");
}

/** The two lines at the bottom. */
export function footerLines(
  tab: SessionTab | undefined,
  connection: ConnectionState,
  home: string,
  width: number,
  theme: Theme,
): string[] {
  const line = connection === "connected"
    ? theme.muted("connected")
    : theme.warning(connection === "lost" ? "reconnecting…" : "disconnected");
  const info = tab?.info;
  if (tab === undefined || info === undefined) return [spread("", line, width), ""];
  const cwd = sanitizeLine(info.cwd);
  const folder = home !== "" && (cwd === home || cwd.startsWith(`${home}/`))
    ? `~${cwd.slice(home.length)}`
    : cwd;
  const { stats } = tab;
  const context = stats?.contextUsage;
  const used = context === undefined
    ? ""
    : `${context.percent === null ? "?" : context.percent.toFixed(1)}%/${short(context.contextWindow)}`;
  const cost = `$${(stats?.cost ?? 0).toFixed(3)}`;
  const tokens = stats === undefined ? "" : `↑${short(stats.tokens.input)} ↓${short(stats.tokens.output)}`;
  const model = info.model === undefined ? "no model" : sanitizeLine(info.model.id);
  const level = info.model?.reasoning === true ? ` · ${info.thinkingLevel}` : "";
  const left = [tokens, cost, used].filter((part) => part !== "").join("  ");
  return [
    spread(theme.muted(` ${folder}`), `${line} `, width),
    spread(theme.muted(` ${left}`), theme.muted(`${model}${level} `), width),
  ];
}
