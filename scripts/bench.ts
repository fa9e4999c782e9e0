// The benchmarks, `deno task bench`: each file of tests/bench as a process of its own, which starts the servers
// and their baselines as further ones. Builds what is missing, prints every table and a summary; what was
// measured is appended to dist/bench.json. Fails when a run is spoiled, not when a target is missed (--strict).
// `--pi 1.6` measures each on both engines, on one Node that runs both, and ends with a table of the two.
// Usage: deno run -A scripts/bench.ts [--quick] [--only a,b] [--pi 0.73|1.6] [--strict] [--build]

import * as path from "node:path";
import { parseArgs } from "@std/cli/parse-args";
import { type Engine, ENGINES } from "../src/protocol/pi_package.ts";
import { short, table } from "../tests/bench/support/report.ts";
import { nodeOf } from "../tests/support/base/node_versions.ts";
import { repositoryRoot } from "./build/bundle.ts";

interface Bench {
  readonly file: string;
  readonly about: string;
  /** Whether it measures every build. */
  readonly builds: boolean;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  a: { file: "delivery/round_trip.ts", about: "round trip", builds: true },
  b: { file: "delivery/fan_out.ts", about: "fan-out", builds: true },
  c: { file: "delivery/delta_bytes.ts", about: "bytes of a delta", builds: false },
  d: { file: "load/fairness.ts", about: "ping while all stream", builds: false },
  e: { file: "start/idle_memory.ts", about: "memory for each session", builds: true },
  f: { file: "start/startup.ts", about: "start", builds: true },
  g: { file: "delivery/reconnect.ts", about: "reconnect", builds: true },
  h: { file: "load/workers.ts", about: "one and two workers", builds: false },
  i: { file: "delivery/stalled_reader.ts", about: "a reader that never reads", builds: true },
  j: { file: "history/journal.ts", about: "what a key costs", builds: false },
  k: { file: "load/frame_flood.ts", about: "one peer that floods", builds: true },
  l: { file: "load/isolation.ts", about: "a worker for each session", builds: true },
  m: { file: "history/long_history.ts", about: "long histories", builds: true },
  n: { file: "history/catalogue.ts", about: "pages of thousands of sessions", builds: true },
  o: { file: "delivery/fronts.ts", about: "what a front costs", builds: true },
  cluster: { file: "delivery/cluster.ts", about: "through a gateway", builds: false },
};

/** The Node of both sides where two engines are measured: pi 1.6 needs a newer one. */
const NODE_FOR_BOTH = "22";

/** Longest that one benchmark may take. */
const LIMIT_MS = 480_000;

const root = repositoryRoot();

async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
  return (await child.status).success;
}

/** When the newest source was changed. */
async function newestSource(folder: string): Promise<number> {
  let newest = 0;
  for await (const entry of Deno.readDir(folder)) {
    const name = path.join(folder, entry.name);
    const at = entry.isDirectory ? await newestSource(name) : (await Deno.stat(name)).mtime?.getTime() ?? 0;
    newest = Math.max(newest, at);
  }
  return newest;
}

/** Builds what isn't there, or everything; a build that is older than the sources is measured with a warning. */
async function build(all: boolean): Promise<void> {
  const newest = await newestSource(path.join(root, "src"));
  const wanted = [["dist/npm/bin/pi-server.js", "build_node.ts"], ["dist/pi-server", "compile.ts"]] as const;
  for (const [file, script] of wanted) {
    const found = await Deno.stat(path.join(root, file)).catch(() => undefined);
    if (all || found === undefined) {
      if (!await deno(["run", "-A", `scripts/build/${script}`])) throw new Error(`${script} failed`);
    } else if ((found.mtime?.getTime() ?? 0) < newest) {
      console.log(`warning: ${file} is older than the sources; --build makes it anew`);
    }
  }
}

export interface Entry {
  readonly run: string;
  readonly pi: Engine;
  readonly bench: string;
  readonly rows: readonly {
    readonly what: string;
    readonly unit: string;
    readonly ours: number;
    readonly baseline?: number | null;
    readonly target?: string;
    readonly met?: boolean;
  }[];
}

/** What this run has measured. */
async function measured(run: string): Promise<Entry[]> {
  const text = await Deno.readTextFile(path.join(root, "dist/bench.json")).catch(() => "[]");
  const entries: Entry[] = JSON.parse(text);
  return entries.filter((entry) => entry.run === run);
}

