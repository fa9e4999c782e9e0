// (n) Pages of many sessions: 10,000 stored and 5,000 parked ones, against a tenth of both. The first page cold (no
// index yet) and warm, a page in the middle, the search, and the growth of the server thread's memory.
// Usage: deno run -A tests/bench/history/catalogue.ts [--quick] [sources|node|binary …]

import { createHash } from "node:crypto";
import { files } from "../../../src/runtime/common.ts";
import { SessionStore } from "../../../src/server/state/session_store.ts";
import { keptLog, recordOf } from "../../server/manager/fakes.ts";
import type { Json, JsonObject } from "../../support/base/json.ts";
import type { Home, Target } from "../../support/server/server_process.ts";
import { Client } from "../support/client.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import { onEachBuild, raisedLimits, startServer } from "../support/servers.ts";

const STORED = size(10_000, 2_000);
const PARKED = size(5_000, 1_000);
const ROUNDS = size(15, 5);
const MIB = 1024 * 1024;

/** Session files in folders of a hundred. */
async function store(home: Home, count: number): Promise<void> {
  const first = Date.UTC(2025, 0, 1);
  for (let n = 0; n < count; n++) {
    const name = `project-${Math.floor(n / 100)}`;
    const [cwd, folder] = [`${home.root}/${name}`, `${home.agentDir}/sessions/--${name}--`];
    if (n % 100 === 0) {
      await Deno.mkdir(cwd, { recursive: true });
      await Deno.mkdir(folder, { recursive: true });
    }
    const stamp = new Date(first + n * 60_000).toISOString();
    const message = (role: string, text: string, more: object = {}) => ({
      type: "message",
      id: "00000001",
      parentId: null,
      timestamp: stamp,
      message: { role, content: [{ type: "text", text }], ...more },
    });
    const usage = { cost: { total: n / 1000 } };
    const lines = [
      { type: "session", version: 3, id: `stored-${n}`, timestamp: stamp, cwd },
      message("user", `Question ${n}: ${"what about it? ".repeat(20)}`),
      message("assistant", `Answer ${n}: ${"it is like that. ".repeat(40)}`, {
        usage,
        provider: "p",
        model: "m",
      }),
    ];
    const path = `${folder}/${stamp.replace(/[:.]/g, "-")}_stored-${n}.jsonl`;
    await Deno.writeTextFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await Deno.utime(path, first / 1000 + n * 60, first / 1000 + n * 60);
  }
}

/** Session records, as a server that has ended leaves them. */
async function park(home: Home, count: number): Promise<void> {
  await files.makePrivateFolder(home.stateDir);
  const records = new SessionStore({
    files: { ...files, writePrivate: (path, text) => Deno.writeTextFile(path, text, { mode: 0o600 }) },
    clock: { now: Date.now, monotonic: () => performance.now(), after: () => ({ clear() {} }) },
    log: keptLog().log,
    folder: `${home.stateDir}/sessions`,
    sha256: (text) => createHash("sha256").update(text).digest("base64"),
  });
  await files.makePrivateFolder(`${home.stateDir}/sessions`);
  for (let n = 0; n < count; n++) {
    const at = new Date(Date.UTC(2025, 5, 1) + n * 1000).toISOString();
    const times = { createdAt: at, lastActivityAt: at, status: "parked" } as const;
    await records.put(recordOf(`parked-${n}`, { cwd: home.root, sessionName: `Parked ${n}`, ...times }));
  }
  await records.close();
}

interface Times {
  readonly cold: number;
  readonly warm: number;
  readonly middle: number;
  readonly sessionsFirst: number;
  readonly sessionsMiddle: number;
  readonly indexed: number;
  readonly search: number;
  readonly routerMiB: number;
}

async function measure(target: Target, stored: number, parked: number): Promise<Times> {
  await using server = await startServer({
    target,
    flags: await raisedLimits({ "max-parked-sessions": "20000" }),
    prepare: async (home) => {
      await store(home, stored);
      await park(home, parked);
    },
  });
  const client = await Client.connect(server);
  const timed = async (command: JsonObject) => {
    const started = performance.now();
    const data = await client.ok(command);
    return { ms: performance.now() - started, data };
  };
  // The worker loads pi meanwhile, which is not what is measured.
  await client.ok({ type: "get_available_models" });
  const router = async (): Promise<number> => {
    const { memoryBytes } = await client.ok({ type: "get_metrics" });
    return Number(Reflect.get(Object(memoryBytes), "router"));
  };
  const before = await router();
  const list = { type: "list_stored_sessions", sort: "activity", limit: 100 };
  const started = performance.now();
  const cold = await timed(list);
  let progress: Json | undefined;
  do {
    await new Promise((resolve) => setTimeout(resolve, 20));
    progress = (await client.ok({ ...list, limit: 1 })).index;
  } while (Number(Reflect.get(Object(progress), "indexed")) < stored);
  const indexed = performance.now() - started;

  const middleOf = async (first: JsonObject, total: number): Promise<string> => {
    let cursor: Json | undefined;
    const limit = Math.min(500, total / 5);
    for (let seen = 0; seen < total / 2; seen += limit) {
      const fields = cursor === undefined
        ? { ...first, limit }
        : { type: first["type"] ?? "", cursor, limit };
      cursor = (await client.ok(fields))["nextCursor"] ?? cursor;
    }
    return String(cursor);
  };
  const rounds = async (command: JsonObject): Promise<number> => {
    const all: number[] = [];
    for (let n = 0; n < ROUNDS; n++) all.push((await timed(command)).ms);
    return median(all);
  };
  const sessions = { type: "list_sessions", sort: "activity", limit: 100 };
  const times = {
    cold: cold.ms,
    indexed,
    warm: await rounds(list),
    middle: await rounds({ type: list.type, limit: 100, cursor: await middleOf(list, stored) }),
    sessionsFirst: await rounds(sessions),
    sessionsMiddle: await rounds({
      type: sessions.type,
      limit: 100,
      cursor: await middleOf(sessions, parked),
    }),
    search: await rounds({ type: "search", query: "answer 7:", limit: 10 }),
  };
  const routerMiB = (await router() - before) / MIB;
  await client.close();
  return { ...times, routerMiB };
}

await runBench(async () => ({
  bench: "n",
  title: "pages of thousands of sessions",
  settings: { stored: STORED, parked: PARKED },
  rows: await onEachBuild(async (target) => {
    const few = await measure(target, STORED / 10, PARKED / 10);
    const many = await measure(target, STORED, PARKED);
    const row = (what: string, of: keyof Times, targetMs?: number): Row => ({
      what: `${target}: ${what}`,
      unit: "ms",
      ours: many[of],
      baseline: few[of],
      baselineName: "a tenth of the sessions",
      ...(targetMs === undefined ? {} : { target: `< ${targetMs}`, met: many[of] < targetMs }),
    });
    return [
      row("stored, first page, cold", "cold", 1_000),
      row("stored, first page, warm", "warm", 50),
      row("stored, page in the middle", "middle", 50),
      row("list_sessions, first page", "sessionsFirst", 50),
      row("list_sessions, page in the middle", "sessionsMiddle", 50),
      row("all files in the index", "indexed"),
      row("search, one answer", "search"),
      {
        what: `${target}: growth of the server thread`,
        unit: "MiB",
        ours: many.routerMiB,
        baseline: few.routerMiB,
        baselineName: "a tenth of the sessions",
        target: "< 32",
        met: many.routerMiB < 32,
      },
    ];
  }),
}));
