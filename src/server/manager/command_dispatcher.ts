// Passes a session's commands on to its host, in their order and not before the ledger has let them, and sees to
// what is to happen when the answer comes. Which session, and whether it is awake, is its manager's business.
import type { Permit } from "../../governor/governor.ts";
import type { Demand, Reply, ToHost } from "../../ipc/messages.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { Entry } from "./session_entry.ts";
import type { Ledger } from "../journal/command_journal.ts";
import type { Passage } from "./passage.ts";
import type { Asker, PendingCommands } from "../workers/pending_commands.ts";
import { deletionOf } from "./session_persistence.ts";
import type { SessionBook } from "./session_registry.ts";

/** What the manager gives. */
export interface DispatchParts {
  readonly book: SessionBook;
  readonly pending: PendingCommands;
  readonly passage: Passage;
  readonly ledger: Ledger;
  send(host: number, message: ToHost): void;
  demand(sessionId: string): Demand;
  tell(type: string, data: Record<string, unknown>): void;
  /** Forgets a session that never was, or is no more. */
  forget(entry: Entry): void;
  /** Forgets a session that a client has deleted. */
  remove(entry: Entry): void;
  /** A command is over: there may be room, or somebody to park. */
  changed(): void;
}

/** The way of commands to hosts. */
export class Dispatch {
  readonly #parts: DispatchParts;

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  /** Has a new session built, which has a place among the live ones. */
  build(entry: Entry, command: Command, asker: Asker): void {
    const { book, pending, passage, ledger, send, demand, tell, forget, changed } = this.#parts;
    const { sessionId } = entry;
    const host = book.place(entry);
    entry.state = "building";
    const settled = (reply: Reply): void => {
      entry.open--;
      if (!book.holds(entry)) return;
      if (!reply.ok) return forget(entry);
      entry.state = "live";
      tell("session_created", { sessionId });
      changed();
    };
    entry.open++;
    const ref = pending.expect({ host, asker, permit: undefined, settled });
    passage.pass({ ref, sessionId, command, asker, durable: false }, () => {
      const interrupted = ledger.interrupted(sessionId);
      send(host, { kind: "create", ref, demand: demand(sessionId), command, interrupted });
    });
    entry.release(undefined);
  }

  /** Passes a command on to a session that runs or is built. */
  pass(entry: Entry, command: Command, asker: Asker, permit: Permit | undefined): void {
    const { book, pending, passage, ledger, send, tell, remove, changed } = this.#parts;
    const { sessionId, host } = entry;
    const deletes = command.type === "delete_session";
    // A live session is gone for everyone the moment its deletion is passed on, and its id is free again;
    // unless the host may still refuse.
    const certain = deletes && !("ifSessionVersion" in command);
    if (certain && entry.state === "live") remove(entry);
    const settled = (reply: Reply): void => {
      entry.open--;
      ledger.answered(ref, reply);
      if (deletes && reply.ok) tell("session_deleted", { sessionId });
      changed();
    };
    const coming = ({ sessionVersion }: Reply): void => {
      if (!entry.inMemory && book.holds(entry)) ledger.tells(sessionId, sessionVersion);
    };
    entry.open++;
    const written = ledger.letsGo(command, asker);
    const told = deletes ? this.#onceForgotten(entry, written) : written;
    const ref = pending.expect({ host, asker: told, permit, coming, settled });
    passage.pass({ ref, sessionId, command, asker, durable: !entry.inMemory }, () => {
      send(host, { kind: "command", ref, connection: asker.connection, command });
    });
  }

  /** A deletion is answered once a restart would not bring the session back. */
  #onceForgotten(entry: Entry, asker: Asker): Asker {
    const answer = (reply: Reply): void => {
      if (reply.ok && this.#parts.book.holds(entry)) this.#parts.remove(entry);
      if (!reply.ok || entry.removed === undefined) asker.answer(reply);
      else void entry.removed.then((trouble) => asker.answer(deletionOf(reply, trouble)));
    };
    return { ...asker, accepted: () => asker.accepted(), answer };
  }
}
