// Does: holds the table of flags: names, kinds, ranges and texts of `--help`.
// Used by: config.ts, which parses the values, and src/cli/help.ts. Uses: governor/limits.ts for the flags of limits.
import { LIMIT_NAMES, type LimitName, LIMITS, type LimitSpec } from "../governor/limits.ts";
import { MOST_TURNS, MOST_USD, MOST_WALL_MS } from "../protocol/schema/monitoring_commands.ts";
import { DEFAULT_PI, PI_CHOICES } from "../protocol/pi_package.ts";
import { LOG_LEVELS } from "../base/log.ts";

/** The kind of a flag's value. */
export type Kind = "switch" | "integer" | "amount" | "bytes" | "duration" | "text" | "list" | "choice";

/** One flag. */
export interface Flag {
  readonly name: string;
  readonly kind: Kind;
  readonly about: string;
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly shown?: string;
}

/** When the server forces the journal to the disk: before a command runs, once a second, or never itself. */
export const FSYNC_POLICIES: readonly ["always", "interval", "never"] = ["always", "interval", "never"];

/** Whether Deno limits the permissions of workers. `auto`: where the program can do so for certain. */
export const SANDBOX_MODES: readonly ["auto", "on", "off"] = ["auto", "on", "off"];

/** Whether sessions share workers, or each has a worker of its own. */
export const ISOLATION_MODES: readonly ["shared", "session"] = ["shared", "session"];

