// Does: appends records to the journal's file in batches with one write and one fsync, and rewrites it when needed.
// Used by: command_journal.ts, which knows the meaning of the records.
// Invariant: it never blocks. A caller that needs a record on disk waits for its promise.
import { errorMessage } from "../../base/error_message.ts";
import type { Files, GrowingFile } from "../../runtime/runtime.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { FsyncPolicy } from "../../config/config.ts";
import type { Log } from "../../base/log.ts";
import { encodeRecord, type JournalRecord, JournalReplay, type JournalState } from "./journal_records.ts";
import type { KeyLimits } from "./idempotency_keys.ts";

export interface JournalFileParts {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: string;
  readonly policy: FsyncPolicy;
  /** All records of a new file, taken at one moment. */
  readonly state: () => readonly JournalRecord[];
}

/** The file of an earlier server. */
export interface Read {
  readonly folded: JournalState;
  /** Why it could not be read completely. */
  readonly damage?: string;
}

/** When a promise resolves: the record is on disk, or the system has it. */
export type Durability = "synced" | "written";

interface Waiting {
  readonly line: Uint8Array;
  readonly need: Durability;
  readonly done: (trouble: string | undefined) => void;
}

/** Milliseconds after which written records are forced to the disk in any case. */
const SYNC_MS = 1_000;
/** Milliseconds between two tries while the disk refuses. */
const RETRY_MS = 250;
/** A smaller file is not worth a rewrite. */
const COMPACT_BYTES = 4 * 1024 * 1024;
/** Bytes that are joined at a time for a rewrite. */
const SLICE_BYTES = 256 * 1024;

const NAME = "journal.jsonl";

