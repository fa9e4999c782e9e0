// The program: arguments and variables to a running server, signals to its shutdown, and its end to an exit
// code. The only place that prints help or ends the process.
import { ClusterError } from "../server/cluster/bus.ts";
import { type Config, parseConfig, withAbsolutePaths } from "../config/config.ts";
import { unknownVariables } from "../config/unknown_variables.ts";
import { errorMessage } from "../base/error_message.ts";
import { createLog, type Log } from "../base/log.ts";
import { StateFolderError } from "../server/state/state_folder.ts";
import { IMPATIENT_MS } from "../governor/limits.ts";
import { PI_PACKAGES } from "../protocol/pi_package.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import { ListenError, type Runtime } from "../runtime/runtime.ts";
import { describe, resolveSandbox, SandboxError } from "../server/sandbox/sandbox_mode.ts";
import { EngineError, resolveEngine } from "../server/workers/engine.ts";
import { readNamed, ResourceError } from "../server/workers/named_resources.ts";
import { isUsableToken, TOKEN_RULE } from "../server/auth/token_rule.ts";
import { programHelp } from "./help.ts";
import { SUBCOMMANDS } from "./subcommands.ts";
import { type RunningServer, serve, statePath } from "../server/server.ts";

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_SIGINT = 130;

/** Files that come with the program. */
export interface ProgramFiles {
  /** Entry of the worker that runs sessions. */
  readonly worker: URL;
  /** License notices; only the builds have them. */
  readonly licenses: URL;
}

/** The notices of what this build contains; the sources contain nothing but themselves. */
async function licenses(file: URL, runtime: Runtime): Promise<string> {
  const text = file.protocol === "file:" ? await runtime.files.readAny(file) : undefined;
  return text ??
    `pi-server ${SERVER_VERSION}, MIT license, run from its sources: each package it uses has its license in its folder\n`;
}

/** A token from the environment, which no session is to inherit. */
async function takeToken(runtime: Runtime): Promise<string | undefined | { reason: string }> {
  const named = runtime.env("PI_SERVER_TOKEN");
  const file = runtime.env("PI_SERVER_TOKEN_FILE");
  runtime.forgetEnv("PI_SERVER_TOKEN");
  runtime.forgetEnv("PI_SERVER_TOKEN_FILE");
  if (named === undefined && file === undefined) return undefined;
  const token = named ??
    // A user may name a pipe: PI_SERVER_TOKEN_FILE=<(pass show pi-server).
    (file === undefined ? undefined : await runtime.files.readAny(file).catch(() => undefined));
  const from = named === undefined ? `PI_SERVER_TOKEN_FILE: ${file}` : "PI_SERVER_TOKEN:";
  if (token === undefined) return { reason: `${from} cannot be read` };
  if (isUsableToken(token.trim())) return token.trim();
  return { reason: `${from} ${TOKEN_RULE}` };
}

/** User and password of NATS, which the sessions' programs must not see. */
function takeClusterLogin(runtime: Runtime): { user: string; password: string } | undefined {
  const [user, password] = ["PI_SERVER_CLUSTER_USER", "PI_SERVER_CLUSTER_PASSWORD"].map((name) => {
    const value = runtime.env(name);
    runtime.forgetEnv(name);
    return value;
  });
  return user === undefined ? undefined : { user, password: password ?? "" };
}

/** Why sessions cannot work in that folder; undefined when they can. */
async function whyUnusable(cwd: string | undefined, runtime: Runtime): Promise<string | undefined> {
  if (cwd === undefined) return undefined;
  try {
    const found = await runtime.files.stat(cwd);
    if (found?.kind === "directory") return undefined;
    const what = found === undefined
      ? `the folder ${cwd} does not exist; create it`
      : `${cwd} is not a folder`;
    return `--cwd: ${what}, or name another folder`;
  } catch (error) {
    return `--cwd: the folder ${cwd} cannot be read: ${errorMessage(error)}`;
  }
}

