// The table of subcommands, and the dispatch: finds the named one, loads its module alone, runs it, and turns what
// it throws into one line on stderr and an exit code.
// Used by: mod.ts, when the first argument is a word. Uses: the module of the named subcommand, nothing else.
// Invariant: this file imports no subcommand statically; a new row is all that a new subcommand needs here.
import { errorMessage } from "../base/error_message.ts";
import { didYouMean } from "../config/nearest.ts";
import { hintFor } from "./hints.ts";
import {
  CommandError,
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  type Io,
  ReaderGoneError,
  type Row,
  UsageError,
} from "./subcommand.ts";
import { printable } from "./tables.ts";

/** All subcommands, in the order of `pi-server --help`. */
export const SUBCOMMANDS: readonly Row[] = [
  {
    name: "attach",
    group: "Talk",
    about: "work with sessions in this terminal, full screen",
    load: () => import("./commands/attach.ts"),
  },
  {
    name: "run",
    group: "Talk",
    about: "give an agent one prompt and stream its answer",
    load: () => import("./commands/run.ts"),
  },
  {
    name: "open",
    group: "Talk",
    about: "open the console in a browser",
    load: () => import("./commands/open.ts"),
  },
  {
    name: "call",
    group: "Script",
    about: "send any command of the protocol, print its answer",
    load: () => import("./commands/call.ts"),
  },
  {
    name: "sessions",
    group: "Script",
    about: "list the sessions of the server",
    load: () => import("./commands/sessions.ts"),
  },
  {
    name: "tail",
    group: "Script",
    about: "print what happens in a session, or in all",
    load: () => import("./commands/tail.ts"),
  },
  {
    name: "acp",
    group: "Editors",
    about: "be the agent of an editor (Agent Client Protocol)",
    load: () => import("./fronts/acp.ts"),
  },
  {
    name: "rpc",
    group: "Editors",
    about: "speak pi's RPC mode, for programs that start pi",
    load: () => import("./fronts/rpc.ts"),
  },
  {
    name: "start",
    group: "Server",
    about: "start a server in the background",
    load: () => import("./commands/start.ts"),
  },
  {
    name: "stop",
    group: "Server",
    about: "end the server of this machine",
    load: () => import("./commands/stop.ts"),
  },
  {
    name: "status",
    group: "Server",
    about: "print what runs, since when, and whether all is well",
    load: () => import("./commands/status.ts"),
  },
  {
    name: "doctor",
    group: "Server",
    about: "check folders, ports, credentials and extensions",
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "completion",
    group: "Server",
    about: "print completions for bash, zsh or fish",
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "token",
    group: "Access",
    about: "mint, list and revoke tokens",
    load: () => import("./commands/token.ts"),
  },
];

/** Whether `--help` stands among the arguments before a `--`. */
function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === "--help" || arg === "-h");
}

async function runRow(row: Row, args: readonly string[], io: Io): Promise<number> {
  const { command } = await row.load();
  if (!wantsHelp(args)) return await command.run(args, io, SUBCOMMANDS);
  const { help } = command;
  const rest = args.filter((arg) => arg !== "--help" && arg !== "-h");
  await io.stdout.write(typeof help === "string" ? help : await help(rest, io));
  return EXIT_OK;
}

/** The errors of src/client, by name: to import their classes would load the client for every subcommand. */
const CLIENT_ERRORS: ReadonlySet<string> = new Set(["RequestError", "ConnectionLostError"]);

/**
 * Runs the subcommand that `args` begins with.
 *
 * @param args the name, then its arguments
 * @returns the exit code
 */
export async function runSubcommand(args: readonly string[], io: Io): Promise<number> {
  const [name = "", ...rest] = args;
  const say = async (line: string): Promise<void> => {
    // A closed stderr must not hide the exit code.
    await io.stderr.write(`pi-server ${printable(line)}\n`).catch(() => {});
  };
  if (name === "help" || name === "version") {
    // What people try first; the flags of the same names are the server's.
    const [{ programHelp }, { SERVER_VERSION }] = await Promise.all([
      import("./help.ts"),
      import("../protocol/version.ts"),
    ]);
    const [topic] = rest;
    if (topic !== undefined && name === "help") return await runSubcommand([topic, "--help"], io);
    await io.stdout.write(name === "help" ? programHelp(SERVER_VERSION, SUBCOMMANDS) : `${SERVER_VERSION}\n`)
      .catch((error) => {
        if (!(error instanceof ReaderGoneError)) throw error;
      });
    return EXIT_OK;
  }
  const row = SUBCOMMANDS.find((one) => one.name === name);
  if (row === undefined) {
    const near = didYouMean(name, [...SUBCOMMANDS.map((one) => one.name), "permissions", "help"]);
    await say(`${name}: there is no such command${near || "; see pi-server --help"}`);
    return EXIT_USAGE;
  }
  try {
    return await runRow(row, rest, io);
  } catch (error) {
    if (error instanceof ReaderGoneError) return EXIT_OK;
    if (error instanceof UsageError) {
      const end = error.message.endsWith("?") ? " " : "; ";
      const topic = error.topic === "" ? "" : ` ${error.topic}`;
      await say(`${name}: ${error.message}${end}see pi-server ${name}${topic} --help`);
      return EXIT_USAGE;
    }
    const expected = error instanceof CommandError ||
      (error instanceof Error && CLIENT_ERRORS.has(error.name));
    if (!expected) throw error;
    await say(`${name}: ${errorMessage(error)}${hintFor(error)}`);
    return EXIT_FAILED;
  }
}
