// `pi-server completion bash|zsh|fish`: a script that completes subcommands, their flags and fixed values.
// Used by: the dispatch (src/cli/subcommands.ts). Uses: the table of subcommands and the server's table of flags.
import { didYouMean } from "../../config/nearest.ts";
import { FLAGS as SERVER_FLAGS } from "../../config/flags.ts";
import { helpOf } from "../arguments.ts";
import { EXIT_OK, type FlagSpec, type Row, type Subcommand, UsageError } from "../subcommand.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** What can be completed after one subcommand, or after none. */
interface Entry {
  readonly name: string;
  readonly about: string;
  readonly words: readonly string[];
  readonly flags: readonly FlagSpec[];
}

async function entriesOf(rows: readonly Row[]): Promise<readonly Entry[]> {
  return await Promise.all(rows.map(async ({ name, about, load }) => {
    const { command: { words = [], flags = [], serverFlags } } = await load();
    return {
      name,
      about,
      words: typeof words === "function" ? await words() : words,
      flags: unique([
        ...serverFlags === true ? SERVER : [],
        ...flags,
        { name: "help", about: "print the help" },
      ]),
    };
  }));
}

const SERVER: readonly FlagSpec[] = SERVER_FLAGS.map(({ name, kind, about, choices }) => ({
  name,
  about,
  ...(kind === "switch" ? {} : { value: kind.toUpperCase() }),
  ...(choices === undefined ? {} : { choices }),
}));

const dashed = (flags: readonly FlagSpec[]): string => flags.map(({ name }) => `--${name}`).join(" ");

/**
 * Cases of the shell's `case`: the values of a flag after it.
 *
 * @param free completes a value of which nothing is known, so that it may be a file
 */
function valueCases(
  flags: readonly FlagSpec[],
  complete: (choices: string) => string,
  free: string,
): string[] {
  const others = flags.filter(({ value, choices }) => value !== undefined && choices === undefined);
  return [
    ...flags.flatMap(({ name, choices }) =>
      choices === undefined ? [] : [`    --${name}) ${complete(choices.join(" "))} ;;`]
    ),
    `    ${others.map(({ name }) => `--${name}`).join("|")}) ${free} ;;`,
  ];
}

function unique(flags: readonly FlagSpec[]): readonly FlagSpec[] {
  return [...new Map(flags.map((flag) => [flag.name, flag])).values()];
}

function bash(entries: readonly Entry[]): string {
  const all = unique([...entries.flatMap(({ flags }) => flags), ...SERVER]);
  return [
    "# bash completion of pi-server: source <(pi-server completion bash)",
    "_pi_server() {",
    '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" words=""',
    '  case "$prev" in',
    ...valueCases(
      all,
      (choices) => `COMPREPLY=($(compgen -W "${choices}" -- "$cur")); return`,
      "COMPREPLY=(); return",
    ),
    "  esac",
    '  case "${COMP_CWORD}:${COMP_WORDS[1]}" in',
    `    1:-*) words="${dashed(SERVER)}" ;;`,
    `    1:*) words="${entries.map(({ name }) => name).join(" ")}" ;;`,
    ...entries.map(({ name, words, flags }) =>
      `    *:${name}) words="${[...words, dashed(flags)].join(" ")}" ;;`
    ),
    `    *) words="${dashed(SERVER)}" ;;`,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "}",
    "complete -o default -F _pi_server pi-server",
    "",
  ].join("\n");
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function described(name: string, about: string): string {
  return quoted(`${name.replaceAll(":", "\\:")}:${about}`);
}

function zsh(entries: readonly Entry[]): string {
  const all = unique([...entries.flatMap(({ flags }) => flags), ...SERVER]);
  const rows = (flags: readonly FlagSpec[]): string =>
    flags.map(({ name, about }) => described(`--${name}`, about)).join(" ");
  return [
    "#compdef pi-server",
    "# zsh completion of pi-server: pi-server completion zsh > ~/.zfunc/_pi-server, a folder of your fpath",
    "_pi_server() {",
    "  local -a rows",
    '  case "${words[CURRENT-1]}" in',
    ...valueCases(all, (choices) => `compadd -- ${choices}; return`, "_files; return"),
    "  esac",
    "  if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then",
    `    rows=(${entries.map(({ name, about }) => described(name, about)).join(" ")})`,
    "    _describe command rows",
    "    return",
    "  fi",
    '  case "${words[2]}" in',
    ...entries.map(({ name, words, flags }) =>
      `    ${name}) rows=(${[...words.map((word) => described(word, word)), rows(flags)].join(" ")}) ;;`
    ),
    `    *) rows=(${rows(SERVER)}) ;;`,
    "  esac",
    "  _describe argument rows || _files",
    "}",
    "# The shell runs this file as a function when it is in fpath, and sources it otherwise.",
    'if [ "$funcstack[1]" = "_pi-server" ]; then _pi_server "$@"; else compdef _pi_server pi-server; fi',
    "",
  ].join("\n");
}

function fish(entries: readonly Entry[]): string {
  const flag = (condition: string, { name, value, about, choices }: FlagSpec): string =>
    `complete -c pi-server -n ${quoted(condition)} -l ${name}${value === undefined ? "" : " -r"}${
      choices === undefined ? "" : ` -f -a ${quoted(choices.join(" "))}`
    } -d ${quoted(about)}`;
  return [
    "# fish completion of pi-server: pi-server completion fish > ~/.config/fish/completions/pi-server.fish",
    ...entries.map(({ name, about }) =>
      `complete -c pi-server -n __fish_use_subcommand -f -a ${name} -d ${quoted(about)}`
    ),
    ...SERVER.map((each) => flag("__fish_use_subcommand", each)),
    ...entries.flatMap(({ name, words, flags }) => {
      const seen = `__fish_seen_subcommand_from ${name}`;
      const first = words.length === 0
        ? []
        : [`complete -c pi-server -n ${quoted(seen)} -f -a ${quoted(words.join(" "))}`];
      return [...first, ...flags.map((each) => flag(seen, each))];
    }),
    "",
  ].join("\n");
}

/** The subcommand. */
export const command: Subcommand = {
  words: SHELLS,
  help: helpOf({
    usage: ["completion bash|zsh|fish"],
    about: "Prints a script that completes subcommands and flags in that shell.",
    flags: [],
    examples: [
      ["source <(pi-server completion bash)", "in ~/.bashrc"],
      ["pi-server completion zsh > ~/.zfunc/_pi-server", "with ~/.zfunc in fpath, before compinit"],
      ["pi-server completion fish > ~/.config/fish/completions/pi-server.fish", "once"],
    ],
  }),
  async run(args, io, rows) {
    const [name = "", stray] = args;
    const shell = SHELLS.find((one) => one === name);
    if (shell === undefined || stray !== undefined) {
      const given = stray ?? name;
      throw new UsageError(`expected bash, zsh or fish, got "${given}"${didYouMean(given, SHELLS)}`);
    }
    const entries = await entriesOf(rows);
    const script = shell === "bash" ? bash(entries) : shell === "zsh" ? zsh(entries) : fish(entries);
    await io.stdout.write(script);
    return EXIT_OK;
  },
};