/** The journal of one server. */
export class JournalFile {
  readonly #parts: JournalFileParts;
  #queue: Waiting[] = [];
  #file: GrowingFile | undefined;
  /** Bytes in the file, and how many of them it began with. */
  #size = 0;
  #sizeAtCompaction = 0;
  #unsynced = false;
  #syncing: Timer | undefined;
  #retrying: Timer | undefined;
  #trouble: { readonly reason: string; readonly until: number } | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(parts: JournalFileParts) {
    this.#parts = parts;
  }

  /** Why the journal cannot be written, while that lasts. */
  get problem(): string | undefined {
    return this.#trouble?.reason;
  }

  /** Reads the file of an earlier server, and reports its damage. It never stops the start. */
  static async read(
    { files, folder }: Pick<JournalFileParts, "files" | "folder">,
    limits: KeyLimits,
  ): Promise<Read> {
    const path = files.join(folder, NAME);
    const folding = new JournalReplay(limits);
    let unreadable: string | undefined;
    try {
      const found = await files.stat(path);
      // The read of a pipe would wait for ever.
      if (found !== undefined && found.kind !== "file") throw new Error("it is not a file");
      if (found !== undefined) { for await (const bytes of files.chunks(path)) folding.take(bytes); }
    } catch (error) {
      unreadable = errorMessage(error);
    }
    const folded = folding.finish();
    if (unreadable === undefined && folded.damaged === 0 && !folded.foreign) return { folded };
    const damage = unreadable ?? (folded.foreign ? "another version" : `${folded.damaged} damaged lines`);
    return { folded, damage };
  }

  /**
   * Sets a damaged file aside and writes its intact records to a new one. The old file keeps its place until then, so
   * a crash before the first command costs nothing.
   */
  async replace(damage: string): Promise<void> {
    const { files, folder, clock, log } = this.#parts;
    const path = files.join(folder, NAME);
    const aside = `${path}.damaged-${clock.now()}`;
    // A path that is not a file cannot get a second name.
    await files.link(path, aside).catch(() => files.rename(path, aside)).catch(() => {});
    log.warn("a part of the journal could not be read; the rest is kept, and the damaged file is set aside", {
      why: damage,
      aside,
    });
    await this.#write([]);
  }

  /** Appends a record. Resolves with the reason when the write failed. */
  append(record: JournalRecord, need: Durability): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve("the server is stopping");
    const line = encodeRecord(record);
    return new Promise((done) => {
      this.#queue.push({ line, need, done });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when all appended records are written, or cannot be. */
  async written(): Promise<string | undefined> {
    await this.#running;
    return this.problem;
  }

  /** Writes waiting records, forces them to the disk and closes the file. */
  async close(): Promise<void> {
    await this.#running;
    this.#closed = true;
    this.#syncing?.clear();
    this.#retrying?.clear();
    const file = this.#file;
    this.#file = undefined;
    try {
      if (this.#unsynced && this.#parts.policy !== "never") await file?.sync();
      await file?.close();
    } catch (error) {
      this.#parts.log.warn("the journal could not be closed", { error: errorMessage(error) });
    }
  }

  async #run(): Promise<void> {
    // In a turn of its own, so that records of one turn share a write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      const trouble = await this.#write(batch);
      for (const { done } of batch) done(trouble);
    }
    this.#running = undefined;
  }

  async #write(batch: readonly Waiting[]): Promise<string | undefined> {
    const { clock, policy } = this.#parts;
    if (this.#trouble !== undefined && clock.monotonic() < this.#trouble.until) return this.#trouble.reason;
    try {
      const needsCompaction = this.#size > COMPACT_BYTES && this.#size > 2 * this.#sizeAtCompaction;
      if (this.#file === undefined || needsCompaction) await this.#compact();
      else await this.#append(batch);
      const strict = policy === "always" && batch.some(({ need }) => need === "synced");
      for (const { need, done } of batch) if (need === "written") done(undefined);
      if (strict && this.#unsynced) await this.#sync();
      else this.#syncSoon();
      this.#recovered();
      return undefined;
    } catch (error) {
      return await this.#failed(error);
    }
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    const bytes = joined(batch.map(({ line }) => line));
    this.#unsynced = true;
    await this.#file?.append(bytes);
    this.#size += bytes.length;
  }

  /** Writes all valid records into a new file, with the batch. */
  async #compact(): Promise<void> {
    const { files, folder, policy, state } = this.#parts;
    const records = state();
    const [path, fresh] = [files.join(folder, NAME), files.join(folder, `${NAME}.new`)];
    const file = await files.newFile(fresh);
    try {
      let size = 0;
      for (const slice of slices(records)) {
        await file.append(slice);
        size += slice.length;
      }
      if (policy !== "never") await file.sync();
      await files.rename(fresh, path);
      if (policy !== "never") await files.syncFolder(folder);
      const old = this.#file;
      [this.#file, this.#size, this.#sizeAtCompaction, this.#unsynced] = [file, size, size, false];
      await old?.close();
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  async #sync(): Promise<void> {
    this.#unsynced = false;
    await this.#file?.sync();
  }

  #syncSoon(): void {
    if (this.#syncing !== undefined || !this.#unsynced || this.#parts.policy === "never") return;
    this.#syncing = this.#parts.clock.after(SYNC_MS, () => {
      this.#syncing = undefined;
      if (this.#running === undefined) this.#backgroundSync();
      else this.#syncSoon();
    });
  }

  #backgroundSync(): void {
    if (!this.#unsynced || this.#closed) return;
    this.#running = this.#sync().catch((error) => void this.#failed(error)).then(() => {
      this.#running = this.#queue.length > 0 ? this.#run() : undefined;
    });
  }

  /** After a failed write or fsync the content is unknown. The file is rewritten when that works. */
  async #failed(error: unknown): Promise<string> {
    const { clock, log, folder } = this.#parts;
    const said = errorMessage(error);
    const reason = `the journal in ${folder} cannot be written: ${said}`;
    if (this.#trouble === undefined) {
      log.error(`${reason}; prompts and keyed commands are refused until it can`);
    }
    this.#trouble = { reason, until: clock.monotonic() + RETRY_MS };
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
    this.#retrySoon();
    return reason;
  }

  /** Retries even without a request, because the outcome of commands belongs on disk. */
  #retrySoon(): void {
    if (this.#closed || this.#retrying !== undefined) return;
    this.#retrying = this.#parts.clock.after(RETRY_MS * 8, () => {
      this.#retrying = undefined;
      if (this.#trouble === undefined || this.#closed) return;
      if (this.#running !== undefined) return this.#retrySoon();
      this.#running = this.#write([]).then((trouble) => {
        if (trouble !== undefined) this.#retrySoon();
        this.#running = this.#queue.length > 0 ? this.#run() : undefined;
      });
    });
  }

  #recovered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#parts.log.info("the journal can be written again");
  }
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const [only] = lines;
  if (lines.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length;
  }
  return bytes;
}

function* slices(records: readonly JournalRecord[]): Generator<Uint8Array> {
  let lines: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records) {
    const line = encodeRecord(record);
    lines.push(line);
    bytes += line.length;
    if (bytes < SLICE_BYTES) continue;
    yield joined(lines);
    [lines, bytes] = [[], 0];
  }
  if (lines.length > 0) yield joined(lines);
}