/** All flags. */
export const FLAGS: readonly Flag[] = [
  {
    name: "port",
    kind: "integer",
    least: 0,
    most: 65_535,
    about: "WebSocket port, 0 picks a free one",
    shown: "3141",
  },
  { name: "host", kind: "text", about: "address to bind", shown: "127.0.0.1" },
  {
    name: "stdio",
    kind: "choice",
    choices: ["auto", "on", "off"],
    about: "speak the protocol on stdin and stdout",
    shown: "auto",
  },
  { name: "no-ws", kind: "switch", about: "do not listen for WebSockets" },
  { name: "no-auth", kind: "switch", about: "admit WebSockets without the token (loopback only)" },
  { name: "allow-origin", kind: "list", about: "admit browser pages of this origin (repeatable)" },
  { name: "allow-host", kind: "list", about: "accept this name in the Host header (repeatable)" },
  {
    name: "console",
    kind: "choice",
    choices: ["on", "off"],
    about: "serve the console to browsers on the same port",
    shown: "on",
  },
  {
    name: "base-path",
    kind: "text",
    about: "path at which a proxy serves the server, such as /pi",
    shown: "/",
  },
  { name: "state-dir", kind: "text", about: "folder of the token and endpoint.json", shown: "~/.pi/server" },
  { name: "cwd", kind: "text", about: "working directory of sessions that name none", shown: "." },
  { name: "root", kind: "list", about: "folder that paths must stay in, / for all (repeatable)" },
  { name: "trust-projects", kind: "switch", about: "load every project's own extensions and settings" },
  {
    name: "sandbox",
    kind: "choice",
    choices: SANDBOX_MODES,
    about: "limit sessions to Deno permissions (docs/SECURITY.md)",
    shown: "auto",
  },
  { name: "allow-net", kind: "list", about: "let sessions connect to this host[:port] too (repeatable)" },
  { name: "allow-any-net", kind: "switch", about: "let sessions connect to any host" },
  {
    name: "workers",
    kind: "integer",
    least: 0,
    most: 64,
    about: "worker threads for sessions; 0: the server's own thread; none: a gateway",
    shown: "1",
  },
  { name: "cluster", kind: "text", about: "join the cluster at these NATS servers: nats://host:4222,…" },
  { name: "cluster-creds", kind: "text", about: "credentials of NATS: its .creds file, or user:password" },
  { name: "cluster-tls-ca", kind: "text", about: "certificates that sign those of the NATS servers" },
  { name: "cluster-name", kind: "text", about: "name of the cluster", shown: "pi" },
  { name: "node", kind: "text", about: "name of this node of the cluster", shown: "host name" },
  { name: "shared-sessions", kind: "switch", about: "take over sessions of dead nodes, over shared folders" },
  {
    name: "isolation",
    kind: "choice",
    choices: ISOLATION_MODES,
    about: "a crash, hang or full heap hits: shared, all; session, its own",
    shown: "shared",
  },
  {
    name: "pi",
    kind: "choice",
    choices: PI_CHOICES,
    about: "version of pi for sessions; auto follows the pi of this machine",
    shown: DEFAULT_PI,
  },
  { name: "extension", kind: "list", about: "load this extension of pi in every session (repeatable)" },
  { name: "no-extensions", kind: "switch", about: "load only the extensions of --extension" },
  { name: "skill", kind: "list", about: "offer this skill in every session (repeatable)" },
  { name: "no-skills", kind: "switch", about: "offer only the skills of --skill" },
  {
    name: "prompt-template",
    kind: "list",
    about: "offer this prompt template in every session (repeatable)",
  },
  { name: "no-prompt-templates", kind: "switch", about: "offer only the templates of --prompt-template" },
  { name: "no-context-files", kind: "switch", about: "read no AGENTS.md and CLAUDE.md" },
  { name: "system-prompt", kind: "text", about: "text or file that replaces pi's system prompt" },
  { name: "append-system-prompt", kind: "text", about: "text or file to add after the system prompt" },
  { name: "demo", kind: "switch", about: "offer a scripted model that needs no API key" },
  {
    name: "linger",
    kind: "duration",
    least: 0,
    most: 604_800_000,
    about: "shut down after this time without clients and runs",
    shown: "never",
  },
  {
    name: "shutdown-timeout",
    kind: "duration",
    least: 0,
    most: 86_400_000,
    about: "time that running turns get at shutdown",
    shown: "30s",
  },
  {
    name: "eof-timeout",
    kind: "duration",
    least: 0,
    most: 86_400_000,
    about: "time that commands get after the end of stdin",
    shown: "none",
  },
  {
    name: "journal-fsync",
    kind: "choice",
    choices: FSYNC_POLICIES,
    about: "when the server forces the journal to the disk",
    shown: "always",
  },
  { name: "budget-usd", kind: "amount", least: 0, most: MOST_USD, about: "US dollars a session may cost" },
  { name: "budget-turns", kind: "integer", least: 0, most: MOST_TURNS, about: "turns a session may take" },
  {
    name: "budget-wall",
    kind: "duration",
    least: 0,
    most: MOST_WALL_MS,
    about: "time that a session's agent may work",
  },
  {
    name: "budget-on-exceed",
    kind: "choice",
    choices: ["pause", "abort"],
    about: "stop a run before its next turn (pause), or its tools too (abort)",
    shown: "pause",
  },
  { name: "no-restore", kind: "switch", about: "start without the sessions of earlier servers" },
  { name: "ephemeral", kind: "switch", about: "keep no session for a later server" },
  {
    name: "log-level",
    kind: "choice",
    choices: LOG_LEVELS,
    about: "level of the log on stderr",
    shown: "info",
  },
  { name: "log-format", kind: "choice", choices: ["text", "json"], about: "form of the log", shown: "text" },
  ...LIMIT_NAMES.map(limitFlag),
  { name: "licenses", kind: "switch", about: "print the licenses of all that this build contains and exit" },
  { name: "version", kind: "switch", about: "print the version and exit" },
  { name: "help", kind: "switch", about: "print this and exit" },
];

/** `inFlightPerConnection` as `in-flight-per-connection`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flag of a limit, without its dashes. */
export function flagOf(name: LimitName): string {
  const spec: LimitSpec = LIMITS[name];
  return spec.flag ?? `max-${kebab(name)}`;
}

function limitFlag(name: LimitName): Flag {
  const { unit, least, most, value, about } = LIMITS[name];
  return {
    name: flagOf(name),
    kind: unit === "bytes" ? "bytes" : unit === "ms" ? "duration" : "integer",
    least,
    most,
    about,
    shown: shownAs(unit, value),
  };
}

/** A default in the form that a person would write. */
function shownAs(unit: LimitSpec["unit"], value: number): string {
  if (unit === "bytes" && value % (1024 * 1024) === 0) return `${value / 1024 / 1024}MiB`;
  if (unit === "ms") return value % 60_000 === 0 ? `${value / 60_000}m` : `${value / 1000}s`;
  return String(value);
}

/** The variable of a flag. */
export function variableOf(flag: string): string {
  return `PI_SERVER_${flag.toUpperCase().replaceAll("-", "_")}`;
}

/** Names of the flags of these kinds. */
export function namesOf(...kinds: readonly Kind[]): string[] {
  return FLAGS.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
}
