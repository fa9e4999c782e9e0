// (h) Turns and events per second with 40 sessions on two workers against one, with one subscriber to everything.
// Turns are short, so this is also what many small runs cost.
// Usage: deno run -A tests/bench/load/workers.ts [--quick]

import { Client } from "../support/client.ts";
import { prompt } from "../support/model_extension.ts";
import { Reader } from "../support/readers.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import { knownFlags, raisedLimits, startServer } from "../support/servers.ts";

const SESSIONS = 40;
const TURNS = size(5, 2);
const ROUNDS = size(5, 2);
const ORDER = { deltas: 200, chars: 20 };

interface Side {
  readonly workers: number;
  readonly control: Client;
  readonly reader: Reader;
  readonly turns: number[];
  readonly events: number[];
}

async function round({ control, reader, turns, events }: Side): Promise<void> {
  reader.reset();
  const started = performance.now();
  const one = async (sessionId: string): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn++) {
      await control.ok({ type: "prompt", sessionId, message: prompt(ORDER), waitFor: "settled" });
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, (_, n) => one(`s${n}`)));
  await reader.ended(SESSIONS * TURNS);
  const seconds = (performance.now() - started) / 1000;
  if (reader.merged > 0) throw new Error(`${reader.merged} messages stand for several events`);
  turns.push(SESSIONS * TURNS / seconds);
  events.push(reader.updates / seconds);
}

await runBench(async () => {
  const flags = await raisedLimits({
    "outbox-soft-bytes": "256MiB",
    "outbox-hard-bytes": "512MiB",
    "outbox-close-bytes": "1024MiB",
  });
  await using one = await startServer({ flags: [...flags, ...await knownFlags({ workers: "1" })] });
  await using two = await startServer({ flags: [...flags, ...await knownFlags({ workers: "2" })] });
  const side = async (workers: number, server: typeof one): Promise<Side> => {
    const control = await Client.connect(server);
    for (let n = 0; n < SESSIONS; n++) {
      await control.ok({ type: "create_session", sessionId: `s${n}`, inMemory: true });
    }
    const reader = await Reader.subscribe(server, { sessionId: "*" });
    return { workers, control, reader, turns: [], events: [] };
  };
  const sides = [await side(1, one), await side(2, two)] as const;
  for (let n = 0; n <= ROUNDS; n++) for (const each of sides) await round(each);
  const row = (what: "turns" | "events"): Row => ({
    what: `${what} per second on 2 workers`,
    unit: "1/s",
    ours: median(sides[1][what].slice(1)),
    baseline: median(sides[0][what].slice(1)),
    baselineName: "1 worker",
    note: `${navigator.hardwareConcurrency} cores for workers, router and client`,
  });
  return {
    bench: "h",
    title: `${SESSIONS} sessions on 1 and 2 workers`,
    settings: { flags, sessions: SESSIONS, turns: TURNS, ...ORDER, rounds: ROUNDS },
    rows: [row("turns"), row("events")],
  };
});
