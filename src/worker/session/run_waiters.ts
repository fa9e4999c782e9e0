// Does: replies to prompts with `waitFor: "settled"` (docs/PROTOCOL.md#prompts-and-when-a-run-is-over).
// Used by: session.ts. A waiter ends with the run, with the removal of its queued message, or with `waitMs`.
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Disposition, QueuedTexts, Settled } from "../../protocol/schema/responses.ts";
import type { Timer } from "../../runtime/runtime.ts";
import type { QueueKind, RunResult } from "./agent_port.ts";
import type { Outcome } from "../../protocol/failures.ts";

/** The queue and the text of a queued message. */
export interface QueuedAt {
  readonly kind: QueueKind;
  readonly text: string;
}

interface Waiter {
  readonly disposition: Disposition;
  readonly queued: QueuedAt | undefined;
  finish(outcome: Outcome<Settled>): void;
}

const GONE = failure("cancelled", "The session was deleted before the run had settled");

const late = (waitMs: number): Failure =>
  failure("timeout", `The run has not settled within ${waitMs} ms; it goes on`);

/** The waiters of one session. */
export class RunWaiters {
  readonly #waiters = new Set<Waiter>();
  #closed = false;
  readonly #after: (ms: number, fn: () => void) => Timer;

  /** @param after starts a timer that the session clears at its end */
  constructor(after: (ms: number, fn: () => void) => Timer) {
    this.#after = after;
  }

  /** Resolves when the run of this prompt has settled, or the prompt was taken back. */
  wait(disposition: Disposition, queued: QueuedAt | undefined, waitMs?: number): Promise<Outcome<Settled>> {
    if (this.#closed) return Promise.resolve({ ok: false, failure: GONE });
    return new Promise((resolve) => {
      const waiter: Waiter = {
        disposition,
        queued,
        finish: (outcome) => {
          this.#waiters.delete(waiter);
          timer?.clear();
          resolve(outcome);
        },
      };
      const timer = waitMs === undefined
        ? undefined
        : this.#after(waitMs, () => waiter.finish({ ok: false, failure: late(waitMs) }));
      this.#waiters.add(waiter);
    });
  }

  /** Resolves with `work`, or with a timeout when that takes longer than `waitMs`. */
  within<T>(work: Promise<Outcome<T>>, waitMs: number | undefined): Promise<Outcome<T>> {
    if (waitMs === undefined) return work;
    return new Promise((resolve) => {
      const timer = this.#after(waitMs, () => resolve({ ok: false, failure: late(waitMs) }));
      void work.then((outcome) => {
        timer.clear();
        resolve(outcome);
      });
    });
  }

  /** Ends the waiters of removed messages. */
  withdraw(texts: QueuedTexts): void {
    this.#withdraw("steer", texts.steering);
    this.#withdraw("followUp", texts.followUp);
  }

  /** Ends all waiters: the run is over. */
  settle(run: RunResult): void {
    const { text, stopReason, usage, notice } = run;
    for (const waiter of [...this.#waiters]) {
      const data: Settled = {
        disposition: waiter.disposition,
        text,
        stopReason,
        usage,
        ...(notice === undefined ? {} : { notice }),
      };
      if (run.aborted) {
        waiter.finish({ ok: false, failure: failure("cancelled", "The run was aborted", { data }) });
      } else if (stopReason === "error") {
        const sentence = run.errorMessage ?? "The model failed without saying why";
        waiter.finish({ ok: false, failure: failure("agent_error", sentence, { data }) });
      } else {
        waiter.finish({ ok: true, value: data });
      }
    }
  }

  /** Drops all waiters, because the session has replied to them. */
  clear(): void {
    this.#closed = true;
    this.#waiters.clear();
  }

  #withdraw(kind: QueueKind, texts: readonly string[]): void {
    const left = [...texts];
    for (const waiter of [...this.#waiters]) {
      if (waiter.queued?.kind !== kind) continue;
      const at = left.indexOf(waiter.queued.text);
      if (at < 0) continue;
      left.splice(at, 1);
      const data: Settled = { disposition: waiter.disposition, text: null, stopReason: null, usage: null };
      const sentence = "The prompt was removed from the queue before it ran";
      waiter.finish({ ok: false, failure: failure("cancelled", sentence, { data }) });
    }
  }
}
