// Does: describes who gets the reply to a command. Types only.
// Used by: the router, which makes them, and everything between it and the worker.
import type { Reply } from "../../ipc/messages.ts";
import type { KeyEntry } from "./idempotency_keys.ts";

/** Whoever waits for the answer to a command. */
export interface ReplyTo {
  readonly connection: number;
  /** The key that the command came with, if one was taken on. */
  readonly entry?: KeyEntry;
  /** The command waits no longer; its answer is still to come. */
  onReleased(): void;
  answer(reply: Reply): void;
}
