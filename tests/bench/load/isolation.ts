// (l) What `--isolation session` costs beside `shared`: memory with idle sessions, create time and processor time, on
// every build and in one run.
// Usage: deno run -A tests/bench/load/isolation.ts [--quick] [sources|node|binary …]

import type { Target } from "../../support/server/server_process.ts";
import { Client } from "../support/client.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import { onEachBuild, raisedLimits, settledMemory, startServer } from "../support/servers.ts";

const SESSIONS = size(20, 10);
const IDLE_MS = size(20_000, 10_000);

/** One way to run sessions, measured. */
interface Costs {
  readonly empty: number;
  readonly each: number;
  /** After all sessions were deleted. */
  readonly after: number;
  readonly createMs: number;
  /** One after the other, as fast as the server answers: the spare is not ready then. */
  readonly burstMs: number;
  readonly createSeconds: number;
  readonly idlePercent: number;
}

async function rest(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until the spare is ready: it is what answers without a session. */
async function quiet(client: Client): Promise<void> {
  await client.ok({ type: "get_available_models" });
}

async function costs(target: Target, flags: readonly string[]): Promise<Costs> {
  await using server = await startServer({ target, flags });
  const client = await Client.connect(server);
  const create = async (): Promise<[id: string, ms: number]> => {
    const started = performance.now();
    const { sessionId } = await client.ok({ type: "create_session", inMemory: true });
    return [String(sessionId), performance.now() - started];
  };
  // pi is loaded once the first session was there.
  const [first] = await create();
  await client.ok({ type: "delete_session", sessionId: first });
  await quiet(client);
  const empty = await settledMemory(server.child);
  const [ids, times, bursts]: [string[], number[], number[]] = [[], [], []];
  const before = await server.child.processorTime();
  for (let n = 0; n < SESSIONS; n++) {
    const burst = n >= SESSIONS / 2;
    const [id, ms] = await create();
    ids.push(id);
    // The first of a burst still finds the spare.
    if (n !== SESSIONS / 2) (burst ? bursts : times).push(ms);
    if (!burst) await quiet(client);
  }
  await quiet(client);
  const createSeconds = (await server.child.processorTime() - before) / SESSIONS;
  const full = await settledMemory(server.child);
  const idle = await server.child.processorTime();
  await rest(IDLE_MS);
  const idlePercent = (await server.child.processorTime() - idle) / (IDLE_MS / 1000) * 100;
  for (const sessionId of ids) await client.ok({ type: "delete_session", sessionId });
  await quiet(client);
  const after = await settledMemory(server.child);
  client.close();
  const [createMs, burstMs] = [median(times), median(bursts)];
  return { empty, each: (full - empty) / SESSIONS, after, createMs, burstMs, createSeconds, idlePercent };
}

async function measure(target: Target, flags: readonly string[]): Promise<Row[]> {
  const shared = await costs(target, flags);
  const own = await costs(target, [...flags, "--isolation", "session"]);
  const row = (what: string, unit: string, of: keyof Costs): Row => ({
    what: `${target}: ${what}`,
    unit,
    ours: own[of],
    baseline: shared[of],
    baselineName: "shared",
  });
  return [
    row("memory without sessions", "MB", "empty"),
    row("memory for each session", "MB", "each"),
    row(`memory after ${SESSIONS} sessions were deleted`, "MB", "after"),
    row("create, spare ready", "ms", "createMs"),
    row("create, in a burst", "ms", "burstMs"),
    row("processor time of a create", "s", "createSeconds"),
    row(`processor of ${SESSIONS} idle sessions`, "%", "idlePercent"),
  ];
}

await runBench(async () => {
  const flags = await raisedLimits();
  return {
    bench: "l",
    title: "--isolation session beside shared",
    settings: { flags, sessions: SESSIONS },
    rows: await onEachBuild((target) => measure(target, flags)),
  };
});
