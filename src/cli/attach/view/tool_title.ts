// What a tool's item says beside the tool's name, and the lines of an edit's diff. Pure.
import { truncateToWidth } from "@mariozechner/pi-tui";
import { textOf } from "../transcript/fields.ts";
import { keyName } from "../key_bindings.ts";
import type { ToolItem } from "../transcript/items.ts";
import { sanitizeLine } from "./sanitize.ts";
import type { Theme } from "./theme.ts";

/** Arguments that say most, by tool; of any other tool all of them are shown. */
const MAIN: Readonly<Record<string, readonly string[]>> = {
  bash: ["command"],
  read: ["path", "file_path"],
  write: ["path", "file_path"],
  edit: ["path", "file_path"],
  ls: ["path"],
  grep: ["pattern", "path"],
  find: ["pattern", "path"],
};
const MOST_CHARS = 400;

/** What the tool was called with, in one line. */
export function toolTitle({ name, args }: ToolItem): string {
  const main = Object.hasOwn(MAIN, name) ? MAIN[name] ?? [] : [];
  const texts = main.map((key) => textOf(args, key)).filter((text) => text !== "");
  const text = texts.length > 0
    ? texts.join(" ")
    : Object.keys(args).length === 0
    ? ""
    : JSON.stringify(args);
  return sanitizeLine(text.slice(0, MOST_CHARS));
}

/** A diff as pi's edit tool gives it: each line begins with `+`, `-` or a blank, and the number of the line. */
export function diffLines(diff: string, width: number, theme: Theme, most: number): string[] {
  const all = diff.replace(/\n+$/, "").split("\n");
  const lines = all.slice(0, most).map((line) => {
    const text = truncateToWidth(line.slice(0, 2000), width, "…");
    if (line.startsWith("+")) return theme.added(text);
    return line.startsWith("-") ? theme.removed(text) : theme.muted(text);
  });
  if (all.length > most) {
    lines.push(theme.muted(`… ${all.length - most} more lines (${keyName("app.tools.expand")})`));
  }
  return lines;
}
