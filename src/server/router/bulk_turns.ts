// Does: lets a connection have only a few large answers under way at a time.
// Used by: the router. Invariant: waiting output of one peer stays bounded, and commands to one session keep their order.
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import type { Permit } from "../../governor/governor.ts";
import { BULK_AHEAD } from "../../governor/limits.ts";
import type { KeyedCommand } from "../journal/idempotency_keys.ts";

/** A command that waits for its turn. It counts as one in flight. */
export interface BulkWait {
  readonly held: Held;
  readonly permit: Permit;
}

/** Whether the answer may be large. A subscription without a state has a small one. */
export function isBulk(command: Command, spec: CommandSpec): boolean {
  if (command.type !== "subscribe") return spec.bulk;
  return command.snapshot === true || command.from !== undefined;
}

/** The turns of one connection. */
export class BulkTurns {
  readonly #waiting: BulkWait[] = [];
  /** Large answers that were requested and not yet passed to the socket. */
  #open = 0;

  /** Whether the command must wait, for room or behind a waiting command to its session. */
  mustWait({ command, spec }: Held): boolean {
    if (isBulk(command, spec)) return this.#open >= BULK_AHEAD || this.#waiting.length > 0;
    if (this.#waiting.length === 0) return false;
    return this.#waiting.some((one) => isBehind({ command, spec }, one.held));
  }

  /** Whether commands wait. */
  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  wait(one: BulkWait): void {
    this.#waiting.push(one);
  }

  /** A command with a large answer starts. `ended` must follow. */
  started(): void {
    this.#open++;
  }

  /** Its answer was passed to the socket, or there is none. */
  ended(): void {
    this.#open--;
  }

  /** Takes the next command that may start. */
  next(): BulkWait | undefined {
    const at = this.#waiting.findIndex(({ held }, index) => {
      if (this.#open >= BULK_AHEAD && isBulk(held.command, held.spec)) return false;
      return !this.#waiting.slice(0, index).some((one) => isBehind(held, one.held));
    });
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  /** The peer is gone, and no command starts any more. */
  close(): void {
    for (const { permit } of this.#waiting.splice(0)) permit.release();
  }
}

/** Commands to one session keep their order, except those that stop something or wait for nothing. */
function isBehind({ command, spec }: Pick<Held, "command" | "spec">, earlier: Held): boolean {
  if (spec.exempt || command.sessionId === undefined) return false;
  if (spec.target === "session" && spec.lane === "direct") return false;
  return command.sessionId === earlier.command.sessionId;
}

/** A command, and what the router knows of it. */
export interface Held {
  readonly command: Command;
  readonly spec: CommandSpec;
  readonly bytes: number;
  /** Its key, if it has an effect. */
  readonly keyed?: KeyedCommand | undefined;
}
