// Does: keeps a row for each session file: finds the files, reads what has changed in the background, saves the rows.
// Used by: catalogue.ts. Uses: session_places.ts, row.ts and index_store.ts.
// Invariant: `fresh` compares the row with the file of this moment, and reads the file again when it has changed.
import { deadline } from "../base/async/deadline.ts";
import type { FileFormat } from "../ipc/file_format.ts";
import type { Clock, Files, FileStat, Timer } from "../runtime/runtime.ts";
import type { IndexStore } from "./index_store.ts";
import { isFresh, readRow, type Row } from "./row.ts";
import { forEach, type SessionPlaces } from "./session_places.ts";

/** Files that are read at the same time. */
const READERS = 4;

/** The most files in the index. The others are not listed. */
const MOST_FILES = 200_000;

/** Milliseconds between two looks at all files behind answers, and how many times the time that one takes. */
const [LOOK_EVERY_MS, LOOK_SHARE] = [1_000, 10];

/** Milliseconds between a change and the save of the index. */
const SAVE_MS = 5_000;

export interface SessionIndexParts {
  readonly clock: Clock;
  readonly files: Files;
  readonly format: FileFormat;
  readonly places: SessionPlaces;
  readonly store: IndexStore;
  /** A file came, went, or has another row. */
  changed(path: string): void;
  warn(message: string, fields: Record<string, unknown>): void;
}

/** A file, and what is known of it. */
export interface Known {
  readonly stat: FileStat;
  readonly row?: Row;
}

/** The session files of one server. */
export class SessionIndex {
  readonly #parts: SessionIndexParts;
  readonly #known = new Map<string, Known>();
  /** Files without a row of their present state. */
  readonly #unread = new Set<string>();
  readonly #reading = new Map<string, Promise<Row | undefined>>();
  #stored = new Map<string, Row>();
  #paths: ReadonlySet<string> | undefined;
  #looking: Promise<void> | undefined;
  #due: Timer | undefined;
  /** On the monotonic clock: when all files may be looked at again. */
  #nextLook = 0;
  #background: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #saveDue: Timer | undefined;
  #closed = false;
  #full = false;

  constructor(parts: SessionIndexParts) {
    this.#parts = parts;
  }

