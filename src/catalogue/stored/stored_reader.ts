// Does: finds the file of a session that no worker runs, checks its place, and answers a command from it.
// Used by: catalogue.ts. Uses: stored_history.ts.
// Invariant: it reads a session's file only where the record has it. A link that leads elsewhere is refused.
import type { CatalogueAnswer, StoredRead } from "../../ipc/catalogue_messages.ts";
import { unreadable } from "../../protocol/failures.ts";
import type { PathGuard } from "../../worker/session/files/path_guard.ts";
import { canonicalFile, unmovedFile } from "../../worker/session/files/session_files.ts";
import { StoredHistory, type StoredHistoryParts } from "./stored_history.ts";

export interface StoredReaderParts extends StoredHistoryParts {
  readonly files: StoredHistoryParts["files"] & Parameters<typeof canonicalFile>[0];
  readonly guard: Pick<PathGuard, "real">;
}

/** Reads the files of sessions that no worker runs. */
export class StoredReader {
  readonly #parts: StoredReaderParts;
  readonly #history: StoredHistory;

  constructor(parts: StoredReaderParts) {
    this.#parts = parts;
    this.#history = new StoredHistory(parts);
  }

  /** Answers from the file. Never rejects. */
  async read(read: StoredRead): Promise<CatalogueAnswer> {
    const found = await this.#read(read).catch(unreadable);
    return found.ok ? { ok: true, dataText: found.value } : found;
  }

  async #read({ command, sessionFile, file, leaf }: StoredRead): ReturnType<StoredHistory["page"]> {
    const { files, guard } = this.#parts;
    const place = await unmovedFile(
      files,
      guard,
      file ?? await canonicalFile(files, sessionFile),
      sessionFile,
    );
    if (!place.ok) return place;
    if (command.type === "get_content") return await this.#history.content(place.value, command);
    return await this.#history.page(place.value, leaf === undefined ? command : { ...command, leaf });
  }
}
