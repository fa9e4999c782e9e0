// Does: parses and validates every flag and its variable, with one style of error. A flag wins over its variable.
// Used by: cli/main.ts and mod.ts. Uses: flags.ts for the table.
// Invariant: it reads no environment itself.
import { parseArgs } from "@std/cli/parse-args";
import { BASE_PATH_RULE, basePathOf } from "../base/base_path.ts";
import { defined } from "../base/json.ts";
import { type ClusterConfig, clusterFault, clusterOf, withAbsoluteFiles } from "./cluster_config.ts";
import { didYouMean } from "./nearest.ts";
import { isLoopback } from "../base/loopback.ts";
import type { BudgetLimits } from "../governor/budget.ts";
import { LIMIT_NAMES, type LimitName, type Limits, withDefaults } from "../governor/limits.ts";
import {
  type Flag,
  flagOf,
  FLAGS,
  FSYNC_POLICIES,
  ISOLATION_MODES,
  type Kind,
  namesOf,
  SANDBOX_MODES,
  variableOf,
} from "./flags.ts";
import { AS_FOUND, DEFAULT_PI, PI_CHOICES, type PiChoice, type PiResources } from "../protocol/pi_package.ts";
import { LOG_LEVELS, type LogLevel } from "../base/log.ts";

/** Whether stdin and stdout speak the protocol; `auto`: unless stdin is a terminal, null or closed. */
export type StdioMode = "auto" | "on" | "off";

/** When the server forces the journal to the disk. */
export type FsyncPolicy = (typeof FSYNC_POLICIES)[number];

/** Whether workers run with limited permissions. */
export type SandboxMode = (typeof SANDBOX_MODES)[number];

/** Whether sessions share workers, or each has a worker of its own. */
export type IsolationMode = (typeof ISOLATION_MODES)[number];

/** The configuration of a server. */
export interface Config {
  /** TCP port of the WebSocket; 0 picks a free one. */
  readonly port: number;
  /** Address to bind. */
  readonly host: string;
  readonly stdio: StdioMode;
  /** Whether to listen for WebSockets at all. */
  readonly ws: boolean;
  /** Whether WebSockets need the token. */
  readonly auth: boolean;
  readonly allowOrigins: readonly string[];
  readonly allowHosts: readonly string[];
  /** Whether browsers get the console. */
  readonly console: boolean;
  /** The path below which a proxy shows the server, without a slash at its end. Empty for the root. */
  readonly basePath: string;
  /** Absent: `~/.pi/server`. */
  readonly stateDir?: string;
  /** Absent: the process's working directory. */
  readonly cwd?: string;
  /** Absent: the working directory and pi's session folders. */
  readonly roots?: readonly string[];
  readonly trustProjects: boolean;
  /** Whether Deno limits the permissions of workers. `auto`: in the compiled binary. */
  readonly sandbox: SandboxMode;
  /** Hosts that sessions may connect to beside those of models, with or without a port. */
  readonly allowNet: readonly string[];
  readonly allowAnyNet: boolean;
  /** Whether sessions of an earlier server come back, parked. */
  readonly restore: boolean;
  /** Whether the server keeps no session for a later server. */
  readonly ephemeral: boolean;
  /** Worker threads for sessions; 0 runs them in the server's own thread. */
  readonly workers: number;
  /** Whether the server runs no sessions itself, and leads to those of other nodes (`--workers none`). */
  readonly gateway: boolean;
  /** Absent: the server stands alone. */
  readonly cluster?: ClusterConfig;
  /** `session`: a worker for each session, whatever `workers` says. */
  readonly isolation: IsolationMode;
  /** The version of pi that sessions run on. `auto`: the one that fits this machine. */
  readonly pi: PiChoice;
  /** What pi loads for every session. */
  readonly resources: PiResources;
  readonly demo: boolean;
  /** Milliseconds without a client and without a run after which the server shuts down. Absent: it stays. */
  readonly lingerMs?: number;
  /** Milliseconds that runs get before they are aborted. */
  readonly shutdownTimeoutMs: number;
  /** Milliseconds that commands get after the end of stdin. Absent: no limit. */
  readonly eofTimeoutMs?: number;
  /** When the journal reaches the disk for certain. */
  readonly journalFsync: FsyncPolicy;
  /** What each session may spend until a client sets a budget. */
  readonly budget?: BudgetLimits;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  readonly limits: Limits;
}

