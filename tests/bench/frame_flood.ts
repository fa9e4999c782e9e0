// (k) What one peer can do to a server: small commands without end, read or unread, invalid messages, pings,
// messages and requests that are never complete. Measured on every build: how much the process grows, how long it
// works on after the flood, and what a second connection's ping takes meanwhile. The baseline is the quiet server
// of the same run. PI_BENCH_BASE names another checkout, whose builds are measured beside it.
// Usage: deno run -A tests/bench/frame_flood.ts [--quick] [sources|node|binary …]

import { Client, oneAtATime } from "./support/client.ts";
import { median, percentile, type Row, runBench, size } from "./support/report.ts";
import { type BenchServer, Child, onEachBuild, startServer } from "./support/servers.ts";
import { commandOf, environment, REPO, type Target } from "../support/server_process.ts";
import { stringAt } from "../support/json.ts";
import { delay } from "../support/wait.ts";

const ALL = ["pings", "unread", "invalid", "control", "unfinished", "heads"];
const KINDS = ALL.filter((kind) => Deno.args.includes(kind));
const FLOOD_S = size(8, 3);
const QUIET_MS = 1500;
const PING_EVERY_MS = 10;
const SAMPLE_MS = 50;
/** A process that uses less of a core than this is calm. */
const CALM = 0.05;
const CALM_MS = 20_000;
const MIB = 1024 * 1024;

interface Flooded {
  readonly grownMiB: number;
  readonly calmMs: number;
  readonly pings: readonly number[];
  readonly note: string;
}

const BASE = Deno.env.get("PI_BENCH_BASE");

/** Asks for that long; the round trips in milliseconds. */
async function ask(client: Client, over: () => boolean): Promise<number[]> {
  const times: number[] = [];
  let n = 0;
  while (!over()) {
    times.push(...await oneAtATime(client.socket, () => `{"id":"p${++n}","type":"list_sessions"}`, 1));
    await delay(PING_EVERY_MS);
  }
  return times;
}

/** Milliseconds until the process does next to nothing. */
async function calm(child: Child): Promise<number> {
  const started = performance.now();
  for (let last = await child.processorTime(); performance.now() - started < CALM_MS;) {
    await delay(500);
    const now = await child.processorTime();
    if ((now - last) / 0.5 < CALM) return Math.max(0, performance.now() - started - 500);
    last = now;
  }
  return Infinity;
}

async function flooded(server: BenchServer, kind: string, client: Client, token: string): Promise<Flooded> {
  const before = await server.child.memory();
  const script = decodeURIComponent(new URL("frame_flooder.ts", import.meta.url).pathname);
  await using flooder = new Child(Deno.execPath(), [
    "run",
    "-A",
    script,
    kind,
    server.url,
    token,
    String(FLOOD_S),
  ], {
    cwd: server.home.root,
    env: environment(server.home),
  });
  await flooder.line((line) => line === "flooding");
  let most = before;
  let over = false;
  let flooding = true;
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, await server.child.memory());
      await delay(SAMPLE_MS);
    }
  })();
  const asking = ask(client, () => !flooding);
  const said = await flooder.line((line) => line.startsWith("{"));
  flooding = false;
  const pings = await asking;
  const calmMs = await calm(server.child);
  over = true;
  await watching;
  const { sent, closeCode } = JSON.parse(said);
  const note = `${(sent / 1e6).toFixed(0)} MB sent${closeCode === null ? "" : `, closed with ${closeCode}`}`;
  return { grownMiB: (most - before) * 1e6 / MIB, calmMs, pings, note };
}

/** The program of the same build in another checkout. */
function programOf(target: Target, base: string | undefined): { program: string; args: string[] } {
  const { program, args } = commandOf(target);
  const there = (text: string): string => base === undefined ? text : text.replaceAll(REPO, base);
  return { program: there(program), args: args.map(there) };
}

async function measure(target: Target, base: string | undefined): Promise<Row[]> {
  const name = base === undefined ? target : `${target} of the other checkout`;
  const rows: Row[] = [];
  for (const kind of KINDS.length > 0 ? KINDS : ALL) {
    // A server for each, so that what one flood leaves behind is not counted for the next.
    await using server = await startServer({ program: programOf(target, base), flags: RATES });
    const admin = await Client.connect(server);
    const minted = await admin.ok({ type: "mint_token", role: "observe", ttlMs: 600_000 });
    const started = performance.now();
    const quiet = await ask(admin, () => performance.now() - started > QUIET_MS);
    const { grownMiB, calmMs, pings, note } = await flooded(server, kind, admin, stringAt(minted, "token"));
    const judged = base === undefined;
    rows.push(
      {
        what: `${name}, ${kind}: growth of the process, most`,
        unit: "MiB",
        ours: grownMiB,
        ...(judged ? { target: "≤ 64", met: grownMiB <= 64 } : {}),
        note,
      },
      {
        what: `${name}, ${kind}: time to calm`,
        unit: "ms",
        ours: calmMs,
        ...(judged ? { target: "≤ 1000", met: calmMs <= 1000 } : {}),
      },
      {
        what: `${name}, ${kind}: slowest answer to another connection`,
        unit: "ms",
        ours: Math.max(...pings),
        baseline: Math.max(...quiet),
        baselineName: "quiet",
        ...(judged ? { target: "≤ 50", met: Math.max(...pings) <= 50 } : {}),
        note: `p50 ${median(pings).toFixed(1)}, p99 ${percentile(pings, 99).toFixed(1)}`,
      },
    );
  }
  return rows;
}

/** The second connection asks often; the flood meets the rates that a server has by default elsewhere. */
const RATES = ["--max-commands-per-minute=10000000", "--max-commands-per-minute-per-session=10000000"];

await runBench(async () => ({
  bench: "k",
  title: "one peer that floods",
  settings: { seconds: FLOOD_S, flags: RATES },
  rows: [
    ...await onEachBuild((target) => measure(target, undefined)),
    ...BASE === undefined ? [] : await onEachBuild((target) => measure(target, BASE)),
  ],
}));
