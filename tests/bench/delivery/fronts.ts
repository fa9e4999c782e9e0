// (o) What a front costs. First the time from the start of `pi-server rpc` to its first answer, with a server that
// runs, against `pi --mode rpc` in the same run. Then the processor time of each record. Its baseline is a program that
// copies the same bytes from stdin to stdout, on the same runtime.
// Usage: deno run -A tests/bench/delivery/fronts.ts [--quick] [sources|node|binary …]

import { deadline, until } from "../../support/base/wait.ts";
import { environment, NODE, REPO, type Target } from "../../support/server/server_process.ts";
import { prompt } from "../support/model_extension.ts";
import { median, type Row, runBench, size } from "../support/report.ts";
import {
  benchHome,
  type BenchServer,
  binaryDeno,
  Child,
  onEachBuild,
  serverCommand,
  startServer,
} from "../support/servers.ts";

const STARTS = size(5, 3);
const RUNS = size(60, 3);
const ORDER = { deltas: size(500, 200), chars: 20, burst: 50 };
const WAIT_MS = 120_000;
const PI = `${REPO}/node_modules/@mariozechner/pi-coding-agent/dist/cli.js`;

/** A program with pi's RPC mode, its records counted and kept. */
class Rpc {
  readonly child: Child;
  readonly lines: string[] = [];
  #wake = (): void => {};

  constructor(child: Child) {
    this.child = child;
    child.onStdout = () => {
      // Taken away, so that no line keeps all of the output alive.
      const parts = child.stdout.split("\n");
      child.stdout = parts.pop() ?? "";
      for (const part of parts) this.lines.push(part);
      if (parts.length > 0) this.#wake();
    };
  }

  async send(command: object): Promise<void> {
    const writer = this.child.process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
    writer.releaseLock();
  }

  /** Waits for a line with that text, from that one on. */
  async line(text: string, from = 0): Promise<void> {
    const seen = async (): Promise<void> => {
      while (!this.lines.slice(from).some((line) => line.includes(text))) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    await deadline(seen(), WAIT_MS, () => `${text}; stderr: ${this.child.stderr.slice(-500)}`);
  }

  async end(): Promise<void> {
    await this.child.process.stdin.close();
    await this.child.status;
  }
}

function front(server: BenchServer, target: Target, more: readonly string[] = []): Rpc {
  const { program, args } = serverCommand(server.home, { target });
  const own = args.slice(0, args.findIndex((arg) => arg === "--state-dir")).filter((arg) =>
    !["--sandbox", "on"].includes(arg)
  );
  const env = environment(server.home, { PI_SERVER_STATE_DIR: server.home.stateDir });
  return new Rpc(new Child(program, [...own, "rpc", ...more], { cwd: server.home.root, env, stdin: true }));
}

/** Milliseconds from the start to the answer to a first command. */
async function firstAnswer(rpc: Rpc): Promise<number> {
  await rpc.send({ id: "first", type: "get_state" });
  await rpc.line('"id":"first"');
  const took = performance.now() - rpc.child.startedAt;
  await rpc.end();
  return took;
}

/** The mean bytes of lines. */
const meanBytes = (lines: readonly string[]): number =>
  lines.reduce((sum, line) => sum + line.length + 1, 0) / lines.length;

/** Processor time of one record in microseconds, its mean bytes, and the lines of the last run. */
async function recordCost(rpc: Rpc): Promise<{ micros: number; bytes: number; lines: readonly string[] }> {
  let lines: readonly string[] = [];
  let [before, count, bytes] = [0, 0, 0];
  // The first run is not counted: runtimes take a while to compile what runs often. The others are measured together,
  // because the system counts processor time in steps of many records.
  for (let run = 0; run <= RUNS; run++) {
    if (run === 1) before = await rpc.child.processorTime();
    const from = rpc.lines.length;
    await rpc.send({ id: `p${run}`, type: "prompt", message: prompt(ORDER) });
    await rpc.line('"type":"agent_settled"', from);
    lines = rpc.lines.slice(from);
    if (run > 0) {
      count += lines.length;
      bytes += meanBytes(lines) * lines.length;
    }
  }
  const micros = (await rpc.child.processorTime() - before) / count * 1e6;
  return { micros, bytes: bytes / count, lines };
}

/** The Deno of that build. The binary may have another version than the one that runs this. */
async function denoOf(target: Target): Promise<string> {
  return target === "binary" ? await binaryDeno() : Deno.execPath();
}

/** A program that copies stdin to stdout, given these lines. Processor time of one byte in microseconds. */
async function pipeCost(target: Target, lines: readonly string[]): Promise<number> {
  const home = await benchHome();
  const copy = target === "node" ? { program: NODE, args: ["-e", "process.stdin.pipe(process.stdout)"] } : {
    program: await denoOf(target),
    args: ["eval", "await Deno.stdin.readable.pipeTo(Deno.stdout.writable)"],
  };
  await using child = new Child(copy.program, copy.args, {
    cwd: home.root,
    env: environment(home),
    stdin: true,
  });
  const writer = child.process.stdin.getWriter();
  const encoder = new TextEncoder();
  let [written, copied, before] = [0, 0, 0];
  child.onStdout = () => {
    copied += encoder.encode(child.stdout).length;
    child.stdout = "";
  };
  for (let run = 0; run <= RUNS; run++) {
    if (run === 1) before = await child.processorTime();
    for (const line of lines) {
      const bytes = encoder.encode(`${line}\n`);
      written += bytes.length;
      await writer.write(bytes);
    }
    await until(() => copied >= written || undefined, WAIT_MS, () => "the copy");
  }
  const micros = (await child.processorTime() - before) / (RUNS * lines.length * meanBytes(lines)) * 1e6;
  await writer.close();
  await child.status;
  await home.remove();
  return micros;
}

async function measure(target: Target): Promise<Row[]> {
  await using server = await startServer({ target });
  const ours: number[] = [];
  const pis: number[] = [];
  // The first of each loads what the others find loaded.
  for (let round = 0; round <= STARTS; round++) {
    const env = environment(server.home);
    const pi = new Rpc(new Child(NODE, [PI, "--mode", "rpc"], { cwd: server.home.root, env, stdin: true }));
    const theirs = await firstAnswer(pi);
    const own = await firstAnswer(front(server, target));
    if (round > 0) {
      pis.push(theirs);
      ours.push(own);
    }
  }
  const rpc = front(server, target, ["--no-session"]);
  await rpc.send({ id: "first", type: "get_state" });
  await rpc.line('"id":"first"');
  const { micros, bytes, lines } = await recordCost(rpc);
  await rpc.end();
  // Coalescing differs from run to run, so the copy of one run is scaled to the mean bytes of all.
  const pipe = await pipeCost(target, lines) * bytes;
  const [start, piStart] = [median(ours), median(pis)];
  return [
    {
      what: `${target}: start of rpc to its first answer`,
      unit: "ms",
      ours: start,
      baseline: piStart,
      baselineName: "pi",
      target: "< pi",
      met: start < piStart,
    },
    {
      what: `${target}: processor time of a record`,
      unit: "µs",
      ours: micros,
      baseline: pipe,
      baselineName: "pipe",
      target: "≤ 2 × pipe",
      met: micros <= 2 * pipe,
      note: `${bytes.toFixed(0)} bytes a record`,
    },
  ];
}

await runBench(async () => ({
  bench: "o",
  title: "a front",
  settings: { order: ORDER },
  rows: await onEachBuild(measure),
}));