/** The defaults with `over` on top. */
export function withConfigDefaults(over: Partial<Config> = {}): Config {
  return {
    port: 3141,
    host: "127.0.0.1",
    stdio: "auto",
    ws: true,
    auth: true,
    allowOrigins: [],
    allowHosts: [],
    console: true,
    basePath: "",
    trustProjects: false,
    sandbox: "auto",
    allowNet: [],
    allowAnyNet: false,
    restore: true,
    ephemeral: false,
    workers: 1,
    gateway: false,
    isolation: "shared",
    pi: DEFAULT_PI,
    resources: AS_FOUND,
    demo: false,
    shutdownTimeoutMs: 30_000,
    journalFsync: "always",
    logLevel: "info",
    logFormat: "text",
    limits: withDefaults(),
    ...over,
  };
}

/** The task that the command line names. */
export type Parsed =
  | { readonly kind: "serve"; readonly config: Config }
  /** Print Deno's permissions for the server and its sessions under this configuration. */
  | { readonly kind: "permissions"; readonly config: Config }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "licenses" }
  | { readonly kind: "invalid"; readonly reason: string };

type Value = string | boolean | readonly string[];

class Invalid extends Error {}

const NUL = "a NUL character cannot be part of it";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  KB: 1000,
  MB: 1e6,
};

