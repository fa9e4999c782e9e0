// The lines around the editor: widgets and status texts of extensions, messages that wait, what the session is doing,
// and a sentence for the person. Pure.
import type { SessionTab } from "../session/session_tab.ts";
import type { Theme } from "./theme.ts";

/** A sentence for the person. */
export interface Notice {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
}

const SPINNER = ["|", "/", "-", "\\"];
const QUEUE_LINES = 3;
const WIDGET_LINES = 6;

/** Lines above the editor, after a blank one; none when there is nothing to say. */
export function linesAbove(
  tab: SessionTab | undefined,
  notice: Notice | undefined,
  spin: number,
  theme: Theme,
): string[] {
  const lines: string[] = [];
  if (tab !== undefined) {
    const { activity, queue, widgets } = tab;
    lines.push(...widgets.lines(false).slice(0, WIDGET_LINES));
    lines.push(...queue.slice(0, QUEUE_LINES).map(theme.muted));
    if (queue.length > QUEUE_LINES) lines.push(theme.muted(`… ${queue.length - QUEUE_LINES} more wait`));
    if (activity !== undefined) {
      lines.push(`${theme.accent(SPINNER[spin % SPINNER.length] ?? "")} ${theme.muted(activity)}`);
    }
  }
  if (notice !== undefined) {
    lines.push((notice.level === "info" ? theme.muted : theme[notice.level])(notice.text));
  }
  return lines.length === 0 ? [] : ["", ...lines.map((line) => ` ${line}`)];
}

/** Lines below the editor. */
export function linesBelow(tab: SessionTab | undefined, theme: Theme): string[] {
  if (tab === undefined) return [];
  const { status } = tab.widgets;
  const lines = tab.widgets.lines(true).slice(0, WIDGET_LINES);
  return [...lines, ...status === "" ? [] : [theme.muted(status)]].map((line) => ` ${line}`);
}
