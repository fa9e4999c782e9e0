// Does: knows which sessions there are, by id, and on which worker each one runs.
// Used by: every service of this folder. Decides nothing.
import type { WorkerPool } from "../workers/worker_pool.ts";
import type { SessionEntry } from "./session_entry.ts";

/** The sessions of one server. */
export class SessionRegistry {
  readonly entries = new Map<string, SessionEntry>();
  /** Called when a session comes, goes, or has another record. */
  onChanged: (entry: SessionEntry) => void = () => {};
  readonly #workers: WorkerPool;

  constructor(workers: WorkerPool) {
    this.#workers = workers;
  }

  get(sessionId: string): SessionEntry | undefined {
    return this.entries.get(sessionId);
  }

  has(sessionId: string): boolean {
    return this.entries.has(sessionId);
  }

  add(entry: SessionEntry): void {
    this.entries.set(entry.sessionId, entry);
    entry.onRecord = () => {
      if (this.isCurrent(entry)) this.onChanged(entry);
    };
    this.onChanged(entry);
  }

  /** Takes the session of that id out. */
  remove(entry: SessionEntry): void {
    this.entries.delete(entry.sessionId);
    this.onChanged(entry);
  }

  /** Whether that very session is still there, and not another one of its id. */
  isCurrent(entry: SessionEntry): boolean {
    return this.entries.get(entry.sessionId) === entry;
  }

  /** Ids of all sessions that a worker runs or builds. */
  get runningIds(): readonly string[] {
    return [...this.entries.values()].filter(({ isRunning }) => isRunning).map(({ sessionId }) => sessionId);
  }

  /** Sessions that are built, and that a worker runs or is parking now; of one worker, or of all. */
  running(worker?: number): readonly SessionEntry[] {
    return [...this.entries.values()].filter((entry) =>
      (entry.state === "live" || entry.state === "parking") &&
      (worker === undefined || entry.worker === worker)
    );
  }

  /** Workers that have, build or bring back a session. */
  get workersInUse(): ReadonlySet<number> {
    const used = [...this.entries.values()].filter(({ state }) => state !== "waiting" && state !== "parked");
    return new Set(used.map(({ worker }) => worker));
  }

  /** Chooses the worker for a session, and counts the session there. */
  assignWorker(entry: SessionEntry): number {
    entry.worker = this.#workers.assign();
    return entry.worker;
  }
}