function wantsStdio(config: Config, runtime: Runtime): boolean {
  if (config.stdio !== "auto") return config.stdio === "on";
  return runtime.inputKind() === "stream";
}

/** Says to a person at a terminal what to do next: three lines, and never the token itself. */
function welcome(server: RunningServer, runtime: Runtime, stateDir: string | undefined): void {
  const [endpoint] = server.endpoints;
  if (endpoint === undefined) return;
  // A command finds the usual state folder by itself.
  const where = stateDir === undefined ? "" : ` --state-dir ${stateDir}`;
  runtime.writeError([
    "",
    `pi-server ${SERVER_VERSION} (pi ${
      PI_PACKAGES[server.engine].version
    }) listens on ${endpoint.url} until Ctrl-C. In another terminal:`,
    "",
    `  pi-server attach${where}   talk to an agent in the terminal`,
    `  pi-server open${where}     the same in a browser`,
    "  pi-server --help   everything else",
    "",
    "",
  ].join("\n"));
}

/** Signals to a shutdown. Listens before the server is there: who sees the greeting may signal at once. */
class Signals {
  readonly #config: Config;
  readonly #runtime: Runtime;
  readonly #log: Log;
  #server: RunningServer | undefined;
  #early: string | undefined;
  #firstInterrupt: number | undefined;

