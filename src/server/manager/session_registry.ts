// The sessions that there are, by id: on which host each is counted, and what is let go of with each. Decides
// nothing.
import type { Governor } from "../../governor/governor.ts";
import { noSession } from "../../protocol/failures.ts";
import type { Entry } from "./session_entry.ts";
import type { EventLogs } from "./replay_buffer.ts";
import type { FileClaims } from "./file_claims.ts";
import type { Hosts } from "../workers/worker_pool.ts";

/** What is kept for sessions elsewhere. */
export interface SessionBookParts {
  readonly hosts: Hosts;
  readonly logs: EventLogs;
  readonly claims: FileClaims;
  readonly governor: Governor;
}

/** The book of one server. */
export class SessionBook {
  readonly entries = new Map<string, Entry>();
  readonly #parts: SessionBookParts;

  constructor(parts: SessionBookParts) {
    this.#parts = parts;
  }

  get(sessionId: string): Entry | undefined {
    return this.entries.get(sessionId);
  }

  /** Whether that very session is still there, and not another of its id. */
  holds(entry: Entry): boolean {
    return this.entries.get(entry.sessionId) === entry;
  }

  /** Ids of all sessions that a host runs or builds. */
  get awake(): readonly string[] {
    return [...this.entries.values()].filter(({ awake }) => awake).map(({ sessionId }) => sessionId);
  }

  /** Sessions that have been built, and that a host runs or is parking now; of that host, or of all. */
  running(host?: number): readonly Entry[] {
    return [...this.entries.values()].filter((entry) =>
      (entry.state === "live" || entry.state === "parking") && (host === undefined || entry.host === host)
    );
  }

  /** Chooses where a session is to run, and counts it there. */
  place(entry: Entry): number {
    const { hosts } = this.#parts;
    entry.host = hosts.assign();
    return entry.host;
  }

  /** A session drives that file from now on, or none. */
  drives(sessionId: string, file: string | undefined): void {
    const entry = this.get(sessionId);
    if (entry !== undefined) entry.file = file;
  }

  /** The numbers of a session's events go on from where it was left. */
  begin({ sessionId, record, epoch }: Entry): void {
    const { info } = record ?? {};
    this.#parts.logs.begin(sessionId, info?.epoch === epoch ? info.seq : 0);
  }

  /** The number of the last event that came of a session. */
  lastSeq(sessionId: string): number {
    return this.#parts.logs.of(sessionId)?.lastSeq ?? 0;
  }

  /** A session is on its host no more: what was held for that is free. */
  leave(entry: Entry): void {
    const { hosts, logs, claims } = this.#parts;
    hosts.count(entry.host, -1);
    logs.drop(entry.sessionId);
    claims.rest(entry.sessionId, entry.file);
  }

  /** Forgets a session; whoever waits for it is told that there is none. False when it is forgotten already. */
  forget(entry: Entry): boolean {
    const { sessionId } = entry;
    if (!this.holds(entry)) return false;
    const { claims, governor } = this.#parts;
    this.entries.delete(sessionId);
    if (entry.place !== undefined) this.leave(entry);
    claims.move(sessionId, undefined);
    governor.sessionGone(sessionId);
    entry.place?.release();
    entry.place = undefined;
    entry.parkedPlace?.release();
    entry.release(noSession(sessionId));
    return true;
  }
}
