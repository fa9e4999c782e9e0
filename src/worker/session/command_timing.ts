// What depends on what a command says and not on its type alone: how long it may take, whether others of its
// connection wait for it, whether it may run at the session's version. Pure.
import { QUICK_MS } from "../../protocol/schema/command_spec.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";

/** Moving in the tree is quick, unless a model has to write a summary. */
export function timeoutOf(command: Command, spec: CommandSpec): number {
  return command.type === "navigate_tree" && !isSlow(command) ? QUICK_MS : spec.timeoutMs;
}

/** Commands that take their time by nature: reads of the same connection do not wait for them. */
export function isSlow(command: Command): boolean {
  if (command.type === "navigate_tree") return command.options?.summarize === true;
  return command.type === "bash" || command.type === "compact";
}
