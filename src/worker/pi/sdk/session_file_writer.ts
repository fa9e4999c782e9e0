// Does: keeps entries that pi could not write to its session file, and writes them when the disk works again.
// Used by: live_session.ts and factory.ts. pi ignores write errors (docs/PI.md#session-files).
// Invariant: no torn line stays in between. A branch with messages is written at once.
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
import { checkFence } from "../../session/file_check/write_fence.ts";

/** Milliseconds between two tries to write what is missing. */
const RETRY_MS = 2_000;

const LF = 10;

/** The mode of a new session file: only the user can read prompts and answers. */
const PRIVATE = 0o600;

interface FileEntry {
  readonly type: string;
  readonly id: string;
  readonly message?: { readonly role?: string };
}

/** The part of pi's history that writes. pi's types do not have it. */
interface Writer {
  readonly sessionFile: string | undefined;
  readonly fileEntries: readonly FileEntry[];
  /** Whether the file holds all entries. When it does not, pi writes all of them. */
  flushed: boolean;
  _persist(entry: unknown): void;
  _rewriteFile(): void;
}

/** The receiver of reports. */
export interface StorageParts {
  readonly clock: Clock;
  failed(file: string, error: string): void;
}

/** The state of a file at one time. Empty when there was no file. */
interface Look {
  readonly file: string;
  readonly size: number;
  /** Changes with every write, and when another file takes the path. */
  readonly mark: string;
}

function lookAt(file: string): Stats | undefined {
  const found = file === "" ? undefined : statSync(file, { throwIfNoEntry: false });
  return found?.isFile() ? found : undefined;
}

function sizeOf(file: string): number {
  return lookAt(file)?.size ?? 0;
}

/** The bytes of a file from an offset, up to a limit. */
function tailOf(file: string, from: number, most: number): Uint8Array {
  const bytes = new Uint8Array(most);
  const handle = openSync(file, "r");
  try {
    return bytes.subarray(0, readSync(handle, bytes, 0, most, from));
  } finally {
    closeSync(handle);
  }
}

/** Watches pi's writes of one history. */
class Storage {
  readonly #writer: Writer;
  readonly #parts: StorageParts;
  readonly #write: (entry: unknown) => void;
  #file = "";
  /** The state after the last write that succeeded. */
  #good = { size: 0, flushed: false };
  #missing: unknown[] = [];
  /** The file after our own last write, or when it was opened. */
  #own: Look;
  /** The file that another program wrote to before our own last write. */
  #mixed: string | undefined;
  #retry: Timer | undefined;

  constructor(writer: Writer, parts: StorageParts) {
    this.#writer = writer;
    this.#parts = parts;
    this.#write = writer._persist.bind(writer);
    this.#catchUp();
    this.#own = this.#now();
  }

  /** The file, if another program changed it. pi locks nothing, and the branch of one writer would be lost. */
  get foreign(): string | undefined {
    const now = this.#now();
    const { file, size } = now;
    if (this.#mixed === file) return file;
    if (this.#missing.length > 0) return undefined;
    // pi has switched to another file, or started this one, without an event.
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
      // A run cannot be refused in the middle. Its entries are kept, and the file holds both branches.
      this.#mixed = foreign;
      this.#parts.failed(
        foreign,
        "another program has written to the file, too; commands are refused from now on",
      );
    }
    if (sessionFile !== this.#file || this.#missing.length === 0) {
      // pi has left the other file, so entries that are missing there stay missing.
      [this.#file, this.#missing] = [sessionFile, []];
      const size = sizeOf(sessionFile);
      // A file that is out of reach for a moment does not count as empty.
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
      checkFence();
      if (again) this.#mend();
      // Without a file, the last entry writes everything.
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

  /** Entries that pi added to a file without an answer while it opened it, and did not write. */
  #catchUp(): void {
    const { sessionFile = "", flushed, fileEntries } = this.#writer;
    if (flushed || sizeOf(sessionFile) === 0 || fileEntries.some(isAnswer)) return;
    try {
      const text = readFileSync(sessionFile, "utf8");
      const missing = fileEntries.filter(({ id }) => !text.includes(JSON.stringify(id)));
      checkFence();
      appendFileSync(sessionFile, missing.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
      this.#writer.flushed = true;
    } catch (error) {
      this.#parts.failed(sessionFile, errorMessage(error));
    }
  }

  #put(entry: unknown): void {
    const { flushed, fileEntries } = this.#writer;
    checkFence();
    // Without an answer pi believes that the file is missing, and would append all entries again.
    if (!flushed || fileEntries.some(isAnswer) || sizeOf(this.#file) === 0) return this.#write(entry);
    appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  /** Removes the rest of a failed write, and no byte of another program. */
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

/** Watches a history from now on. Call it once for each history. */
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
 * Makes pi write a branch with messages at once. pi itself waits for an answer, opens the missing file, and goes on
 * without the messages.
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
 * Makes pi create session files that only the user can read. pi uses the mode of the umask, usually 0644.
 *
 * @param histories the prototype of pi's histories
 */
export function createPrivately(histories: object): void {
  const [persist, rewrite]: unknown[] = ["_persist", "_rewriteFile"].map((name) =>
    Reflect.get(histories, name)
  );
  if (typeof persist !== "function" || typeof rewrite !== "function") return;
  // pi 1.6 creates the file with the first message, and pi 0.73 with the first answer.
  const speaks: unknown = Reflect.get(histories, "_hasConversation");
  const creates = (history: Writer): boolean =>
    typeof speaks === "function"
      ? Reflect.apply(speaks, history, []) === true
      : history.fileEntries.some(isAnswer);
  Reflect.set(histories, "_persist", function (this: Writer, entry: unknown): void {
    checkFence();
    const { sessionFile = "", flushed, fileEntries } = this;
    if (sessionFile === "" || flushed || !creates(this) || sizeOf(sessionFile) > 0) {
      return Reflect.apply(persist, this, [entry]);
    }
    // The newer pi creates this file itself, and fails when it exists. So no empty file can be made first.
    writeNew(sessionFile, fileEntries.map((one) => `${JSON.stringify(one)}\n`).join(""));
    this.flushed = true;
  });
  Reflect.set(histories, "_rewriteFile", function (this: Writer): void {
    const { sessionFile = "" } = this;
    checkFence();
    if (sessionFile !== "") writeNew(sessionFile, "");
    Reflect.apply(rewrite, this, []);
  });
}

/** Appends to a file, and creates it when it is missing. */
function writeNew(file: string, text: string): void {
  const handle = openSync(file, "a", PRIVATE);
  try {
    writeFileSync(handle, text);
  } finally {
    closeSync(handle);
  }
}

/** The file of a history that another program has written to since pi's last write. */
export function externalWrite(history: object): string | undefined {
  return watched.get(history)?.foreign;
}
