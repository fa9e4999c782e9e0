// The sessions that there are, by id: on which host each is counted, and what is let go of with each. Decides
// nothing.
import type { Governor } from "../../governor/governor.ts";
import { noSession } from "../../protocol/failures.ts";
import type { SessionEntry } from "./session_entry.ts";
import type { ReplayBuffers } from "./replay_buffer.ts";
import type { FileClaims } from "./file_claims.ts";
import type { WorkerPool } from "../workers/worker_pool.ts";

/** What is kept for sessions elsewhere. */
export interface SessionRegistryParts {
  readonly hosts: WorkerPool;
  readonly logs: ReplayBuffers;
  readonly claims: FileClaims;
  readonly governor: Governor;
}

/** The book of one server. */
export class SessionRegistry {
  readonly entries = new Map<string, SessionEntry>();
  readonly #parts: SessionRegistryParts;

  constructor(parts: SessionRegistryParts) {
    this.#parts = parts;
  }

  get(sessionId: string): SessionEntry | undefined {
    return this.entries.get(sessionId);
  }

  /** Whether that very session is still there, and not another of its id. */
  isCurrent(entry: SessionEntry): boolean {
    return this.entries.get(entry.sessionId) === entry;
  }

  /** Ids of all sessions that a host runs or builds. */
  get runningIds(): readonly string[] {
    return [...this.entries.values()].filter(({ isRunning: awake }) => awake).map(({ sessionId }) =>
      sessionId
    );
  }

  /** Sessions that have been built, and that a host runs or is parking now; of that host, or of all. */
  running(host?: number): readonly SessionEntry[] {
    return [...this.entries.values()].filter((entry) =>
      (entry.state === "live" || entry.state === "parking") && (host === undefined || entry.host === host)
    );
  }

  /** Chooses where a session is to run, and counts it there. */
  assignWorker(entry: SessionEntry): number {
    const { hosts } = this.#parts;
    entry.host = hosts.assign();
    return entry.host;
  }

  /** A session drives that file from now on, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    const entry = this.get(sessionId);
    if (entry !== undefined) entry.file = file;
  }

  /** The numbers of a session's events go on from where it was left. */
  startReplay({ sessionId, record, epoch }: SessionEntry): void {
    const { info } = record ?? {};
    this.#parts.logs.startAt(sessionId, info?.epoch === epoch ? info.seq : 0);
  }

  /** The number of the last event that came of a session. */
  lastSeq(sessionId: string): number {
    return this.#parts.logs.of(sessionId)?.lastSeq ?? 0;
  }

  /** A session is on its host no more: what was held for that is free. */
  detach(entry: SessionEntry): void {
    const { hosts, logs, claims } = this.#parts;
    hosts.addSessions(entry.host, -1);
    logs.drop(entry.sessionId);
    claims.releaseAfterPark(entry.sessionId, entry.file);
  }

  /** Forgets a session; whoever waits for it is told that there is none. False when it is forgotten already. */
  remove(entry: SessionEntry): boolean {
    const { sessionId } = entry;
    if (!this.isCurrent(entry)) return false;
    const { claims, governor } = this.#parts;
    this.entries.delete(sessionId);
    if (entry.liveSlot !== undefined) this.detach(entry);
    claims.setFile(sessionId, undefined);
    governor.sessionGone(sessionId);
    entry.liveSlot?.release();
    entry.liveSlot = undefined;
    entry.parkedSlot?.release();
    entry.releaseWaiters(noSession(sessionId));
    return true;
  }
}
