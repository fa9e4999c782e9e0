// Does: stores the whole output of a long shell command in a file that only the user can read.
// Used by: shell_output.ts. The server removes a log after a day, and all logs at its end.
// Invariant: a log is complete before its path is returned. A disk error costs the log, and never the command.
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../runtime/runtime.ts";

/** Milliseconds that a log is kept. The folder is removed when the server ends. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** The most bytes of a log, so that an endless command does not fill the disk. */
const MOST_BYTES = 1024 * 1024 * 1024;

/** Makes logs in one folder. */
export class ShellLogs {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #mostBytes: number;

  /** @param folder the first log creates it */
  constructor(clock: Clock, folder: string, mostBytes: number = MOST_BYTES) {
    this.#clock = clock;
    this.#folder = folder;
    this.#mostBytes = mostBytes;
  }

  /** Begins a log. Undefined when the disk refuses it. */
  async begin(): Promise<ShellLog | undefined> {
    try {
      await mkdir(this.#folder, { mode: 0o700 }).catch((error) => {
        // An earlier log has made the folder. Its name is random, so no other user can have made it.
        if (!(error instanceof Error) || Reflect.get(error, "code") !== "EEXIST") throw error;
      });
      const path = join(this.#folder, `pi-bash-${randomBytes(8).toString("hex")}.log`);
      const log = new ShellLog(path, await open(path, "wx", 0o600), this.#mostBytes);
      this.#clock.after(KEPT_MS, () => void rm(path, { force: true }).catch(() => {}));
      return log;
    } catch {
      return undefined;
    }
  }
}

/** One log. */
export class ShellLog {
  readonly path: string;
  readonly #handle: FileHandle;
  #left: number;
  #state: "open" | "full" | "closed" = "open";

  constructor(path: string, handle: FileHandle, bytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#left = bytes;
  }

  /** Appends, and resolves when the file has the bytes. False when the disk refused; the log is then gone. */
  async append(bytes: Uint8Array): Promise<boolean> {
    if (this.#state !== "open") return this.#state === "full";
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    try {
      await this.#write(part);
      if (part.length < bytes.length) {
        this.#state = "full";
        await this.#write(
          new TextEncoder().encode("\n[pi-server: the log is full; the rest was not kept]\n"),
        );
      }
      return true;
    } catch {
      await this.close();
      await rm(this.path, { force: true }).catch(() => {});
      return false;
    }
  }

  /** The text of a closed log. Past the bytes it is its beginning and its end, in pi's words. */
  async read(most: number): Promise<{ content: string; truncated: boolean }> {
    const handle = await open(this.path, "r");
    try {
      const { size } = await handle.stat();
      if (size <= most) {
        return { content: new TextDecoder().decode(await part(handle, 0, size)), truncated: false };
      }
      const half = Math.floor(most / 2);
      const head = new TextDecoder().decode(await part(handle, 0, half), { stream: true });
      const end = await part(handle, size - half, half);
      // A piece of a character at its beginning is left out.
      const from = end.findIndex((byte) => (byte & 0xc0) !== 0x80);
      const tail = new TextDecoder().decode(end.subarray(Math.max(0, from)));
      const content = `${head}\n\n[... ${size - 2 * half} bytes omitted ...]\n\n${tail}`;
      return { content, truncated: true };
    } finally {
      await handle.close();
    }
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    await this.#handle.close().catch(() => {});
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += (await this.#handle.write(bytes, at)).bytesWritten;
  }
}

async function part(handle: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await handle.read(bytes, 0, length, from);
  return bytes.subarray(0, bytesRead);
}
