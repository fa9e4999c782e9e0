// Does: keeps one file for each session record in the state folder (docs/PROTOCOL.md#sessions).
// Used by: session_persistence.ts. It knows only records, not sessions.
// Invariant: a crash leaves the old record or the new one. An unreadable file is set aside and blocks no other.
import { errorMessage } from "../../base/error_message.ts";
import { isRecord, tryParse } from "../../base/json.ts";
import { isSessionRecord, type SessionRecord } from "../../ipc/session_record.ts";
import type { Log } from "../../base/log.ts";
import type { Clock, Files, Timer } from "../../runtime/runtime.ts";

/** Incremented when this server could misread a newer record. */
const FORMAT = 1;

/** Files that are read at the same time during the start. */
const READERS = 32;

/** Milliseconds before the next try to write a record. */
const RETRY_MS = 5_000;

/** The rest of a write that a kill interrupted (`writePrivate`). */
const TEMPORARY = /^[0-9a-f]{64}\.json\.[0-9]+\.[0-9a-f]{8}$/;

export interface SessionStoreParts {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  /** The folder of the records. */
  readonly folder: string;
  readonly sha256: (text: string) => string;
}

/** The store, as the manager sees it. */
export type Store = Pick<SessionStore, "problem" | "put" | "remove">;

/** A step for one session, and the callers that wait for it. */
interface Task {
  /** Undefined: remove the file. */
  record: SessionRecord | undefined;
  waiting: { resolve(): void; reject(error: unknown): void }[];
}

/** The store of one state folder. */
export class SessionStore {
  readonly #parts: SessionStoreParts;
  /** The next content of each session's file. */
  readonly #wanted = new Map<string, Task>();
  readonly #working = new Map<string, Promise<void>>();
  /** Records that could not be written, in their latest state. */
  readonly #owed = new Map<string, SessionRecord | undefined>();
  #trouble: string | undefined;
  #retrying: Timer | undefined;
  #closed = false;

  constructor(parts: SessionStoreParts) {
    this.#parts = parts;
  }

  /** Why records cannot be written, while that lasts. */
  get problem(): string | undefined {
    return this.#trouble;
  }

  /**
   * Reads all records, and makes the folder when it is missing. Files that hold no record are set aside.
   *
   * @param wanted whether to read the records; otherwise they stay where they are
   */
  async load(wanted: boolean): Promise<readonly SessionRecord[]> {
    const { files, folder } = this.#parts;
    const found = await files.stat(folder);
    if (found !== undefined && found.kind !== "directory") await this.#setAside(folder, "it is not a folder");
    await files.makePrivateFolder(folder);
    if (!wanted) return [];
    const names = [...await files.list(folder)];
    const records: SessionRecord[] = [];
    const read = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const record = await this.#read(name);
        if (record !== undefined) records.push(record);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    return records;
  }

