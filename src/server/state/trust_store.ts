// Folders whose own extensions and settings may be loaded because somebody said so once (docs/PROTOCOL.md#paths-and-trust): kept in
// `trusted.json` of the state folder, which no session can write. By canonical path, each folder for itself.
import { errorMessage } from "../../base/error_message.ts";
import type { Log } from "../../base/log.ts";
import { isRecord } from "../../base/json.ts";
import type { Files } from "../../runtime/runtime.ts";

/** Most folders that are remembered; of more, the one that was named longest ago is forgotten. */
const MOST_FOLDERS = 10_000;

/** What the book needs of the machine. */
export interface TrustStoreParts {
  readonly files: Files;
  readonly file: string;
  readonly log: Log;
}

/** The remembered folders, the one named last at the end. */
export class TrustStore {
  readonly #folders = new Set<string>();
  #parts: TrustStoreParts | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** A write is waiting for its turn; it takes along what is said until then. */
  #waiting = false;

  /** Reads what was remembered. A damaged file counts as none: nothing is trusted by mistake. */
  async open(parts: TrustStoreParts): Promise<void> {
    this.#parts = parts;
    try {
      const stored: unknown = JSON.parse(await parts.files.read(parts.file) ?? "{}");
      const folders = isRecord(stored) && Array.isArray(stored["folders"]) ? stored["folders"] : [];
      for (const folder of folders) if (typeof folder === "string") this.#folders.add(folder);
    } catch (error) {
      parts.log.warn("the remembered folders cannot be read; none is trusted", {
        error: errorMessage(error),
      });
    }
  }

  /** All of them. */
  get folders(): readonly string[] {
    return [...this.#folders];
  }

  /** Remembers a folder, or forgets it; `tell` is called when that is news. */
  set({ folder, trusted }: { folder: string; trusted: boolean }, tell: () => void = () => {}): void {
    const known = this.#folders.delete(folder);
    if (trusted) this.#folders.add(folder);
    const [oldest] = this.#folders;
    if (this.#folders.size > MOST_FOLDERS && oldest !== undefined) this.#folders.delete(oldest);
    if (known === trusted) return;
    this.#save();
    tell();
  }

  /** Resolves when everything is on disk that was said so far. */
  saved(): Promise<void> {
    return this.#saving;
  }

  #save(): void {
    const parts = this.#parts;
    if (parts === undefined || this.#waiting) return;
    this.#waiting = true;
    const write = async (): Promise<void> => {
      this.#waiting = false;
      try {
        const text = JSON.stringify({ folders: this.folders }, null, 2);
        await parts.files.writePrivate(parts.file, `${text}\n`);
      } catch (error) {
        parts.log.error("the remembered folders cannot be saved", { error: errorMessage(error) });
      }
    };
    this.#saving = this.#saving.then(write);
  }
}
