// Does: joins the tables of commands, and derives their types.
// Used by: codec.ts, json_schema.ts and everything that names a command. The schemas are the single source.
// Invariant: commands are closed, so an unknown field is an error. CONTRIBUTING.md shows how to add a command.
import type { Static } from "typebox";
import { ACCESS_COMMANDS } from "./access_commands.ts";
import { CATALOGUE_COMMANDS } from "./catalogue_commands.ts";
import type { CommandSpec } from "./command_spec.ts";
import { HISTORY_COMMANDS } from "./history_commands.ts";
import { SERVER_COMMANDS } from "./server_commands.ts";
import { SESSION_COMMANDS } from "./session_commands.ts";
import { WATCH_COMMANDS } from "./monitoring_commands.ts";

export type { CommandSpec, Lane } from "./command_spec.ts";

const TABLE = {
  ...SERVER_COMMANDS,
  ...CATALOGUE_COMMANDS,
  ...SESSION_COMMANDS,
  ...HISTORY_COMMANDS,
  ...ACCESS_COMMANDS,
  ...WATCH_COMMANDS,
};

/** Names of all commands. */
export type CommandName = keyof typeof TABLE;

/** The command of that name, after validation. */
export type CommandOf<N extends CommandName> = Static<(typeof TABLE)[N]["schema"]>;

/** Any valid command. */
export type Command = { [N in CommandName]: CommandOf<N> }[CommandName];

/** All commands by name. A `Map`, because a name such as `constructor` is data. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map<string, CommandSpec>(Object.entries(TABLE));

/** The spec of a known command. */
export function specOf(name: CommandName): CommandSpec {
  return TABLE[name];
}