/** The rows with a target. */
function summary(entries: readonly Entry[]): { lines: string[]; missed: number } {
  const judged = entries.flatMap(({ bench, pi, rows }) =>
    rows.filter(({ target }) => target !== undefined).map((row) => ({ bench, pi, ...row }))
  );
  const number = (value: number | null | undefined): string =>
    typeof value === "number" ? value.toPrecision(4) : "";
  const lines = judged.map(({ bench, pi, what, unit, ours, baseline, target, met }) => {
    const ratio = typeof baseline === "number" ? `, ratio ${(ours / baseline).toFixed(2)}` : "";
    const numbers = `${number(ours)} ${unit} against ${number(baseline)}${ratio}`;
    return `${met ? "ok    " : "MISSED"} ${bench} on pi ${pi} ${what}: ${numbers} (target ${target})`;
  });
  return { lines, missed: judged.filter(({ met }) => met === false).length };
}

/** Every row that two engines have, ours and its baseline, with the newer as a multiple of the older. */
export function sideBySide(entries: readonly Entry[], [older, newer]: readonly [Engine, Engine]): string {
  const rowsOn = (pi: Engine, bench: string) =>
    entries.filter((entry) => entry.pi === pi && entry.bench === bench).flatMap(({ rows }) => rows);
  const lines: string[][] = [];
  for (const bench of new Set(entries.map((entry) => entry.bench))) {
    for (const row of rowsOn(older, bench)) {
      const other = rowsOn(newer, bench).find(({ what, unit }) => what === row.what && unit === row.unit);
      if (other === undefined) continue;
      const line = (what: string, before: number, after: number): string[] => {
        return [`${bench} ${what}`, row.unit, short(before), short(after), (after / before).toFixed(2)];
      };
      lines.push(line(row.what, row.ours, other.ours));
      if (typeof row.baseline !== "number" || typeof other.baseline !== "number") continue;
      lines.push(line(`${row.what}, baseline`, row.baseline, other.baseline));
    }
  }
  return table(["what", "unit", `pi ${older}`, `pi ${newer}`, "ratio"], lines);
}

async function main(): Promise<number> {
  const { only, pi, quick, strict, build: anew } = parseArgs(Deno.args, {
    string: ["only", "pi"],
    boolean: ["quick", "strict", "build"],
  });
  const newest = pi === undefined ? ENGINES[0] : ENGINES.find((engine) => engine === pi);
  if (newest === undefined) {
    console.error(`Unknown: pi ${pi}. Use --pi with one of ${ENGINES.join(", ")}`);
    return 2;
  }
  const engines = ENGINES.slice(0, ENGINES.indexOf(newest) + 1);
  const names = typeof only !== "string" ? Object.keys(BENCHES) : only.split(",").map((name) => name.trim());
  const chosen = names.map((name) => [name, BENCHES[name]] as const);
  const unknown = chosen.filter(([, bench]) => bench === undefined).map(([name]) => name);
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(", ")}. Use --only with ${Object.keys(BENCHES).join(",")}`);
    return 2;
  }
  const variables: Record<string, string> = {};
  if (engines.length > 1) {
    const node = await nodeOf(NODE_FOR_BOTH);
    if ("reason" in node) {
      console.error(node.reason);
      return 1;
    }
    variables["PI_SERVER_NODE_PROGRAM"] = node.path;
  }
  const run = new Date().toISOString();
  const started = performance.now();
  console.log(
    `${navigator.hardwareConcurrency} cores, load average ${
      Deno.loadavg().map((one) => one.toFixed(1)).join(" ")
    }`,
  );
  if (chosen.some(([, bench]) => bench?.builds)) await build(anew === true);
  const failed: string[] = [];
  for (const [name, bench] of chosen) {
    if (bench === undefined) continue;
    const file = path.join("tests/bench", bench.file);
    for (const engine of engines) {
      const env = { ...variables, PI_BENCH_RUN: run, PI_SERVER_PI: engine };
      const ok = await deno(["run", "-A", file, ...quick ? ["--quick"] : []], env);
      if (!ok) failed.push(`${name} (${bench.about}) on pi ${engine}`);
    }
  }
  const entries = await measured(run);
  const [older, newer] = engines;
  if (older !== undefined && newer !== undefined) {
    console.log(`\n# pi ${older} and pi ${newer}\n\n${sideBySide(entries, [older, newer])}`);
  }
  const { lines, missed } = summary(entries);
  console.log(`\n# Targets\n\n${lines.join("\n")}`);
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  console.log(
    `\n${lines.length - missed} met, ${missed} missed, ${failed.length} failed runs; ${minutes} minutes`,
  );
  if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
  return failed.length > 0 || (strict && missed > 0) ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
