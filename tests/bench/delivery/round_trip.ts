// (a) Round trip of `ping` (answered by the server thread) and `get_state` (answered by the worker), on every build.
// One at a time, and pipelined with few and with many in flight. The baseline is a bare server on the same runtime
// that parses and stringifies. With few in flight, the cost of a worker is mostly the wake-up of its thread.
// Usage: deno run -A tests/bench/delivery/round_trip.ts [--quick] [sources|node|binary …]

import { Client, oneAtATime, pipelined } from "../support/client.ts";
import { LeanSocket } from "../support/lean_socket.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import { onEachBuild, raisedLimits, startBaseline, startServer } from "../support/servers.ts";
import type { Target } from "../../support/server/server_process.ts";

/** Commands in flight. */
const WINDOWS = [32, 256];
const ROUNDS = size(5, 3);
const SINGLE = size(1500, 200);
const PIPELINED = size(20_000, 3000);

const PING = (n: number): string => `{"id":"${n}","type":"ping"}`;
const GET_STATE = (n: number): string => `{"id":"${n}","type":"get_state","sessionId":"bench"}`;

interface Samples {
  readonly single: number[];
  /** For each of the windows. */
  readonly perSecond: readonly number[][];
}

async function sample(into: Samples, socket: LeanSocket, text: (n: number) => string): Promise<void> {
  into.single.push(...await oneAtATime(socket, text, SINGLE));
  for (const [index, window] of WINDOWS.entries()) {
    into.perSecond[index]?.push(await pipelined(socket, text, PIPELINED, window));
  }
}

async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  await using server = await startServer({ target, flags });
  await using bare = await startBaseline(target);
  const client = await Client.connect(server);
  await client.ok({ type: "create_session", sessionId: "bench", inMemory: true });
  const echo = await LeanSocket.connect(bare.url);
  const samples = (): Samples => ({ single: [], perSecond: WINDOWS.map(() => []) });
  const [ofEcho, ofPing, ofState] = [samples(), samples(), samples()];
  for (const [socket, text] of [[echo, PING], [client.socket, PING], [client.socket, GET_STATE]] as const) {
    for (const window of WINDOWS) await pipelined(socket, text, PIPELINED, window);
  }
  for (let round = 0; round < ROUNDS; round++) {
    await sample(ofEcho, echo, PING);
    await sample(ofPing, client.socket, PING);
    await sample(ofState, client.socket, GET_STATE);
  }
  const rows = (name: string, ours: Samples, least: number): Row[] => {
    const middle = { ours: median(ours.single), baseline: median(ofEcho.single) };
    const head = `${target} ${name}`;
    return [
      { what: `${head}, one at a time, median`, unit: "ms", ...middle, ...within(name, middle) },
      {
        what: `${head}, one at a time, p99`,
        unit: "ms",
        ours: percentile(ours.single, 99),
        baseline: percentile(ofEcho.single, 99),
      },
      ...WINDOWS.map((window, index): Row => {
        const [mine, bare] = [ours, ofEcho].map(({ perSecond }) => median(perSecond[index] ?? []));
        const rate = { ours: mine ?? 0, baseline: bare ?? 0 };
        return {
          what: `${head}, ${window} in flight`,
          unit: "1/s",
          ...rate,
          target: `≥ ${least}`,
          met: rate.ours >= least * rate.baseline,
        };
      }),
    ];
  };
  return [...rows("ping", ofPing, 0.6), ...rows("get_state", ofState, 0.3)];
}

function within(name: string, { ours, baseline }: { ours: number; baseline: number }): Partial<Row> {
  if (name !== "get_state") return {};
  const note = `${(ours - baseline).toFixed(3)} ms more`;
  return { target: "≤ 0.3 ms more", met: ours - baseline <= 0.3, note };
}

await runBench(async () => {
  const flags = await raisedLimits();
  const rows = await onEachBuild((target) => measure(target, flags));
  return {
    bench: "a",
    title: "round trip against a bare echo server",
    settings: { flags, windows: WINDOWS, rounds: ROUNDS, single: SINGLE, pipelined: PIPELINED },
    rows,
  };
});
