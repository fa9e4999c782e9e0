// The way of a command from the manager to its host: in the order of its session, and not before the journal has
// what the ledger wants in it. Everything else that a host hears about one session goes the same way.
import type { Ledger, Passing } from "../journal/command_journal.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";
import { Turnstile } from "../../base/keyed_queue.ts";

/** The ways to all sessions. */
export class Passage {
  readonly #ledger: Ledger;
  readonly #pending: PendingCommands;
  readonly #turnstile = new Turnstile();

  constructor(ledger: Ledger, pending: PendingCommands) {
    this.#ledger = ledger;
    this.#pending = pending;
  }

  /** Calls `send` when the command may be passed on; if it may not, or was answered meanwhile, never. */
  pass(passing: Passing, send: () => void): void {
    const { ref, sessionId } = passing;
    const go = (): void => {
      if (this.#pending.has(ref)) send();
    };
    const ready = this.#ledger.pass(passing);
    if (ready === undefined) return this.#turnstile.pass(sessionId, go);
    this.#turnstile.wait(sessionId, ready, (failed) => {
      if (failed === undefined) go();
      else this.#pending.answer(ref, { ok: false, failure: failed, unstarted: true });
    });
  }

  /** Does `work` once nothing waits on any way; now, if nothing does. */
  behindAll<T>(work: () => Promise<T>): Promise<T> {
    return this.#turnstile.isClear ? work() : this.#turnstile.clear().then(work);
  }

  /** Calls `fn` behind the commands of that session that are on their way. */
  after(sessionId: string, fn: () => void): void {
    this.#turnstile.pass(sessionId, fn);
  }
}
