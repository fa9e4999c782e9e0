// Passes a session's commands on to its host, in their order and not before the ledger has let them, and sees to
// what is to happen when the answer comes. Which session, and whether it is awake, is its manager's business.
import type { Permit } from "../../governor/governor.ts";
import type { Reply, SubscriberDemand, ToWorker } from "../../ipc/messages.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { SessionEntry } from "./session_entry.ts";
import type { CommandJournal, ForwardedCommand } from "../journal/command_journal.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";
import { deletionOf } from "./session_persistence.ts";
import type { SessionRegistry } from "./session_registry.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import { KeyedQueue } from "../../base/async/keyed_queue.ts";

/** What the manager gives. */
export interface CommandDispatcherParts {
  readonly book: SessionRegistry;
  readonly pending: PendingCommands;
  readonly passage: OrderedForwarding;
  readonly ledger: CommandJournal;
  send(host: number, message: ToWorker): void;
  demand(sessionId: string): SubscriberDemand;
  tell(type: string, data: Record<string, unknown>): void;
  /** Forgets a session that never was, or is no more. */
  forget(entry: SessionEntry): void;
  /** Forgets a session that a client has deleted. */
  remove(entry: SessionEntry): void;
  /** A command is over: there may be room, or somebody to park. */
  changed(): void;
}

/** The way of commands to hosts. */
export class CommandDispatcher {
  readonly #parts: CommandDispatcherParts;

  constructor(parts: CommandDispatcherParts) {
    this.#parts = parts;
  }

  /** Has a new session built, which has a place among the live ones. */
  buildSession(entry: SessionEntry, command: Command, asker: ReplyTo): void {
    const { book, pending, passage, ledger, send, demand, tell, forget, changed } = this.#parts;
    const { sessionId } = entry;
    const host = book.assignWorker(entry);
    entry.state = "building";
    const settled = (reply: Reply): void => {
      entry.inFlight--;
      if (!book.isCurrent(entry)) return;
      if (!reply.ok) return forget(entry);
      entry.state = "live";
      tell("session_created", { sessionId });
      changed();
    };
    entry.inFlight++;
    const ref = pending.expect({ host, replyTo: asker, permit: undefined, afterReply: settled });
    passage.enqueue({ ref, sessionId, command, asker, durable: false }, () => {
      const interrupted = ledger.interrupted(sessionId);
      send(host, { kind: "create_session", ref, demand: demand(sessionId), command, interrupted });
    });
    entry.releaseWaiters(undefined);
  }

  /** Passes a command on to a session that runs or is built. */
  forward(entry: SessionEntry, command: Command, asker: ReplyTo, permit: Permit | undefined): void {
    const { book, pending, passage, ledger, send, tell, remove, changed } = this.#parts;
    const { sessionId, host } = entry;
    const deletes = command.type === "delete_session";
    // A live session is gone for everyone the moment its deletion is passed on, and its id is free again;
    // unless the host may still refuse.
    const certain = deletes && !("ifSessionVersion" in command);
    if (certain && entry.state === "live") remove(entry);
    const settled = (reply: Reply): void => {
      entry.inFlight--;
      ledger.onReply(ref, reply);
      if (deletes && reply.ok) tell("session_deleted", { sessionId });
      changed();
    };
    const coming = ({ sessionVersion }: Reply): void => {
      if (!entry.inMemory && book.isCurrent(entry)) ledger.recordVersion(sessionId, sessionVersion);
    };
    entry.inFlight++;
    const written = ledger.acknowledgeAfterWrite(command, asker);
    const told = deletes ? this.#onceForgotten(entry, written) : written;
    const ref = pending.expect({ host, replyTo: told, permit, beforeReply: coming, afterReply: settled });
    passage.enqueue({ ref, sessionId, command, asker, durable: !entry.inMemory }, () => {
      send(host, { kind: "command", ref, connection: asker.connection, command });
    });
  }

  /** A deletion is answered once a restart would not bring the session back. */
  #onceForgotten(entry: SessionEntry, asker: ReplyTo): ReplyTo {
    const answer = (reply: Reply): void => {
      if (reply.ok && this.#parts.book.isCurrent(entry)) this.#parts.remove(entry);
      if (!reply.ok || entry.removed === undefined) asker.answer(reply);
      else void entry.removed.then((trouble) => asker.answer(deletionOf(reply, trouble)));
    };
    return { ...asker, onReleased: () => asker.onReleased(), answer };
  }
}

/** The ways to all sessions. */
export class OrderedForwarding {
  readonly #ledger: CommandJournal;
  readonly #pending: PendingCommands;
  readonly #turnstile = new KeyedQueue();

  constructor(ledger: CommandJournal, pending: PendingCommands) {
    this.#ledger = ledger;
    this.#pending = pending;
  }

  /** Calls `send` when the command may be passed on; if it may not, or was answered meanwhile, never. */
  enqueue(passing: ForwardedCommand, send: () => void): void {
    const { ref, sessionId } = passing;
    const go = (): void => {
      if (this.#pending.has(ref)) send();
    };
    const ready = this.#ledger.recordIntent(passing);
    if (ready === undefined) return this.#turnstile.run(sessionId, go);
    this.#turnstile.runAfter(sessionId, ready, (failed) => {
      if (failed === undefined) go();
      else this.#pending.answer(ref, { ok: false, failure: failed, unstarted: true });
    });
  }

  /** Does `work` once nothing waits on any way; now, if nothing does. */
  afterAllQueued<T>(work: () => Promise<T>): Promise<T> {
    return this.#turnstile.isIdle ? work() : this.#turnstile.idle().then(work);
  }

  /** Calls `fn` behind the commands of that session that are on their way. */
  afterQueued(sessionId: string, fn: () => void): void {
    this.#turnstile.run(sessionId, fn);
  }
}
