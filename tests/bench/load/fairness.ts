// (d) How long a `ping` takes while 20 sessions stream, one subscriber reads everything and another is stopped
// with SIGSTOP, against the same on the quiet server. The bare echo server is asked in the same seconds, which
// shows what of it is the machine's doing; the whole rise is judged. At a brisk pace (200 deltas a second and
// session), and flat out.
// Usage: deno run -A tests/bench/load/fairness.ts [--quick]

import { Client, oneAtATime } from "../support/client.ts";
import { LeanSocket } from "../support/lean_socket.ts";
import { prompt } from "../support/model_extension.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import { type BenchServer, Child, raisedLimits, startBaseline, startServer } from "../support/servers.ts";
import { environment } from "../../support/server/server_process.ts";
import { delay } from "../../support/base/wait.ts";

const SESSIONS = 20;
const ROUNDS = size(3, 2);
const MEASURE_MS = size(4000, 1000);
const PING_EVERY_MS = 2;
const PACED = { chars: 20, burst: 1, everyMs: 5 };
const FLAT_OUT = { chars: 20, burst: 16, everyMs: 0 };

interface Samples {
  readonly ours: number[];
  readonly echo: number[];
}

/** Asks both servers in turn for a while. */
async function ask(into: Samples, client: Client, echo: LeanSocket): Promise<void> {
  const until = performance.now() + MEASURE_MS;
  let n = 0;
  while (performance.now() < until) {
    into.ours.push(...await oneAtATime(client.socket, () => `{"id":"${++n}","type":"ping"}`, 1));
    into.echo.push(...await oneAtATime(echo, () => `{"id":"${++n}","type":"ping"}`, 1));
    await delay(PING_EVERY_MS);
  }
}

function subscriber(server: BenchServer): Child {
  const script = decodeURIComponent(new URL("subscriber.ts", import.meta.url).pathname);
  return new Child(Deno.execPath(), ["run", "-A", script, server.url, server.token], {
    cwd: server.home.root,
    env: environment(server.home),
  });
}

interface Busy {
  readonly deltasPerSecond: number;
}

/** Streams everywhere with a stopped reader, and asks meanwhile. */
async function whileBusy(
  server: BenchServer,
  control: Client,
  pace: { chars: number; burst: number; everyMs: number },
  ask: () => Promise<void>,
): Promise<Busy> {
  await using reading = subscriber(server);
  await using stopped = subscriber(server);
  await Promise.all([reading, stopped].map((child) => child.line((line) => line === "subscribed")));
  stopped.signal("SIGSTOP");
  // Longer than the measurement, then cut off.
  const deltas = 10_000_000;
  const ids = Array.from({ length: SESSIONS }, (_, n) => `s${n}`);
  const count = (): number =>
    Number(/"updates":(\d+)/.exec(reading.stdout.trimEnd().split("\n").at(-1) ?? "")?.[1] ?? 0);
  await Promise.all(
    ids.map((sessionId) => control.ok({ type: "prompt", sessionId, message: prompt({ ...pace, deltas }) })),
  );
  await delay(500);
  const [before, started] = [count(), performance.now()];
  await ask();
  const deltasPerSecond = (count() - before) / ((performance.now() - started) / 1000);
  await Promise.all(ids.map((sessionId) => control.ok({ type: "abort", sessionId })));
  return { deltasPerSecond };
}

function rowsOf(
  name: string,
  samples: Samples,
  quiet: Samples,
  deltas: readonly number[],
): Row[] {
  const [busyP99, quietP99] = [percentile(samples.ours, 99), percentile(quiet.ours, 99)];
  const of = (values: number[]): string =>
    `p50 ${median(values).toFixed(3)}, max ${Math.max(...values).toFixed(1)}`;
  return [
    {
      what: `${name}: p99 of ping`,
      unit: "ms",
      ours: busyP99,
      baseline: quietP99,
      baselineName: "quiet",
      target: "≤ 5 ms more",
      met: busyP99 - quietP99 <= 5,
      note: `${of(samples.ours)}; ${Math.round(median(deltas))} deltas/s read`,
    },
    {
      what: `${name}: p99 of the bare server's echo meanwhile`,
      unit: "ms",
      ours: percentile(samples.echo, 99),
      baseline: percentile(quiet.echo, 99),
      baselineName: "quiet",
      note: of(samples.echo),
    },
  ];
}

await runBench(async () => {
  const flags = await raisedLimits();
  await using server = await startServer({ flags });
  await using bare = await startBaseline("sources");
  const control = await Client.connect(server);
  const client = await Client.connect(server);
  const echo = await LeanSocket.connect(bare.url);
  for (let n = 0; n < SESSIONS; n++) {
    await control.ok({ type: "create_session", sessionId: `s${n}`, inMemory: true });
  }
  const none = (): Samples => ({ ours: [], echo: [] });
  const [warm, quiet, paced, flatOut] = [none(), none(), none(), none()];
  const deltas: { paced: number[]; flatOut: number[] } = { paced: [], flatOut: [] };
  await ask(warm, client, echo);
  for (let round = 0; round < ROUNDS; round++) {
    await ask(quiet, client, echo);
    const busy = await whileBusy(server, control, PACED, () => ask(paced, client, echo));
    deltas.paced.push(busy.deltasPerSecond);
    await delay(300);
    const full = await whileBusy(server, control, FLAT_OUT, () => ask(flatOut, client, echo));
    deltas.flatOut.push(full.deltasPerSecond);
    await delay(300);
  }
  return {
    bench: "d",
    title: `ping while ${SESSIONS} sessions stream and a reader is stopped`,
    settings: {
      flags,
      sessions: SESSIONS,
      paced: PACED,
      flatOut: FLAT_OUT,
      rounds: ROUNDS,
      samples: quiet.ours.length,
    },
    rows: [
      ...rowsOf("200 deltas/s and session", paced, quiet, deltas.paced),
      ...rowsOf("flat out", flatOut, quiet, deltas.flatOut),
    ],
  };
});
