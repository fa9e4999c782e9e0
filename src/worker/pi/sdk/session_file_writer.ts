// pi's own session file while the disk refuses (docs/PI.md#session-files: pi swallows the error, and its data is gone). What could
// not be written is told, kept, and written once the disk takes it again, without a torn line in between. Also: a
// branch that holds messages is written at once, and not with its first answer.
import { errorMessage } from "../../../base/error_message.ts";
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

/** Milliseconds between two tries to write what is missing. */
const RETRY_MS = 2_000;

const LF = 10;

/** The mode of a new session file: prompts and answers are for the user alone. */
const PRIVATE = 0o600;

interface FileEntry {
  readonly type: string;
  readonly id: string;
  readonly message?: { readonly role?: string };
}

/** The part of pi's history that writes; nothing of it is in pi's types. */
interface Writer {
  readonly sessionFile: string | undefined;
  readonly fileEntries: readonly FileEntry[];
  /** Whether the file holds all entries; pi writes them all when it does not. */
  flushed: boolean;
  _persist(entry: unknown): void;
  _rewriteFile(): void;
}

/** Whom to tell. */
export interface StorageParts {
  readonly clock: Clock;
  failed(file: string, error: string): void;
}

/** What a file was at some time; empty when there was none. */
interface Look {
  readonly file: string;
  readonly size: number;
  /** Changes with every write, and when the file is put in another's place. */
  readonly mark: string;
}

function lookAt(file: string): Stats | undefined {
  const found = file === "" ? undefined : statSync(file, { throwIfNoEntry: false });
  return found?.isFile() ? found : undefined;
}

function sizeOf(file: string): number {
  return lookAt(file)?.size ?? 0;
}

/** The bytes of a file from there on, at most so many. */
function tailOf(file: string, from: number, most: number): Uint8Array {
  const bytes = new Uint8Array(most);
  const handle = openSync(file, "r");
  try {
    return bytes.subarray(0, readSync(handle, bytes, 0, most, from));
  } finally {
    closeSync(handle);
  }
}

/** Watches what pi writes of one history. */
class Storage {
  readonly #writer: Writer;
  readonly #parts: StorageParts;
  readonly #write: (entry: unknown) => void;
  #file = "";
  /** What the file was after the last write that succeeded. */
  #good = { size: 0, flushed: false };
  #missing: unknown[] = [];
  /** What the file was after our own last write, or when it was opened. */
  #own: Look;
  /** The file that another program has written to before our own last write. */
  #mixed: string | undefined;
  #retry: Timer | undefined;

  constructor(writer: Writer, parts: StorageParts) {
    this.#writer = writer;
    this.#parts = parts;
    this.#write = writer._persist.bind(writer);
    this.#catchUp();
    this.#own = this.#now();
  }

