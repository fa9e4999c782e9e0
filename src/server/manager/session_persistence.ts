// What of the sessions outlives the process: keeps every record where the store puts it, brings them back at the
// start, and says when one is safe. The disk itself is session_store.ts.
import { deadline } from "../../base/async/deadline.ts";
import { errorMessage } from "../../base/error_message.ts";
import { type Governor, isPermit } from "../../governor/governor.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { failure } from "../../protocol/errors.ts";
import type { FileRepair, LoadProblem } from "../../protocol/schema/responses.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { SessionEntry } from "./session_entry.ts";
import type { Store } from "../state/session_store.ts";

/** Milliseconds that an answer waits for a record to be on disk. */
const RECORD_MS = 5_000;

/** What the registry is made of. */
export interface SessionPersistenceParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
}

/** The registry of one server. */
export class SessionPersistence {
  readonly #parts: SessionPersistenceParts;
  /** None: it ends with the process. */
  #store: Store | undefined;
  /** What was repaired in the files of sessions that run, by session. */
  readonly repairs = new Map<string, FileRepair>();
  /** What pi could not load for sessions that run, by session. */
  readonly loadProblems = new Map<string, readonly LoadProblem[]>();

  constructor(parts: SessionPersistenceParts) {
    this.#parts = parts;
  }

  /** Why sessions cannot be kept, while that is so. */
  get problem(): string | undefined {
    return this.#store?.problem;
  }

  /** Goes on with what an earlier server has left: those sessions are parked. */
  restore(store: Store, records: readonly SessionRecord[]): readonly SessionEntry[] {
    this.#store = store;
    const { uuid, governor } = this.#parts;
    return records.filter(({ inMemory }) => !inMemory).map((record) => {
      const { info } = record;
      const entry = new SessionEntry(info.sessionId, 0, false);
      entry.state = "parked";
      entry.record = record;
      entry.file = record.file ?? info.sessionFile;
      // Whatever a server that died told after its last record, nobody knows: its numbers must not be told twice.
      entry.epoch = info.status === "parked" ? info.epoch : uuid();
      const place = governor.parked();
      if (isPermit(place)) entry.parkedSlot = place;
      return entry;
    });
  }

  /** Keeps a session as it is now; resolves once that is safe, or with why it is not. */
  async save(entry: SessionEntry): Promise<string | undefined> {
    const record = recordOf(entry);
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

  /** Forgets a session; resolves once a restart would not bring it back, or with why it would. */
  remove({ sessionId, inMemory }: SessionEntry): Promise<string | undefined> | undefined {
    this.repairs.delete(sessionId);
    this.loadProblems.delete(sessionId);
    if (inMemory || this.#store === undefined) return undefined;
    return this.#within(this.#store.remove(sessionId));
  }

  /** Why the disk has not taken it, if it has not. */
  #within(taken: Promise<void>): Promise<string | undefined> {
    const problem = taken.then(() => undefined, errorMessage);
    return deadline(this.#parts.clock, RECORD_MS, problem, `the disk has taken nothing for ${RECORD_MS} ms`);
  }

  /** Keeps all sessions, for the last time. */
  async close(entries: Iterable<SessionEntry>): Promise<void> {
    const kept = [...entries].filter(({ record }) => record !== undefined).map((entry) => {
      entry.state = "parked";
      return this.save(entry);
    });
    await Promise.all(kept);
  }
}

/** What a deletion is answered: it is done, but the disk has not been told. */
export function deletionOf(reply: Reply, trouble: string | undefined): Reply {
  if (trouble === undefined) return reply;
  const sentence =
    `The session is deleted, but its record cannot be removed from the state folder (${trouble}): see to the disk, ` +
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

/** The record with what the router thread alone knows. */
function recordOf(entry: SessionEntry): SessionRecord | undefined {
  const { record, state, epoch } = entry;
  if (record === undefined) return undefined;
  const { info } = record;
  const status = state === "parked" ? "parked" : "live";
  const seq = info.epoch === epoch ? info.seq : 0;
  const known = epoch === "" ? info : { ...info, epoch, seq };
  return { ...withFile(record, entry), info: { ...known, status } };
}

function nameOf(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? "";
}
