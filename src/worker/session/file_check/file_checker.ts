// What a session file passes before pi opens it, at load_session, switch_session_file and when a parked session goes on:
// looked through as a whole, and repaired where it is damaged. The two are apart, since the file must be claimed in
// between: what another session drives is not written.
import type { FileRepair } from "../../../protocol/schema/responses.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { FileFormat } from "../agent_port.ts";
import { type Inspected, inspectFile } from "./file_inspector.ts";
import { repairFile } from "./file_repair.ts";
import type { Outcome } from "../../../protocol/failures.ts";

/** What the checks of one host are made of. */
export interface FileCheckerParts {
  readonly files: Files;
  readonly format: FileFormat;
  /** Bytes that the host may hold; absent: without a bound. */
  readonly memoryBytes?: number | undefined;
  log(message: string, fields: Record<string, unknown>): void;
}

/** Checks session files for one host. */
export class FileChecker {
  readonly #parts: FileCheckerParts;

  constructor(parts: FileCheckerParts) {
    this.#parts = parts;
  }

  /** What the loaded pi understands. */
  get format(): FileFormat {
    return this.#parts.format;
  }

  /** Looks through a file whose path is canonical and allowed; writes nothing. */
  inspect(path: string): Promise<Outcome<Inspected>> {
    const { files, format, memoryBytes = Infinity } = this.#parts;
    return inspectFile({ files, format, memoryBytes }, path);
  }

  /** Readies a claimed file for pi: repairs it, or ends its last line; returns what had to be repaired. */
  async ready(inspected: Inspected): Promise<Outcome<FileRepair | undefined>> {
    const { files, log } = this.#parts;
    const { path, damage } = inspected;
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
