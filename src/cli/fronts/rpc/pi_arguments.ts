// Does: reads the arguments of `pi --mode rpc` that have a meaning here, and refuses the others by name.
// Used by: src/cli/fronts/rpc.ts. Uses: the parser of all subcommands.
import { type Arguments, parseArguments } from "../../arguments.ts";
import { FRONT_FLAGS } from "../front.ts";
import { type FlagSpec, UsageError } from "../../subcommand.ts";

/** The flags of `pi-server rpc`. */
export const RPC_FLAGS: readonly FlagSpec[] = [
  { name: "mode", value: "rpc", choices: ["rpc"], about: "as pi is started; nothing else is possible" },
  { name: "provider", value: "NAME", about: "provider of the model" },
  { name: "model", value: "MODEL", about: "id, provider/id, or a part of one; :LEVEL may follow" },
  { name: "thinking", value: "LEVEL", about: "off, minimal, low, medium, high, xhigh or max" },
  { name: "session", value: "FILE|ID", about: "go on in this session; of the id, its beginning is enough" },
  { name: "session-id", value: "ID", about: "go on in the session of that id, or begin it" },
  { name: "continue", about: "go on in the newest session of this folder (-c)" },
  { name: "resume", value: "FILE|ID", about: "the same as --session" },
  { name: "fork", value: "FILE|ID", about: "begin with a copy of that session" },
  { name: "no-session", about: "keep no session file" },
  { name: "session-dir", value: "DIR", about: "folder of session files; only with --private" },
  { name: "name", value: "TEXT", about: "name of a new session (-n)" },
  { name: "tools", value: "A,B", about: "only these tools (-t)" },
  { name: "exclude-tools", value: "A,B", about: "all tools but these (-xt)" },
  { name: "no-tools", about: "no tools (-nt)" },
  { name: "no-builtin-tools", about: "only the tools of extensions (-nbt)" },
  { name: "approve", about: "load what the project itself brings (-a)" },
  { name: "no-approve", about: "do not load it (-na)" },
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
};

const SETTINGS = "the sessions of a server share it; put it into pi's settings, or start pi itself";

/** Flags of pi that cannot be had here, with what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  "--api-key": "give the key to the server: in its environment, or in pi's auth.json",
  "--system-prompt": "write it to .pi/SYSTEM.md of the project",
  "--append-system-prompt": "write it to .pi/APPEND_SYSTEM.md of the project",
  "--models": "set enabledModels in pi's settings",
  "--extension": SETTINGS,
  "-e": SETTINGS,
  "--no-extensions": SETTINGS,
  "-ne": SETTINGS,
  "--skill": SETTINGS,
  "--no-skills": SETTINGS,
  "-ns": SETTINGS,
  "--prompt-template": SETTINGS,
  "--no-prompt-templates": SETTINGS,
  "-np": SETTINGS,
  "--theme": "there is no screen that could have one",
  "--no-context-files": SETTINGS,
  "-nc": SETTINGS,
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
  if (parsed.has("session-dir") && !parsed.has("private")) {
    throw new UsageError("--session-dir: the server decides where session files lie; add --private");
  }
  if (parsed.has("approve") && parsed.has("no-approve")) {
    throw new UsageError("--approve and --no-approve exclude each other");
  }
  return parsed;
}

/** The names of a list such as `read,bash`. */
export function namesOf(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}
