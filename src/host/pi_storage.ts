// pi's own session file while the disk refuses (PI_FACTS §5: pi swallows the error, and its data is gone). What could
// not be written is told, kept, and written once the disk takes it again, without a torn line in between.
import { statSync, truncateSync } from "node:fs";
import type { Clock, Timer } from "../runtime/runtime.ts";

/** Milliseconds between two tries to write what is missing. */
const RETRY_MS = 2_000;

/** The part of pi's history that writes; nothing of it is in pi's types. */
interface Writer {
  readonly sessionFile: string | undefined;
  /** Whether the file holds all entries; pi writes them all when it does not. */
  flushed: boolean;
  _persist(entry: unknown): void;
}

/** Whom to tell. */
export interface StorageParts {
  readonly clock: Clock;
  failed(file: string, error: string): void;
}

function sizeOf(file: string): number {
  return file === "" ? 0 : statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Watches what pi writes of one history. */
class Storage {
  readonly #writer: Writer;
  readonly #parts: StorageParts;
  readonly #write: (entry: unknown) => void;
  #missing: unknown[] = [];
  /** What the file was before the first failed write. */
  #good = { file: "", size: 0, flushed: false };
  #retry: Timer | undefined;

  constructor(writer: Writer, parts: StorageParts) {
    this.#writer = writer;
    this.#parts = parts;
    this.#write = writer._persist.bind(writer);
  }

  persist(entry: unknown): void {
    const { sessionFile: file = "", flushed } = this.#writer;
    // What was missing in another file is missing there for good: pi has left it.
    if (file !== this.#good.file) this.#missing = [];
    this.#missing.push(entry);
    if (this.#missing.length === 1) this.#good = { file, size: sizeOf(file), flushed };
    this.#flush();
  }

  #flush(): void {
    const { file } = this.#good;
    const again = this.#retry !== undefined;
    this.#retry?.clear();
    this.#retry = undefined;
    try {
      if (again && sizeOf(file) > this.#good.size) truncateSync(file, this.#good.size);
      this.#writer.flushed = this.#good.flushed;
      // The first write after pi has written nothing yet writes everything.
      const entries = this.#good.flushed ? this.#missing : this.#missing.slice(-1);
      for (const entry of entries) this.#write(entry);
      this.#missing = [];
    } catch (error) {
      if (!again) this.#parts.failed(file, error instanceof Error ? error.message : String(error));
      this.#retry = this.#parts.clock.after(RETRY_MS, () => {
        if (this.#writer.sessionFile === file) this.#flush();
      });
    }
  }
}

const watched = new WeakSet<object>();

/** Watches a history from now on; once is enough for each. */
export function watchStorage(history: object, parts: StorageParts): void {
  if (watched.has(history) || typeof Reflect.get(history, "_persist") !== "function") return;
  watched.add(history);
  const storage = new Storage(history as unknown as Writer, parts);
  Reflect.set(history, "_persist", (entry: unknown) => storage.persist(entry));
}
