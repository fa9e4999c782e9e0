// Does: maps idempotency keys to commands and their answers (docs/PROTOCOL.md#safe-retries). Pure.
// Used by: command_journal.ts. Invariant: it is bounded in number and bytes, and drops no key before its time.
import { type ErrorCode, type Failure, failure } from "../../protocol/errors.ts";
import type { Reply } from "../../ipc/messages.ts";

/** Milliseconds that a key stands for its command. */
export const KEY_LIFE_MS: number = 24 * 3_600_000;

/** Roughly the bytes of one key beside its response. */
const ENTRY_BYTES = 256;

/** A key, its owner and its command. */
export interface KeyedCommand {
  /** Keys of different tokens never match. */
  readonly scope: string;
  readonly sessionId: string;
  readonly key: string;
  /** Digest of the fields that make two commands equal. */
  readonly digest: string;
  /** The command's type. */
  readonly type: string;
}

/** The state of the key's command. */
export type KeyState =
  /** It runs. These callers wait for its answer too. */
  | { readonly kind: "running"; readonly waiting: ((reply: Reply) => void)[] }
  | { readonly kind: "finished"; readonly reply: Reply }
  /** A crash has left no answer. */
  | { readonly kind: "unknown" };

/** One key. */
export interface KeyEntry {
  /** The number of its command in the journal. */
  readonly n: number;
  /** The arrival of the command, in milliseconds since the epoch. */
  readonly at: number;
  readonly command: KeyedCommand;
  state: KeyState;
  /** Whether the journal has its intent. */
  intended?: true;
  /** The session of the command, which the command itself may not name. */
  session?: string;
}

/** The limits of the store. */
export interface KeyLimits {
  readonly keys: number;
  readonly bytes: number;
}

/** The verdict on a command with a key. */
export type Found =
  | { readonly kind: "new" }
  | { readonly kind: "refused"; readonly failure: Failure }
  | { readonly kind: "known"; readonly entry: KeyEntry };

/** Codes of failures after a command has begun. All other codes refuse it before. */
const AFTER_BEGINNING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "timeout",
  "cancelled",
  "agent_error",
  "internal",
]);

/** Whether a command has run, according to its reply. Only then the answer is stored. */
export function hasRun(reply: Reply): boolean {
  return reply.ok || (AFTER_BEGINNING.has(reply.failure.code) && reply.unstarted !== true);
}

/** The answer to a retry when the outcome is unknown. */
export function outcomeUnknown({ command, session = command.sessionId }: KeyEntry): Failure {
  const sentence =
    `The server went down while this ${command.type} was under way, so its outcome is unknown; ` +
    "look at the session's state and at interrupted, then decide, and use another key";
  return failure("outcome_unknown", sentence, session === "" ? {} : { data: { sessionId: session } });
}

function idOf({ scope, sessionId, key }: KeyedCommand): string {
  return JSON.stringify([scope, sessionId, key]);
}

function bytesOf(entry: KeyEntry): number {
  const { command, state } = entry;
  const names = command.key.length + command.sessionId.length + command.digest.length;
  if (state.kind !== "finished") return ENTRY_BYTES + names;
  const { reply } = state;
  const told = reply.ok ? reply.dataText.length : JSON.stringify(reply.failure).length;
  return ENTRY_BYTES + names + told;
}

/** All keys of a server. */
export class IdempotencyKeys {
  readonly #limits: KeyLimits;
  /** In the order of their commands, so the first is the oldest. */
  readonly #entries = new Map<string, KeyEntry>();
  #bytes = 0;

  constructor(limits: KeyLimits) {
    this.#limits = limits;
  }

  /** The number of keys. */
  get size(): number {
    return this.#entries.size;
  }

  /** Roughly the bytes of all keys. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All keys, oldest first. */
  get all(): readonly KeyEntry[] {
    return [...this.#entries.values()];
  }

  /** What the key of that command says. */
  find(command: KeyedCommand, now: number): Found {
    this.#forgetOld(now);
    const entry = this.#entries.get(idOf(command));
    if (entry === undefined) return this.#room(now);
    if (entry.command.digest === command.digest) return { kind: "known", entry };
    const sentence =
      `The key was given to another ${entry.command.type} command within the last 24 hours; use another key`;
    return { kind: "refused", failure: failure("idempotency_conflict", sentence) };
  }

  /** Adds a new command, or one from the journal. Replaces the old command of the key. */
  add(entry: KeyEntry): void {
    this.drop(this.#entries.get(idOf(entry.command)));
    this.#entries.set(idOf(entry.command), entry);
    this.#bytes += bytesOf(entry);
  }

  /** The command has ended, or its outcome will stay unknown. The caller answers the waiting ones. */
  conclude(entry: KeyEntry, state: KeyState): void {
    if (this.#entries.get(idOf(entry.command)) !== entry) return;
    this.#bytes -= bytesOf(entry);
    entry.state = state;
    this.#bytes += bytesOf(entry);
  }

  /** The command did not run, so its key is free again. */
  drop(entry: KeyEntry | undefined): void {
    if (entry === undefined || this.#entries.get(idOf(entry.command)) !== entry) return;
    this.#entries.delete(idOf(entry.command));
    this.#bytes -= bytesOf(entry);
  }

  #room(now: number): Found {
    const { keys, bytes } = this.#limits;
    if (this.#entries.size < keys && this.#bytes < bytes) return { kind: "new" };
    const [oldest] = this.#entries.values();
    const retryAfterMs = oldest === undefined ? KEY_LIFE_MS : Math.max(1, oldest.at + KEY_LIFE_MS - now);
    const sentence =
      `There are ${this.#entries.size} idempotency keys with ${this.#bytes} bytes of responses (limits ` +
      `idempotencyKeys: ${keys}, idempotencyBytes: ${bytes}); send it without a key, or wait until old keys expire`;
    const data = { limit: this.#entries.size < keys ? "idempotencyBytes" : "idempotencyKeys" };
    return { kind: "refused", failure: failure("overloaded", sentence, { retryAfterMs, data }) };
  }

  /** Drops old keys. Keys of running commands stay, because their answer is still due. */
  #forgetOld(now: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.at + KEY_LIFE_MS > now) return;
      if (entry.state.kind !== "running") this.drop(entry);
    }
  }
}
