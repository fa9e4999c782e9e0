// Does: describes who gets the reply to a command. Types only.
// Used by: the router, which makes them, and everything between it and the worker.
import type { Reply } from "../../ipc/messages.ts";
import type { KeyEntry } from "./idempotency_keys.ts";

/** The receiver of a command's reply. */
export interface ReplyTo {
  readonly connection: number;
  /** The reserved key of the command, if there is one. */
  readonly entry?: KeyEntry;
  /** The command has left the mailbox. Its reply follows later. */
  onReleased(): void;
  answer(reply: Reply): void;
}
