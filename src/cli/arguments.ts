// The arguments of subcommands: a table of flags, its parser, and the `--help` text made from it.
// Used by: every subcommand. The server's own flags are in src/config/flags.ts.
// Invariant: a flag that the table does not list is an error which names the nearest flag that it lists.
import { didYouMean } from "../config/nearest.ts";
import { type FlagSpec, UsageError } from "./subcommand.ts";

export type { FlagSpec } from "./subcommand.ts";

/** What a subcommand says about itself. */
export interface HelpSpec {
  /** Lines of usage, without `pi-server `. */
  readonly usage: readonly string[];
  /** Sentences on what it does; wrapped to the width. */
  readonly about: string;
  readonly flags: readonly FlagSpec[];
  /** Example lines with what each does. */
  readonly examples?: readonly (readonly [command: string, does: string])[];
  /** What exit codes mean, beyond 0 (done), 1 (failed) and 2 (wrong arguments). */
  readonly exitCodes?: readonly (readonly [code: string, meaning: string])[];
}

const WIDTH = 80;
const USAGE_INDENT = 7;
const MOST_INDENT = 32;

/** Flags that name the server, for every subcommand that talks to one. */
export const SERVER_FLAGS: readonly FlagSpec[] = [
  { name: "server", value: "URL", about: "address of another server, such as ws://HOST:PORT/" },
  { name: "token-file", value: "FILE", about: "file with its token; PI_SERVER_TOKEN is the token itself" },
  { name: "state-dir", value: "DIR", about: "state folder of this machine's server (~/.pi/server)" },
];

/** Arguments, parsed. */
export class Arguments {
  /** What stands beside flags, in order. */
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(words: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.words = words;
    this.#values = values;
  }

  /** Whether the flag was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The flag's last value. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** Every value of the flag. */
  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

function valueOf(flag: FlagSpec, text: string): string {
  if (flag.choices === undefined || flag.choices.includes(text)) return text;
  const near = didYouMean(text, flag.choices);
  throw new UsageError(`--${flag.name}: expected one of ${flag.choices.join(", ")}, got "${text}"${near}`);
}

/** Splits arguments into flags and words; `--` ends the flags. Throws `UsageError`. */
export function parseArguments(args: readonly string[], flags: readonly FlagSpec[]): Arguments {
  const words: string[] = [];
  const values = new Map<string, string[]>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--") {
      words.push(...args.slice(at + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const [, name = "", glued] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const flag = arg.startsWith("--") ? flags.find((one) => one.name === name) : undefined;
    if (flag === undefined) {
      const near = didYouMean(`--${name}`, flags.map((one) => `--${one.name}`));
      throw new UsageError(`${arg.split("=")[0]}: there is no such flag${near}`);
    }
    const given = values.get(name) ?? [];
    values.set(name, given);
    if (flag.value === undefined) {
      if (glued !== undefined) throw new UsageError(`--${name}: takes no value`);
      given.push("");
      continue;
    }
    const text = glued ?? args[++at];
    if (text === undefined || text === "") throw new UsageError(`--${name}: expected ${flag.value} after it`);
    given.push(valueOf(flag, text));
  }
  return new Arguments(words, values);
}

/** Joins words to lines of at most that width, each after `indent` spaces but for the first. */
function joined(words: readonly string[], width: number, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + 1 + word.length > width - indent) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function wrap(text: string, width: number, indent: number): string {
  return joined(text.split(/\s+/), width, indent);
}

/** The line of usage, at most 80 wide; a flag is not parted from its value. */
export function usageOf(command: string, flags: readonly string[]): string {
  return joined([`Usage: pi-server ${command}`, ...flags], WIDTH, USAGE_INDENT);
}

/** Rows of two columns, at most 80 wide: a term and what it means. */
export function columns(rows: readonly (readonly [term: string, about: string])[], least = 0): string[] {
  const widest = Math.max(least, ...rows.map(([term]) => term.length));
  const indent = Math.min(MOST_INDENT, widest + 4);
  return rows.map(([term, about]) => {
    const text = wrap(about, WIDTH, indent);
    if (about === "") return `  ${term}`;
    if (term.length + 4 > indent) return `  ${term}\n${" ".repeat(indent)}${text}`;
    return `  ${term.padEnd(indent - 2)}${text}`;
  });
}

/** The text of `--help` of one subcommand. */
export function helpOf({ usage, about, flags, examples = [], exitCodes = [] }: HelpSpec): string {
  const rows = [...flags, { name: "help", about: "print this and exit" }].map((
    { name, value, choices, about }: FlagSpec,
  ) => {
    const shown = choices === undefined ? value : choices.join("|");
    return [`--${name}${value === undefined ? "" : ` ${shown}`}`, about] as const;
  });
  const lead = "Usage: pi-server ";
  return [
    usage.map((line, at) => `${at === 0 ? lead : `${" ".repeat(lead.length - 10)}pi-server `}${line}`)
      .join("\n"),
    "",
    wrap(about, WIDTH, 0),
    "",
    "Flags:",
    ...columns(rows),
    ...examples.length === 0 ? [] : [
      "",
      "Examples:",
      ...examples.flatMap(([command, does]) => [
        `  ${command}`,
        `      ${does}`,
      ]),
    ],
    ...exitCodes.length === 0 ? [] : ["", "Exit codes:", ...columns(exitCodes)],
    "",
  ].join("\n");
}
