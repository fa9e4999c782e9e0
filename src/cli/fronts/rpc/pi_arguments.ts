// Does: reads the arguments of `pi --mode rpc` that have a meaning here, and refuses the others by name.
// Used by: src/cli/fronts/rpc.ts. Uses: the parser of all subcommands.
import { type Arguments, parseArguments } from "../../arguments.ts";
import { FRONT_FLAGS } from "../front.ts";
import { type FlagSpec, UsageError } from "../../subcommand.ts";

/** Flags of the server that are pi's as well. All sessions of a server share them, so they need a server of their own. */
const RESOURCE_FLAGS: readonly FlagSpec[] = [
  { name: "extension", value: "PATH", about: "load this extension; only with --private (-e)" },
  { name: "no-extensions", about: "load no other ones; only with --private (-ne)" },
  { name: "skill", value: "PATH", about: "offer this skill; only with --private" },
  { name: "no-skills", about: "offer no other ones; only with --private (-ns)" },
  { name: "prompt-template", value: "PATH", about: "offer this template; only with --private" },
  { name: "no-prompt-templates", about: "offer no other ones; only with --private (-np)" },
  { name: "no-context-files", about: "read no AGENTS.md; only with --private (-nc)" },
  { name: "system-prompt", value: "TEXT", about: "replaces pi's; only with --private" },
  { name: "append-system-prompt", value: "TEXT", about: "comes after pi's; only with --private" },
];

/** The flags of `pi-server rpc`. */
export const RPC_FLAGS: readonly FlagSpec[] = [
  { name: "mode", value: "rpc", choices: ["rpc"], about: "as pi is started; nothing else is possible" },
  { name: "provider", value: "NAME", about: "provider of the model" },
  { name: "model", value: "MODEL", about: "id, provider/id, or a part of one; :LEVEL may follow" },
  { name: "thinking", value: "LEVEL", about: "off, minimal, low, medium, high, xhigh or max" },
  { name: "session", value: "FILE|ID", about: "continue this session; the beginning of its id is enough" },
  { name: "session-id", value: "ID", about: "continue the session with that id, or begin it" },
  { name: "continue", about: "continue the newest session of this folder (-c)" },
  { name: "resume", value: "FILE|ID", about: "the same as --session" },
  { name: "fork", value: "FILE|ID", about: "begin with a copy of that session" },
  { name: "no-session", about: "keep no session file" },
  { name: "session-dir", value: "DIR", about: "folder of session files; only with --private" },
  { name: "name", value: "TEXT", about: "name of a new session (-n)" },
  { name: "tools", value: "A,B", about: "only these tools (-t)" },
  { name: "exclude-tools", value: "A,B", about: "all tools except these (-xt)" },
  { name: "no-tools", about: "no tools (-nt)" },
  { name: "no-builtin-tools", about: "only the tools of extensions (-nbt)" },
  { name: "approve", about: "load the project's own extensions and settings (-a)" },
  { name: "no-approve", about: "do not load it (-na)" },
  ...RESOURCE_FLAGS,
  { name: "no-themes", about: "accepted: there is no screen" },
  { name: "verbose", about: "accepted: there is no screen" },
  { name: "offline", about: "accepted: the server decides what it fetches" },
  ...FRONT_FLAGS,
];

const SHORT: Readonly<Record<string, string>> = {
  "-c": "--continue",
  "-r": "--resume",
  "-n": "--name",
  "-t": "--tools",
  "-xt": "--exclude-tools",
  "-nt": "--no-tools",
  "-nbt": "--no-builtin-tools",
  "-a": "--approve",
  "-na": "--no-approve",
  "-e": "--extension",
  "-ne": "--no-extensions",
  "-ns": "--no-skills",
  "-np": "--no-prompt-templates",
  "-nc": "--no-context-files",
};

/** Flags of pi that cannot be had here, with what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  "--api-key": "give the key to the server: in its environment, or in pi's auth.json",
  "--models": "set enabledModels in pi's settings",
  "--theme": "there is no screen that could have one",
  "--print": "use pi-server run",
  "-p": "use pi-server run",
  "--export": "send the command export_html",
  "--list-models": "send the command get_available_models",
};

/** Which session to open, at most one way. */
const WAYS = ["session", "session-id", "continue", "resume", "fork", "no-session"];

/**
 * Reads the arguments.
 *
 * @throws {UsageError} for a flag that pi does not have, that has no effect here, or that contradicts another
 */
export function parsePiArguments(args: readonly string[]): Arguments {
  const long = args.map((arg) => SHORT[arg] ?? arg);
  for (const arg of long) {
    const name = arg.replace(/=.*$/s, "");
    if (Object.hasOwn(REFUSED, name)) throw new UsageError(`${name}: ${REFUSED[name]}`);
  }
  const parsed = parseArguments(long, RPC_FLAGS);
  const [word] = parsed.words;
  if (word !== undefined) {
    throw new UsageError(`"${word}": messages come as commands on stdin, not as arguments`);
  }
  const ways = WAYS.filter((name) => parsed.has(name));
  if (ways.length > 1) throw new UsageError(`--${ways[0]} and --${ways[1]} exclude each other`);
  const shared = RESOURCE_FLAGS.find(({ name }) => parsed.has(name))?.name;
  if (shared !== undefined && !parsed.has("private")) {
    throw new UsageError(
      `--${shared}: the sessions of a server share it; add --private, or use pi's settings`,
    );
  }
  if (parsed.list("append-system-prompt").length > 1) {
    throw new UsageError("--append-system-prompt: give it once, with all of the text");
  }
  if (parsed.has("session-dir") && !parsed.has("private")) {
    throw new UsageError("--session-dir: the server decides where session files lie; add --private");
  }
  if (parsed.has("approve") && parsed.has("no-approve")) {
    throw new UsageError("--approve and --no-approve exclude each other");
  }
  return parsed;
}

/** The flags for the server of its own. */
export function resourceFlags(parsed: Arguments): string[] {
  return RESOURCE_FLAGS.flatMap(({ name, value }) => {
    if (value === undefined) return parsed.has(name) ? [`--${name}`] : [];
    return parsed.list(name).map((text) => `--${name}=${text}`);
  });
}

/** The names of a list such as `read,bash`. */
export function namesOf(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}
