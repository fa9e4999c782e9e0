// Does: derives from a command's fields how long it may run, whether reads wait for it, and whether its version fits.
// Used by: session.ts. The traits of a command's type are in the schema. Pure.
import { QUICK_MS } from "../../protocol/schema/command_spec.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";

/** A move in the tree is quick, unless the model has to write a summary. */
export function timeoutOf(command: Command, spec: CommandSpec): number {
  return command.type === "navigate_tree" && !isSlow(command) ? QUICK_MS : spec.timeoutMs;
}

/** Slow commands. Reads of the same connection do not wait for them. */
export function isSlow(command: Command): boolean {
  if (command.type === "navigate_tree") return command.options?.summarize === true;
  return command.type === "bash" || command.type === "compact";
}
