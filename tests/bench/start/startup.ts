// (f) From spawn to the greeting, to the first delta of a first prompt, and the memory after that run, over
// stdio, on every build, against `pi --mode rpc` (which has no greeting: its answer to `get_state`). Each run has a
// process and a home of its own. And the size of what ships.
// Usage: deno run -A tests/bench/start/startup.ts [--quick]

import { prompt } from "../support/model_extension.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import {
  benchHome,
  builds,
  type Child,
  settledMemory,
  startPi,
  startStdioServer,
} from "../support/servers.ts";
import { deadline } from "../../support/base/wait.ts";
import { commandOf, ENGINE, NPM_BUILD, type Target } from "../../support/server/server_process.ts";

const ROUNDS = size(5, 2);
const WAIT_MS = 60_000;
const MESSAGE = prompt({ deltas: 20, chars: 20 });

interface Times {
  readonly ready: number;
  readonly delta: number;
  readonly memory: number;
}

/** Writes all commands at once, as a script would, and notes when the first line with each mark came. */
async function time(child: Child, commands: object[], marks: readonly string[]): Promise<number[]> {
  const seen: number[] = [];
  const done = Promise.withResolvers<void>();
  child.onStdout = () => {
    marks.forEach((mark, n) => {
      if (seen[n] === undefined && child.stdout.includes(mark)) seen[n] = performance.now() - child.startedAt;
    });
    if (marks.every((_mark, n) => seen[n] !== undefined)) done.resolve();
  };
  const writer = child.process.stdin.getWriter();
  const text = commands.map((command) => `${JSON.stringify(command)}\n`).join("");
  await writer.write(new TextEncoder().encode(text));
  await deadline(done.promise, WAIT_MS, () => `${child.stdout.slice(-1500)}${child.stderr.slice(-1500)}`);
  return seen;
}

async function once(
  start: (home: Awaited<ReturnType<typeof benchHome>>) => Child,
  commands: object[],
  marks: string[],
): Promise<Times> {
  const home = await benchHome();
  try {
    await using child = start(home);
    const [ready = NaN, delta = NaN] = await time(child, commands, marks);
    return { ready, delta, memory: await settledMemory(child) };
  } finally {
    await home.remove();
  }
}

function server(target: Target): Promise<Times> {
  return once((home) => startStdioServer(home, target), [
    { type: "create_session", sessionId: "a" },
    { type: "subscribe", sessionId: "a" },
    { type: "prompt", sessionId: "a", message: MESSAGE },
  ], ['"type":"server_ready"', '"text_delta"', '"agent_settled"']);
}

function pi(): Promise<Times> {
  return once(startPi, [{ type: "get_state", id: "1" }, { type: "prompt", message: MESSAGE }], [
    '"command":"get_state"',
    '"text_delta"',
    '"agent_end"',
  ]);
}

/** What a person downloads or has on disk. */
async function sizes(): Promise<Row[]> {
  const folderSize = async (folder: string): Promise<number> => {
    let bytes = 0;
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const file = `${folder}/${name}`;
      bytes += isDirectory ? await folderSize(file) : (await Deno.stat(file)).size;
    }
    return bytes;
  };
  const binary = (await Deno.stat(commandOf("binary").program)).size / 1e6;
  const npm = await folderSize(NPM_BUILD) / 1e6;
  return [
    {
      what: "binary: size, with both engines",
      unit: "MB",
      ours: binary,
      target: "115 at most",
      met: binary <= 115,
    },
    { what: "node: size, unpacked, with both engines", unit: "MB", ours: npm },
    { what: "node: code that this engine's adapter imports", unit: "MB", ours: await engineCode() },
  ];
}

/** Megabytes of the chunks that the engine's adapter imports, with what those import. */
async function engineCode(): Promise<number> {
  const folder = `${NPM_BUILD}/chunks`;
  const start = `sdk_${ENGINE.replace(".", "_")}-`;
  const open = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith(start));
  if (open.length !== 1) {
    throw new Error(`${folder} holds ${open.length} adapters of pi ${ENGINE}, one is due`);
  }
  const seen = new Set(open);
  let bytes = 0;
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const code = await Deno.readTextFile(`${folder}/${name}`);
    bytes += (await Deno.stat(`${folder}/${name}`)).size;
    for (const [, imported] of code.matchAll(/\b(?:import|from)\s*"\.\/([^"]+\.js)"/g)) {
      if (imported === undefined || seen.has(imported)) continue;
      seen.add(imported);
      open.push(imported);
    }
  }
  return bytes / 1e6;
}

await runBench(async () => {
  const targets = await builds();
  const times = new Map<string, Times[]>();
  const add = (name: string, one: Times): void => void times.set(name, [...times.get(name) ?? [], one]);
  for (let round = 0; round < ROUNDS; round++) {
    add("pi", await pi());
    for (const target of targets) add(target, await server(target));
  }
  const of = (name: string, what: keyof Times): number =>
    median((times.get(name) ?? []).map((one) => one[what]));
  const row = (target: Target, what: keyof Times, name: string, unit: string): Row => ({
    what: `${target}: ${name}`,
    unit,
    ours: of(target, what),
    baseline: of("pi", what),
    baselineName: "pi",
  });
  const rows = targets.flatMap((target) => [
    row(target, "ready", "spawn to greeting", "ms"),
    row(target, "delta", "spawn to first delta", "ms"),
    row(target, "memory", "memory after the run", "MB"),
  ]);
  rows.push(...await sizes());
  return { bench: "f", title: "start, against pi --mode rpc", settings: { rounds: ROUNDS }, rows };
});
