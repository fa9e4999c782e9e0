// A reader that never reads, in front of 200 MB of events that 19 others read, with the default limits: the
// server thread's heap and external memory after a collection, against a run without that reader. Then a reader
// that stalls and wakes up: it gets `lagged`, subscribes again from there, and ends with the right state.
// On Node too; the binary tells nothing of its heap, so there the whole process's resident memory is compared.
// Usage: deno run -A tests/bench/delivery/stalled_reader.ts [--quick] [sources|node|binary …]

import { Client, parsed } from "../support/client.ts";
import { prompt } from "../support/model_extension.ts";
import { Reader } from "../support/readers.ts";
import { type Row, runBench, size } from "../support/report.ts";
import {
  type BenchServer,
  type BenchServerOptions,
  knownFlags,
  onEachBuild,
  startServer,
} from "../support/servers.ts";
import {
  arrayAt,
  at,
  brief,
  isObject,
  type JsonObject,
  messageText,
  numberAt,
  stringAt,
} from "../../support/base/json.ts";
import { commandOf, REPO, type Target } from "../../support/server/server_process.ts";
import { deadline, until } from "../../support/base/wait.ts";

const READERS = 19;
const TURNS = size(200, 30);
/** Half a megabyte of deltas, then the same in `message_end`. */
const ORDER = { deltas: 25, chars: 20_000, burst: 1, everyMs: 3.5 };
const TURN_BYTES = 2 * ORDER.deltas * ORDER.chars;
const READ_EVERY = size(25, 6);
const WAKE_TURNS = size(30, 20);
const RISE_BYTES = 16 * 1024 * 1024;
const MARK = "BENCH_MEMORY ";
const SESSION = "bench";

interface Reading {
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
}

/** What the server thread holds after a collection; of the binary, what the process holds. */
async function reading({ child }: BenchServer, target: Target): Promise<Reading> {
  if (target === "binary") return { heapUsed: NaN, external: NaN, rss: await child.memory() * 1e6 };
  const lines = (): string[] => child.stderr.split("\n").slice(0, -1).filter((line) => line.startsWith(MARK));
  const before = lines().length;
  child.signal("SIGUSR2");
  const line = await until(
    () => lines()[before],
    10_000,
    () => `no reading; stderr: ${child.stderr.slice(-500)}`,
  );
  return JSON.parse(line.slice(MARK.length));
}

async function turns(control: Client, count: number, after: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 1; turn <= count; turn++) {
    await control.ok({ type: "prompt", sessionId: SESSION, message: prompt(ORDER), waitFor: "settled" });
    await after(turn);
  }
}

interface Run {
  readonly readings: Reading[];
  readonly seconds: number;
  readonly merged: number;
  readonly bytes: number;
  /** As the server counts them at the end. */
  readonly subscribers: number;
}

function held({ heapUsed, external }: Reading): number {
  return heapUsed + external;
}

/** Streams to 19 readers, and with `stalled` to one more that reads nothing. */
async function run(server: BenchServer, target: Target, control: Client, stalled: boolean): Promise<Run> {
  const readers = await Promise.all(
    Array.from({ length: READERS }, () => Reader.subscribe(server, { sessionId: SESSION })),
  );
  const sleeper = stalled ? await Reader.subscribe(server, { sessionId: SESSION }) : undefined;
  sleeper?.client.socket.pause();
  const readings = [await reading(server, target)];
  const started = performance.now();
  await turns(control, TURNS, async (turn) => {
    if (turn % READ_EVERY === 0) readings.push(await reading(server, target));
  });
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(readers.map((reader) => reader.ended(TURNS)));
  readings.push(await reading(server, target));
  const due = TURNS * ORDER.deltas;
  for (const { updates, merged, bytes } of readers) {
    const whole = merged === 0 ? updates >= due : bytes >= TURNS * TURN_BYTES;
    if (!whole) {
      throw new Error(`a reader got ${updates} updates, ${merged} merged, ${bytes} bytes; ${due} were due`);
    }
  }
  const merged = readers.reduce((sum, reader) => sum + reader.merged, 0);
  const bytes = readers[0]?.bytes ?? 0;
  const subscribers = numberAt(await control.ok({ type: "get_state", sessionId: SESSION }), "subscribers");
  for (const { client } of readers) client.close();
  sleeper?.client.close();
  return { readings, seconds, merged, bytes, subscribers };
}