function scaled(text: string, units: Readonly<Record<string, number>>): number {
  const parts = /^([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)$/.exec(text.trim());
  const unit = parts?.[2] ?? "";
  const factor = unit === "" ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined;
  return parts === null || factor === undefined ? NaN : Number(parts[1]) * factor;
}

function numberOf(flag: Flag, text: string, from: string): number {
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = flag;
  const units = flag.kind === "duration" ? UNITS : flag.kind === "bytes" ? SIZES : {};
  const value = scaled(text, units);
  const fits = flag.kind === "amount" ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (fits && value >= least && value <= most) return value;
  const what = flag.kind === "duration"
    ? "a time such as 500ms, 30s or 2m"
    : flag.kind === "bytes"
    ? "a size such as 65536 or 10MiB"
    : flag.kind === "amount"
    ? "a number"
    : "an integer";
  throw new Invalid(`${from}: expected ${what} from ${least} to ${most}, got "${text}"`);
}

function switchOf(text: string, from: string): boolean {
  if (["1", "true", "yes", "on"].includes(text.toLowerCase())) return true;
  if (["", "0", "false", "no", "off"].includes(text.toLowerCase())) return false;
  throw new Invalid(`${from}: expected true or false, got "${text}"`);
}

/** Flags from the command line, else from their variables. */
class Values {
  readonly #given: ReadonlyMap<string, { value: Value; from: string }>;

  constructor(given: ReadonlyMap<string, { value: Value; from: string }>) {
    this.#given = given;
  }

  on(name: string): boolean {
    return this.#given.get(name)?.value === true;
  }

  text(name: string): string | undefined {
    const found = this.#given.get(name);
    if (found === undefined || typeof found.value !== "string") return undefined;
    if (found.value === "") throw new Invalid(`${found.from}: expected a value`);
    if (found.value.includes("\0")) throw new Invalid(`${found.from}: ${NUL}`);
    return found.value;
  }

  list(name: string): readonly string[] | undefined {
    const found = this.#given.get(name);
    if (found === undefined || !Array.isArray(found.value)) return undefined;
    if (found.value.includes("")) throw new Invalid(`${found.from}: expected a value`);
    if (found.value.some((one) => one.includes("\0"))) throw new Invalid(`${found.from}: ${NUL}`);
    return found.value;
  }

  /** The source of a value, for errors. */
  from(name: string): string {
    return this.#given.get(name)?.from ?? `--${name}`;
  }

  number(name: string): number | undefined {
    const found = this.#given.get(name);
    const flag = FLAGS.find((one) => one.name === name);
    if (found === undefined || flag === undefined || typeof found.value !== "string") return undefined;
    return numberOf(flag, found.value, found.from);
  }

  choice(name: string): string | undefined {
    const found = this.#given.get(name);
    const choices = FLAGS.find((one) => one.name === name)?.choices ?? [];
    if (found === undefined || typeof found.value !== "string") return undefined;
    if (choices.includes(found.value)) return found.value;
    throw new Invalid(`${found.from}: expected one of ${choices.join(", ")}, got "${found.value}"`);
  }
}

/** Joins a value that begins with a dash to its flag (`--port -1`), so that the error is about the value. */
function glued(args: readonly string[]): string[] {
  const takesValue = new Set(
    namesOf("integer", "amount", "bytes", "duration", "text", "choice", "list").map((name) => `--${name}`),
  );
  const out: string[] = [];
  for (const arg of args) {
    const flag = out.at(-1);
    if (flag !== undefined && takesValue.has(flag) && /^-[0-9]/.test(arg)) {
      out.splice(-1, 1, `${flag}=${arg}`);
    } else out.push(arg);
  }
  return out;
}

type Given = Map<string, { value: Value; from: string }>;

/** Removes `--switch=value`, because the argument parser would take any value for true. */
function switches(args: readonly string[], given: Given): string[] {
  const known = new Set(namesOf("switch"));
  return args.filter((arg) => {
    const [, name = "", text = ""] = /^--([a-z-]+)=(.*)$/s.exec(arg) ?? [];
    if (!known.has(name)) return true;
    given.set(name, { value: switchOf(text, `--${name}`), from: `--${name}` });
    return false;
  });
}

function collect(args: readonly string[], env: (name: string) => string | undefined): Values {
  const unknown: string[] = [];
  const given: Given = new Map();
  const parsed = parseArgs(glued(switches(args, given)), {
    boolean: namesOf("switch"),
    string: namesOf("integer", "amount", "bytes", "duration", "text", "choice", "list"),
    collect: namesOf("list"),
    unknown: (arg) => {
      unknown.push(arg);
      return false;
    },
  });
  const [unknownFlag] = unknown.filter((arg) => arg.startsWith("-"));
  if (unknownFlag !== undefined) {
    const near = didYouMean(unknownFlag.replace(/=.*/s, ""), FLAGS.map(({ name }) => `--${name}`));
    throw new Invalid(`${unknownFlag}: there is no such flag${near || "; see --help"}`);
  }
  const [word] = [...unknown, ...parsed._];
  if (word !== undefined) {
    throw new Invalid(`${word}: a command is the first argument, flags of the server come alone; see --help`);
  }
  for (const { name, kind } of FLAGS) {
    const value = parsed[name];
    const from = `--${name}`;
    if (typeof value === "string" || value === true) given.set(name, { value, from });
    else if (Array.isArray(value) && value.length > 0) given.set(name, { value: value.map(String), from });
    else if (!given.has(name)) fromVariable(name, kind, env, given);
  }
  return new Values(given);
}

function fromVariable(
  name: string,
  kind: Kind,
  env: (name: string) => string | undefined,
  given: Given,
): void {
  if (name === "help" || name === "version" || name === "licenses") return;
  const from = variableOf(name);
  const text = env(from);
  if (text === undefined) return;
  if (kind === "switch") given.set(name, { value: switchOf(text, from), from });
  else if (kind === "list") given.set(name, { value: text.split(",").map((one) => one.trim()), from });
  else given.set(name, { value: text, from });
}

function originOf(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.origin === text) return text;
  const next = "as browsers send it, such as https://app.example or http://localhost:5173";
  throw new Invalid(`${from}: expected an origin ${next}, got "${text}"`);
}

