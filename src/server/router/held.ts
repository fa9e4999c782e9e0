// A decoded command that waits: for room, or for its turn to return much. Types only.
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import type { KeyedCommand } from "../journal/idempotency_keys.ts";

/** A command and what the router knows of it. */
export interface Held {
  readonly command: Command;
  readonly spec: CommandSpec;
  readonly bytes: number;
  /** Its key, if it came with one that matters. */
  readonly keyed?: KeyedCommand | undefined;
}