/** Checks that numbers go on without gap or repeat; a merged event stands for several. */
class Numbers {
  last: number;

  constructor(last: number) {
    this.last = last;
  }

  take(message: JsonObject): void {
    const seq = numberAt(message, "seq");
    const from = seq - Number(at(message, "coalesced") ?? 1);
    if (from !== this.last) throw new Error(`seq ${seq} follows ${this.last}: ${brief(message, 120)}`);
    this.last = seq;
  }
}

interface Woken {
  readonly mode: string;
  readonly missed: number;
  readonly truth: string;
}

/** Stalls, wakes, and must end up with what the session is. */
async function wake(server: BenchServer, control: Client): Promise<Woken> {
  const client = await Client.connect(server);
  const lagged = Promise.withResolvers<JsonObject>();
  client.onOther = (message) => message.type === "lagged" ? lagged.resolve(message) : undefined;
  const first = await client.ok({ type: "subscribe", sessionId: SESSION });
  const numbers = new Numbers(numberAt(first, "seq"));
  let ended: string | undefined;
  client.onEvent = (payload) => {
    const message = parsed(payload);
    numbers.take(message);
    const event = message.event;
    if (!isObject(event) || event.type !== "message_end") return;
    if (at(event, "message", "role") === "assistant") ended = messageText(event.message);
  };
  client.socket.pause();
  await turns(control, WAKE_TURNS, () => Promise.resolve());
  client.socket.resume();
  const told = await deadline(lagged.promise, 20_000, () => `no lagged; read up to ${numbers.last}`);
  const afterSeq = numberAt(told, "afterSeq");
  if (afterSeq !== numbers.last) {
    throw new Error(`lagged says ${afterSeq}, events came up to ${numbers.last}`);
  }
  const from = { epoch: stringAt(told, "epoch"), seq: afterSeq };
  const again = await client.ok({ type: "subscribe", sessionId: SESSION, from });
  const mode = stringAt(again, "mode");
  const state = await control.ok({ type: "get_state", sessionId: SESSION });
  const seq = numberAt(state, "seq");
  const truth = await control.ok({ type: "get_last_assistant_text", sessionId: SESSION });
  if (mode === "snapshot") {
    numbers.last = numberAt(again, "seq");
    const snapshot = at(again, "snapshot");
    ended = messageText(arrayAt(snapshot, "messages").at(-1));
    const [count, due] = [numberAt(snapshot, "messageCount"), numberAt(state, "messageCount")];
    if (count !== due) throw new Error(`the snapshot counts ${count} messages, the session has ${due}`);
  } else {
    await until(() => numbers.last >= seq, 20_000, () => `replay ended at ${numbers.last} of ${seq}`);
  }
  if (numbers.last !== seq) throw new Error(`caught up to ${numbers.last}, the session is at ${seq}`);
  if (ended !== stringAt(truth, "text")) {
    throw new Error("the reader that woke up has another text than the session");
  }
  // And it goes on from there.
  await turns(control, 1, () => Promise.resolve());
  await until(() => numbers.last > seq + ORDER.deltas, 20_000, () => `nothing new after ${seq}`);
  client.close();
  return { mode, missed: seq - afterSeq, truth: `${ended?.length} characters` };
}

/** The build with something in front of it that tells its memory, where that can be had. */
function programOf(target: Target): BenchServerOptions {
  const support = decodeURIComponent(new URL("../support/", import.meta.url).pathname);
  if (target === "binary") return { target };
  const { program, args } = commandOf(target);
  const more = target === "node"
    ? ["--expose-gc", "--import", `${support}memory_preload.mjs`, ...args]
    : ["run", "-A", "--v8-flags=--expose-gc", "--config", `${REPO}/deno.json`, `${support}memory_entry.ts`];
  return { program: { program, args: more } };
}