/** The address to bind: an IPv6 address may stand in brackets, as in a URL. */
function hostOf(values: Values): string | undefined {
  const text = values.text("host");
  if (text === undefined) return undefined;
  const { hostname: usual } = URL.canParse(`http://${text}/`)
    ? new URL(`http://${text}/`)
    : { hostname: text };
  // The system takes 127.1 for 127.0.0.1, while the gate and the warnings go by the usual spelling.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(usual) && usual !== text) {
    throw new Invalid(`${values.from("host")}: ${text} is another spelling of ${usual}; write ${usual}`);
  }
  return /^\[([0-9a-f:.]+)\]$/i.exec(text)?.[1] ?? text;
}

function basePathFrom(values: Values): string | undefined {
  const text = values.text("base-path");
  const path = text === undefined ? undefined : basePathOf(text);
  if (text === undefined || path !== undefined) return path;
  throw new Invalid(`${values.from("base-path")}: expected what ${BASE_PATH_RULE}, got "${text}"`);
}

function clusterFrom(values: Values): ClusterConfig | undefined {
  try {
    return clusterOf(values);
  } catch (error) {
    if (error instanceof RangeError) throw new Invalid(error.message);
    throw error;
  }
}

function netHostOf(text: string, from: string): string {
  if (/^(?:\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::\d{1,5})?$/i.test(text)) {
    return text.toLowerCase();
  }
  throw new Invalid(`${from}: expected a host such as api.example or 127.0.0.1:8080, got "${text}"`);
}

/** The configuration with absolute paths only, so that the process may stand in any folder. */
export function withAbsolutePaths(config: Config, absolute: (path: string) => string): Config {
  const { cwd, roots, stateDir, resources, cluster } = config;
  const { extensions, skills, prompts } = resources;
  return {
    ...config,
    cwd: absolute(cwd ?? "."),
    resources: {
      ...resources,
      extensions: extensions.map(absolute),
      skills: skills.map(absolute),
      prompts: prompts.map(absolute),
    },
    ...(roots === undefined ? {} : { roots: roots.map(absolute) }),
    ...(stateDir === undefined ? {} : { stateDir: absolute(stateDir) }),
    ...(cluster === undefined ? {} : { cluster: withAbsoluteFiles(cluster, absolute) }),
  };
}

/** Why the gate may not admit clients without a token on that address. Undefined when it may. */
export function openToOthers({ auth, ws, host }: Config): string | undefined {
  if (auth || !ws || isLoopback(host)) return undefined;
  return `is allowed on a loopback address only, not on ${host}; leave it out, and clients send the token`;
}

function limitsOf(values: Values): Limits {
  const over: Partial<Record<LimitName, number>> = {};
  for (const name of LIMIT_NAMES) {
    const value = values.number(flagOf(name));
    if (value !== undefined) over[name] = value;
  }
  return withDefaults(over);
}

/** The budget of sessions for which no client has set one. */
function budgetOf(values: Values): BudgetLimits | undefined {
  const maxUsd = values.number("budget-usd");
  const maxTurns = values.number("budget-turns");
  const maxWallMs = values.number("budget-wall");
  const onExceed = values.choice("budget-on-exceed") === "abort" ? "abort" : "pause";
  if (maxUsd === undefined && maxTurns === undefined && maxWallMs === undefined) return undefined;
  return {
    ...defined({ maxUsd, maxTurns, maxWallMs }),
    onExceed,
  };
}

function resourcesOf(values: Values): PiResources {
  const [systemPrompt, appendSystemPrompt] = [
    values.text("system-prompt"),
    values.text("append-system-prompt"),
  ];
  return {
    extensions: values.list("extension") ?? [],
    skills: values.list("skill") ?? [],
    prompts: values.list("prompt-template") ?? [],
    findsExtensions: !values.on("no-extensions"),
    findsSkills: !values.on("no-skills"),
    findsPrompts: !values.on("no-prompt-templates"),
    readsContextFiles: !values.on("no-context-files"),
    ...defined({ systemPrompt, appendSystemPrompt }),
  };
}

