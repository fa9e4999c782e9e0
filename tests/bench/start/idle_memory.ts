// (e) Memory of the server's process (resident) with 0, 10 and 100 idle sessions, what that makes for each, and
// how long creating one takes, on every build. The baseline is pi itself: one `pi --mode rpc` for each session.
// Usage: deno run -A tests/bench/start/idle_memory.ts [--quick] [sources|node|binary …]

import { Client } from "../support/client.ts";
import { prompt } from "../support/model_extension.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import {
  benchHome,
  type Child,
  onEachBuild,
  raisedLimits,
  settledMemory,
  startPi,
  startServer,
} from "../support/servers.ts";
import type { Target } from "../../support/server/server_process.ts";

const FEW = size(10, 5);
const MANY = size(100, 20);
const PIS = size(3, 1);

async function ask(pi: Child, command: Record<string, unknown>, answer: string): Promise<number> {
  const writer = pi.process.stdin.getWriter();
  const started = performance.now();
  await writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  writer.releaseLock();
  await pi.line((line) => line.includes(answer));
  return performance.now() - started;
}

/** Memory of one pi that has loaded and idles, and the time until it answers. */
async function ofPi(): Promise<{ memory: number; ready: number }> {
  const [memories, times]: [number[], number[]] = [[], []];
  for (let n = 0; n < PIS; n++) {
    const home = await benchHome();
    {
      await using pi = startPi(home);
      await ask(pi, { type: "get_state", id: "state" }, '"id":"state"');
      times.push(performance.now() - pi.startedAt);
      memories.push(await settledMemory(pi));
    }
    await home.remove();
  }
  return { memory: median(memories), ready: median(times) };
}

async function measure(
  target: Target,
  flags: readonly string[],
  pi: { memory: number; ready: number },
): Promise<Row[]> {
  await using server = await startServer({ target, flags });
  const client = await Client.connect(server);
  const times: number[] = [];
  const create = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const started = performance.now();
      await client.ok({ type: "create_session" });
      times.push(performance.now() - started);
    }
  };
  // pi is loaded once the first session was there; what it costs is not a session's.
  const { sessionId } = await client.ok({ type: "create_session", inMemory: true });
  await client.ok({
    type: "prompt",
    sessionId: String(sessionId),
    message: prompt({ deltas: 1, chars: 1 }),
    waitFor: "settled",
  });
  await client.ok({ type: "delete_session", sessionId: String(sessionId) });
  const empty = await settledMemory(server.child);
  await create(FEW);
  const few = await settledMemory(server.child);
  await create(MANY - FEW);
  const many = await settledMemory(server.child);
  const each = (many - empty) / MANY;
  const bareOf = { baseline: pi.memory, baselineName: "one pi" };
  return [
    { what: `${target}: memory with 0 sessions`, unit: "MB", ours: empty, ...bareOf },
    {
      what: `${target}: memory with ${FEW}`,
      unit: "MB",
      ours: few,
      baseline: pi.memory * FEW,
      baselineName: `${FEW} pis`,
    },
    {
      what: `${target}: memory with ${MANY}`,
      unit: "MB",
      ours: many,
      baseline: pi.memory * MANY,
      baselineName: `${MANY} pis`,
    },
    { what: `${target}: memory for each`, unit: "MB", ours: each, ...bareOf },
    {
      what: `${target}: create_session, median`,
      unit: "ms",
      ours: median(times),
      baseline: pi.ready,
      baselineName: "one pi ready",
      note: `p99 ${percentile(times, 99).toFixed(1)} ms`,
    },
  ];
}

await runBench(async () => {
  const flags = await raisedLimits();
  const pi = await ofPi();
  const rows = await onEachBuild((target) => measure(target, flags, pi));
  return {
    bench: "e",
    title: "memory for each idle session, and create time",
    settings: { flags, sessions: [0, FEW, MANY] },
    rows,
  };
});
