// Does: knows which providers fail now and which models workers miss. It logs and counts each failure.
// Used by: the session manager, which passes the reports of workers on, and by health_check and the metrics.
// Invariant: bounded by the number of providers and workers; a provider is well again after one good answer.
import { deadline, type TimerSource } from "../../base/async/deadline.ts";
import { deferred } from "../../base/async/deferred.ts";
import type { Log } from "../../base/log.ts";
import type { ModelReport, ProviderReport } from "../../ipc/messages.ts";

/** Providers that are kept at most; their names come from the user's settings. */
const MOST_PROVIDERS = 100;

interface Failing {
  readonly error: string;
  readonly modelId: string;
  readonly times: number;
}

/** The kind of a failure, for a counter: the status of the answer, or that there was none. */
function kindOf(error: string): string {
  const [, status] = /^([45]\d\d)\b/.exec(error) ?? [];
  return status ?? (/^Connection (?:error|lost)\b/.test(error) ? "connection" : "other");
}

/** What is known of the providers of one server. */
export class ProviderHealth {
  readonly #log: Log;
  readonly #failing = new Map<string, Failing>();
  readonly #models = new Map<number, ModelReport>();
  readonly #waiting = new Set<() => void>();
  /** Failed answers by kind. */
  readonly failures = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** A worker reports on an answer of a model. */
  onAnswer({ sessionId, provider, modelId, error }: ProviderReport): void {
    if (error === undefined) {
      if (this.#failing.delete(provider)) this.#log.info("a provider answers again", { provider, modelId });
      return;
    }
    const kind = kindOf(error);
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
    this.#log.warn("a provider has failed", { sessionId, provider, modelId, error });
    const times = (this.#failing.get(provider)?.times ?? 0) + 1;
    if (times > 1 || this.#failing.size < MOST_PROVIDERS) {
      this.#failing.set(provider, { error, modelId, times });
    }
  }

  /** A worker has loaded pi, and reports on its models. */
  onModels(worker: number, report: ModelReport): void {
    const first = this.#models.size === 0;
    this.#models.set(worker, report);
    if (first) { for (const issue of report.issues) this.#log.warn(issue); }
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Waits for the first report on models. False when none came within that time. */
  async known(clock: TimerSource, ms: number): Promise<boolean> {
    if (this.#models.size > 0) return true;
    const { promise, resolve } = deferred<void>();
    this.#waiting.add(resolve);
    return await deadline(clock, ms, promise.then(() => true), false).finally(() =>
      this.#waiting.delete(resolve)
    );
  }

  /** A worker has ended; its successor reports anew. */
  forget(worker: number): void {
    this.#models.delete(worker);
  }

  /** A sentence for each thing that is not well. */
  get issues(): readonly string[] {
    const failing = [...this.#failing].map(([provider, { error, modelId, times }]) =>
      `The provider ${provider} fails (${modelId}, ${times} in a row): ${error}`
    );
    return [...new Set([...this.#models.values()].flatMap(({ issues }) => issues)), ...failing];
  }
}
