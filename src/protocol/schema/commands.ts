// All inbound messages: the tables of commands put together, and the types made of them. The schemas are the
// single source of the static types, the validators (codec.ts) and the JSON Schema (json_schema.ts). Closed: an
// unknown field is an error. To add a command, add it to a table and to a file in host/handlers.
import type { Static } from "typebox";
import { ACCESS_COMMANDS } from "./access_commands.ts";
import type { CommandSpec } from "./command_spec.ts";
import { HISTORY_COMMANDS } from "./history_commands.ts";
import { SERVER_COMMANDS } from "./server_commands.ts";
import { SESSION_COMMANDS } from "./session_commands.ts";
import { WATCH_COMMANDS } from "./monitoring_commands.ts";

export type { CommandSpec, Lane } from "./command_spec.ts";

const TABLE = {
  ...SERVER_COMMANDS,
  ...SESSION_COMMANDS,
  ...HISTORY_COMMANDS,
  ...ACCESS_COMMANDS,
  ...WATCH_COMMANDS,
};

/** Names of all commands. */
export type CommandName = keyof typeof TABLE;

/** The command of that name, as it stands after validation. */
export type CommandOf<N extends CommandName> = Static<(typeof TABLE)[N]["schema"]>;

/** Any valid command. */
export type Command = { [N in CommandName]: CommandOf<N> }[CommandName];

/** All commands by name. A `Map`, since a name such as `constructor` is data. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map<string, CommandSpec>(Object.entries(TABLE));

/** The spec of a command that is known to exist. */
export function specOf(name: CommandName): CommandSpec {
  return TABLE[name];
}
