/**
 * pi-server: many pi coding-agent sessions behind one JSON protocol, over WebSocket and stdio.
 *
 * As a program: `deno run -A mod.ts --help`. As a library, on Deno and on Node:
 *
 * @example
 * ```ts
 * import { startServer } from "@pi/server";
 *
 * await using server = await startServer({ port: 0, demo: true });
 * console.log(server.endpoints);
 * ```
 *
 * @module
 */
// The server's parts are imported when one is started: a subcommand such as `pi-server run` loads none of them.
import type { Runtime } from "./src/runtime/runtime.ts";

/** How to run a server from a program. Everything has the default of the flag with that name. */
export interface ServerOptions {
  /** TCP port of the WebSocket; 0 picks a free one. Default: 3141. */
  readonly port?: number;
  /** Address to bind. Default: 127.0.0.1. */
  readonly host?: string;
  /** Whether WebSockets need the token. Default: true. */
  readonly auth?: boolean;
  /** The token; default: the one in the state folder, made on the first start. */
  readonly token?: string;
  /** Origins of browser pages that may connect. Default: none. */
  readonly allowOrigins?: readonly string[];
  /** Names accepted in the Host header beyond loopback ones. Default: none. */
  readonly allowHosts?: readonly string[];
  /** Whether browsers get the console on the same port. Default: true. */
  readonly console?: boolean;
  /** The path below which a proxy shows the server, such as `/pi`. Default: none. */
  readonly basePath?: string;
  /** Folder of the token and of `endpoint.json`. Default: `~/.pi/server`. */
  readonly stateDir?: string;
  /** Working directory of sessions that name none. Default: the process's own. */
  readonly cwd?: string;
  /** Folders that clients' paths must stay in. Default: `cwd` and pi's session folders. */
  readonly roots?: readonly string[];
  /** Whether every project's own extensions and settings are loaded. Default: false. */
  readonly trustProjects?: boolean;
  /** Worker threads for sessions; 0 runs them in this thread. Default: 1. */
  readonly workers?: number;
  /** `session`: a worker thread for each session, whatever `workers` says. Default: `shared`. */
  readonly isolation?: "shared" | "session";
  /**
   * The version of pi that sessions run on. `auto`: the one that this machine's pi is on, else the newest. Default:
   * `0.73` on JSR, `auto` in the npm package.
   */
  readonly pi?: "auto" | "0.73" | "1.6";
  /** Whether to offer the scripted demo model. Default: false. */
  readonly demo?: boolean;
  /** Milliseconds that running turns get at shutdown. Default: 30,000. */
  readonly shutdownTimeoutMs?: number;
  /** Limits by name, such as `{ sessions: 10 }`. */
  readonly limits?: Readonly<Record<string, number>>;
  /** What the log on stderr shows. Default: "warn". */
  readonly logLevel?: "debug" | "info" | "warn" | "error" | "silent";
}

/** Where clients can reach a server. */
export interface ServerEndpoint {
  /** The transport, always "websocket" for a server that runs inside a program. */
  readonly transport: string;
  /** Its address. */
  readonly url: string;
}

/** What a shutdown came to, in sessions. */
export interface ServerShutdown {
  /** Were busy and ended by themselves. */
  readonly drained: number;
  /** Were busy at the deadline and were aborted. */
  readonly aborted: number;
  /** Were disposed. */
  readonly disposed: number;
  /** Could not be disposed in time. */
  readonly failed: number;
}

/** A server that runs. */
export interface Server extends AsyncDisposable {
  /** Where clients connect. */
  readonly endpoints: readonly ServerEndpoint[];
  /** File with the token; absent when none is asked for, or it was given. */
  readonly tokenFile?: string;
  /** Resolves when the server has shut down. */
  readonly closed: Promise<ServerShutdown>;
  /** Shuts down gracefully; every call returns the same promise. */
  shutdown(): Promise<ServerShutdown>;
}

const WORKER = new URL("./src/worker/worker.ts", import.meta.url);
/** Part of the builds alone. */
const LICENSES = new URL("./LICENSES.txt", import.meta.url);

async function pickRuntime(): Promise<Runtime> {
  const { runtime } = "Deno" in globalThis
    ? await import("./src/runtime/deno/deno.ts")
    : await import("./src/runtime/node/node.ts");
  return runtime;
}

/**
 * Starts a server inside this program: WebSocket only, no signals touched.
 *
 * @param options what differs from the defaults
 * @returns the running server; `await using` shuts it down at the end of the scope
 * @throws {Error} when the port cannot be had, or another server owns the state folder
 *
 * @example
 * ```ts
 * import { startServer } from "@pi/server";
 *
 * const server = await startServer({ port: 0, demo: true });
 * console.log(await server.shutdown());
 * ```
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { token, limits, logLevel, ...rest } = options;
  const [{ withConfigDefaults }, { withDefaults }, { createLog }, { serve }, runtime] = await Promise.all([
    import("./src/config/config.ts"),
    import("./src/governor/limits.ts"),
    import("./src/base/log.ts"),
    import("./src/server/server.ts"),
    pickRuntime(),
  ]);
  const config = withConfigDefaults({
    ...rest,
    stdio: "off",
    logLevel: logLevel ?? "warn",
    limits: withDefaults(limits),
  });
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat,
    now: () => runtime.now(),
    write: (line) => runtime.writeError(line),
  });
  const running = await serve({
    config,
    runtime,
    log,
    worker: WORKER,
    ...(token === undefined ? {} : { token }),
  });
  const shutdown = (): Promise<ServerShutdown> =>
    running.shutdown.begin("shutdown was called", config.shutdownTimeoutMs);
  return {
    endpoints: running.endpoints,
    ...(running.tokenFile === undefined ? {} : { tokenFile: running.tokenFile }),
    closed: running.closed,
    shutdown,
    async [Symbol.asyncDispose]() {
      await shutdown();
    },
  };
}

/** A word in the first place names a subcommand; this one belongs to the server, whose configuration it prints. */
const SERVER_WORD = "permissions";

/**
 * Runs the program `pi-server` with the given arguments until it ends: the server, or the subcommand that the first
 * argument names.
 *
 * @param given arguments without the program's name, such as `["--port", "0"]`
 * @returns the exit code: 0 after a graceful end, 1 when it could not start, 2 for bad arguments
 */
export async function main(given: readonly string[]): Promise<number> {
  // Programs that start pi start it as `pi --mode rpc`.
  const asPi = given[0] === "--mode" && given[1] === "rpc";
  const args = asPi ? ["rpc", ...given] : given[0] === "-h" ? ["--help"] : given;
  const [word = "-"] = args;
  if (!word.startsWith("-") && word !== SERVER_WORD) {
    const [{ runSubcommand }, { programIo }] = await Promise.all([
      import("./src/cli/subcommands.ts"),
      import("./src/runtime/terminal/program_io.ts"),
    ]);
    return await runSubcommand(args, programIo());
  }
  // The program's own parts load only where a program runs.
  const [{ run }, runtime] = await Promise.all([import("./src/cli/main.ts"), pickRuntime()]);
  const code = await run(args, runtime, { worker: WORKER, licenses: LICENSES });
  runtime.ensureEnd();
  return code;
}

if ("Deno" in globalThis && import.meta.main) Deno.exit(await main(Deno.args));
