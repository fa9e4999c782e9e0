// The text of `pi-server --help`: the subcommands by what a person wants to do, then the server's flags by subject.
// Used by: main.ts for `--help`, and the dispatch for `pi-server help`. Pure.
// Invariant: every row and every flag is in it once, and no line is wider than 80 columns.
import { type Flag, flagOf, FLAGS, type Kind } from "../config/flags.ts";
import { LIMIT_NAMES } from "../governor/limits.ts";
import { columns } from "./arguments.ts";
import { GROUPS, type Row } from "./subcommand.ts";

const PLACEHOLDERS: Readonly<Record<Kind, string>> = {
  switch: "",
  integer: " N",
  amount: " N",
  bytes: " SIZE",
  duration: " TIME",
  text: " TEXT",
  list: " TEXT",
  choice: "",
};

/** Flags of the server by subject. Limits are all others. */
const SUBJECTS: readonly (readonly [heading: string, names: readonly string[]])[] = [
  ["Address and access", [
    "port",
    "host",
    "no-ws",
    "stdio",
    "no-auth",
    "allow-origin",
    "allow-host",
    "console",
    "base-path",
  ]],
  ["Folders", ["state-dir", "cwd", "root", "trust-projects", "no-restore", "ephemeral"]],
  ["Sessions", ["pi", "workers", "isolation", "sandbox", "allow-net", "allow-any-net", "demo"]],
  ["Cluster (docs/CLUSTER.md)", [
    "cluster",
    "cluster-name",
    "node",
    "cluster-creds",
    "cluster-tls-ca",
    "shared-sessions",
  ]],
  ["What pi loads", [
    "extension",
    "no-extensions",
    "skill",
    "no-skills",
    "prompt-template",
    "no-prompt-templates",
    "no-context-files",
    "system-prompt",
    "append-system-prompt",
  ]],
  ["Budget of a session", ["budget-usd", "budget-turns", "budget-wall", "budget-on-exceed"]],
  ["Log and shutdown", [
    "log-level",
    "log-format",
    "linger",
    "shutdown-timeout",
    "eof-timeout",
    "journal-fsync",
  ]],
  ["About", ["version", "licenses", "help"]],
];

/** The server's own word, which needs its configuration and is not in the table. */
const PERMISSIONS: readonly [string, string] = [
  "permissions",
  "print what Deno lets the server and its sessions do",
];

function rowOf({ name, kind, about, choices, shown }: Flag): readonly [string, string] {
  const value = kind === "choice" ? ` ${choices?.join("|")}` : PLACEHOLDERS[kind];
  return [`--${name}${value}`, `${about}${shown === undefined ? "" : ` (${shown})`}`];
}

function flagsOf(names: readonly string[]): readonly (readonly [string, string])[] {
  return names.flatMap((name) => FLAGS.filter((flag) => flag.name === name)).map(rowOf);
}

/**
 * The whole text.
 *
 * @param rows the table of subcommands
 */
export function programHelp(version: string, rows: readonly Row[]): string {
  const indent = Math.max(...rows.map(({ name }) => name.length), PERMISSIONS[0].length);
  const commands = GROUPS.flatMap((group) => {
    const own = rows.filter((row) => row.group === group);
    const terms = own.map(({ name, about }): readonly [string, string] => [name, about]);
    if (group === "Server") terms.push(PERMISSIONS);
    return terms.length === 0 ? [] : [`${group}:`, ...columns(terms, indent), ""];
  });
  return [
    `pi-server ${version}: many sessions of the coding agent pi behind one protocol`,
    "",
    "Usage: pi-server COMMAND …          pi-server COMMAND --help says more",
    "       pi-server [flags]            serves in this terminal, until Ctrl-C",
    "",
    ...commands,
    "Flags of the server (pi-server [flags], pi-server start [flags]):",
    "",
    ...[...SUBJECTS.slice(0, -1), ["Limits", LIMIT_NAMES.map(flagOf)] as const, ...SUBJECTS.slice(-1)]
      .flatMap((
        [heading, names],
      ) => [`${heading}:`, ...columns(flagsOf(names)), ""]),
    "Each flag has a variable: --max-sessions is PI_SERVER_MAX_SESSIONS. The token",
    "can be given in PI_SERVER_TOKEN, or in a file that PI_SERVER_TOKEN_FILE names.",
    "Times without a unit are milliseconds.",
    "",
  ].join("\n");
}