  constructor(config: Config, runtime: Runtime, log: Log) {
    this.#config = config;
    this.#runtime = runtime;
    this.#log = log;
    // Never taken back: a signal that comes while the program ends would end it with the signal's code.
    runtime.onSignal("SIGTERM", () => this.#stop("SIGTERM"));
    runtime.onSignal("SIGHUP", () => this.#stop("SIGHUP"));
    runtime.onSignal("SIGINT", () => this.#interrupt());
  }

  /** The server is there: what has come in the meantime counts. */
  serve(server: RunningServer): void {
    this.#server = server;
    if (this.#early !== undefined) this.#stop(this.#early);
  }

  #interrupt(): void {
    const now = this.#runtime.monotonic();
    // Supervisors and npm repeat a signal at once; a person who insists takes longer.
    const insists = this.#firstInterrupt !== undefined && now - this.#firstInterrupt > IMPATIENT_MS;
    if (insists) this.#runtime.exit(EXIT_SIGINT);
    this.#firstInterrupt ??= now;
    this.#stop("SIGINT");
  }

  #stop(name: string): void {
    if (this.#server === undefined) {
      this.#early ??= name;
      return;
    }
    const { shutdown } = this.#server;
    const { shutdownTimeoutMs } = this.#config;
    if (shutdown.phase === "running") {
      const again = name === "SIGINT" ? "; press Ctrl-C again to end at once" : "";
      const wait = `waiting at most ${shutdownTimeoutMs / 1000} s for running turns`;
      this.#log.info(
        `${name}: shutting down, ${shutdownTimeoutMs === 0 ? "aborting running turns" : wait}${again}`,
      );
    }
    void shutdown.begin(name, shutdownTimeoutMs);
  }
}

function whyNot(error: unknown, config: Config): string | undefined {
  const known = [StateFolderError, SandboxError, EngineError, ClusterError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  if (!(error instanceof ListenError)) return undefined;
  if (/in use|EADDRINUSE/i.test(error.message)) {
    return `Port ${config.port} on ${config.host} is in use; choose another with --port, or 0 for a free one`;
  }
  return `Cannot listen on ${config.host}, port ${config.port}: ${error.message}`;
}

/**
 * Runs the program until it ends.
 *
 * @param args arguments, without the program's name
 * @param program where its own files lie
 * @returns the exit code
 */
export async function run(args: readonly string[], runtime: Runtime, program: ProgramFiles): Promise<number> {
  const variables = runtime.envNames();
  const parsed = parseConfig(args, (name) => runtime.env(name));
  const output = runtime.stdout();
  const print = async (text: string): Promise<void> => {
    try {
      await output.write(new TextEncoder().encode(text));
    } catch (error) {
      // Who reads no further, such as `head`, has what it wanted.
      if (!(error instanceof Error && Reflect.get(error, "code") === "EPIPE")) throw error;
    }
  };
  if (parsed.kind === "help") {
    return await print(programHelp(SERVER_VERSION, SUBCOMMANDS)).then(() => EXIT_OK);
  }
  if (parsed.kind === "version") return await print(`${SERVER_VERSION}\n`).then(() => EXIT_OK);
  if (parsed.kind === "licenses") {
    return await print(await licenses(program.licenses, runtime)).then(() => EXIT_OK);
  }
  const fail = (reason: string, code: number): number => {
    runtime.writeError(`pi-server: ${reason}\n`);
    return code;
  };
  if (parsed.kind === "invalid") return fail(parsed.reason, EXIT_USAGE);
  let config: Config;
  try {
    config = withAbsolutePaths(parsed.config, (path) => runtime.absolute(path));
    config = { ...config, resources: await readNamed(config.resources, runtime) };
  } catch (error) {
    if (error instanceof ResourceError) return fail(error.message, EXIT_USAGE);
    const sentence = "the working folder is gone, or its name is not UTF-8; start in another, or give --cwd";
    return fail(`${sentence} and absolute paths`, EXIT_FAILED);
  }
  if (parsed.kind === "permissions") {
    const stateDir = statePath(config, runtime);
    try {
      const { engine } = await resolveEngine(config.pi, runtime);
      const held = await resolveSandbox(config, engine, runtime, program.worker, stateDir);
      return await print(describe(held, config, stateDir)).then(() => EXIT_OK);
    } catch (error) {
      if (error instanceof SandboxError || error instanceof EngineError) {
        return fail(error.message, EXIT_USAGE);
      }
      throw error;
    }
  }
  const token = await takeToken(runtime);
  if (typeof token === "object") return fail(token.reason, EXIT_USAGE);
  const clusterLogin = takeClusterLogin(runtime);
  const place = await whyUnusable(config.cwd, runtime);
  if (place !== undefined) return fail(place, EXIT_USAGE);
  const stdio = wantsStdio(config, runtime);
  if (!stdio && !config.ws) {
    return fail("--no-ws: stdin is not a pipe, so there is nothing to serve; add --stdio on", EXIT_USAGE);
  }
  const streams = stdio
    ? { stdio: { input: runtime.stdin(), output: runtime.protocolOutput() ?? output } }
    : {};
  runtime.guardStdout();
  // A folder that is removed later would keep every new thread from starting.
  const standing = runtime.stand();
  const { logLevel: level, logFormat: format } = config;
  const log = createLog({
    level,
    format,
    now: () => runtime.now(),
    write: (line) => runtime.writeError(line),
  });
  for (const warning of unknownVariables(variables)) log.warn(warning);
  if (!standing) log.warn("the process stays in its folder; sessions cannot be run once that folder is gone");
  const signals = new Signals(config, runtime, log);
  try {
    const server = await serve({
      config,
      runtime,
      log,
      worker: program.worker,
      ownProcess: true,
      ...streams,
      ...(token === undefined ? {} : { token }),
      ...(clusterLogin === undefined ? {} : { clusterLogin }),
    });
    signals.serve(server);
    report(server, config, runtime, log);
    const result = await server.closed;
    log.info("stopped", { ...result });
    return EXIT_OK;
  } catch (error) {
    const reason = whyNot(error, config);
    if (reason === undefined) throw error;
    return fail(reason, EXIT_FAILED);
  }
}

function report(server: RunningServer, config: Config, runtime: Runtime, log: Log): void {
  const [endpoint] = server.endpoints;
  if (runtime.stderrIsTerminal() && config.logFormat === "text" && config.logLevel !== "silent") {
    welcome(server, runtime, config.stateDir);
  } else if (endpoint !== undefined) {
    log.info("listening", {
      url: endpoint.url,
      pi: PI_PACKAGES[server.engine].version,
      ...(server.tokenFile === undefined ? {} : { tokenFile: server.tokenFile }),
    });
  }
}
