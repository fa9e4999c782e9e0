// Does: writes records to stdout as lines, in the order in which they arise, without making anybody wait.
// Used by: rpc_front.ts.
import { toJson } from "../../../base/text.ts";
import type { Io } from "../../subcommand.ts";
import type { PiRecord } from "./rpc_commands.ts";

/**
 * Bytes of records that share the memory of one write. About so many arise while a slow reader takes the write before.
 * A record beyond them gets memory of its own, which costs a third more processor time.
 */
const KEPT_BYTES = 2 * 1024 * 1024;

/** Memory for the records of one write. */
class Kept {
  readonly #buffer = new Uint8Array(KEPT_BYTES);
  #used = 0;

  /** A copy that is valid until `clear`. */
  copy(bytes: Uint8Array): Uint8Array {
    if (this.#used + bytes.length > KEPT_BYTES) return bytes.slice();
    const copy = this.#buffer.subarray(this.#used, this.#used += bytes.length);
    copy.set(bytes);
    return copy;
  }

  clear(): void {
    this.#used = 0;
  }
}

/** The records that wait for stdout. */
export class RpcOutput {
  readonly #io: Io;
  readonly #failed: (error: unknown) => void;
  #lines: (string | Uint8Array)[] = [];
  /** One takes copies while the other one is written. */
  #kept = new Kept();
  #spare = new Kept();
  #writing: Promise<void> | undefined;

  /** @param failed hears when stdout takes nothing more */
  constructor(io: Io, failed: (error: unknown) => void) {
    this.#io = io;
    this.#failed = failed;
  }

  /** Writes a record behind all earlier ones. */
  write(record: PiRecord): void {
    this.writeJson(toJson(record));
  }

  /** Writes a record that is JSON already, as a text or as bytes. Bytes are copied. */
  writeJson(json: string | Uint8Array): void {
    this.#lines.push(typeof json === "string" ? json : this.#kept.copy(json), "\n");
    this.#writing ??= this.#drain().catch(this.#failed);
  }

  /** Resolves once everything is written. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    // The records of one read of the socket arise one behind the other, and become one write.
    await undefined;
    try {
      while (this.#lines.length > 0) {
        const [lines, kept] = [this.#lines, this.#kept];
        this.#lines = [];
        [this.#kept, this.#spare] = [this.#spare, kept];
        await this.#io.stdout.write(lines);
        kept.clear();
      }
    } finally {
      // In the same step as the last look, so that no record comes between them.
      this.#writing = undefined;
    }
  }
}