  /** The file, if it is another than we left it: pi locks nothing, and the branch of one of two writers is lost. */
  get foreign(): string | undefined {
    const now = this.#now();
    const { file, size } = now;
    if (this.#mixed === file) return file;
    if (this.#missing.length > 0) return undefined;
    // pi has gone on in another file, or begun this one, without a word to us.
    if (file !== this.#own.file || this.#own.size === 0) this.#own = now;
    const { mark } = this.#own;
    return size === 0 || (size === this.#own.size && now.mark === mark) ? undefined : file;
  }

  #now(): Look {
    const { sessionFile = "", flushed } = this.#writer;
    const found = flushed ? lookAt(sessionFile) : undefined;
    return { file: sessionFile, size: found?.size ?? 0, mark: `${found?.ino} ${found?.mtimeMs}` };
  }

  persist(entry: unknown): void {
    const { sessionFile = "", flushed } = this.#writer;
    const foreign = this.foreign;
    if (foreign !== undefined && this.#mixed !== foreign) {
      // In the middle of a run there is nobody to refuse; what it brings is kept, and both branches are in the file.
      this.#mixed = foreign;
      this.#parts.failed(
        foreign,
        "another program has written to the file, too; commands are refused from now on",
      );
    }
    if (sessionFile !== this.#file || this.#missing.length === 0) {
      // What was missing in another file is missing there for good: pi has left it.
      [this.#file, this.#missing] = [sessionFile, []];
      const size = sizeOf(sessionFile);
      // A file that is out of reach for a moment is not taken for an empty one.
      this.#good = { size: flushed && size === 0 ? Infinity : size, flushed };
    }
    this.#missing.push(entry);
    this.#flush();
  }

  #flush(): void {
    const again = this.#retry !== undefined;
    this.#retry?.clear();
    this.#retry = undefined;
    try {
      if (again) this.#mend();
      // Where there is no file (any more), everything is written with the last entry.
      const whole = !this.#good.flushed || (again && sizeOf(this.#file) === 0);
      this.#writer.flushed = !whole;
      const entries = whole ? this.#missing.slice(-1) : this.#missing;
      for (const entry of entries) this.#put(entry);
      this.#missing = [];
      this.#own = this.#now();
    } catch (error) {
      if (!again) this.#parts.failed(this.#file, errorMessage(error));
      this.#retry = this.#parts.clock.after(RETRY_MS, () => {
        if (this.#writer.sessionFile === this.#file) this.#flush();
      });
    }
  }

  /** What pi has added to a file without an answer while it opened it, and has left unwritten. */
  #catchUp(): void {
    const { sessionFile = "", flushed, fileEntries } = this.#writer;
    if (flushed || sizeOf(sessionFile) === 0 || fileEntries.some(isAnswer)) return;
    try {
      const text = readFileSync(sessionFile, "utf8");
      const missing = fileEntries.filter(({ id }) => !text.includes(JSON.stringify(id)));
      appendFileSync(sessionFile, missing.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
      this.#writer.flushed = true;
    } catch (error) {
      this.#parts.failed(sessionFile, errorMessage(error));
    }
  }

  #put(entry: unknown): void {
    const { flushed, fileEntries } = this.#writer;
    // Without an answer pi takes the file for one that is not there, and would write all of it once more behind it.
    if (!flushed || fileEntries.some(isAnswer) || sizeOf(this.#file) === 0) return this.#write(entry);
    appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  /** Takes away what a failed write has left of itself, and nothing that is another's. */
  #mend(): void {
    const { size, flushed } = this.#good;
    const now = sizeOf(this.#file);
    if (now <= size) return;
    const entries = flushed ? this.#missing : this.#writer.fileEntries;
    const ours = new TextEncoder().encode(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    const tail = tailOf(this.#file, size, now - size);
    if (tail.length <= ours.length && tail.every((byte, at) => byte === ours[at])) {
      truncateSync(this.#file, size);
    } else if (tail.at(-1) !== LF) appendFileSync(this.#file, "\n");
  }
}

const watched = new WeakMap<object, Storage>();

/** Watches a history from now on; once is enough for each. */
export function watchStorage(history: object, parts: StorageParts): void {
  if (watched.has(history) || typeof Reflect.get(history, "_persist") !== "function") return;
  const storage = new Storage(history as unknown as Writer, parts);
  watched.set(history, storage);
  Reflect.set(history, "_persist", (entry: unknown) => storage.persist(entry));
}

function isAnswer({ type, message }: FileEntry): boolean {
  return type === "message" && message?.role === "assistant";
}

/**
 * Makes pi write a branch with messages when it is made. pi itself waits for an answer, opens the file that is not
 * there yet, and goes on without the messages.
 *
 * @param histories the prototype of pi's histories
 */
export function persistBranches(histories: object): void {
  const branch: unknown = Reflect.get(histories, "createBranchedSession");
  if (typeof branch !== "function") return;
  Reflect.set(histories, "createBranchedSession", function (this: Writer, ...args: unknown[]): unknown {
    const path: unknown = Reflect.apply(branch, this, args);
    const said = this.fileEntries.some(({ type }) => type === "message" || type === "custom_message");
    if (path === this.sessionFile && path !== undefined && !this.flushed && said) {
      this._rewriteFile();
      this.flushed = true;
    }
    return path;
  });
}

/**
 * Makes pi create session files that only the user can read. pi creates them with the umask's mode, 0644 as a rule.
 *
 * @param histories the prototype of pi's histories
 */
export function createPrivately(histories: object): void {
  const [persist, rewrite]: unknown[] = ["_persist", "_rewriteFile"].map((name) =>
    Reflect.get(histories, name)
  );
  if (typeof persist !== "function" || typeof rewrite !== "function") return;
  Reflect.set(histories, "_persist", function (this: Writer, entry: unknown): void {
    const { sessionFile = "", flushed, fileEntries } = this;
    if (sessionFile === "" || flushed || !fileEntries.some(isAnswer) || sizeOf(sessionFile) > 0) {
      return Reflect.apply(persist, this, [entry]);
    }
    // The newer pi creates this file itself and fails where the file exists, so an empty one cannot be made first.
    writeNew(sessionFile, fileEntries.map((one) => `${JSON.stringify(one)}\n`).join(""));
    this.flushed = true;
  });
  Reflect.set(histories, "_rewriteFile", function (this: Writer): void {
    const { sessionFile = "" } = this;
    if (sessionFile !== "") writeNew(sessionFile, "");
    Reflect.apply(rewrite, this, []);
  });
}

/** Appends to a file, which is created if it does not exist. */
function writeNew(file: string, text: string): void {
  const handle = openSync(file, "a", PRIVATE);
  try {
    writeFileSync(handle, text);
  } finally {
    closeSync(handle);
  }
}

/** The file of a history that another program has written to, since pi last did. */
export function externalWrite(history: object): string | undefined {
  return watched.get(history)?.foreign;
}
