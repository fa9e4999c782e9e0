// Does: keeps what is wrong with workers now: one that is silent, lost or slow to start, and sessions that hear nothing.
// Used by: the session manager, which hands on what happens, and health_check.
// Invariant: bounded by the number of workers and sessions; what a lost worker has reported is forgotten.
import type { Log } from "../../base/log.ts";
import { LOADING_MS, WORKER_SLOW_MS } from "../../governor/limits.ts";
import type { FromWorkerHandlers, Silence } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { ProviderHealth } from "./provider_health.ts";

export interface WorkerHealthParts {
  readonly clock: Clock;
  readonly log: Log;
  /** The silence after which a worker is replaced. */
  readonly hostSilentMs: number;
  readonly workers: {
    /** Numbers of all workers. */
    readonly all: readonly number[];
    /** Whether each session has a worker of its own. */
    readonly isolated: boolean;
    /** Milliseconds since the start of a worker that has not loaded pi. */
    startingMs(worker: number): number;
  };
  readonly heartbeat: { silentMs(worker: number): number };
  readonly registry: { running(worker: number): readonly { readonly sessionId: string }[] };
}

interface SilentSession {
  readonly worker: number;
  readonly silence: Silence;
  /** When it was reported, on the monotonic clock. */
  readonly at: number;
}

/** The workers of one server. */
export class WorkerHealth {
  readonly #parts: WorkerHealthParts;
  readonly #silent = new Map<string, SilentSession>();
  /** Why each worker was lost whose successor has not loaded pi. */
  readonly #lost = new Map<number, string>();
  /** The providers that fail, and the faults of pi's models. */
  readonly providers: ProviderHealth;

  constructor(parts: WorkerHealthParts) {
    this.#parts = parts;
    this.providers = new ProviderHealth(parts.log);
  }

  /** Reports of workers. */
  readonly handlers = {
    provider_report: (message) => this.providers.onAnswer(message),
    model_report: (message, worker) => this.providers.onModels(worker, message),
    silence_report: ({ sessionId, silence }, worker) => {
      const at = this.#parts.clock.monotonic();
      if (silence !== undefined) this.#silent.set(sessionId, { worker, silence, at });
      else if (this.#silent.get(sessionId)?.worker === worker) this.#silent.delete(sessionId);
    },
  } satisfies Partial<FromWorkerHandlers>;

  /** A worker is lost. Another one takes its place, unless it was of one session. */
  onLost(worker: number, reason: string): void {
    this.forget(worker);
    this.#lost.set(worker, reason);
  }

  /** A worker has loaded pi. */
  onLoaded(worker: number): void {
    this.#lost.delete(worker);
  }

  /** A worker has ended; its successor reports anew. */
  forget(worker: number): void {
    this.#lost.delete(worker);
    this.providers.forget(worker);
    for (const [sessionId, silent] of this.#silent) {
      if (silent.worker === worker) this.#silent.delete(sessionId);
    }
  }

  /** A sentence for each worker and each session that is not well. */
  get issues(): string[] {
    const { all } = this.#parts.workers;
    for (const worker of this.#lost.keys()) if (!all.includes(worker)) this.#lost.delete(worker);
    const now = this.#parts.clock.monotonic();
    return [
      ...all.flatMap((worker) => this.#issueOf(worker) ?? []),
      ...[...this.#silent].map(([sessionId, { silence, at }]) =>
        sentenceOf(sessionId, silence, silence.ms + now - at)
      ),
    ];
  }

  #issueOf(worker: number): string | undefined {
    const { workers, heartbeat, registry, hostSilentMs } = this.#parts;
    const reason = this.#lost.get(worker);
    if (reason !== undefined) return `Worker ${worker} has died and is being replaced: ${reason}`;
    const silentMs = Math.round(heartbeat.silentMs(worker));
    if (silentMs >= Math.min(WORKER_SLOW_MS, hostSilentMs / 2)) {
      const session = workers.isolated ? registry.running(worker)[0] : undefined;
      return session === undefined
        ? `Worker ${worker} has not answered for ${silentMs} ms: one of its sessions may be stuck`
        : `Session "${session.sessionId}" may be stuck: its worker has not answered for ${silentMs} ms`;
    }
    const startingMs = Math.round(workers.startingMs(worker));
    return startingMs >= LOADING_MS ? `Worker ${worker} has not loaded pi for ${startingMs} ms` : undefined;
  }
}

/** What is silent, and what ends the wait. */
function sentenceOf(sessionId: string, { of, name }: Silence, ms: number): string {
  const since = `has been silent for ${Math.round(ms)} ms`;
  if (of === "command") return `Session "${sessionId}" ${since}: its command ${name} has not ended`;
  const what = of === "tool" ? `the tool ${name}` : "its model, or for an extension";
  return `The run of session "${sessionId}" ${since}: it waits for ${what}; abort ends the wait`;
}
