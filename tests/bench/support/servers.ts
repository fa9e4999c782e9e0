// Starts what is measured, each as a process of its own: pi-server in any build with its limits raised by flags,
// the bare server on the same runtime, and `pi --mode rpc`. Reads their memory from /proc and ends them by id.

import {
  commandOf,
  ENGINE,
  environment,
  Home,
  NODE,
  PI,
  REPO,
  type Target,
} from "../../support/server/server_process.ts";
import { PI_CLI } from "../../support/fronts/pi_rpc.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { installModel } from "./model_extension.ts";

const HERE = decodeURIComponent(new URL(".", import.meta.url).pathname);
const START_MS = 60_000;
/** Linux's own, on every machine of today. */
const TICKS_PER_SECOND = 100;

/** All builds. */
const TARGETS: readonly Target[] = ["sources", "node", "binary"];

/** Limits that a benchmark may run into, and what they are raised to. */
const RAISED: Readonly<Record<string, string>> = {
  "max-commands-per-minute-per-session": "1000000",
  "max-commands-per-minute": "1000000",
  "max-invalid-per-minute-per-connection": "1000000",
  "max-in-flight-per-connection": "1000",
  "max-sessions": "1000",
  "max-mailbox": "1000",
};

/** A started process with its output collected. */
export class Child implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly startedAt: number;
  readonly status: Promise<Deno.CommandStatus>;
  stdout = "";
  stderr = "";
  onStdout: () => void = () => {};
  exited = false;
  readonly #reading: Promise<void>[];

  constructor(
    program: string,
    args: string[],
    options: { cwd: string; env: Record<string, string>; stdin?: boolean },
  ) {
    this.startedAt = performance.now();
    this.process = new Deno.Command(program, {
      args,
      cwd: options.cwd,
      clearEnv: true,
      env: options.env,
      stdin: options.stdin === true ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    running.add(this);
    this.status = this.process.status.then((status) => {
      this.exited = true;
      running.delete(this);
      return status;
    });
    this.#reading = [
      collect(this.process.stdout, (text) => {
        this.stdout += text;
        this.onStdout();
      }),
      collect(this.process.stderr, (text) => this.stderr += text),
    ];
  }

  get pid(): number {
    return this.process.pid;
  }

  signal(name: Deno.Signal): void {
    if (!this.exited) this.process.kill(name);
  }

  /** The first line of stdout that fits, waited for. */
  async line(fits: (line: string) => boolean): Promise<string> {
    return await until(
      () => {
        if (this.exited) throw new Error(`process ${this.pid} ended early: ${this.stderr.slice(-2000)}`);
        return this.stdout.split("\n").slice(0, -1).find(fits);
      },
      START_MS,
      () => `no such line from ${this.pid}: ${this.stdout.slice(-500)}${this.stderr.slice(-500)}`,
    );
  }

  /** Resident memory in MB (10^6 bytes). */
  async memory(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) * 1024 / 1e6;
  }

  /** Seconds of processor time that all its threads have used. */
  async processorTime(): Promise<number> {
    const stat = await Deno.readTextFile(`/proc/${this.pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Ends it for certain. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.status;
    await Promise.all(this.#reading);
  }
}

const running = new Set<Child>();

// A run that ends early must not leave processes behind.
globalThis.addEventListener("unload", () => {
  for (const child of running) {
    try {
      child.process.kill("SIGKILL");
    } catch {
      // It was gone already.
    }
  }
});

async function collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
}

/** A pi-server under test. */
export interface BenchServer extends AsyncDisposable {
  readonly home: Home;
  readonly child: Child;
  readonly url: string;
  readonly token: string;
}

/** How to start one. */
export interface BenchServerOptions {
  /** Fills the home before the start. */
  readonly prepare?: (home: Home) => Promise<void>;
  readonly target?: Target;
  readonly flags?: readonly string[];
  /** Replaces the program, which must take the same flags. */
  readonly program?: { readonly program: string; readonly args: readonly string[] };
}

let known: Promise<string> | undefined;

async function helpText(): Promise<string> {
  const { program, args } = commandOf("sources");
  const { stdout } = await new Deno.Command(program, { args: [...args, "--help"], cwd: REPO }).output();
  return new TextDecoder().decode(stdout);
}

/** Keeps the flags that this server has; the limits of later versions are not raised in earlier ones. */
export async function knownFlags(flags: Readonly<Record<string, string>>): Promise<string[]> {
  const help = await (known ??= helpText());
  return Object.entries(flags).filter(([name]) => help.includes(`--${name} `)).flatMap((
    [name, value],
  ) => [`--${name}`, value]);
}

/** The flags that raise every limit a benchmark could run into. */
export async function raisedLimits(more: Readonly<Record<string, string>> = {}): Promise<string[]> {
  return await knownFlags({ ...RAISED, ...more });
}

/** A home whose agent folder has the benchmarks' model. */
export async function benchHome(): Promise<Home> {
  const home = await Home.make();
  await installModel(home.agentDir);
  return home;
}

/** Program and arguments of a server in that home. */
export function serverCommand(home: Home, options: BenchServerOptions): { program: string; args: string[] } {
  const { program, args } = options.program ?? commandOf(options.target ?? "sources");
  const own = ["--state-dir", home.stateDir, "--root", home.root, "--cwd", home.root, "--port", "0"];
  // To try a setting, or to see that a benchmark notices a bad one.
  const tried = (Deno.env.get("PI_BENCH_FLAGS") ?? "").split(" ").filter((flag) => flag !== "");
  return { program, args: [...args, ...own, "--log-level", "warn", ...options.flags ?? [], ...tried] };
}

/** Starts a WebSocket server and waits until it listens. */
export async function startServer(options: BenchServerOptions = {}): Promise<BenchServer> {
  const home = await benchHome();
  await options.prepare?.(home);
  const { program, args } = serverCommand(home, options);
  const child = new Child(program, [...args, "--stdio", "off"], { cwd: home.root, env: environment(home) });
  const dispose = async (): Promise<void> => {
    await child[Symbol.asyncDispose]();
    await home.remove();
  };
  try {
    const endpoint = await until(
      async () => {
        if (child.exited) throw new Error(`the server did not start: ${child.stderr}`);
        return await Deno.readTextFile(`${home.stateDir}/endpoint.json`).catch(() => undefined);
      },
      START_MS,
      () => `no endpoint.json: ${child.stderr}`,
    );
    const { url } = JSON.parse(endpoint);
    const token = (await Deno.readTextFile(`${home.stateDir}/token`)).trim();
    return { home, child, url, token, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The Deno that the binary was compiled with, as far as it can be had. */
export async function binaryDeno(): Promise<string> {
  const kit = `${REPO}/../shared/tools/compile-kit`;
  if (Deno.env.get("PI_SERVER_COMPILE") === "official") return Deno.execPath();
  const found = await new Deno.Command("bash", { args: [kit] }).output().catch(() => undefined);
  const text = new TextDecoder().decode(found?.stdout);
  const wrapper = /COMPILE_DENO='([^']+)'/.exec(text)?.[1];
  if (wrapper === undefined) return Deno.execPath();
  // npm's wrapper starts the real one as a child, which would outlive it.
  const asked = await new Deno.Command(wrapper, { args: ["eval", "console.log(Deno.execPath())"] }).output();
  return new TextDecoder().decode(asked.stdout).trim() || Deno.execPath();
}

/** Starts the bare server on the runtime of that build; with `texts` it has those to send. */
export async function startBaseline(
  target: Target,
  texts?: readonly string[],
): Promise<AsyncDisposable & { readonly url: string; readonly child: Child }> {
  const home = await Home.make();
  const file = `${home.dir}/texts.json`;
  if (texts !== undefined) await Deno.writeTextFile(file, JSON.stringify(texts));
  const more = texts === undefined ? [] : [file];
  const deno = target === "binary" ? await binaryDeno() : Deno.execPath();
  const child = target === "node"
    ? new Child(NODE, [`${HERE}baseline_node.mjs`, ...more], { cwd: home.root, env: environment(home) })
    : new Child(deno, ["run", "-A", "--no-config", "--no-lock", `${HERE}baseline_deno.ts`, ...more], {
      cwd: home.root,
      env: environment(home),
    });
  const url = await child.line((line) => line.startsWith("ws://"));
  return withHome(url, child, home);
}

/** Why a build cannot run the engine that is measured; undefined where it can. */
async function withoutEngine(target: Target): Promise<string | undefined> {
  const home = await Home.make();
  try {
    const { program, args } = commandOf(target);
    const own = ["--state-dir", home.stateDir, "--cwd", home.root, "--no-ws", "--stdio", "on"];
    const { code, stderr } = await new Deno.Command(program, {
      args: [...args, ...own],
      cwd: home.root,
      clearEnv: true,
      env: environment(home),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code === 0) return undefined;
    return new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  } finally {
    await home.remove();
  }
}

/** The builds that the arguments name, or all of them, without those that cannot run the engine. */
export async function builds(): Promise<Target[]> {
  const asked = TARGETS.filter((target) => Deno.args.includes(target));
  const able: Target[] = [];
  for (const target of asked.length > 0 ? asked : TARGETS) {
    const reason = await withoutEngine(target);
    if (reason === undefined) able.push(target);
    else console.log(`left out: the ${target} on pi ${ENGINE}: ${reason}`);
  }
  return able;
}

/** Measures each of these builds, one after the other. */
export async function onEachBuild<R>(measure: (target: Target) => Promise<R[]>): Promise<R[]> {
  const rows: R[] = [];
  for (const target of await builds()) rows.push(...await measure(target));
  return rows;
}

/** A server that a benchmark has started beside ours, and its home. */
function withHome(url: string, child: Child, home: Home) {
  return {
    url,
    child,
    async [Symbol.asyncDispose](): Promise<void> {
      await child[Symbol.asyncDispose]();
      await home.remove();
    },
  };
}

/** Starts pi in a bare broadcast loop on the runtime of that build. */
export async function startPiLoop(
  target: Target,
): Promise<AsyncDisposable & { readonly url: string; readonly child: Child }> {
  const home = await benchHome();
  const script = [`${HERE}baseline_pi.mjs`, home.root, home.agentDir, PI.package];
  const deno = target === "binary" ? await binaryDeno() : Deno.execPath();
  // From node_modules as it is, as Node does: with the configuration another Deno would fetch packages of its own.
  const installed = ["run", "-A", "--no-config", "--node-modules-dir=manual"];
  const options = { cwd: home.root, env: environment(home) };
  const child = target === "node"
    ? new Child(NODE, script, options)
    : new Child(deno, [...installed, ...script], options);
  const url = await child.line((line) => line.startsWith("ws://"));
  return withHome(url, child, home);
}

/** Starts `pi --mode rpc` on Node in that home. */
export function startPi(home: Home): Child {
  return new Child(NODE, [PI_CLI, "--mode", "rpc"], { cwd: home.root, env: environment(home), stdin: true });
}

/** Starts a server that speaks on stdin and stdout alone. */
export function startStdioServer(home: Home, target: Target): Child {
  const { program, args } = serverCommand(home, { target, flags: ["--no-ws", "--stdio", "on"] });
  return new Child(program, args, { cwd: home.root, env: environment(home), stdin: true });
}

/** Waits until no promise of the machine's makes a memory reading jump any more. */
export async function settledMemory(child: Child): Promise<number> {
  let last = await child.memory();
  await deadline(
    (async () => {
      for (let same = 0; same < 3;) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        const now = await child.memory();
        same = Math.abs(now - last) < 1 ? same + 1 : 0;
        last = now;
      }
    })(),
    10_000,
    () => "memory does not settle",
  ).catch(() => {});
  return last;
}
