// Does: keeps the text of messages to agents (prompt, steer, follow_up) until they are done. Pure.
// Used by: command_journal.ts. A message runs, or a crash has interrupted it.
import type { Interrupted } from "../../protocol/schema/responses.ts";

/** One message. */
export interface Message {
  /** Its number in the journal. */
  readonly n: number;
  readonly sessionId: string;
  readonly kind: Interrupted["kind"];
  readonly message: string;
  readonly images?: Interrupted["images"];
  /** Its arrival, in milliseconds since the epoch. */
  readonly at: number;
  readonly key?: string;
  /** Whether the agent has begun with it. */
  began: boolean;
}

interface Messages {
  readonly open: Map<number, Message>;
  readonly interrupted: Map<number, Message>;
}

function bytesOf({ message, images }: Message): number {
  return message.length + (images ?? []).reduce((sum, { data }) => sum + data.length, 0);
}

/** The message for clients. The progress of a slash command is unknown, so it counts as begun. */
function shown({ kind, message, images, at, key, began }: Message): Interrupted {
  return {
    kind,
    message,
    ...(images === undefined ? {} : { images }),
    at: new Date(at).toISOString(),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    started: began || (kind === "prompt" && message.startsWith("/")),
  };
}

/** The messages of all sessions. */
export class OpenMessages {
  readonly #sessions = new Map<string, Messages>();
  #bytes = 0;

  /** Characters of all texts and images. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All messages, in no order. */
  get all(): readonly Message[] {
    return [...this.#sessions.values()].flatMap(({ open, interrupted }) => [
      ...interrupted.values(),
      ...open.values(),
    ]);
  }

  /** A message will be forwarded. */
  open(message: Message): void {
    this.#of(message.sessionId).open.set(message.n, message);
    this.#bytes += bytesOf(message);
  }

  /** The agent has begun with it. False when that was known, or no longer matters. */
  begin(sessionId: string, n: number): boolean {
    const message = this.#sessions.get(sessionId)?.open.get(n);
    if (message === undefined || message.began) return false;
    message.began = true;
    return true;
  }

  /** The interrupted messages of a session, oldest first. */
  interrupted(sessionId: string): readonly Interrupted[] {
    const found = this.#sessions.get(sessionId)?.interrupted.values() ?? [];
    return [...found].sort((a, b) => a.n - b.n).map(shown);
  }

  /** The session was lost. Its running messages are interrupted. */
  crashed(sessionId: string): void {
    const messages = this.#sessions.get(sessionId);
    if (messages === undefined) return;
    for (const [n, message] of messages.open) messages.interrupted.set(n, message);
    messages.open.clear();
  }

  /** The server was lost: the same for all sessions. */
  allCrashed(): void {
    for (const sessionId of this.#sessions.keys()) this.crashed(sessionId);
  }

  /** A message is done, or was never forwarded. */
  close(sessionId: string, n: number): void {
    const messages = this.#sessions.get(sessionId);
    const message = messages?.open.get(n);
    if (messages === undefined || message === undefined) return;
    messages.open.delete(n);
    this.#forget(sessionId, messages, [message]);
  }

  /** Drops the interrupted messages of a session. Returns their numbers. */
  dismiss(sessionId: string): readonly number[] {
    const messages = this.#sessions.get(sessionId);
    if (messages === undefined) return [];
    const gone = [...messages.interrupted.values()];
    messages.interrupted.clear();
    this.#forget(sessionId, messages, gone);
    return gone.map(({ n }) => n);
  }

  /** Drops messages of unknown sessions that are older than that time. Returns their numbers. */
  pruneOrphans(known: (sessionId: string) => boolean, before: number): readonly number[] {
    const gone: number[] = [];
    for (const [sessionId, messages] of [...this.#sessions]) {
      if (known(sessionId)) continue;
      const old = [...messages.interrupted.values()].filter(({ at }) => at < before);
      for (const { n } of old) messages.interrupted.delete(n);
      this.#forget(sessionId, messages, old);
      gone.push(...old.map(({ n }) => n));
    }
    return gone;
  }

  /** The session was deleted with all its messages. Returns their numbers. */
  deleted(sessionId: string): readonly number[] {
    this.crashed(sessionId);
    return this.dismiss(sessionId);
  }

  #of(sessionId: string): Messages {
    const messages = this.#sessions.get(sessionId) ?? { open: new Map(), interrupted: new Map() };
    this.#sessions.set(sessionId, messages);
    return messages;
  }

  #forget(sessionId: string, { open, interrupted }: Messages, gone: readonly Message[]): void {
    for (const message of gone) this.#bytes -= bytesOf(message);
    if (open.size + interrupted.size === 0) this.#sessions.delete(sessionId);
  }
}
