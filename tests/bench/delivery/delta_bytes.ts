// (c) Bytes on the wire: one message of 100 KB in 5,000 deltas, in delta and in full form. The delta form must
// cost at most 1.3 times the text's own JSON bytes plus a constant for each `message_update`, which is found by
// a straight line through messages of other lengths and delta sizes. The baseline is the text's own JSON bytes.
// Usage: deno run -A tests/bench/delivery/delta_bytes.ts [--quick]

import { Client } from "../support/client.ts";
import { Reader } from "../support/readers.ts";
import { deltaText, type Order, prompt } from "../support/model_extension.ts";
import { type Row, runBench, size } from "../support/report.ts";
import { type BenchServer, raisedLimits, startServer } from "../support/servers.ts";

const DELTAS = size(5000, 500);
/** Full form grows with the square, so its pace must let the reader keep up: nothing may be merged. */
const FULL_MS = 10;

interface Cost {
  /** Bytes of the text as JSON, piece by piece as the deltas have it. */
  readonly text: number;
  readonly updates: number;
  readonly updateBytes: number;
  readonly bytes: number;
}

async function stream(
  server: BenchServer,
  control: Client,
  updates: "delta" | "full",
  order: Order,
): Promise<Cost> {
  const reader = await Reader.subscribe(server, { sessionId: "bench", updates });
  await control.ok({ type: "prompt", sessionId: "bench", message: prompt(order), waitFor: "settled" });
  await reader.ended();
  reader.client.close();
  // What was merged would make the stream look cheaper than it is.
  if (reader.merged > 0) throw new Error(`${reader.merged} messages stand for several events`);
  const piece = new TextEncoder().encode(JSON.stringify(deltaText(order))).length - 2;
  return {
    text: piece * order.deltas,
    updates: reader.updates,
    updateBytes: reader.updateBytes,
    bytes: reader.bytes,
  };
}

/** Least squares for bytes = a · text + b · updates. */
function line(costs: readonly Cost[]): { factor: number; constant: number } {
  const sum = (of: (cost: Cost) => number): number => costs.reduce((total, cost) => total + of(cost), 0);
  const [tt, tu, uu] = [
    sum(({ text }) => text * text),
    sum(({ text, updates }) => text * updates),
    sum((c) => c.updates ** 2),
  ];
  const [tb, ub] = [sum((c) => c.text * c.updateBytes), sum((c) => c.updates * c.updateBytes)];
  const determinant = tt * uu - tu * tu;
  return { factor: (tb * uu - ub * tu) / determinant, constant: (ub * tt - tb * tu) / determinant };
}

await runBench(async () => {
  const flags = await raisedLimits({
    "outbox-soft-bytes": "256MiB",
    "outbox-hard-bytes": "512MiB",
    "outbox-close-bytes": "1024MiB",
  });
  await using server = await startServer({ flags });
  const control = await Client.connect(server);
  await control.ok({ type: "create_session", sessionId: "bench", inMemory: true });
  const order: Order = { deltas: DELTAS, chars: 20 };
  const delta = await stream(server, control, "delta", order);
  const full = await stream(server, control, "full", { ...order, burst: 10, everyMs: FULL_MS });
  const shapes: Order[] = [
    order,
    { deltas: DELTAS, chars: 4 },
    { deltas: DELTAS / 5, chars: 100 },
    { deltas: DELTAS / 5, chars: 400 },
    { deltas: DELTAS / 2, chars: 60 },
  ];
  const rows: Row[] = [];
  for (const kind of ["plain", "mixed"] as const) {
    const costs: Cost[] = [];
    for (const shape of shapes) costs.push(await stream(server, control, "delta", { ...shape, kind }));
    const { factor, constant } = line(costs);
    rows.push({
      what: `message_update, ${kind} text: bytes for each byte of JSON text`,
      unit: "bytes",
      ours: factor,
      baseline: 1,
      target: "≤ 1.3",
      met: factor <= 1.3,
      note: `plus ${constant.toFixed(0)} bytes for each update`,
    });
  }
  const size = `${delta.text / 1000} KB in ${DELTAS} deltas`;
  return {
    bench: "c",
    title: `bytes on the wire: ${size}`,
    settings: { flags, deltas: DELTAS, chars: order.chars },
    rows: [
      { what: "delta form, updates alone", unit: "bytes", ours: delta.updateBytes, baseline: delta.text },
      { what: "delta form, the whole run", unit: "bytes", ours: delta.bytes, baseline: delta.text },
      { what: "full form, the whole run", unit: "bytes", ours: full.bytes, baseline: full.text },
      {
        what: "full form / delta form",
        unit: "times",
        ours: full.bytes / delta.bytes,
        note: "grows with the message",
      },
      ...rows,
    ],
  };
});
