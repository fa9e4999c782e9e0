// (j) What safety costs: a keyed command against the same without a key, one at a time and 32 under way, with each
// policy of --journal-fsync, in sessions on a disk.
// Usage: deno run -A tests/bench/history/journal.ts [--quick]

import { Client, oneAtATime, pipelined } from "../support/client.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import { raisedLimits, startServer } from "../support/servers.ts";

const SESSIONS = 16;
const WINDOW = 32;
const SINGLE = size(1000, 200);
const PIPELINED = size(8000, 1600);
const POLICIES = ["always", "interval", "never"] as const;

let keys = 0;

const command = (n: number, key: string): string =>
  `{"id":"${n}","type":"set_auto_retry","enabled":true,"sessionId":"bench-${n % SESSIONS}"${key}}`;
const plain = (n: number): string => command(n, "");
const keyed = (n: number): string => command(n, `,"idempotencyKey":"${++keys}"`);

async function measure(policy: typeof POLICIES[number]): Promise<Row[]> {
  const flags = await raisedLimits({ "max-idempotency-keys": "1000000" });
  await using server = await startServer({ flags: [...flags, "--journal-fsync", policy] });
  const client = await Client.connect(server);
  for (let n = 0; n < SESSIONS; n++) await client.ok({ type: "create_session", sessionId: `bench-${n}` });
  for (const text of [plain, keyed]) await pipelined(client.socket, text, PIPELINED / 4, WINDOW);
  const single = {
    ours: await oneAtATime(client.socket, keyed, SINGLE),
    base: await oneAtATime(client.socket, plain, SINGLE),
  };
  const rate = {
    ours: await pipelined(client.socket, keyed, PIPELINED, WINDOW),
    baseline: await pipelined(client.socket, plain, PIPELINED, WINDOW),
  };
  const baselineName = "without a key";
  return [
    {
      what: `keyed, --journal-fsync ${policy}, one at a time, median`,
      unit: "ms",
      ours: median(single.ours),
      baseline: median(single.base),
      baselineName,
    },
    {
      what: `keyed, --journal-fsync ${policy}, one at a time, p99`,
      unit: "ms",
      ours: percentile(single.ours, 99),
      baseline: percentile(single.base, 99),
      baselineName,
    },
    { what: `keyed, --journal-fsync ${policy}, ${WINDOW} under way`, unit: "1/s", ...rate, baselineName },
  ];
}

await runBench(async () => {
  const rows: Row[] = [];
  for (const policy of POLICIES) rows.push(...await measure(policy));
  return {
    bench: "j",
    title: "what a key costs",
    settings: { sessions: SESSIONS, window: WINDOW, single: SINGLE, pipelined: PIPELINED },
    rows,
  };
});