  /** Reads one record, and changes nothing. Undefined when there is none that can be used. */
  async find(sessionId: string): Promise<SessionRecord | undefined> {
    const text = await this.#parts.files.read(this.#path(sessionId)).catch(() => undefined);
    const record = text === undefined ? undefined : decode(text, this.#parts.sha256);
    return typeof record === "string" ? undefined : record;
  }

  /** Removes one record, and tries once. */
  async drop(sessionId: string): Promise<void> {
    await this.#carryOut(sessionId, undefined);
  }

  /** Resolves when the record is on disk. Rejects with the reason, and keeps trying. */
  put(record: SessionRecord): Promise<void> {
    return this.#want(record.info.sessionId, record);
  }

  /** Resolves when the record is removed from the disk. */
  remove(sessionId: string): Promise<void> {
    return this.#want(sessionId, undefined);
  }

  /** Waits for running writes, and retries none. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#working.values()]);
  }

  #want(sessionId: string, record: SessionRecord | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const task = this.#wanted.get(sessionId) ?? { record, waiting: [] };
      // Only the latest state counts. A caller that waits for an older one accepts it.
      task.record = record;
      task.waiting.push({ resolve, reject });
      this.#wanted.set(sessionId, task);
      if (!this.#working.has(sessionId)) this.#work(sessionId);
    });
  }

  #work(sessionId: string): void {
    this.#working.set(sessionId, this.#drain(sessionId));
  }

  /** Writes until the file needs no change. Never rejects. */
  async #drain(sessionId: string): Promise<void> {
    for (let task = this.#wanted.get(sessionId); task !== undefined; task = this.#wanted.get(sessionId)) {
      this.#wanted.delete(sessionId);
      try {
        await this.#carryOut(sessionId, task.record);
        this.#owed.delete(sessionId);
        // The removal of a missing file always works, so it proves nothing.
        if (this.#owed.size === 0) this.#trouble = undefined;
        for (const { resolve } of task.waiting) resolve();
      } catch (error) {
        this.#failed(sessionId, task, error);
      }
    }
    // In the turn of the last check, so that a later caller starts again.
    this.#working.delete(sessionId);
  }

  async #carryOut(sessionId: string, record: SessionRecord | undefined): Promise<void> {
    const { files, folder } = this.#parts;
    const path = this.#path(sessionId);
    if (record !== undefined) return await files.writePrivate(path, encode(record, this.#parts.sha256));
    await files.remove(path);
    await files.syncFolder(folder);
  }

  #failed(sessionId: string, task: Task, error: unknown): void {
    const { log, clock, folder } = this.#parts;
    const reason = errorMessage(error);
    if (this.#trouble === undefined) log.error(`a session could not be recorded: ${reason}`, { folder });
    this.#trouble = reason;
    for (const { reject } of task.waiting) reject(error);
    this.#owed.set(sessionId, task.record);
    this.#retrying ??= clock.after(RETRY_MS, () => this.#retry());
  }

  /** Tries again what could not be written, unless something newer is on its way. */
  #retry(): void {
    this.#retrying = undefined;
    if (this.#closed) return;
    for (const [sessionId, record] of [...this.#owed]) {
      if (this.#wanted.has(sessionId) || this.#working.has(sessionId)) continue;
      this.#wanted.set(sessionId, { record, waiting: [] });
      this.#work(sessionId);
    }
  }

  /** Ids are not file names. */
  #path(sessionId: string): string {
    const { files, folder, sha256 } = this.#parts;
    return files.join(folder, `${hex(sha256(sessionId))}.json`);
  }

  async #read(name: string): Promise<SessionRecord | undefined> {
    const { files, folder, sha256 } = this.#parts;
    const path = files.join(folder, name);
    if (name.endsWith(".aside")) return undefined;
    if (TEMPORARY.test(name)) return void await files.remove(path).catch(() => {});
    try {
      const text = await files.readPrivate(path);
      const record = decode(text, sha256);
      if (typeof record !== "string") {
        if (this.#path(record.info.sessionId) === path) return record;
        throw new Error("it belongs to another file");
      }
      throw new Error(record);
    } catch (error) {
      await this.#setAside(path, errorMessage(error));
      return undefined;
    }
  }

  async #setAside(path: string, reason: string): Promise<void> {
    const { files, log } = this.#parts;
    const aside = `${path}.aside`;
    await files.rename(path, aside).catch(() => {});
    log.warn(`a record of a session cannot be used and is set aside: ${reason}`, { file: aside });
  }
}

function hex(base64: string): string {
  return Array.from(atob(base64), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

function encode(record: SessionRecord, sha256: (text: string) => string): string {
  const body = JSON.stringify(record);
  return `${JSON.stringify({ format: FORMAT, sum: sha256(body) })}\n${body}\n`;
}

/** The record, or why there is none. */
function decode(text: string, sha256: (text: string) => string): SessionRecord | string {
  const [head = "", body = ""] = text.split("\n");
  const about = tryParse(head);
  if (!isRecord(about) || typeof about["format"] !== "number") {
    return "it is not a session record of pi-server";
  }
  if (about["format"] > FORMAT) return `it is of format ${about["format"]}, from a newer server`;
  if (about["sum"] !== sha256(body)) return "it is incomplete, or was changed";
  const record = tryParse(body);
  return isSessionRecord(record) ? record : "a field is missing or of the wrong kind";
}
