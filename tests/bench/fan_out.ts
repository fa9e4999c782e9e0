// (b) Fan-out: one session, 1, 10 and 50 subscribers, 5,000 small deltas; delivered events per second from the
// first event to the last, and bytes per subscriber, against a bare loop that sends the same texts to as many
// sockets. The bare loop has its texts ready; ours come from pi, so the session's pace without any subscriber is shown.
// Usage: deno run -A tests/bench/fan_out.ts [--quick] [sources|node|binary …]

import { Client } from "./support/client.ts";
import { BareReader, Reader, recorded } from "./support/readers.ts";
import { prompt } from "./support/model_extension.ts";
import { median, type Row, runBench, size } from "./support/report.ts";
import { type BenchServer, raisedLimits, startBaseline, startServer, TARGETS } from "./support/servers.ts";
import type { Target } from "../support/server_process.ts";

const ORDER = { deltas: size(5000, 1000), chars: 20, burst: 50 };
const SUBSCRIBERS = [1, 10, 50];
const ROUNDS = size(5, 3);

interface Round {
  readonly perSecond: number;
  readonly bytes: number;
}

function whole(readers: readonly { firstAt: number; lastAt: number }[]): number {
  const first = Math.min(...readers.map(({ firstAt }) => firstAt));
  return (Math.max(...readers.map(({ lastAt }) => lastAt)) - first) / 1000;
}

async function ours(control: Client, readers: readonly Reader[]): Promise<Round> {
  for (const reader of readers) reader.reset();
  await control.ok({ type: "prompt", sessionId: "bench", message: prompt(ORDER) });
  await Promise.all(readers.map((reader) => reader.ended()));
  for (const { updates, merged } of readers) {
    if (updates >= ORDER.deltas && merged === 0) continue;
    throw new Error(
      `a subscriber got ${updates} updates, ${merged} of them merged; ${ORDER.deltas} were due`,
    );
  }
  const events = readers.reduce((sum, { updates }) => sum + updates, 0);
  return { perSecond: events / whole(readers), bytes: median(readers.map(({ bytes }) => bytes)) };
}

async function bare(readers: readonly BareReader[]): Promise<Round> {
  for (const reader of readers) reader.reset();
  readers[0]?.socket.send('{"type":"go"}');
  await Promise.all(readers.map((reader) => reader.ended()));
  const events = readers.reduce((sum, { messages }) => sum + messages, 0);
  return { perSecond: events / whole(readers), bytes: median(readers.map(({ bytes }) => bytes)) };
}

/** Deltas per second that a session gets through when nobody listens. */
async function alone(control: Client): Promise<number> {
  const started = performance.now();
  await control.ok({ type: "prompt", sessionId: "bench", message: prompt(ORDER), waitFor: "settled" });
  return ORDER.deltas / ((performance.now() - started) / 1000);
}

interface Sides {
  readonly server: BenchServer;
  readonly control: Client;
  readonly bareServer: Awaited<ReturnType<typeof startBaseline>>;
  /** Messages that the bare server sends to each. */
  readonly texts: number;
}

interface Outcome {
  readonly mine: Round[];
  readonly theirs: Round[];
  /** Microseconds of the servers' processor time for each delivered event. */
  readonly cost: { readonly mine: number; readonly theirs: number };
}

async function withSubscribers(
  count: number,
  { server, control, bareServer, texts }: Sides,
): Promise<Outcome> {
  const { url } = bareServer;
  const readers = await Promise.all(
    Array.from({ length: count }, () => Reader.subscribe(server, { sessionId: "bench" })),
  );
  const sockets = await Promise.all(Array.from({ length: count }, () => BareReader.connect(url, texts)));
  const [mine, theirs]: [Round[], Round[]] = [[], []];
  await bare(sockets);
  await ours(control, readers);
  const before = [await server.child.processorTime(), await bareServer.child.processorTime()] as const;
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await bare(sockets));
    mine.push(await ours(control, readers));
  }
  const events = ROUNDS * count * ORDER.deltas / 1e6;
  const cost = {
    mine: (await server.child.processorTime() - before[0]) / events,
    theirs: (await bareServer.child.processorTime() - before[1]) / events,
  };
  for (const { client } of readers) client.close();
  for (const { socket } of sockets) socket.close();
  // The bare server must have noticed before it broadcasts again.
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { mine, theirs, cost };
}

async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  await using server = await startServer({ target, flags });
  const control = await Client.connect(server);
  await control.ok({ type: "create_session", sessionId: "bench", inMemory: true });
  const texts = (await recorded(server, "bench", prompt(ORDER))).filter((text) =>
    text.includes("message_update")
  );
  await using bareServer = await startBaseline(target, texts);
  const pace: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) pace.push(await alone(control));
  const rows: Row[] = [];
  const sides = { server, control, bareServer, texts: texts.length };
  for (const count of SUBSCRIBERS) {
    const { mine, theirs, cost } = await withSubscribers(count, sides);
    const rate = median(mine.map(({ perSecond }) => perSecond));
    const baseline = median(theirs.map(({ perSecond }) => perSecond));
    rows.push({
      what: `${target}, ${count} subscriber${count > 1 ? "s" : ""}`,
      unit: "events/s",
      ours: rate,
      baseline,
      target: "≥ 0.7",
      met: rate >= 0.7 * baseline,
      note: `without subscribers ${Math.round(median(pace.slice(1)))}/s, here ${Math.round(rate / count)}/s`,
    });
    rows.push({
      what: `${target}, ${count}: processor time for each`,
      unit: "µs/event",
      ours: cost.mine,
      baseline: cost.theirs,
      note: "ours with pi's own work",
    });
    rows.push({
      what: `${target}, ${count}: bytes per subscriber`,
      unit: "bytes",
      ours: median(mine.map(({ bytes }) => bytes)),
      baseline: median(theirs.map(({ bytes }) => bytes)),
    });
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
  const asked = TARGETS.filter((target) => Deno.args.includes(target));
  const rows: Row[] = [];
  for (const target of asked.length > 0 ? asked : TARGETS) rows.push(...await measure(target, flags));
  return {
    bench: "b",
    title: "fan-out against a bare broadcast loop",
    settings: { flags, ...ORDER, rounds: ROUNDS },
    rows,
  };
});
