// (cluster) What another node costs: `ping`, `get_state` and fan-out through a gateway, against the same session at its
// own node, in one run, with the two sides in turn. And the messages of an idle node, as nats-server counts them.
// Usage: deno run -A tests/bench/delivery/cluster.ts [--quick]

import { freePort, NatsServer, WITHOUT_NATS } from "../../support/cluster/nats_server.ts";
import { Client, oneAtATime, pipelined } from "../support/client.ts";
import { delivered } from "../support/delivery.ts";
import { Reader } from "../support/readers.ts";
import { median, percentile, type Row, runBench, size } from "../support/report.ts";
import { type BenchServer, raisedLimits, startServer } from "../support/servers.ts";

const ROUNDS = size(7, 3);
const SINGLE = size(800, 150);
const PIPELINED = size(10_000, 2_000);
const ORDER = { deltas: size(5000, 1000), chars: 20, burst: 50 };
const SUBSCRIBERS = [1, 10];
/** Seconds in which the messages of idle nodes are counted. */
const IDLE_S = size(20, 6);

const PING = (n: number): string => `{"id":"${n}","type":"ping"}`;
const GET_STATE = (n: number): string => `{"id":"${n}","type":"get_state","sessionId":"bench"}`;

type Server = Pick<BenchServer, "url" | "token">;

/** Milliseconds of one command at a time, and commands per second with 32 in flight, on both ways in turn. */
async function roundTrips(
  direct: Client,
  through: Client,
  name: string,
  text: (n: number) => string,
): Promise<Row[]> {
  const ways = [direct, through].map((client) => ({ client, single: [] as number[], rates: [] as number[] }));
  for (const { client } of ways) await pipelined(client.socket, text, PIPELINED, 32);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { client, single, rates } of ways) {
      single.push(...await oneAtATime(client.socket, text, SINGLE));
      rates.push(await pipelined(client.socket, text, PIPELINED, 32));
    }
  }
  const [own, gateway] = ways;
  if (own === undefined || gateway === undefined) return [];
  const more = median(gateway.single) - median(own.single);
  const bound = name === "get_state" ? { target: "≤ 1.0 ms more", met: more <= 1 } : {};
  const baselineName = "direct";
  return [
    {
      what: `${name} through a gateway, one at a time, median`,
      unit: "ms",
      ours: median(gateway.single),
      baseline: median(own.single),
      baselineName,
      note: `${more.toFixed(3)} ms more`,
      ...bound,
    },
    {
      what: `${name} through a gateway, one at a time, p99`,
      unit: "ms",
      ours: percentile(gateway.single, 99),
      baseline: percentile(own.single, 99),
      baselineName,
    },
    {
      what: `${name} through a gateway, 32 in flight`,
      unit: "1/s",
      ours: median(gateway.rates),
      baseline: median(own.rates),
      baselineName,
    },
  ];
}

async function fanOut(node: Server, gateway: Server, control: Client, count: number): Promise<Row> {
  const subscribe = (server: Server): Promise<Reader[]> =>
    Promise.all(Array.from({ length: count }, () => Reader.subscribe(server, { sessionId: "bench" })));
  const rates: Record<"direct" | "through", number[]> = { direct: [], through: [] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const [way, server] of [["direct", node], ["through", gateway]] as const) {
      const readers = await subscribe(server);
      const { perSecond } = await delivered(control, readers, ORDER);
      for (const { client } of readers) client.close();
      if (round >= 0) rates[way].push(perSecond);
    }
  }
  const [ours, baseline] = [median(rates.through), median(rates.direct)];
  return {
    what: `events through a gateway, ${count} subscriber${count > 1 ? "s" : ""}`,
    unit: "events/s",
    ours,
    baseline,
    baselineName: "direct",
    target: "≥ 50 % of direct",
    met: ours >= baseline / 2,
  };
}

/** Messages in and out of all connections of a nats-server so far. */
async function messages(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/varz`);
  const { in_msgs, out_msgs } = await response.json();
  return in_msgs + out_msgs;
}

async function measure(flags: readonly string[]): Promise<Row[]> {
  if (WITHOUT_NATS !== undefined) throw new Error(`cluster ${WITHOUT_NATS}`);
  const monitor = freePort();
  await using nats = await NatsServer.start(["-m", String(monitor)]);
  const start = (name: string, ...more: string[]): Promise<BenchServer> =>
    startServer({ flags: [...flags, "--cluster", nats.url, "--node", name, ...more] });
  await using node = await start("node");
  await using gateway = await start("gateway", "--workers", "none");
  await using _third = await start("third", "--workers", "none");
  const [direct, through] = [await Client.connect(node), await Client.connect(gateway)];
  await direct.ok({ type: "create_session", sessionId: "bench", node: "node", inMemory: true });
  // Their first word is out by now, and the first beats as well.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const before = await messages(monitor);
  await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1_000));
  const idle = (await messages(monitor) - before) / IDLE_S / 3;
  const rows = [
    ...await roundTrips(direct, through, "ping", PING),
    ...await roundTrips(direct, through, "get_state", GET_STATE),
  ];
  for (const count of SUBSCRIBERS) rows.push(await fanOut(node, gateway, direct, count));
  rows.push({
    what: "messages of an idle node, in and out, of three",
    unit: "1/s",
    ours: idle,
    target: "≤ 10",
    met: idle <= 10,
  });
  return rows;
}

await runBench(async () => {
  const flags = await raisedLimits({
    "outbox-soft-bytes": "256MiB",
    "outbox-hard-bytes": "512MiB",
    "outbox-close-bytes": "1024MiB",
  });
  return {
    bench: "cluster",
    title: "through a gateway, against the session's own node",
    settings: { flags, ...ORDER, rounds: ROUNDS },
    rows: await measure(flags),
  };
});
