// Starts the server under test as a child: from the sources, the Node build or the compiled binary, each in a
// temporary home of its own. Finds it the way a client does (endpoint.json and token in the state folder) and
// ends it by its own process id, always.

import {
  gatewayArgs,
  gatewayDir,
  hasGateway,
  ownerArgs,
  THROUGH_GATEWAY,
} from "../cluster/behind_gateway.ts";
import { brief, stringAt } from "../base/json.ts";
import { deadline, until } from "../base/wait.ts";
import { StdioWire, WsWire } from "../wire/wire_client.ts";
import { writeModels } from "../model/model_server.ts";

/** What is tested. */
export type Target = "sources" | "node" | "binary";

/** The version of pi that sessions run on. */
export type Engine = "0.73" | "1.6";

/** The repository's root. */
export const REPO: string = decodeURIComponent(new URL("../../..", import.meta.url).pathname).replace(
  /\/$/,
  "",
);

/** The target of this run, from `PI_SERVER_TARGET`. */
export const TARGET: Target = targetOf(Deno.env.get("PI_SERVER_TARGET") ?? "sources");

/** The engine of every server under test, from `PI_SERVER_PI`. Its children get the same variable, so none chooses. */
export const ENGINE: Engine = engineOf(Deno.env.get("PI_SERVER_PI") ?? "0.73");

/** Whether that is pi 1.6. */
export const ON_1_6: boolean = ENGINE === "1.6";

/**
 * Node's executable, from `PI_SERVER_NODE_PROGRAM`; pi 1.6 needs Node 22.19. `PI_SERVER_NODE` is the name of a node in
 * a cluster, and a server that a test starts with its own environment would refuse it.
 */
export const NODE: string = Deno.env.get("PI_SERVER_NODE_PROGRAM") ?? "node";

const READY_MS = 60_000;

/** Flags that lift the limits on what comes in within a minute. */
export const NO_RATES: readonly string[] = [
  "--max-commands-per-minute=10000000",
  "--max-commands-per-minute-per-session=10000000",
  "--max-invalid-per-minute-per-connection=10000000",
];

function targetOf(name: string): Target {
  if (name === "sources" || name === "node" || name === "binary") return name;
  throw new Error(`PI_SERVER_TARGET is "${name}", use sources, node or binary`);
}

/** The npm package that this checkout has built. */
export const NPM_BUILD: string = `${REPO}/dist/npm`;

/** The pi that the greeting has to name. */
export const PI: { package: string; version: string } = ON_1_6
  ? { package: "@earendil-works/pi-coding-agent", version: "1.6.0" }
  : { package: "@mariozechner/pi-coding-agent", version: "0.73.1" };

function engineOf(name: string): Engine {
  if (name === "0.73" || name === "1.6") return name;
  throw new Error(`PI_SERVER_PI is "${name}", use 0.73 or 1.6`);
}

/** Program and arguments that start the target. */
export function commandOf(target: Target = TARGET): { program: string; args: string[] } {
  switch (target) {
    case "sources":
      return {
        program: Deno.execPath(),
        args: [
          // What is installed is used as it is: Deno would else lock node_modules at each start, and says so on stderr.
          ...["run", "-A", "--no-prompt", "--unstable-worker-options", "--node-modules-dir=manual"],
          ...["--config", `${REPO}/deno.json`, `${REPO}/mod.ts`],
          // As the binary does by itself; without it sessions would not be held to anything here.
          ...["--sandbox", "on"],
        ],
      };
    case "node":
      return {
        program: NODE,
        args: [`${NPM_BUILD}/bin/pi-server.js`],
      };
    case "binary":
      return { program: `${REPO}/dist/pi-server`, args: [] };
  }
}

/** A temporary home: agent folder, state folder and a root for the sessions' working folders. */
export class Home {
  readonly dir: string;
  readonly agentDir: string;
  readonly stateDir: string;
  readonly root: string;

  private constructor(dir: string, agentDir: string, stateDir: string, root: string) {
    this.dir = dir;
    this.agentDir = agentDir;
    this.stateDir = stateDir;
    this.root = root;
  }

  /** The state folder of the server that clients reach. */
  get clientStateDir(): string {
    return THROUGH_GATEWAY ? gatewayDir(this.stateDir) : this.stateDir;
  }

  /** Of the server under test: sessions may use all of it, and with the usual one they could use the whole home. */
  get temporary(): string {
    return `${this.dir}/tmp`;
  }

