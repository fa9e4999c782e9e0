// The journal's file: records appended in batches that share one write and one fsync, and a new file written and
// renamed into place when the old one has grown beyond its worth or could not be written. Never blocks: whoever
// needs a record on disk waits for its promise. What the records mean is the ledger's business.
import { errorMessage } from "../../base/error_message.ts";
import type { Files, GrowingFile } from "../../runtime/runtime.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { FsyncPolicy } from "../../config/config.ts";
import type { Log } from "../../base/log.ts";
import { encodeRecord, type JournalRecord, JournalReplay, type JournalState } from "./journal_records.ts";
import type { KeyLimits } from "./idempotency_keys.ts";

/** What a journal is made of. */
export interface JournalFileParts {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: string;
  readonly policy: FsyncPolicy;
  /** All that a new file has to hold, taken at one moment. */
  readonly state: () => readonly JournalRecord[];
}

/** What an earlier server has left. */
export interface Read {
  readonly folded: JournalState;
  /** Why it could not be read as a whole. */
  readonly damage?: string;
}

/** How sure a record is to be before its promise resolves: on disk, or handed to the system. */
export type Durability = "synced" | "written";

interface Waiting {
  readonly line: Uint8Array;
  readonly need: Durability;
  readonly done: (trouble: string | undefined) => void;
}

/** Milliseconds after which what was written is forced to the disk in any case. */
const SYNC_MS = 1_000;
/** Milliseconds between two tries to write while the disk refuses. */
const RETRY_MS = 250;
/** A file smaller than this is not worth writing anew. */
const COMPACT_BYTES = 4 * 1024 * 1024;
/** Bytes that are put together at a time when a file is written anew. */
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

  /** Why the journal cannot be written, while that is so. */
  get problem(): string | undefined {
    return this.#trouble?.reason;
  }

  /** Reads what an earlier server has left, and says what is wrong with it. Never a reason not to start. */
  static async read(
    { files, folder }: Pick<JournalFileParts, "files" | "folder">,
    limits: KeyLimits,
  ): Promise<Read> {
    const path = files.join(folder, NAME);
    const folding = new JournalReplay(limits);
    let unreadable: string | undefined;
    try {
      const found = await files.stat(path);
      // Whoever reads a pipe waits for ever.
      if (found !== undefined && found.kind !== "file") throw new Error("it is no file");
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
   * Sets a file aside that could not be read as a whole, and writes what was intact anew. At once, and the old file
   * keeps its place until then: a crash that comes before the first command must not cost what was intact.
   */
  async replace(damage: string): Promise<void> {
    const { files, folder, clock, log } = this.#parts;
    const path = files.join(folder, NAME);
    const aside = `${path}.damaged-${clock.now()}`;
    // What is no file has no second name.
    await files.link(path, aside).catch(() => files.rename(path, aside)).catch(() => {});
    log.warn("the journal could not be read as a whole; what was intact is kept, the file is set aside", {
      why: damage,
      aside,
    });
    await this.#write([]);
  }

  /** Appends a record. Resolves with nothing, or with why it could not be written. */
  append(record: JournalRecord, need: Durability): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve("the server is stopping");
    const line = encodeRecord(record);
    return new Promise((done) => {
      this.#queue.push({ line, need, done });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when all that was appended so far is written, or cannot be. */
  async written(): Promise<string | undefined> {
    await this.#running;
    return this.problem;
  }

  /** Writes what is waiting, forces it to the disk and lets go of the file. */
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
    // In a turn of its own, so that what comes together is written together.
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
      const worn = this.#size > COMPACT_BYTES && this.#size > 2 * this.#sizeAtCompaction;
      if (this.#file === undefined || worn) await this.#compact();
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

  /** Writes all that counts into a new file; the batch is part of that already. */
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

  /** After a failed write or fsync nobody knows what the file holds: it is written anew once that works. */
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

  /** Also when nobody asks: what has ended meanwhile belongs on disk. */
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
