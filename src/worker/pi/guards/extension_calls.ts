// Does: ends the wait for a tool or a handler of an extension soon after an abort. The call itself goes on.
// Used by: thrown_values.ts for each call, agent.ts and live_session.ts for each abort.
// Invariant: a call that answers in time is never cut, also after an abort, because handlers save state then.

/** Milliseconds that a call which waits at the abort may still take, and all later ones of that run together. */
const [GRACE_MS, ALL_MS] = [250, 600];
/** Milliseconds for each call after that. */
const LAST_MS = 50;

/** Events outside of runs. Their handlers have bounds of their own, or a client's command waits for them. */
const OUTSIDE: ReadonlySet<string> = new Set([
  "resources_discover",
  "session_before_fork",
  "session_before_switch",
  "session_shutdown",
  "session_start",
  "user_bash",
]);

/** Events of a compaction and of a branch summary. */
const OF_SUMMARY: ReadonlySet<string> = new Set([
  "session_before_compact",
  "session_before_tree",
  "session_compact",
  "session_tree",
]);

interface Call {
  /** The event, or the name of the tool. */
  readonly what: string;
  leaveIn(ms: number): void;
}

/** Waits for an extension's promise. */
export type Wait = <T>(answer: Promise<T>) => Promise<T>;

/** The calls of one session's extensions. */
export class ExtensionCalls {
  readonly #waiting = new Set<Call>();
  #abortedAt = 0;
  /** Whether the current run is aborted and has not settled. */
  aborting: () => boolean = () => false;

  /** How long pi waits for the handlers of that event. Undefined: as long as they take. */
  ofHandler(event: string): Wait | undefined {
    if (OUTSIDE.has(event)) return undefined;
    return (answer) =>
      this.#wait(event, `the run was aborted before this handler of ${event} had ended`, answer);
  }

  ofTool(name: string): Wait {
    return (answer) => this.#wait(`tool ${name}`, `The run was aborted before ${name} had answered`, answer);
  }

  /** The run was aborted. */
  abort(): void {
    this.#abortedAt = performance.now();
    for (const call of this.#waiting) call.leaveIn(GRACE_MS);
  }

  /** A compaction or a branch summary was aborted. */
  abortSummary(): void {
    for (const call of this.#waiting) if (OF_SUMMARY.has(call.what)) call.leaveIn(GRACE_MS);
  }

  #wait<T>(what: string, why: string, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const call: Call = {
        what,
        leaveIn: (ms) => timer ??= setTimeout(() => reject(new Error(why)), ms),
      };
      this.#waiting.add(call);
      if (this.aborting()) {
        call.leaveIn(Math.max(this.#abortedAt + ALL_MS - performance.now(), LAST_MS));
      }
      answer.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        this.#waiting.delete(call);
      });
    });
  }
}
