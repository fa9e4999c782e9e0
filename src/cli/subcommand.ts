// The shape of a subcommand (`pi-server NAME …`), and the ways in which one fails.
//
// A module of a subcommand exports `command: Subcommand`. subcommands.ts has one row for it, and imports the module
// when the user names it, so that no subcommand loads the server, pi, or another subcommand.
//
// - `run` gets the arguments after the name, and the process as an `Io` (src/runtime/terminal/io.ts).
// - `run` returns the exit code: EXIT_OK, EXIT_FAILED (1), EXIT_USAGE (2), EXIT_INTERRUPTED (130).
// - `run` throws `UsageError` for wrong arguments and `CommandError` for a failure that it expects. The dispatch
//   writes that error as one line on stderr. It does the same for the client's `RequestError` and
//   `ConnectionLostError`, and ends quietly after a `ReaderGoneError`.
// - The dispatch prints `help` for `pi-server NAME --help` itself; a function makes a text that depends on the rest.
import type { Io } from "../runtime/terminal/io.ts";

export type { BackgroundProcess, Input, Io, IoSignal, Output } from "../runtime/terminal/io.ts";
export { ReaderGoneError } from "../runtime/terminal/io.ts";

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** As a shell reports a program that SIGINT has ended. */
export const EXIT_INTERRUPTED = 130;

/** One flag of a subcommand. */
export interface FlagSpec {
  /** Without the dashes. */
  readonly name: string;
  /** What stands for the value in `--help`; a flag without it is a switch. */
  readonly value?: string;
  readonly about: string;
  /** The only values that it takes. */
  readonly choices?: readonly string[];
}

/** One subcommand. */
export interface Subcommand {
  /** The text of `--help`, at most 80 columns wide; a function is given the arguments beside `--help`. */
  readonly help: string | ((args: readonly string[], io: Io) => string | Promise<string>);
  /** Its flags, for shell completion. */
  readonly flags?: readonly FlagSpec[];
  /** Whether it takes the flags of the server as well. */
  readonly serverFlags?: true;
  /** The words that may come first, for shell completion; a function loads what knows them. */
  readonly words?: readonly string[] | (() => Promise<readonly string[]>);
  /**
   * Runs to the end and returns the exit code.
   *
   * @param rows the table of all subcommands, for the one that completes their names
   */
  run(args: readonly string[], io: Io, rows: readonly Row[]): Promise<number>;
}

/** Headings of `pi-server --help`, in its order. */
export const GROUPS = ["Talk", "Script", "Editors", "Server", "Access"] as const;

/** One row of the table of subcommands. */
export interface Row {
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  /** One line for `pi-server --help`, at most 58 characters. */
  readonly about: string;
  /** Imports the module. */
  readonly load: () => Promise<{ readonly command: Subcommand }>;
}

/** Wrong arguments: exit code 2. The message is a sentence without a full stop. */
export class UsageError extends Error {
  override name = "UsageError";
  /** The word after the subcommand that has a help of its own; empty when the subcommand's help is meant. */
  readonly topic: string;

  constructor(message: string, topic = "") {
    super(message);
    this.topic = topic;
  }
}

/** A failure that the user can do something about: exit code 1. The message names the next step. */
export class CommandError extends Error {
  override name = "CommandError";
}
