// Text for people: tables in columns, ages and sizes. Pure.
// Used by: the subcommands that list something.

/** Rows in columns, two spaces apart, without spaces at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => widths[at] = Math.max(widths[at] ?? 0, printable(cell).length));
  }
  return rows.map((row) =>
    `${row.map((cell, at) => printable(cell).padEnd(widths[at] ?? 0)).join("  ").trimEnd()}\n`
  ).join("");
}

/** In one line and without control characters: a name that a client chose must not drive this terminal. */
export function printable(text: string): string {
  return printableText(text).replaceAll(/[\n\t]+/g, " ");
}

/** Control characters but for line ends and tabs, and those that turn the direction of writing. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** The same with its lines and tabs: what a model or an extension wrote, for a terminal. */
export function printableText(text: string): string {
  return text.replaceAll(CONTROLS, " ");
}

/** A span of time in one unit: `5s`, `12m`, `3h`, `2d`. */
export function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Bytes in one unit: `12 KB`, `310 MB`, `1.2 GB`. */
export function sizeOf(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.round(bytes / 1e3)} KB`;
}

/** Names with what they stand for; a value of several lines is indented. */
export function columnsOf(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) =>
    `${name.padEnd(width)}${value.split("\n").map(printable).join(`\n${" ".repeat(width)}`)}\n`
  ).join("");
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The milliseconds of a text such as `30m` or `1.5h`; undefined when it is not a time. */
export function durationOf(text: string): number | undefined {
  const [, amount, unit = ""] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const factor = UNITS_MS[unit];
  return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor);
}