  /** A person's home that is there already, with everything where it is by default. */
  static at(dir: string): Home {
    return new Home(dir, `${dir}/.pi/agent`, `${dir}/.pi/server`, dir);
  }

  /** A fresh one; with `modelUrl` its agent folder knows the scripted models. */
  static async make(modelUrl?: string): Promise<Home> {
    const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-test-" }));
    const home = new Home(dir, `${dir}/agent`, `${dir}/state`, `${dir}/root`);
    for (const folder of [home.root, home.agentDir, home.temporary]) await Deno.mkdir(folder);
    if (modelUrl) await writeModels(home.agentDir, modelUrl);
    return home;
  }

  /** A new folder under the root. */
  async folder(name: string): Promise<string> {
    const path = `${this.root}/${name}`;
    await Deno.mkdir(path, { recursive: true });
    return path;
  }

  /** Puts an extension where every session of this home loads it from. */
  async extension(name: string, source: string): Promise<void> {
    await Deno.mkdir(`${this.agentDir}/extensions`, { recursive: true });
    await Deno.writeTextFile(`${this.agentDir}/extensions/${name}.ts`, source);
  }

  async remove(): Promise<void> {
    await Deno.remove(this.dir, { recursive: true }).catch(() => {});
  }
}

/** The environment of a child: nothing of ours but what programs need to be found and cached. */
export function environment(home: Home, more: Record<string, string> = {}): Record<string, string> {
  const outerHome = Deno.env.get("HOME") ?? "/";
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${outerHome}/.cache`;
  return {
    PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${cache}/deno`,
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    LANG: "C.UTF-8",
    HOME: home.dir,
    TMPDIR: home.temporary,
    PI_CODING_AGENT_DIR: home.agentDir,
    PI_OFFLINE: "1",
    PI_SERVER_PI: ENGINE,
    ...more,
  };
}

/** How to start a server. */
export interface StartOptions {
  /** `ws` (the default): `--stdio off` and a free port; `stdio`: stdin and stdout piped, and a free port. */
  mode?: "ws" | "stdio";
  /** Further flags. */
  args?: string[];
  env?: Record<string, string>;
  /** Replaces the flags for state folder, port, root and working folder, and those that lift the rates. */
  bare?: boolean;
  /** Leaves the server its default rates; a test is faster than any person. */
  defaultRates?: boolean;
  target?: Target;
  /** Replaces the target's own program, such as one that was put somewhere else. */
  command?: { program: string; args: string[] };
  /** Replaces the working folder. */
  cwd?: string;
  /** Replaces the whole environment. */
  cleanEnv?: Record<string, string>;
}

/** A server that runs, or ran. */
export class ServerProcess {
  readonly home: Home;
  readonly child: Deno.ChildProcess;
  /** When the child was started, in `performance.now()`. */
  readonly startedAt: number;
  readonly status: Promise<Deno.CommandStatus>;
  #stderr = "";
  #stdout = "";
  #exited = false;
  readonly #readers: Promise<void>[] = [];
  /** The node that clients reach, where that is not this one. */
  #gateway: ServerProcess | undefined;
  #stateDir: string;

  private constructor(home: Home, child: Deno.ChildProcess, startedAt: number, piped: boolean) {
    this.home = home;
    this.#stateDir = home.stateDir;
    this.child = child;
    this.startedAt = startedAt;
    running.add(this);
    this.status = child.status.then((status) => {
      this.#exited = true;
      running.delete(this);
      return status;
    });
    this.#readers.push(collect(child.stderr, (text) => this.#stderr += text));
    if (!piped) this.#readers.push(collect(child.stdout, (text) => this.#stdout += text));
  }

