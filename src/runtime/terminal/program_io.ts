// The Io of the real process, made of Node's built-in modules, which Deno has too. Loads nothing of the server.
// Used by: mod.ts alone, which hands it to the subcommand that the user named.
// Invariant: stdin is not touched until it is read, and every write is in the order in which it was asked for.
import { constants, fstatSync } from "node:fs";
import { access, mkdir, open, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import * as path from "node:path";
import process from "node:process";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";
import { orMissing } from "../../base/system_errors.ts";
import { clipboardImage } from "./clipboard_image.ts";
import { alive, processStartId } from "../process_ids.ts";
import { type BackgroundProcess, type Input, type Io, type Output, ReaderGoneError } from "./io.ts";
import { openTerminal } from "./terminal_device.ts";

/** Folder names of the last part of a log file's path are made for the owner alone. */
const OWNER_ALL = 0o700;
const OWNER_FILE = 0o600;

/** Bytes of one write. Deno writes in another thread, so few large writes cost less than many. */
const BUFFER_BYTES = 256 * 1024;

/** The most bytes of one character in UTF-8. With fewer left, the buffer may take nothing more. */
const MOST_CHARACTER_BYTES = 4;

const isDeno = "Deno" in globalThis;
const isBinary = isDeno && Deno.build.standalone;

function isReaderGone(error: unknown): boolean {
  const code = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return code === "EPIPE" || code === "ECONNRESET" || (isDeno && error instanceof Deno.errors.BrokenPipe);
}

/** Writes all bytes to stdout or stderr. */
async function writeAll(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
  if (isDeno) {
    const stream = fd === 1 ? Deno.stdout : Deno.stderr;
    for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
    return;
  }
  const stream = fd === 1 ? process.stdout : process.stderr;
  await new Promise<void>((resolve, reject) => {
    stream.write(bytes, (error) => error ? reject(error) : resolve());
  });
}

/** Encodes texts into one buffer, and writes it whenever it is full: long texts are never joined, nor held twice. */
class PieceWriter {
  readonly #fd: 1 | 2;
  readonly #encoder = new TextEncoder();
  #buffer: Uint8Array<ArrayBuffer> | undefined;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  async write(texts: readonly (string | Uint8Array)[]): Promise<void> {
    const buffer = this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    let used = 0;
    for (const text of texts) {
      for (let at = 0; at < text.length;) {
        if (BUFFER_BYTES - used < MOST_CHARACTER_BYTES) {
          await writeAll(this.#fd, buffer.subarray(0, used));
          used = 0;
        }
        const { read, written } = this.#put(text, at, buffer.subarray(used));
        at += read;
        used += written;
      }
    }
    if (used > 0) await writeAll(this.#fd, buffer.subarray(0, used));
  }

  /** Puts what fits of a text, from `at` on, at the beginning of `room`. */
  #put(text: string | Uint8Array, at: number, room: Uint8Array): { read: number; written: number } {
    if (typeof text === "string") return this.#encoder.encodeInto(at === 0 ? text : text.slice(at), room);
    const piece = text.subarray(at, at + room.length);
    room.set(piece);
    return { read: piece.length, written: piece.length };
  }
}

function output(fd: 1 | 2): Output {
  const pieces = new PieceWriter(fd);
  const isTerminal = isatty(fd);
  let last: Promise<void> = Promise.resolve();
  let gone = false;
  // On Node a failed write is reported twice: to its callback, and as an event that would end the process.
  if (!isDeno) (fd === 1 ? process.stdout : process.stderr).on("error", () => {});
  const size = (): { columns: number; rows: number } => {
    if (!isTerminal) return { columns: 80, rows: 24 };
    if (isDeno) return Deno.consoleSize();
    const { columns = 80, rows = 24 } = fd === 1 ? process.stdout : process.stderr;
    return { columns, rows };
  };
  const write = async (text: string | readonly (string | Uint8Array)[]): Promise<void> => {
    if (gone) throw new ReaderGoneError("the reader of the output has closed it");
    try {
      await pieces.write(typeof text === "string" ? [text] : text);
    } catch (error) {
      if (!isReaderGone(error)) throw error;
      gone = true;
      throw new ReaderGoneError("the reader of the output has closed it");
    }
  };
  return {
    isTerminal,
    get columns() {
      return size().columns;
    },
    get rows() {
      return size().rows;
    },
    async isRead() {
      if (isTerminal || fd !== 1) return true;
      const { outputIsRead } = await import("../output_watch.ts");
      return await outputIsRead();
    },
    write(text) {
      const next = last.then(() => write(text));
      last = next.catch(() => {});
      return next;
    },
  };
}

/** Whether file descriptor 0 is open: a program may be started without one. */
function stdinIsOpen(): boolean {
  try {
    fstatSync(0);
    return true;
  } catch {
    return false;
  }
}

function input(): Input {
  return {
    isTerminal: stdinIsOpen() && isatty(0),
    async *bytes() {
      if (!stdinIsOpen()) return;
      for await (const chunk of process.stdin) {
        yield typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
      }
    },
    setRaw(on) {
      if (isDeno) Deno.stdin.setRaw(on);
      else process.stdin.setRawMode(on);
    },
    close() {
      process.stdin.pause();
      process.stdin.destroy();
    },
  };
}

/** The command that started this program, without its arguments. */
function ownCommand(): [program: string, ...args: string[]] {
  // Deno 2.4 to 2.9 takes arguments for its own executable to be Node's, in a compiled program as well, and rewrites
  // them (`run -A …` before them). The same path in another spelling is left alone.
  if (isBinary) {
    return [`${path.dirname(process.execPath)}${path.sep}.${path.sep}${path.basename(process.execPath)}`];
  }
  if (isDeno) {
    // The flags of `deno task serve`, without which sessions could not be held to permissions.
    return [
      process.execPath,
      ...["run", "-A", "--no-prompt", "--unstable-worker-options"],
      "--v8-flags=--max-old-space-size=16384,--max-semi-space-size=8",
      fileURLToPath(Deno.mainModule),
    ];
  }
  return [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}

async function startSelf(args: readonly string[], logFile: string): Promise<BackgroundProcess> {
  const { spawn } = await import("node:child_process");
  await mkdir(path.dirname(logFile), { recursive: true, mode: OWNER_ALL });
  const log = await open(logFile, "a", OWNER_FILE);
  try {
    const [program, ...own] = ownCommand();
    // A process group of its own: the Ctrl-C of this terminal does not reach it.
    const child = spawn(program, [...own, ...args], {
      detached: true,
      windowsHide: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    const ended = new Promise<number | string>((resolve) =>
      child.once("exit", (code, signal) => resolve(code ?? signal ?? 1))
    );
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
    return { pid: child.pid ?? 0, ended };
  } finally {
    await log.close();
  }
}

/** Programs that open an address in the user's browser, by system. */
function browsers(url: string): readonly (readonly string[])[] {
  if (process.platform === "darwin") return [["open", url]];
  if (process.platform === "win32") return [["rundll32", "url.dll,FileProtocolHandler", url]];
  return [["xdg-open", url], ["wslview", url]];
}

/** Milliseconds after which a program that still runs is taken to show the page. */
const BROWSE_MS = 2000;

async function browse(url: string): Promise<boolean> {
  const { spawn } = await import("node:child_process");
  for (const [program = "", ...args] of browsers(url)) {
    const shown = await new Promise<boolean>((resolve) => {
      const child = spawn(program, args, { detached: true, stdio: "ignore" });
      const timer = setTimeout(() => resolve(true), BROWSE_MS);
      const over = (done: boolean): void => {
        clearTimeout(timer);
        resolve(done);
      };
      child.once("error", () => over(false));
      child.once("exit", (code) => over(code === 0));
      child.once("spawn", () => child.unref());
    });
    if (shown) return true;
  }
  return false;
}

async function portFree(host: string, port: number): Promise<boolean> {
  const { createServer } = await import("node:net");
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    // It has ended, or belongs to another user.
    return false;
  }
}

async function residentBytes(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(text)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

const after: Io["after"] = (ms, fn) => {
  const timer = setTimeout(fn, ms);
  return { clear: () => clearTimeout(timer) };
};

/** Makes the Io of this process. */
export function programIo(): Io {
  return {
    stdin: input(),
    stdout: output(1),
    stderr: output(2),
    build: isBinary ? "binary" : isDeno ? "deno" : "node",
    runtimeVersion: isDeno ? Deno.version.deno : process.versions.node,
    system: process.platform,
    pid: process.pid,
    env: (name) => process.env[name] === "" ? undefined : process.env[name],
    home: homedir,
    cwd: () => process.cwd(),
    absolute: (file) => path.resolve(file),
    join: (...parts) => path.join(...parts),
    async read(file) {
      const found = await orMissing(stat(file));
      if (found !== undefined && !found.isFile()) throw new Error(`${file} is not a regular file`);
      return found === undefined ? undefined : await orMissing(readFile(file, "utf8"));
    },
    readAny: (file) => orMissing(readFile(file, "utf8")),
    async stat(file) {
      const found = await orMissing(stat(file));
      if (found === undefined) return undefined;
      const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
      return { kind, mode: found.mode & 0o777 };
    },
    async readBytes(file, most) {
      const found = await orMissing(stat(file));
      if (found === undefined) return undefined;
      if (!found.isFile()) throw new Error(`${file} is not a regular file`);
      if (found.size > most) throw new Error(`${file} has ${found.size} bytes; at most ${most} are taken`);
      return await orMissing(readFile(file));
    },
    terminal: openTerminal,
    writable: (folder) => access(folder, constants.W_OK).then(() => true, () => false),
    onSignal(name, fn) {
      process.on(name, fn);
      return () => process.off(name, fn);
    },
    signal,
    alive,
    processStartId,
    residentBytes,
    portFree,
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after,
    delay: (ms) => new Promise((resolve) => after(ms, resolve)),
    uuid: () => crypto.randomUUID(),
    ownCommand,
    startSelf,
    clipboardImage,
    browse,
  };
}
