// Does: keeps the paths of archived session files in `archived.json` of the state folder.
// Used by: server/lists. Invariant: the mark is about a file, so it survives the session, the index and a restart.
import { errorMessage } from "../../base/error_message.ts";
import { isRecord } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import type { Files } from "../../runtime/runtime.ts";

/** The most archived files. */
export const MOST_ARCHIVED = 100_000;

export interface ArchiveStoreParts {
  readonly files: Files;
  readonly file: string;
  readonly log: Log;
}

/** The archived session files. */
export class ArchiveStore {
  readonly #parts: ArchiveStoreParts;
  readonly #paths = new Set<string>();
  #saving: Promise<string | undefined> = Promise.resolve(undefined);

  private constructor(parts: ArchiveStoreParts) {
    this.#parts = parts;
  }

  /** Reads the file. A damaged one is set aside, and nothing is archived. */
  static async open(parts: ArchiveStoreParts): Promise<ArchiveStore> {
    const store = new ArchiveStore(parts);
    const { files, file, log } = parts;
    try {
      if (await files.stat(file) === undefined) return store;
      const stored: unknown = JSON.parse(await files.readPrivate(file));
      const paths = isRecord(stored) && Array.isArray(stored["files"]) ? stored["files"] : [];
      for (const path of paths.slice(0, MOST_ARCHIVED)) if (typeof path === "string") store.#paths.add(path);
    } catch (error) {
      log.warn("the archived sessions cannot be read; none counts as archived", {
        file,
        error: errorMessage(error),
      });
      await files.rename(file, `${file}.aside`).catch(() => {});
    }
    return store;
  }

  /** All of them. */
  get paths(): Iterable<string> {
    return this.#paths;
  }

  get isFull(): boolean {
    return this.#paths.size >= MOST_ARCHIVED;
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  /** Marks a file, or removes the mark. Resolves when that is on disk, or with the reason why it is not. */
  set(path: string, archived: boolean): Promise<string | undefined> {
    if (this.#paths.has(path) === archived) return this.#saving;
    if (archived) this.#paths.add(path);
    else this.#paths.delete(path);
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  /** Resolves when every change so far is on disk. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  async #save(): Promise<string | undefined> {
    const { files, file, log } = this.#parts;
    try {
      await files.writePrivate(file, `${JSON.stringify({ files: [...this.#paths] })}\n`);
      return undefined;
    } catch (error) {
      const reason = errorMessage(error);
      log.error("the archived sessions cannot be saved", { file, error: reason });
      return reason;
    }
  }
}
