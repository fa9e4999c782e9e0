// Does: checks a session file before pi opens it, and repairs it when it is damaged.
// Used by: session_builder.ts and the history handlers. Uses: file_inspector.ts and file_repair.ts.
// Invariant: the two steps are separate, because the file must be claimed before it is written.
import { checkFence } from "./write_fence.ts";
import type { FileRepair } from "../../../protocol/schema/responses.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { FileFormat } from "../../../ipc/file_format.ts";
import { type Inspected, inspectFile } from "./file_inspector.ts";
import { repairFile } from "./file_repair.ts";
import type { Outcome } from "../../../protocol/failures.ts";

export interface FileCheckerParts {
  readonly files: Files;
  readonly format: FileFormat;
  /** The limit of the worker's memory. Absent: no limit. */
  readonly memoryBytes?: number | undefined;
  log(message: string, fields: Record<string, unknown>): void;
}

/** Checks session files for one worker. */
export class FileChecker {
  readonly #parts: FileCheckerParts;

  constructor(parts: FileCheckerParts) {
    this.#parts = parts;
  }

  /** The parts of a file that the loaded pi understands. */
  get format(): FileFormat {
    return this.#parts.format;
  }

  /** Reads a file, whose path must be canonical and allowed. Writes nothing. */
  inspect(path: string): Promise<Outcome<Inspected>> {
    const { files, format, memoryBytes = Infinity } = this.#parts;
    return inspectFile({ files, format, memoryBytes }, path);
  }

  /** Prepares a claimed file for pi: repairs it, or ends its last line. Returns the repair. Throws behind the fence. */
  async ready(inspected: Inspected): Promise<Outcome<FileRepair | undefined>> {
    const { files, log } = this.#parts;
    const { path, damage } = inspected;
    checkFence();
    if (damage === undefined) {
      await files.ensureTrailingNewline(path);
      return { ok: true, value: undefined };
    }
    const tell = (message: string): void => log(`a session file is damaged: ${message}`, { file: path });
    const repaired = await repairFile(files, { ...inspected, damage }, tell);
    if (repaired.ok) {
      const { copy } = repaired.value;
      log("a session file was repaired; the damaged one is kept", { file: path, copy });
    }
    return repaired;
  }
}
