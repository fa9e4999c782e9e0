// Large answers of one connection, a few at a time: a command that may return much starts once an earlier such answer
// was handed to the socket. So what waits for one peer is bounded by a few answers, and a peer that asks for much is
// not taken for one that reads too slowly. Commands to the same session keep their order.
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import type { Permit } from "../../governor/governor.ts";
import { BULK_AHEAD } from "../../governor/limits.ts";
import type { KeyedCommand } from "../journal/idempotency_keys.ts";

/** A command that waits for its turn; it counts as one in flight. */
export interface BulkWait {
  readonly held: Held;
  readonly permit: Permit;
}

/** Whether the answer may be large. A subscription that asks for no state has a small one. */
export function isBulk(command: Command, spec: CommandSpec): boolean {
  if (command.type !== "subscribe") return spec.bulk;
  return command.snapshot === true || command.from !== undefined;
}

/** The turns of one connection. */
export class BulkTurns {
  readonly #waiting: BulkWait[] = [];
  /** Large answers that are asked for and not handed to the socket. */
  #open = 0;

  /** Whether the command has to wait: for room, or behind a waiting command to its session. */
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

  /** A command whose answer may be large starts; `ended` must follow. */
  started(): void {
    this.#open++;
  }

  /** Its answer was handed to the socket, or there is none. */
  ended(): void {
    this.#open--;
  }

  /** Takes the next command that may start, if there is one. */
  next(): BulkWait | undefined {
    const at = this.#waiting.findIndex(({ held }, index) => {
      if (this.#open >= BULK_AHEAD && isBulk(held.command, held.spec)) return false;
      return !this.#waiting.slice(0, index).some((one) => isBehind(held, one.held));
    });
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  /** The peer is gone: nothing starts any more. */
  close(): void {
    for (const { permit } of this.#waiting.splice(0)) permit.release();
  }
}

/** Commands to one session keep their order, but for those that stop something or wait for nothing. */
function isBehind({ command, spec }: Pick<Held, "command" | "spec">, earlier: Held): boolean {
  if (spec.exempt || command.sessionId === undefined) return false;
  if (spec.target === "session" && spec.lane === "direct") return false;
  return command.sessionId === earlier.command.sessionId;
}

/** A command and what the router knows of it. */
export interface Held {
  readonly command: Command;
  readonly spec: CommandSpec;
  readonly bytes: number;
  /** Its key, if it came with one that matters. */
  readonly keyed?: KeyedCommand | undefined;
}
