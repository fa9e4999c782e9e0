// Does: writes records to stdout as lines, in the order in which they arise, without making anybody wait.
// Used by: rpc_front.ts.
import { toJson } from "../../../base/text.ts";
import type { Io } from "../../subcommand.ts";
import type { PiRecord } from "./rpc_commands.ts";

/** The records that wait for stdout. */
export class RpcOutput {
  readonly #io: Io;
  readonly #failed: (error: unknown) => void;
  #lines: (string | Uint8Array)[] = [];
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

  /** Writes a record that is JSON already, as a text or as bytes. */
  writeJson(json: string | Uint8Array): void {
    this.#lines.push(json, "\n");
    this.#writing ??= this.#drain().catch(this.#failed).finally(() => this.#writing = undefined);
  }

  /** Resolves once everything is written. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      this.#lines = [];
      await this.#io.stdout.write(lines);
    }
  }
}
