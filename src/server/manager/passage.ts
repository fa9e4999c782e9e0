// The way of a command from the manager to its host: in the order of its session, and not before the journal has
// what the ledger wants in it. Everything else that a host hears about one session goes the same way.
import type { CommandJournal, ForwardedCommand } from "../journal/command_journal.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";
import { KeyedQueue } from "../../base/keyed_queue.ts";

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
