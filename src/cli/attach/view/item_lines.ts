// The lines of one item of the transcript. What is folded shows a few lines and says how many more there are. Pure:
// from the item, the width and what is unfolded to lines.
import { truncateToWidth, visibleWidth } from "@mariozechner/pi-tui";
import { keyName } from "../key_bindings.ts";
import type { BashItem, Item, ToolItem, UserItem } from "../transcript/items.ts";
import { MarkdownText, wrapPlain } from "./markdown.ts";
import type { Style, Theme } from "./theme.ts";
import { diffLines, toolTitle } from "./tool_title.ts";

/** What is unfolded. */
export interface Unfolded {
  readonly thinking: boolean;
  readonly tools: boolean;
}

const FOLDED_LINES = 8;
const FOLDED_DIFF_LINES = 30;
/** Lines of one output that are drawn when it is unfolded. */
const MOST_LINES = 2000;
/** Characters of one line that are drawn. */
const MOST_LINE_CHARS = 4000;
const MARGIN = "  ";

/** Lines of an output: its end, as a shell shows it. */
function outputLines(output: string, left: number, width: number, theme: Theme, unfolded: boolean): string[] {
  const all = output.replace(/\n+$/, "").split("\n");
  if (all.length === 1 && all[0] === "") return [];
  const most = unfolded ? MOST_LINES : FOLDED_LINES;
  const hidden = Math.max(0, all.length - most);
  const shown = all.slice(hidden).map((line) => line.slice(0, unfolded ? MOST_LINE_CHARS : 400));
  const drawn = shown.flatMap((line) => wrapPlain(line, width - MARGIN.length, theme.muted));
  const lines = unfolded ? drawn : drawn.slice(-2 * FOLDED_LINES);
  const head: string[] = [];
  if (left > 0) head.push(`… ${left.toLocaleString("en")} characters before these are not loaded`);
  if (hidden > 0) {
    head.push(
      `… ${hidden.toLocaleString("en")} more lines${unfolded ? "" : ` (${keyName("app.tools.expand")})`}`,
    );
  }
  return [...head.map((line) => theme.muted(line)), ...lines].map((line) =>
    truncateToWidth(MARGIN + line, width, "…")
  );
}

function userLines(item: UserItem, width: number, theme: Theme): string[] {
  const images = item.images === 0 ? "" : `[${item.images} image${item.images > 1 ? "s" : ""}]`;
  const text = [item.text.trim(), images].filter((part) => part !== "").join("\n");
  const lines = wrapPlain(text.slice(0, 20_000), width - 2, theme.user);
  return lines.map((line, index) => (index === 0 ? theme.accent("> ") : MARGIN) + line);
}

function toolLines(item: ToolItem, width: number, theme: Theme, unfolded: boolean): string[] {
  const marks: Readonly<Record<ToolItem["state"], string>> = {
    waiting: theme.muted("○"),
    running: theme.warning("●"),
    done: theme.success("✓"),
    failed: theme.error("✗"),
  };
  const title = `${marks[item.state]} ${theme.bold(item.name || "…")} ${toolTitle(item)}`;
  const head = truncateToWidth(title, width, "…");
  if (item.diff !== undefined && item.state !== "failed") {
    const diff = diffLines(
      item.diff,
      width - MARGIN.length,
      theme,
      unfolded ? MOST_LINES : FOLDED_DIFF_LINES,
    );
    return [head, ...diff.map((line) => MARGIN + line)];
  }
  const images = item.images === 0 ? [] : [theme.muted(`${MARGIN}[${item.images} image]`)];
  return [head, ...outputLines(item.output, item.left, width, theme, unfolded), ...images];
}

function bashLines(item: BashItem, width: number, theme: Theme, unfolded: boolean): string[] {
  const command = item.command === ""
    ? "(a shell command of another client)"
    : item.command.replaceAll("\n", " ");
  const title = `${theme.accent(item.excluded ? "$$" : "$")} ${theme.bold(command)}`;
  const ends: Readonly<Record<BashItem["state"], string>> = {
    running: theme.muted(`(runs; ${keyName("app.interrupt")} stops it)`),
    done: "",
    failed: theme.error(`(exit code ${item.exitCode ?? "unknown"})`),
    cancelled: theme.warning("(stopped)"),
  };
  const end = ends[item.state];
  return [
    truncateToWidth(title, width, "…"),
    ...outputLines(item.output, item.left, width, theme, unfolded),
    ...(end === "" ? [] : [MARGIN + end]),
  ];
}

function foldedThinking(text: string, width: number, theme: Theme): string[] {
  const count = text.trim().split("\n").length;
  const first = text.trim().split("\n", 1)[0] ?? "";
  const key = keyName("app.thinking.toggle");
  const tail = count > 1 ? ` (${count} lines, ${key})` : ` (${key})`;
  const room = Math.max(1, width - visibleWidth(tail) - 10);
  return [theme.muted(theme.italic(`thinking: ${truncateToWidth(first.slice(0, 500), room, "…")}${tail}`))];
}

/** Draws items; it keeps the Markdown of those that may grow. */
export class ItemLines {
  readonly #theme: Theme;
  readonly #texts = new WeakMap<Item, MarkdownText>();

  constructor(theme: Theme) {
    this.#theme = theme;
  }

  /** The item's lines, none wider than `width`, after a blank one. */
  render(item: Item, width: number, unfolded: Unfolded): string[] {
    const lines = this.#draw(item, Math.max(4, width - 1), unfolded);
    return lines.length === 0 ? [] : ["", ...lines.map((line) => ` ${line}`)];
  }

  #draw(item: Item, width: number, unfolded: Unfolded): string[] {
    const theme = this.#theme;
    switch (item.kind) {
      case "user":
        return userLines(item, width, theme);
      case "text":
        return this.#markdown(item).render(item.text, width);
      case "thinking":
        if (item.text.trim() === "") return [];
        if (!unfolded.thinking) return foldedThinking(item.text, width, theme);
        return this.#markdown(item, (text) => theme.muted(theme.italic(text))).render(item.text, width);
      case "tool":
        return toolLines(item, width, theme, unfolded.tools);
      case "bash":
        return bashLines(item, width, theme, unfolded.tools);
      case "summary": {
        const title = theme.muted(`[${item.title}]`);
        return [truncateToWidth(title, width, "…"), ...this.#markdown(item).render(item.text, width)];
      }
      case "note": {
        const style = item.level === "info" ? theme.muted : theme[item.level];
        const word = item.level === "info" ? "" : `${item.level === "error" ? "Error" : "Warning"}: `;
        return wrapPlain(word + item.text, width, style).slice(0, 40);
      }
    }
  }

  #markdown(item: Item, style?: Style): MarkdownText {
    let text = this.#texts.get(item);
    if (text === undefined) {
      text = new MarkdownText(this.#theme, style);
      this.#texts.set(item, text);
    }
    return text;
  }
}
