// (g) Reconnect: a client that missed 1,000 deltas connects again and subscribes with `from`; time from connect
// to the last missed event, against a bare server that sends the same texts to every client.
// Usage: deno run -A tests/bench/delivery/reconnect.ts [--quick] [sources|node|binary …]

import { Client } from "../support/client.ts";
import { BareReader, recorded } from "../support/readers.ts";
import { prompt } from "../support/model_extension.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import { onEachBuild, raisedLimits, startBaseline, startServer } from "../support/servers.ts";
import { numberAt, stringAt } from "../../support/base/json.ts";
import { deadline } from "../../support/base/wait.ts";
import type { Target } from "../../support/server/server_process.ts";

const MISSED = size(1000, 200);
const ROUNDS = size(15, 3);
const WAIT_MS = 30_000;

interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

interface CaughtUp {
  readonly ms: number;
  readonly mode: string;
  readonly events: number;
}

/** Connects, subscribes from the cursor, and waits for the event with the last number. */
async function reconnect(
  server: { url: string; token: string },
  from: Cursor,
  last: number,
): Promise<CaughtUp> {
  const started = performance.now();
  const client = await Client.connect(server);
  const caughtUp = Promise.withResolvers<number>();
  let events = 0;
  client.onEvent = () => {
    // Numbers have no gaps, so counting is enough; the tests look closer.
    if (++events === last - from.seq) caughtUp.resolve(performance.now() - started);
  };
  const data = await client.ok({
    type: "subscribe",
    sessionId: "bench",
    from: { epoch: from.epoch, seq: from.seq },
  });
  const mode = stringAt(data, "mode");
  if (mode === "snapshot") caughtUp.resolve(performance.now() - started);
  const ms = await deadline(
    caughtUp.promise,
    WAIT_MS,
    () => `${mode}: ${events} of ${last - from.seq} events`,
  );
  client.close();
  return { ms, mode, events };
}

async function bare(url: string, texts: number): Promise<number> {
  const started = performance.now();
  const reader = await BareReader.connect(url, texts);
  reader.socket.send('{"type":"replay"}');
  await reader.ended();
  reader.socket.close();
  return performance.now() - started;
}

async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  await using server = await startServer({ target, flags });
  const control = await Client.connect(server);
  if (!control.can("replay")) {
    throw new Error("this server cannot replay: no such capability in its greeting");
  }
  await control.ok({ type: "create_session", sessionId: "bench", inMemory: true });
  // The log keeps what no subscriber was there for, or else nothing could be missed.
  const before = await control.ok({ type: "subscribe", sessionId: "bench" });
  await control.ok({ type: "unsubscribe", sessionId: "bench" });
  const from = { epoch: stringAt(before, "epoch"), seq: numberAt(before, "seq") };
  const texts = await recorded(server, "bench", prompt({ deltas: MISSED, chars: 20 }));
  await using bareServer = await startBaseline(target, texts);
  const [mine, theirs]: [CaughtUp[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    theirs.push(await bare(bareServer.url, texts.length));
    mine.push(await reconnect(server, from, from.seq + texts.length));
  }
  const modes = [...new Set(mine.map(({ mode }) => mode))].join(", ");
  const times = mine.slice(1).map(({ ms }) => ms);
  return [{
    what: `${target}: connect to caught up, ${texts.length} events`,
    unit: "ms",
    ours: median(times),
    baseline: median(theirs.slice(1)),
    met: modes === "replay",
    target: "mode replay",
    note: `mode ${modes}, slowest ${Math.max(...times).toFixed(1)} ms`,
  }];
}

await runBench(async () => {
  const flags = await raisedLimits();
  const rows = await onEachBuild((target) => measure(target, flags));
  return {
    bench: "g",
    title: "reconnect after missed events",
    settings: { flags, missed: MISSED, rounds: ROUNDS },
    rows,
  };
});