/** Both runs on one build. */
async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  const measured = async (stalled: boolean): Promise<{ run: Run; woken?: Woken | string }> => {
    await using server = await startServer({ flags, ...programOf(target) });
    const control = await Client.connect(server);
    await control.ok({ type: "create_session", sessionId: SESSION, inMemory: true });
    await turns(control, 2, () => Promise.resolve());
    const result = await run(server, target, control, stalled);
    if (!stalled) return { run: result };
    // What was measured so far is worth showing in any case.
    return { run: result, woken: await wake(server, control).catch((error) => String(error)) };
  };
  const without = (await measured(false)).run;
  const { run: withOne, woken } = await measured(true);
  return [...memoryRows(target, withOne, without), ...otherRows(target, withOne, without, woken)];
}

function memoryRows(target: Target, withOne: Run, without: Run): Row[] {
  const most = ({ readings }: Run, of: (reading: Reading) => number): number =>
    Math.max(...readings.map(of)) / 1e6;
  const row = (what: string, of: (reading: Reading) => number): Row => ({
    what: `${target}, ${what}`,
    unit: "MB",
    ours: most(withOne, of),
    baseline: most(without, of),
    baselineName: "without",
  });
  const resident = row("resident memory of the process, most", ({ rss }) => rss);
  if (target === "binary") return [resident];
  const grown = (one: Run): number =>
    most(one, held) - (one.readings[0] === undefined ? 0 : held(one.readings[0])) / 1e6;
  const rise = (most(withOne, held) - most(without, held)) * 1e6;
  return [
    {
      ...row("router's heap + external after collection, most", held),
      target: "≤ 16 MiB more",
      met: rise <= RISE_BYTES,
      note: `${(rise / 1024 / 1024).toFixed(1)} MiB more`,
    },
    {
      what: `${target}, the same, from the start of that run to its most`,
      unit: "MB",
      ours: grown(withOne),
      baseline: grown(without),
      baselineName: "without",
      target: "≤ 16 MiB",
      met: grown(withOne) * 1e6 <= RISE_BYTES && grown(without) * 1e6 <= RISE_BYTES,
      note: "log, outboxes and what else is kept",
    },
    resident,
  ];
}

function otherRows(target: Target, withOne: Run, without: Run, woken: Woken | string | undefined): Row[] {
  const total = (withOne.bytes / 1e6).toFixed(0);
  return [
    {
      what: `${target}, streaming ${total} MB to all ${READERS}`,
      unit: "s",
      ours: withOne.seconds,
      baseline: without.seconds,
      baselineName: "without",
      note: `${withOne.merged} merged messages (${without.merged} without)`,
    },
    {
      what: `${target}, subscribers at the end`,
      unit: "count",
      ours: withOne.subscribers,
      baseline: without.subscribers,
      baselineName: "without",
      note: `a reader that stalls is closed after 30 s; this took ${withOne.seconds.toFixed(0)} s`,
    },
    {
      what: `${target}, woken reader: events missed`,
      unit: "events",
      ours: typeof woken === "object" ? woken.missed : NaN,
      target: "lagged, then right state",
      met: typeof woken === "object",
      note: typeof woken === "object" ? `mode ${woken.mode}, last answer ${woken.truth}` : brief(woken, 200),
    },
  ];
}

await runBench(async () => {
  const flags = await knownFlags({
    "max-commands-per-minute-per-session": "1000000",
    "max-commands-per-minute": "1000000",
  });
  const rows = await onEachBuild((target) => measure(target, flags));
  const megabytes = TURNS * TURN_BYTES / 1e6;
  return {
    bench: "i",
    title: `a reader that never reads, in front of ${megabytes} MB of events, beside ${READERS} that do`,
    settings: { flags, turns: TURNS, ...ORDER },
    rows,
  };
});