  /** Starts without waiting for anything. */
  static spawn(home: Home, options: StartOptions = {}): ServerProcess {
    const { args = [], mode = "ws", bare, command, cleanEnv } = options;
    const plain = bare !== true && command === undefined && cleanEnv === undefined &&
      !args.includes("--cluster");
    if (!hasGateway(args, mode, plain)) return ServerProcess.#spawn(home, options);
    const at = args.indexOf("--state-dir");
    const stateDir = at < 0 ? home.stateDir : args[at + 1] ?? home.stateDir;
    gateways.get(stateDir)?.signal("SIGKILL");
    try {
      Deno.removeSync(`${gatewayDir(stateDir)}/endpoint.json`);
    } catch {
      // This is the first one.
    }
    const server = ServerProcess.#spawn(home, { ...options, args: ownerArgs(stateDir, args) });
    const { PI_SERVER_FAULTS: _faults, ...env } = options.env ?? {};
    server.#gateway = ServerProcess.#spawn(home, { ...options, env, args: gatewayArgs(stateDir, args) });
    server.#stateDir = stateDir;
    gateways.set(stateDir, server.#gateway);
    return server;
  }

  static #spawn(home: Home, options: StartOptions): ServerProcess {
    const { program, args } = options.command ?? commandOf(options.target);
    const stdio = options.mode === "stdio";
    const own = options.bare ? [] : [
      ...["--state-dir", home.stateDir, "--root", home.root, "--cwd", home.root, "--port", "0"],
      ...["--stdio", stdio ? "on" : "off"],
      ...options.defaultRates ? [] : NO_RATES,
    ];
    const startedAt = performance.now();
    const child = new Deno.Command(program, {
      args: [...args, ...own, ...options.args ?? []],
      cwd: options.cwd ?? home.root,
      clearEnv: true,
      env: options.cleanEnv ?? environment(home, options.env),
      stdin: stdio ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new ServerProcess(home, child, startedAt, stdio);
  }

  /** Starts a WebSocket server and waits until it listens. */
  static async start(home: Home, options: StartOptions = {}): Promise<ServerProcess> {
    const server = ServerProcess.spawn(home, options);
    try {
      await server.endpoint();
      await server.ready();
    } catch (error) {
      await server.kill();
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.child.pid;
  }

  get stderr(): string {
    return this.#gateway === undefined ? this.#stderr : `${this.#stderr}${this.#gateway.stderr}`;
  }

  /** The state folder of the node that clients reach. */
  get #clientDir(): string {
    return this.#gateway === undefined ? this.#stateDir : gatewayDir(this.#stateDir);
  }

  /** Waits until the node that clients reach knows the one with the sessions. */
  async ready(): Promise<void> {
    const gateway = this.#gateway;
    if (gateway === undefined) return;
    // No command asks for it: some cases count all commands.
    await until(
      () => /a node is in the cluster\W+node\W+owner\b/.test(gateway.#stderr),
      READY_MS,
      () => `the gateway does not see its owner:\n${this.stderr}`,
    );
  }

  /** What came on stdout, when no stdio client reads it. */
  get stdout(): string {
    return this.#stdout;
  }

  /** `endpoint.json`, waited for. */
  async endpoint(): Promise<{ url: string; port: number }> {
    const url = await until(
      async () => {
        if (this.#exited) throw new Error(`the server exited before it listened:\n${this.#stderr}`);
        const text = await Deno.readTextFile(`${this.#clientDir}/endpoint.json`).catch(() => "");
        if (text === "") return undefined;
        return stringAt(JSON.parse(text), "url");
      },
      READY_MS,
      () => `no endpoint.json; stderr:\n${this.#stderr}`,
    );
    return { url, port: Number(new URL(url).port) };
  }

  /** The token from the state folder. */
  async token(): Promise<string> {
    return (await Deno.readTextFile(`${this.#clientDir}/token`)).trim();
  }

  /** A new WebSocket connection. */
  async connect(name = "ws"): Promise<WsWire> {
    return await WsWire.connect((await this.endpoint()).url, await this.token(), name);
  }

  /** The stdio connection; only one can be had. */
  stdio(filter?: (line: string) => string[]): StdioWire {
    return new StdioWire({ stdin: this.child.stdin, stdout: this.child.stdout }, "stdio", filter);
  }

  signal(name: Deno.Signal): void {
    if (!this.#exited) this.child.kill(name);
    if (["SIGTERM", "SIGINT", "SIGKILL"].includes(name)) this.#gateway?.signal(name);
  }

  /** The exit code, waited for; everything on stderr has been read by then. */
  async exitCode(timeoutMs = 30_000): Promise<number> {
    const status = await deadline(
      this.status,
      timeoutMs,
      () => `the server did not exit; stderr:\n${brief(this.#stderr, 2000)}`,
    );
    await Promise.all(this.#readers);
    return status.code;
  }

  /** Ends the child for certain. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.status;
    await Promise.all(this.#readers);
    await this.#gateway?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

const running = new Set<ServerProcess>();

/** The gateway of each state folder, which a new server replaces. */
const gateways = new Map<string, ServerProcess>();

// A test run that ends early must not leave servers behind.
globalThis.addEventListener("unload", () => {
  for (const server of running) {
    try {
      Deno.kill(server.pid, "SIGKILL");
    } catch {
      // It was gone already.
    }
  }
});

async function collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
}
