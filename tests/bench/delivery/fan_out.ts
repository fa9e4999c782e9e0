// (b) Fan-out: one session, 1, 10 and 50 subscribers, 5,000 small deltas; delivered events per second from the
// first event to the last, and bytes per subscriber, against two bare broadcast loops. One has its texts ready and
// no pi in it: the target is about that one. The other is pi itself in a loop over the sockets, in one process and
// without anything of ours: with one subscriber it shows how much of the rest is pi.
// Usage: deno run -A tests/bench/delivery/fan_out.ts [--quick] [sources|node|binary …]

import { Client } from "../support/client.ts";
import { delivered, type Round, secondsOf } from "../support/delivery.ts";
import { BareReader, Reader, recorded } from "../support/readers.ts";
import { prompt } from "../support/model_extension.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import {
  type BenchServer,
  onEachBuild,
  raisedLimits,
  startBaseline,
  startPiLoop,
  startServer,
} from "../support/servers.ts";
import type { Target } from "../../support/server/server_process.ts";

const ORDER = { deltas: size(5000, 1000), chars: 20, burst: 50 };
const SUBSCRIBERS = [1, 10, 50];
const ROUNDS = size(5, 3);
/** Rounds that are not counted: runtimes take a while to compile what runs often. */
const WARM = size(5, 1);

async function bare(readers: readonly BareReader[]): Promise<Round> {
  for (const reader of readers) reader.reset();
  readers[0]?.socket.send(JSON.stringify({ type: "go", message: prompt(ORDER) }));
  await Promise.all(readers.map((reader) => reader.ended()));
  const events = readers.reduce((sum, { messages }) => sum + messages, 0);
  return { perSecond: events / secondsOf(readers), bytes: median(readers.map(({ bytes }) => bytes)) };
}

/** Deltas per second of a session without a subscriber. */
async function alone(control: Client): Promise<number> {
  const started = performance.now();
  await control.ok({ type: "prompt", sessionId: "bench", message: prompt(ORDER), waitFor: "settled" });
  return ORDER.deltas / ((performance.now() - started) / 1000);
}

type Loop = Awaited<ReturnType<typeof startBaseline>>;

interface Sides {
  readonly server: BenchServer;
  readonly control: Client;
  readonly pi: Loop;
  readonly texts: Loop;
  /** Messages that a loop sends to each. */
  readonly count: number;
}

interface Outcome {
  readonly mine: Round[];
  readonly pi: Round[];
  readonly texts: Round[];
  /** Microseconds of the servers' processor time for each delivered event. */
  readonly cost: { readonly mine: number; readonly pi: number };
}

async function withSubscribers(
  count: number,
  { server, control, pi, texts, count: most }: Sides,
): Promise<Outcome> {
  const each = <T>(make: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, make));
  const readers = await each(() => Reader.subscribe(server, { sessionId: "bench" }));
  const ofPi = await each(() => BareReader.connect(pi.url, most));
  const ofTexts = await each(() => BareReader.connect(texts.url, most));
  const outcome: { mine: Round[]; pi: Round[]; texts: Round[] } = { mine: [], pi: [], texts: [] };
  const times = async () => [await server.child.processorTime(), await pi.child.processorTime()] as const;
  let before = await times();
  for (let round = -WARM; round < ROUNDS; round++) {
    if (round === 0) before = await times();
    const rounds = {
      texts: await bare(ofTexts),
      pi: await bare(ofPi),
      mine: await delivered(control, readers, ORDER),
    };
    if (round < 0) continue;
    outcome.texts.push(rounds.texts);
    outcome.pi.push(rounds.pi);
    outcome.mine.push(rounds.mine);
  }
  const after = await times();
  const events = ROUNDS * count * ORDER.deltas / 1e6;
  for (const { client } of readers) client.close();
  for (const { socket } of [...ofPi, ...ofTexts]) socket.close();
  // The loops must have noticed before they broadcast again.
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { ...outcome, cost: { mine: (after[0] - before[0]) / events, pi: (after[1] - before[1]) / events } };
}

function rowsOf(target: Target, count: number, outcome: Outcome, pace: number): Row[] {
  const rate = (rounds: readonly Round[]): number => median(rounds.map(({ perSecond }) => perSecond));
  const bytes = (rounds: readonly Round[]): number => median(rounds.map((round) => round.bytes));
  const [mine, pi, texts] = [rate(outcome.mine), rate(outcome.pi), rate(outcome.texts)];
  const what = `${target}, ${count} subscriber${count > 1 ? "s" : ""}`;
  const row = { unit: "events/s", ours: mine };
  return [
    {
      ...row,
      what: `${what}, pi in a bare loop`,
      baseline: pi,
      note: `without subscribers ${Math.round(pace)}/s, here ${Math.round(mine / count)}/s`,
    },
    {
      ...row,
      what: `${what}, texts ready in a bare loop`,
      baseline: texts,
      target: "≥ 0.7",
      met: mine >= 0.7 * texts,
    },
    {
      what: `${target}, ${count}: processor time for each`,
      unit: "µs/event",
      ours: outcome.cost.mine,
      baseline: outcome.cost.pi,
      baselineName: "pi in a loop",
    },
    {
      what: `${target}, ${count}: bytes per subscriber`,
      unit: "bytes",
      ours: bytes(outcome.mine),
      baseline: bytes(outcome.pi),
    },
  ];
}

async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  await using server = await startServer({ target, flags });
  const control = await Client.connect(server);
  await control.ok({ type: "create_session", sessionId: "bench", inMemory: true });
  const recordedTexts = (await recorded(server, "bench", prompt(ORDER))).filter((text) =>
    text.includes("message_update")
  );
  await using texts = await startBaseline(target, recordedTexts);
  await using pi = await startPiLoop(target);
  const pace: number[] = [];
  for (let round = -WARM; round < ROUNDS; round++) pace.push(await alone(control));
  const sides = { server, control, pi, texts, count: recordedTexts.length };
  const rows: Row[] = [];
  for (const count of SUBSCRIBERS) {
    rows.push(...rowsOf(target, count, await withSubscribers(count, sides), median(pace.slice(WARM))));
  }
  return rows;
}

await runBench(async () => {
  // Nothing may be merged: every subscriber gets every event.
  const flags = await raisedLimits({
    "outbox-soft-bytes": "256MiB",
    "outbox-hard-bytes": "512MiB",
    "outbox-close-bytes": "1024MiB",
  });
  const rows = await onEachBuild((target) => measure(target, flags));
  return {
    bench: "b",
    title: "fan-out against a bare broadcast loop",
    settings: { flags, ...ORDER, rounds: ROUNDS },
    rows,
  };
});
