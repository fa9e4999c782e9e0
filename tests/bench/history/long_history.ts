// A session of 1 GB, a line of 200 MB and 100,000 entries, each in a file of its own: how long the first load and the
// last page take, and how much the process grows for them. The files are made in the server's home, which goes away.
// Usage: deno run -A tests/bench/history/long_history.ts [--quick] [sources|node|binary …]

import { Client } from "../support/client.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import { type BenchServer, onEachBuild, startServer } from "../support/servers.ts";
import { arrayAt, stringAt } from "../../support/base/json.ts";
import { header } from "../../support/model/session_file.ts";
import type { Target } from "../../support/server/server_process.ts";

/** Bytes of the large file, and of each of its answers. */
const FILE_BYTES = size(1_000_000_000, 60_000_000);
const ANSWER_CHARS = 10_000;
const LINE_BYTES = size(200_000_000, 60_000_000);
const DEEP = size(100_000, 60_000);
const PAGE = 50;
const ROUNDS = 5;
const MOST_MS = 1_000;
const MOST_MB = 256;
/** So that no file of the quick form is loaded. */
const FLAGS = ["--max-host-memory-bytes", "400MiB"];

interface File {
  readonly what: string;
  readonly path: string;
}

/** Writes a file line by line; an entry is as pi writes it. */
async function write(path: string, cwd: string, lines: Iterable<string>): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const encoder = new TextEncoder();
  const writer = file.writable.getWriter();
  await writer.write(encoder.encode(`${JSON.stringify(header(path.split("/").at(-1) ?? "", cwd))}\n`));
  let batch: string[] = [];
  for (const line of lines) {
    batch.push(line);
    if (batch.length < 200 && line.length < 1_000_000) continue;
    await writer.write(encoder.encode(`${batch.join("\n")}\n`));
    batch = [];
  }
  await writer.write(encoder.encode(batch.map((line) => `${line}\n`).join("")));
  writer.releaseLock();
}

function entry(at: number, text: string): string {
  const place = {
    id: `e${at}`,
    parentId: at === 0 ? null : `e${at - 1}`,
    timestamp: "2025-01-01T00:00:00.000Z",
  };
  const message = { role: "user", content: [{ type: "text", text }], timestamp: 1 };
  return JSON.stringify({ type: "message", ...place, message });
}

function* entries(count: number, text: (at: number) => string): Generator<string> {
  for (let at = 0; at < count; at++) yield entry(at, text(at));
}

async function files({ home: { root } }: BenchServer): Promise<File[]> {
  const words = "lorem ipsum ".repeat(ANSWER_CHARS / 12);
  const made: [string, Iterable<string>][] = [
    [`${FILE_BYTES / 1e6} MB`, entries(FILE_BYTES / ANSWER_CHARS, (at) => `${at} ${words}`)],
    [`a line of ${LINE_BYTES / 1e6} MB`, entries(200, (at) => at === 100 ? "x".repeat(LINE_BYTES) : `${at}`)],
    [`${DEEP} entries`, entries(DEEP, (at) => `${at}`)],
  ];
  const paths: File[] = [];
  for (const [index, [what, lines]] of made.entries()) {
    const path = `${root}/long-${index}.jsonl`;
    await write(path, root, lines);
    paths.push({ what, path });
  }
  return paths;
}

/** The most memory of the process while something runs, above what it had before. */
async function growth<T>(server: BenchServer, work: () => Promise<T>): Promise<{ value: T; mb: number }> {
  const before = await server.child.memory();
  let most = before;
  let over = false;
  const watch = (async () => {
    while (!over) {
      most = Math.max(most, await server.child.memory());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  try {
    const value = await work();
    most = Math.max(most, await server.child.memory());
    return { value, mb: most - before };
  } finally {
    over = true;
    await watch;
  }
}

async function measure(target: Target): Promise<Row[]> {
  await using server = await startServer({ target, flags: FLAGS });
  const client = await Client.connect(server);
  // pi is loaded before anything is measured.
  await client.ok({ type: "create_session", sessionId: "idle", cwd: server.home.root }, 120_000);
  const rows: Row[] = [];
  for (const { what, path } of await files(server)) {
    const started = performance.now();
    const loaded = await growth(
      server,
      () => client.ok({ type: "load_session", sessionPath: path }, 300_000),
    );
    const loadMs = performance.now() - started;
    const sessionId = stringAt(loaded.value, "sessionId");
    const page = { type: "get_entries", sessionId, scope: "branch", limit: PAGE, refs: true };
    const times: number[] = [];
    const read = await growth(server, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const asked = performance.now();
        const data = await client.ok(page, 60_000);
        times.push(performance.now() - asked);
        if (arrayAt(data, "entries").length !== PAGE) throw new Error("the page is not complete");
      }
    });
    const ms = times[0] ?? NaN;
    rows.push(
      { what: `${target}: ${what}, load_session`, unit: "ms", ours: loadMs },
      {
        what: `${target}: ${what}, the last ${PAGE} entries`,
        unit: "ms",
        ours: ms,
        target: `${MOST_MS} at most`,
        met: ms <= MOST_MS,
        note: `again: ${median(times.slice(1)).toFixed(1)}`,
      },
      {
        what: `${target}: ${what}, growth of the process`,
        unit: "MB",
        ours: Math.max(loaded.mb, read.mb),
        target: `${MOST_MB} at most`,
        met: Math.max(loaded.mb, read.mb) <= MOST_MB,
      },
    );
  }
  client.close();
  return rows;
}

await runBench(async () => ({
  bench: "m",
  title: "long histories, read without pi",
  settings: { fileBytes: FILE_BYTES, lineBytes: LINE_BYTES, entries: DEEP, page: PAGE, flags: FLAGS },
  rows: await onEachBuild(measure),
}));