function configOf(values: Values): Config {
  const maybe = <K extends keyof Config>(key: K, value: Config[K] | undefined): Partial<Config> =>
    value === undefined ? {} : { [key]: value } as Partial<Config>;
  const level = values.choice("log-level");
  const format = values.choice("log-format");
  const stdio = values.choice("stdio");
  const gateway = values.text("workers") === "none";
  const config = withConfigDefaults({
    ...maybe("port", values.number("port")),
    ...maybe("host", hostOf(values)),
    ...maybe("stdio", stdio === "on" || stdio === "off" ? stdio : undefined),
    ws: !values.on("no-ws"),
    auth: !values.on("no-auth"),
    allowOrigins: (values.list("allow-origin") ?? []).map((text) =>
      originOf(text, values.from("allow-origin"))
    ),
    allowHosts: (values.list("allow-host") ?? []).map((name) => name.toLowerCase()),
    console: values.choice("console") !== "off",
    ...maybe("basePath", basePathFrom(values)),
    ...maybe("stateDir", values.text("state-dir")),
    ...maybe("cwd", values.text("cwd")),
    ...maybe("roots", values.list("root")),
    trustProjects: values.on("trust-projects"),
    ...maybe("sandbox", SANDBOX_MODES.find((one) => one === values.choice("sandbox"))),
    allowNet: (values.list("allow-net") ?? []).map((text) => netHostOf(text, values.from("allow-net"))),
    allowAnyNet: values.on("allow-any-net"),
    restore: !values.on("no-restore"),
    ephemeral: values.on("ephemeral"),
    ...maybe("workers", gateway ? undefined : values.number("workers")),
    gateway,
    ...maybe("cluster", clusterFrom(values)),
    ...maybe("isolation", ISOLATION_MODES.find((one) => one === values.choice("isolation"))),
    ...maybe("pi", PI_CHOICES.find((one) => one === values.choice("pi"))),
    resources: resourcesOf(values),
    demo: values.on("demo"),
    ...maybe("lingerMs", values.number("linger")),
    ...maybe("shutdownTimeoutMs", values.number("shutdown-timeout")),
    ...maybe("eofTimeoutMs", values.number("eof-timeout")),
    ...maybe("journalFsync", FSYNC_POLICIES.find((one) => one === values.choice("journal-fsync"))),
    ...maybe("budget", budgetOf(values)),
    ...maybe("logLevel", LOG_LEVELS.find((one) => one === level)),
    ...maybe("logFormat", format === "json" ? "json" : undefined),
    limits: limitsOf(values),
  });
  const open = openToOthers(config);
  if (open !== undefined) throw new Invalid(`--no-auth: ${open}`);
  const fault = clusterFault(config, gateway);
  if (fault !== undefined) throw new Invalid(fault);
  if (config.isolation === "session" && values.text("workers") !== undefined) {
    throw new Invalid("--workers: --isolation session starts a worker for each session; leave --workers out");
  }
  if (config.sandbox === "on" && config.workers === 0) {
    throw new Invalid(
      "--sandbox on: needs --workers 1 or more, because Deno's permissions limit threads only",
    );
  }
  if (!config.ws && config.stdio === "off") {
    throw new Invalid("--no-ws: with --stdio off there is nothing left to serve");
  }
  return config;
}

/**
 * Parses arguments and variables.
 *
 * @param args arguments, without the program's name
 * @param env looks a variable up
 */
export function parseConfig(args: readonly string[], env: (name: string) => string | undefined): Parsed {
  try {
    const permissions = args[0] === "permissions";
    const values = collect(permissions ? args.slice(1) : args, env);
    if (values.on("help")) return { kind: "help" };
    if (values.on("version")) return { kind: "version" };
    if (values.on("licenses")) return { kind: "licenses" };
    return { kind: permissions ? "permissions" : "serve", config: configOf(values) };
  } catch (error) {
    if (error instanceof Invalid) return { kind: "invalid", reason: error.message };
    throw error;
  }
}
