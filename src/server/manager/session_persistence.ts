// Does: saves the record of every session, brings sessions back at the start, and reports when a record is safe.
// Used by: the session manager and its services. The disk itself is session_store.ts.
// Invariant: an answer waits a bounded time for the disk.
import { deadline } from "../../base/async/deadline.ts";
import { errorMessage } from "../../base/error_message.ts";
import { type Governor, isPermit } from "../../governor/governor.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { type ErrorCode, type Failure, failure } from "../../protocol/errors.ts";
import type { FileRepair, LoadProblem } from "../../protocol/schema/responses.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { SessionEntry } from "./session_entry.ts";
import type { Store } from "../state/session_store.ts";

/** Milliseconds that an answer waits for a record to be on disk. */
const RECORD_MS = 5_000;

/** Faults of a session's file, which last until the file is mended. */
const FILE_FAULTS: ReadonlySet<ErrorCode> = new Set([
  "not_a_session_file",
  "path_not_found",
  "session_file_damaged",
  "session_file_newer",
  "session_file_too_large",
]);

/** What it is made of. */
export interface SessionPersistenceParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
}

/** The saved sessions of one server. */
export class SessionPersistence {
  readonly #parts: SessionPersistenceParts;
  /** Absent: sessions end with the process. */
  #store: Store | undefined;
  /** What was repaired in the files of sessions that run, by session. */
  readonly repairs = new Map<string, FileRepair>();
  /** What pi could not load for sessions that run, by session. */
  readonly loadProblems = new Map<string, readonly LoadProblem[]>();
  /** Why the file of a parked session was refused when the session was last needed, by session. */
  readonly refusals = new Map<string, string>();

  constructor(parts: SessionPersistenceParts) {
    this.#parts = parts;
  }

  /** Why sessions cannot be saved, while that is so. */
  get problem(): string | undefined {
    return this.#store?.problem;
  }

  /** Continues with the sessions of an earlier server, which are parked. */
  restore(store: Store, records: readonly SessionRecord[]): readonly SessionEntry[] {
    this.#store = store;
    const { uuid, governor } = this.#parts;
    return records.filter(({ inMemory }) => !inMemory).map((record) => {
      const { info } = record;
      const entry = new SessionEntry(info.sessionId, 0, false, "parked");
      entry.record = record;
      entry.file = record.file ?? info.sessionFile;
      // A server that died may have sent events after its last record: their numbers must not appear twice.
      entry.epoch = info.status === "parked" ? info.epoch : uuid();
      const place = governor.parked();
      if (isPermit(place)) entry.parkedSlot = place;
      return entry;
    });
  }

  /** Saves a session as it is now. Resolves once the record is safe, or with the reason why it is not. */
  async save(entry: SessionEntry, status = statusOf(entry)): Promise<string | undefined> {
    const record = recordOf(entry, status);
    const { fileRepair: repair, extensionErrors: problems } = record?.info.status === "live"
      ? record.info
      : {};
    if (repair === undefined) this.repairs.delete(entry.sessionId);
    else this.repairs.set(entry.sessionId, repair);
    if (problems === undefined) this.loadProblems.delete(entry.sessionId);
    else this.loadProblems.set(entry.sessionId, problems);
    if (this.#store === undefined || record === undefined || record.inMemory) return undefined;
    return await this.#within(this.#store.put(record));
  }

  /** A parked session was needed, and could be built or not. */
  onResumed(sessionId: string, failed: Failure | undefined): void {
    if (failed === undefined) this.refusals.delete(sessionId);
    else if (FILE_FAULTS.has(failed.code)) this.refusals.set(sessionId, failed.message);
  }

  /**
   * Removes a session. Resolves once a restart would not bring it back, or with the reason why it would.
   *
   * @param freed resolves when other servers may drive its file: it waits for that too, within the same time
   */
  remove(
    { sessionId, inMemory }: SessionEntry,
    freed?: Promise<void>,
  ): Promise<string | undefined> | undefined {
    this.repairs.delete(sessionId);
    this.loadProblems.delete(sessionId);
    this.refusals.delete(sessionId);
    const removed = inMemory || this.#store === undefined
      ? undefined
      : this.#within(this.#store.remove(sessionId));
    // A lease that stays keeps other servers away for longer, and the session is deleted all the same.
    return freed === undefined ? removed : this.#within(freed).then(() => removed);
  }

  /** The reason why the disk has not stored it, if it has not. */
  #within(taken: Promise<void>): Promise<string | undefined> {
    const problem = taken.then(() => undefined, errorMessage);
    return deadline(
      this.#parts.clock,
      RECORD_MS,
      problem,
      `the disk has finished no write for ${RECORD_MS} ms`,
    );
  }

  /** Saves all sessions as parked, for the last time. */
  async close(entries: Iterable<SessionEntry>): Promise<void> {
    await Promise.all([...entries].map((entry) => this.save(entry, "parked")));
  }
}

/** The answer to a deletion. With `trouble` the session is gone, but its record is still on the disk. */
export function deletionOf(reply: Reply, trouble: string | undefined): Reply {
  if (trouble === undefined) return reply;
  const sentence =
    `The session is deleted, but its record cannot be removed from the state folder (${trouble}): check the disk, ` +
    "or a server that starts before that lists it again";
  const { sessionVersion } = reply;
  return {
    ok: false,
    failure: failure("internal", sentence, { data: { reason: "storage" } }),
    ...(sessionVersion === undefined ? {} : { sessionVersion }),
  };
}

/** The record with the canonical path of the session's file, where that is known. */
export function withFile(record: SessionRecord, { file }: SessionEntry): SessionRecord {
  // Right after a fork it may still be the old file's: the new one's canonical path comes a moment later.
  const same = file !== undefined && nameOf(file) === nameOf(record.info.sessionFile ?? "");
  return same ? { ...record, file } : record;
}

/** The record with the facts that only the server thread knows. */
function recordOf(entry: SessionEntry, status: "live" | "parked"): SessionRecord | undefined {
  const { record, epoch } = entry;
  if (record === undefined) return undefined;
  const { info } = record;
  const seq = info.epoch === epoch ? info.seq : 0;
  const known = epoch === "" ? info : { ...info, epoch, seq };
  return { ...withFile(record, entry), info: { ...known, status } };
}

function statusOf({ state }: SessionEntry): "live" | "parked" {
  return state === "parked" ? "parked" : "live";
}

function nameOf(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? "";
}
