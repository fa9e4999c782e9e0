// Does: keeps the trusted folders in `trusted.json` of the state folder (docs/PROTOCOL.md#paths-and-trust).
// Used by: the manager, for all workers. Invariant: no session can write it, and each folder counts for itself.
import { errorMessage } from "../../base/error_message.ts";
import type { Log } from "../../base/log.ts";
import { isRecord } from "../../base/json.ts";
import type { Files } from "../../runtime/runtime.ts";

/** The most trusted folders. Above that, the oldest is dropped. */
const MOST_FOLDERS = 10_000;

export interface TrustStoreParts {
  readonly files: Files;
  readonly file: string;
  readonly log: Log;
}

/** The trusted folders, the newest at the end. */
export class TrustStore {
  readonly #folders = new Set<string>();
  #parts: TrustStoreParts | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** A write waits for its turn. It includes later changes. */
  #waiting = false;

  /** Reads the file. A damaged file counts as empty, so that no folder is trusted by mistake. */
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

  /** Adds or removes a folder. Calls `tell` when that is a change. */
  set({ folder, trusted }: { folder: string; trusted: boolean }, tell: () => void = () => {}): void {
    const known = this.#folders.delete(folder);
    if (trusted) this.#folders.add(folder);
    const [oldest] = this.#folders;
    if (this.#folders.size > MOST_FOLDERS && oldest !== undefined) this.#folders.delete(oldest);
    if (known === trusted) return;
    this.#save();
    tell();
  }

  /** Resolves when every change so far is on disk. */
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