  /** Takes the rows of an earlier start, finds the files, and begins to read the others. */
  async open(): Promise<void> {
    this.#stored = new Map((await this.#parts.store.load()).map((row) => [row.path, row]));
    await this.look();
    // Rows of files that are gone.
    for (const path of this.#stored.keys()) this.#parts.store.touch(path);
    this.#stored.clear();
  }

  /** How many files there are, and how many of them have a row of their present state. */
  get progress(): { readonly files: number; readonly indexed: number } {
    return { files: this.#known.size, indexed: this.#known.size - this.#unread.size };
  }

  /** All paths. */
  get paths(): Iterable<string> {
    return this.#known.keys();
  }

  /** What is known of a file, without a look at it. */
  get(path: string): Known | undefined {
    return this.#known.get(path);
  }

  /** Whether the row was that of the file at the last look. */
  isRead(path: string): boolean {
    return !this.#unread.has(path);
  }

  /** Looks for files that came, went or changed, and has the changed ones read. Joins a look that is under way. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => this.#looking = undefined);
    return this.#looking;
  }

  /** Looks for files that came or went, which costs little, however many files there are. Returns those that came. */
  async lookAtFolders(): Promise<ReadonlySet<string>> {
    const paths = await this.#parts.places.look();
    if (paths === this.#paths) return new Set();
    for (const path of [...this.#known.keys()]) if (!paths.has(path)) this.forget(path);
    const met = new Set([...paths].filter((path) => !this.#known.has(path)));
    await this.#parts.files.statEach(met, (path, stat) => this.#meet(path, stat));
    this.#paths = paths;
    return met;
  }

  /** Looks at all files behind the answer to a client, but not all the time. */
  lookSoon(): void {
    const { clock } = this.#parts;
    if (this.#looking !== undefined || this.#due !== undefined || this.#closed) return;
    const rest = Math.max(0, this.#nextLook - clock.monotonic());
    this.#due = clock.after(rest, () => {
      this.#due = undefined;
      void this.look();
    });
  }

  /** A file has probably changed. */
  async touched(path: string): Promise<void> {
    if (this.#known.has(path)) await this.#see(path);
    this.#readRest();
  }

  /**
   * The row of a file as it is now. Undefined when the file is gone or cannot be read. "late" when it is too large to be
   * read in time; it is then read in the background.
   */
  async fresh(path: string, withinMs: number): Promise<Row | undefined | "late"> {
    const stat = await this.#see(path);
    if (stat === undefined) return undefined;
    const row = this.#known.get(path)?.row;
    if (row !== undefined && !this.#unread.has(path)) return row;
    const reading = this.#read(path, stat);
    return withinMs === Infinity
      ? await reading
      : await deadline(this.#parts.clock, withinMs, reading, "late");
  }

  /** The file is gone. */
  forget(path: string): void {
    this.#unread.delete(path);
    if (!this.#known.delete(path)) return;
    this.#parts.store.touch(path);
    this.#saveSoon();
    this.#parts.changed(path);
  }

  /** Saves the rows, and reads no more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#saveDue?.clear();
    this.#due?.clear();
    await this.#save();
  }

  async #look(): Promise<void> {
    const { clock } = this.#parts;
    const started = clock.monotonic();
    const met = await this.lookAtFolders();
    const others = [...this.#known.keys()].filter((path) => !met.has(path));
    await this.#parts.files.statEach(others, (path, stat) => {
      if (!this.#closed && this.#known.has(path)) this.#take(path, stat);
    });
    const ended = clock.monotonic();
    this.#nextLook = ended + Math.max(LOOK_EVERY_MS, LOOK_SHARE * (ended - started));
    this.#readRest();
  }

  /** Takes a new file into the index, unless that is full. */
  #meet(path: string, stat: FileStat | undefined): void {
    if (this.#known.size < MOST_FILES) return void this.#take(path, stat);
    if (!this.#full) {
      this.#parts.warn("there are more session files than the index holds", { most: MOST_FILES });
    }
    this.#full = true;
  }

  /** Looks at one file. Returns its state, or undefined when it is gone. */
  async #see(path: string): Promise<FileStat | undefined> {
    return this.#take(path, await this.#parts.files.stat(path).catch(() => undefined));
  }

  /** Takes what a look at a file has found. Returns its state, or undefined when it is gone. */
  #take(path: string, stat: FileStat | undefined): FileStat | undefined {
    if (stat?.kind !== "file") {
      this.forget(path);
      return undefined;
    }
    const known = this.#known.get(path);
    const row = known?.row ?? this.#stored.get(path);
    this.#stored.delete(path);
    const { size, modifiedAt, inode } = known?.stat ?? { size: -1, modifiedAt: 0 };
    const same = size === stat.size && modifiedAt === stat.modifiedAt && inode === stat.inode;
    if (row !== undefined && isFresh(row, stat)) this.#unread.delete(path);
    else this.#unread.add(path);
    if (same) return stat;
    this.#known.set(path, row === undefined ? { stat } : { stat, row });
    this.#parts.changed(path);
    return stat;
  }

  #read(path: string, stat: FileStat): Promise<Row | undefined> {
    const running = this.#reading.get(path);
    if (running !== undefined) return running;
    const { files, format, clock, store } = this.#parts;
    const before = this.#known.get(path)?.row;
    const reading = readRow(files, path, stat, format, clock.now(), before).then((row) => {
      // It may have been deleted meanwhile.
      if (!this.#known.has(path)) return undefined;
      this.#known.set(path, { stat, row });
      this.#unread.delete(path);
      store.touch(path);
      this.#saveSoon();
      this.#parts.changed(path);
      return row;
    }, () => {
      // A file that disappears or cannot be read is left out, like one that is not a session.
      this.#unread.delete(path);
      return undefined;
    }).finally(() => this.#reading.delete(path));
    this.#reading.set(path, reading);
    return reading;
  }

  /** Reads all files without a row, the newest first. */
  #readRest(): void {
    if (this.#background !== undefined || this.#unread.size === 0 || this.#closed) return;
    const at = (path: string): number => this.#known.get(path)?.stat.modifiedAt ?? 0;
    const paths = [...this.#unread].sort((a, b) => at(b) - at(a));
    this.#background = forEach(paths, READERS, async (path) => {
      if (this.#closed || !this.#unread.has(path)) return;
      const stat = await this.#see(path);
      if (stat !== undefined && this.#unread.has(path)) await this.#read(path, stat);
    }).finally(() => this.#background = undefined);
  }

  #saveSoon(): void {
    if (this.#saveDue !== undefined || this.#closed) return;
    this.#saveDue = this.#parts.clock.after(SAVE_MS, () => {
      this.#saveDue = undefined;
      void this.#save();
    });
  }

  #save(): Promise<void> {
    const rows = function* (known: ReadonlyMap<string, Known>): Generator<Row> {
      for (const { row } of known.values()) if (row !== undefined) yield row;
    };
    this.#saving = this.#saving.then(() => this.#parts.store.save(rows(this.#known)));
    return this.#saving;
  }
}
