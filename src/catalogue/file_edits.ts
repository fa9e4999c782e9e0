// Does: renames a stored session by one more entry in its file, and moves a file to the trash or removes it.
// Used by: catalogue.ts. The server thread has made sure that no session and no other server drives the file.
// Invariant: it never writes into a file that another program has just changed, and never moves anything over a file.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { type Outcome, writtenByOther } from "../protocol/failures.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { IDS_SINCE } from "../worker/session/file_check/entry_shape.ts";
import type { PathGuard } from "../worker/session/files/path_guard.ts";
import type { SessionIndex } from "./session_index.ts";
import { TRASH } from "./session_places.ts";

export interface FileEditsParts {
  readonly index: SessionIndex;
  readonly guard: PathGuard;
  readonly runtime: Pick<Runtime, "files" | "randomHex" | "now">;
}

/** Edits of files at rest. */
export class FileEdits {
  readonly #parts: FileEditsParts;

  constructor(parts: FileEditsParts) {
    this.#parts = parts;
  }

  /** Names a session, as pi does. Returns why that is not possible. */
  async rename(file: string, name: string): Promise<Failure | undefined> {
    const { index, guard, runtime } = this.#parts;
    const still = await guard.still(file);
    if (!still.ok) return still.failure;
    const row = await index.fresh(file, Infinity);
    if (row === undefined || row === "late" || row.header === undefined) {
      return failure("path_not_found", `${file} does not exist any more, or is not a session`);
    }
    if (row.newer !== undefined) {
      const sentence =
        `${file} holds entries that this server's pi does not know; name it with the pi that wrote them`;
      return failure("session_file_newer", sentence, { data: { newerEntries: row.newer } });
    }
    const parentId = row.lastId;
    if (row.tail === undefined || parentId === undefined || row.header.version < IDS_SINCE) {
      const sentence = `${file} does not end with a whole entry; load the session, and send set_session_name`;
      return failure("session_file_damaged", sentence);
    }
    const entry = {
      type: "session_info",
      id: runtime.randomHex(4),
      parentId,
      timestamp: new Date(runtime.now()).toISOString(),
      name,
    };
    try {
      if (!await runtime.files.appendAt(file, row.size, `${JSON.stringify(entry)}\n`)) {
        return writtenByOther(file);
      }
    } catch (error) {
      return failure("internal", `The name cannot be written to ${file}: ${errorMessage(error)}`);
    }
    return undefined;
  }

  /** Moves a file to the trash beside it, or removes it. Returns its new path. */
  async remove(file: string, permanent: boolean): Promise<Outcome<{ deleted: true; trashFile?: string }>> {
    const { index, guard, runtime: { files } } = this.#parts;
    const still = await guard.still(file);
    if (!still.ok) return still;
    const folder = files.parent(file);
    try {
      const trashFile = permanent ? undefined : await this.#inTrash(file, folder);
      if (trashFile === undefined) await files.remove(file);
      else await files.rename(file, trashFile);
      await files.syncFolder(folder);
      index.forget(file);
      return { ok: true, value: { deleted: true, ...(trashFile === undefined ? {} : { trashFile }) } };
    } catch (error) {
      return { ok: false, failure: failure("internal", `${file} cannot be deleted: ${errorMessage(error)}`) };
    }
  }

  /** A free path in the trash. */
  async #inTrash(file: string, folder: string): Promise<string> {
    const { files, randomHex } = this.#parts.runtime;
    const trash = files.join(folder, TRASH);
    await files.makePrivateFolder(trash);
    if (await files.realpath(trash) !== trash) throw new Error(`${trash} is a link; remove it`);
    const name = file.slice(folder.length).replace(/^[/\\]+/, "");
    const path = files.join(trash, name);
    return await files.stat(path) === undefined ? path : `${path}.${randomHex(4)}`;
  }
}
