// What a benchmark came to: medians, a table with the ratio against the baseline of the same run, and one entry
// in dist/bench.json. Also the frame that every benchmark file runs in.

import { ENGINE, REPO } from "../../support/server/server_process.ts";

/** One line of a result. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  /** The same measured on the baseline, in the same run. */
  readonly baseline?: number;
  readonly baselineName?: string;
  /** What must hold, and whether it does. */
  readonly target?: string;
  readonly met?: boolean;
  /** Anything else worth keeping. */
  readonly note?: string;
}

/** What one benchmark came to. */
export interface Result {
  readonly bench: string;
  readonly title: string;
  /** Flags and sizes that it ran with. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly rows: readonly Row[];
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which that many percent lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (percent === 50 && sorted.length % 2 === 0 && sorted.length > 0) {
    return ((sorted[sorted.length / 2 - 1] ?? 0) + (sorted[sorted.length / 2] ?? 0)) / 2;
  }
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percent / 100))] ?? NaN;
}

/** A number with about three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return Math.abs(value) >= 100
    ? value.toFixed(0)
    : Math.abs(value) >= 10
    ? value.toFixed(1)
    : value.toFixed(3);
}

/** Lines of cells as a table. */
export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((name, at) =>
    Math.max(name.length, ...lines.map((line) => (line[at] ?? "").length))
  );
  const row = (cells: readonly string[]): string =>
    `| ${
      cells.map((cell, at) => at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)).join(
        " | ",
      )
    } |`;
  return [row(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...lines.map(row)].join(
    "\n",
  );
}

/** The rows of a result as a table. */
export function rowsTable(rows: readonly Row[]): string {
  const verdict = ({ target, met }: Row): string =>
    target === undefined ? "" : `${target}${met === undefined ? "" : met ? " ok" : " MISSED"}`;
  return table(
    ["what", "unit", "pi-server", "baseline", "ratio", "target", "note"],
    rows.map((row) => [
      row.what,
      row.unit,
      short(row.ours),
      row.baseline === undefined
        ? ""
        : `${short(row.baseline)}${row.baselineName ? ` (${row.baselineName})` : ""}`,
      row.baseline === undefined ? "" : (row.ours / row.baseline).toFixed(2),
      verdict(row),
      row.note ?? "",
    ]),
  );
}

/** Whether the small sizes were asked for. */
export const QUICK: boolean = Deno.args.includes("--quick");

/** A size: the first for a real run, the second for `--quick`. */
export function size(full: number, quick: number): number {
  return QUICK ? quick : full;
}

/** Appends an entry to dist/bench.json, an array. */
async function append(entry: Record<string, unknown>): Promise<void> {
  const file = `${REPO}/dist/bench.json`;
  const before: unknown = JSON.parse(await Deno.readTextFile(file).catch(() => "[]"));
  const entries = Array.isArray(before) ? before : [];
  await Deno.mkdir(`${REPO}/dist`, { recursive: true });
  await Deno.writeTextFile(`${file}.part`, `${JSON.stringify([...entries, entry], null, 1)}\n`);
  await Deno.rename(`${file}.part`, file);
}

/** Runs one benchmark, prints its table and keeps its result; a failure ends the process with 1. */
export async function runBench(measure: () => Promise<Result>): Promise<void> {
  const started = performance.now();
  try {
    const result = await measure();
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`\n## ${result.bench}: ${result.title}, on pi ${ENGINE}`);
    console.log(`settings: ${JSON.stringify(result.settings)}`);
    console.log(
      `load average ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}; took ${seconds} s\n`,
    );
    console.log(rowsTable(result.rows));
    await append({
      at: new Date().toISOString(),
      run: Deno.env.get("PI_BENCH_RUN") ?? "alone",
      pi: ENGINE,
      quick: QUICK,
      seconds,
      load: Deno.loadavg(),
      ...result,
    });
  } catch (error) {
    console.error(error);
    Deno.exit(1);
  }
  // Connections that stall on purpose would keep the process.
  Deno.exit(0);
}
