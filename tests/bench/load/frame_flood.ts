// (k) What one peer can do to a server: small commands without end, read or unread, invalid messages, pings,
// messages and requests that are never complete. Measured on every build: how much the process grows, how long it
// works on after the flood, and what a second connection's ping takes meanwhile. The baseline is the bare server on
// the same runtime, which has no limits, under the same flood. The note has our own server's slowest answer before it,
// and the slowest one of a second server, which gets no flood: that is what the machine itself needs while it is busy.
// PI_BENCH_BASE names another checkout, whose builds are measured beside it.
// Usage: deno run -A tests/bench/load/frame_flood.ts [--quick] [sources|node|binary …]

import { Client, oneAtATime } from "../support/client.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import { LeanSocket } from "../support/lean_socket.ts";
import { Child, onEachBuild, startBaseline, startServer } from "../support/servers.ts";
import { commandOf, environment, Home, REPO, type Target } from "../../support/server/server_process.ts";
import { stringAt } from "../../support/base/json.ts";
import { delay, until } from "../../support/base/wait.ts";

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
/** The bare server parses each message and would end with the first of these. */
const WITHOUT_BASELINE = ["invalid"];

interface Flooded {
  readonly grownMiB: number;
  readonly calmMs: number;
  readonly pings: readonly number[];
  /** Round trips of the server that gets no flood. */
  readonly untouched: readonly number[];
  readonly note: string;
}

const BASE = Deno.env.get("PI_BENCH_BASE");

/** Asks for that long; the round trips in milliseconds. */
async function ask(socket: LeanSocket, over: () => boolean): Promise<number[]> {
  const times: number[] = [];
  let n = 0;
  while (!over()) {
    times.push(...await oneAtATime(socket, () => `{"id":"p${++n}","type":"list_sessions"}`, 1));
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

/** The server under attack: its process, and the socket of a second connection. */
interface Attacked {
  readonly child: Child;
  readonly url: string;
  readonly socket: LeanSocket;
  /** A socket of a server that gets no flood. */
  readonly untouched?: LeanSocket;
}

async function flooded(
  { child, url, socket, untouched }: Attacked,
  kind: string,
  token: string,
): Promise<Flooded> {
  const before = await child.memory();
  const script = decodeURIComponent(new URL("frame_flooder.ts", import.meta.url).pathname);
  const home = await Home.make();
  await using _cleanup = { [Symbol.asyncDispose]: () => home.remove() };
  await using flooder = new Child(
    Deno.execPath(),
    ["run", "-A", script, kind, url, token, String(FLOOD_S)],
    { cwd: home.root, env: environment(home) },
  );
  await flooder.line((line) => line === "flooding");
  let most = before;
  let over = false;
  let flooding = true;
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, await child.memory());
      await delay(SAMPLE_MS);
    }
  })();
  const asking = ask(socket, () => !flooding);
  const askingOther = untouched === undefined ? Promise.resolve([]) : ask(untouched, () => !flooding);
  await flooder.status;
  flooding = false;
  const said = await until(
    () => flooder.stdout.split("\n").find((line) => line.startsWith("{")),
    5_000,
    () => `the flood said nothing: ${flooder.stderr}`,
  );
  const pings = await asking;
  const calmMs = await calm(child);
  over = true;
  await watching;
  const { sent, closeCode } = JSON.parse(said);
  const note = `${(sent / 1e6).toFixed(0)} MB sent${closeCode === null ? "" : `, closed with ${closeCode}`}`;
  return { grownMiB: (most - before) * 1e6 / MIB, calmMs, pings, untouched: await askingOther, note };
}

/** The program of the same build in another checkout. */
function programOf(target: Target, base: string | undefined): { program: string; args: string[] } {
  const { program, args } = commandOf(target);
  const there = (text: string): string => base === undefined ? text : text.replaceAll(REPO, base);
  return { program: there(program), args: args.map(there) };
}

/** The same flood on the bare server of that build's runtime. */
async function bare(target: Target, kind: string): Promise<Flooded | undefined> {
  if (WITHOUT_BASELINE.includes(kind)) return undefined;
  await using server = await startBaseline(target);
  return await flooded({ ...server, socket: await LeanSocket.connect(server.url) }, kind, "none");
}

async function measure(target: Target, base: string | undefined): Promise<Row[]> {
  const name = base === undefined ? target : `${target} of the other checkout`;
  const rows: Row[] = [];
  for (const kind of KINDS.length > 0 ? KINDS : ALL) {
    // A server for each, so that what one flood leaves behind is not counted for the next.
    await using server = await startServer({ program: programOf(target, base), flags: RATES });
    await using idle = await startServer({ program: programOf(target, base), flags: RATES });
    const [admin, other] = [await Client.connect(server), await Client.connect(idle)];
    const minted = await admin.ok({ type: "mint_token", role: "observe", ttlMs: 600_000 });
    const started = performance.now();
    const quiet = await ask(admin.socket, () => performance.now() - started > QUIET_MS);
    const attacked = { child: server.child, url: server.url, socket: admin.socket, untouched: other.socket };
    const { grownMiB, calmMs, pings, untouched, note } = await flooded(
      attacked,
      kind,
      stringAt(minted, "token"),
    );
    const judged = base === undefined;
    const beside = judged ? await bare(target, kind) : undefined;
    const against = (of: (flooded: Flooded) => number): Partial<Row> =>
      beside === undefined ? {} : { baseline: of(beside), baselineName: "bare" };
    rows.push(
      {
        what: `${name}, ${kind}: growth of the process, most`,
        unit: "MiB",
        ours: grownMiB,
        ...against((there) => there.grownMiB),
        ...(judged ? { target: "≤ 64", met: grownMiB <= 64 } : {}),
        note,
      },
      {
        what: `${name}, ${kind}: time to calm`,
        unit: "ms",
        ours: calmMs,
        ...against((there) => there.calmMs),
        ...(judged ? { target: "≤ 1000", met: calmMs <= 1000 } : {}),
      },
      {
        what: `${name}, ${kind}: slowest answer to another connection`,
        unit: "ms",
        ours: Math.max(...pings),
        ...against((there) => Math.max(...there.pings)),
        ...(judged ? { target: "≤ 50", met: Math.max(...pings) <= 50 } : {}),
        note: `p50 ${median(pings).toFixed(1)}, p99 ${percentile(pings, 99).toFixed(1)}, slowest before ${
          Math.max(...quiet).toFixed(1)
        }, of an untouched server ${Math.max(...untouched).toFixed(1)}`,
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
