// Does: the parts of a runtime that Deno and Node share: clock, files, randomness, signals, environment.
// Used by: deno.ts and node.ts. Uses: Node's built-in modules, which Deno has too.
import { Buffer } from "node:buffer";
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { constants, fstatSync, readFileSync, statSync } from "node:fs";
import {
  access,
  chmod,
  type FileHandle,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { availableParallelism, homedir, hostname, loadavg, tmpdir, totalmem } from "node:os";
import * as path from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { withFaults } from "./fault_injection.ts";
import { chunksOf, NO_LINK, NO_WAIT, openRegular, partOf, readRegular } from "./regular_file.ts";
import { endChildren, output, tagChildProcesses, tagWorkerProcesses } from "./child_processes.ts";
import { guardProcess, leave } from "./process_guard.ts";
import { absolute, stand } from "./working_directory.ts";
import { codeOf, orMissing } from "../base/system_errors.ts";
import { alive, processStartId } from "./process_ids.ts";
import { outputIsRead } from "./output_watch.ts";
import { clock } from "./running_clock.ts";
import type { Files, FileStat, GrowingFile, InputKind, Memory, SignalName, Timer } from "./runtime.ts";

/**
 * Milliseconds that looks at files take of one turn of the event loop. More would delay a page, which needs many turns.
 * Less would need more turns, and each costs older Deno a millisecond.
 */
const LOOKS_MS = 0.5;

/** Bits of a file's mode for its kind, and their value for a character device (stat(2)). */
const FILE_KIND = 0o170000;
const CHARACTER_DEVICE = 0o020000;

const LF = 10;

/** Bytes of a file that are read at a time. */
const CHUNK_BYTES = 64 * 1024;

function describe(
  found: { isFile(): boolean; isDirectory(): boolean; size: number; mtimeMs: number; ino: number },
): FileStat {
  const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
  return { kind, size: found.size, modifiedAt: found.mtimeMs, inode: found.ino };
}

/** Writes a new file beside `file`. It is on disk when the promise resolves. */
async function writeBeside(file: string, text: string): Promise<string> {
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  // Exclusive creation never follows a link, even a dangling one.
  const handle = await open(temporary, "wx", 0o600);
  try {
    await withFaults(
      "write",
      file,
      () => handle.writeFile(text),
      () => handle.writeFile(text.slice(0, text.length >> 1)),
    );
    await withFaults("sync", file, () => handle.sync());
  } finally {
    await handle.close();
  }
  return temporary;
}

async function createPrivate(file: string, text: string): Promise<boolean> {
  const temporary = await writeBeside(file, text);
  try {
    // A hard link appears with its whole text or not at all, and fails when the name is taken.
    await link(temporary, file);
    return true;
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, "code") === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readPrivate(file: string): Promise<string> {
  const handle = await openRegular(file, constants.O_RDONLY, "refused");
  try {
    // Checks the handle and not the path, which may name another file by now.
    const found = await handle.stat();
    const user = process.getuid?.();
    if (user !== undefined && found.uid !== user) throw new Error("it belongs to another user");
    if ((found.mode & 0o077) !== 0) await handle.chmod(0o600);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

async function newFile(file: string): Promise<GrowingFile> {
  await rm(file, { force: true });
  const handle = await open(file, "ax", 0o600);
  return {
    append: (bytes) =>
      withFaults(
        "write",
        file,
        () => writeAll(handle, bytes),
        () => writeAll(handle, bytes.subarray(0, bytes.length >> 1)),
      ),
    sync: () => withFaults("sync", file, () => handle.datasync()),
    close: () => handle.close(),
  };
}

/** Writes all bytes, in as many writes as needed. Deno 2.4's handle has no `appendFile`. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function ensureTrailingNewline(file: string): Promise<void> {
  const handle = await openRegular(file, constants.O_RDWR, "refused");
  try {
    const { size } = await handle.stat();
    if (size === 0) return;
    const { buffer } = await handle.read({ buffer: new Uint8Array(1), position: size - 1 });
    if (buffer[0] !== LF) await handle.write(new Uint8Array([LF]), 0, 1, size);
  } finally {
    await handle.close();
  }
}

async function appendAt(file: string, size: number, text: string): Promise<boolean> {
  const handle = await openRegular(file, constants.O_RDWR | constants.O_APPEND, "refused");
  try {
    if ((await handle.stat()).size !== size) return false;
    await writeAll(handle, new TextEncoder().encode(text));
    return true;
  } finally {
    await handle.close();
  }
}

/**
 * Opens or makes the file for writing, never through a link. Undefined for a link, or a pipe without a reader.
 */
async function openOrMake(file: string): Promise<{ handle: FileHandle; made: boolean } | undefined> {
  const refused = (error: unknown): undefined => {
    if (["ELOOP", "EMLINK", "ENXIO", "EEXIST"].includes(codeOf(error))) return undefined;
    throw error;
  };
  const found = await orMissing(lstat(file));
  if (found === undefined) {
    const folder = path.dirname(file);
    if (await realpath(folder) !== folder) return undefined;
    const handle = await open(file, "wx+").catch(refused);
    return handle === undefined ? undefined : { handle, made: true };
  }
  if (!found.isFile()) return undefined;
  const handle = await open(file, constants.O_RDWR | NO_LINK | NO_WAIT).catch(refused);
  return handle === undefined ? undefined : { handle, made: false };
}

/**
 * How often a path is compared. No look tells the file and its folders at once. A program that swaps a folder for a link
 * and back could pass one comparison: the file by the link, and the path after it. To pass all of them, each swap must
 * hit the moment between two looks.
 */
const COMPARISONS = 8;

/** Whether the path still names the opened file, without a link, and the file has no other name. */
async function isExactly(handle: FileHandle, file: string): Promise<boolean> {
  const opened = await handle.stat();
  if (!opened.isFile() || opened.nlink !== 1) return false;
  for (let n = 0; n < COMPARISONS; n++) {
    const named = await lstat(file);
    if (opened.dev !== named.dev || opened.ino !== named.ino || await realpath(file) !== file) return false;
  }
  return true;
}

async function writeAt(
  file: string,
  bytes: Uint8Array,
  replaces: (head: string) => boolean,
): Promise<boolean> {
  const target = await openOrMake(file);
  if (target === undefined) return false;
  const { handle, made } = target;
  try {
    if (!await isExactly(handle, file)) return false;
    if (!made) {
      const { bytesRead, buffer } = await handle.read({ buffer: new Uint8Array(CHUNK_BYTES), position: 0 });
      if (!replaces(new TextDecoder().decode(buffer.subarray(0, bytesRead)))) return false;
      await handle.truncate(0);
    }
    for (let at = 0; at < bytes.length;) {
      at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten;
    }
    return true;
  } catch (error) {
    // Removes the file only if the path still names it.
    if (made && await isExactly(handle, file).catch(() => false)) await rm(file);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Memory of the machine, or of the container if it has less (cgroup v2). */
export function machineBytes(): number {
  try {
    const most = Number(readFileSync("/sys/fs/cgroup/memory.max", "utf8"));
    if (most > 0) return Math.min(most, totalmem());
  } catch {
    // Another system, or no such container.
  }
  return totalmem();
}

async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  // A link is the user's own choice. Its target stays as it is, but must belong to the user too.
  const led = found.isSymbolicLink() ? await stat(folder) : found;
  const user = process.getuid?.();
  if (user !== undefined && led.uid !== user) throw new Error("it belongs to another user");
  if (found.isSymbolicLink() && user !== undefined && (led.mode & 0o022) !== 0) {
    throw new Error("it is a link to a folder that others may write to");
  }
  if (found.isDirectory() && (found.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

/** What is there now. On Deno its own call takes less than half the time of `statSync`. */
function statNow(path: string): FileStat | undefined {
  try {
    if ("Deno" in globalThis) {
      const { isFile, isDirectory, size, mtime, ino } = Deno.statSync(path);
      const kind = isFile ? "file" : isDirectory ? "directory" : "other";
      return { kind, size, modifiedAt: mtime?.getTime() ?? 0, inode: ino ?? 0 };
    }
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? undefined : describe(found);
  } catch {
    return undefined;
  }
}

/** Files through node:fs. */
export const files: Files = {
  async stat(file) {
    const found = await orMissing(stat(file));
    return found === undefined ? undefined : describe(found);
  },
  async statEach(paths, each) {
    let began = performance.now();
    for (const path of paths) {
      each(path, statNow(path));
      if (performance.now() - began < LOOKS_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      began = performance.now();
    }
  },
  realpath: (file) => orMissing(realpath(file)),
  read: (file) => orMissing(readRegular(file)),
  readAny: (file) => orMissing(readFile(file, "utf8")),
  list: async (folder) => await orMissing(readdir(folder)) ?? [],
  async entries(folder) {
    const found = await orMissing(readdir(folder, { withFileTypes: true })) ?? [];
    return found.map((entry) => ({
      name: entry.name,
      kind: entry.isSymbolicLink()
        ? "link"
        : entry.isFile()
        ? "file"
        : entry.isDirectory()
        ? "directory"
        : "other",
    }));
  },
  chunks: chunksOf,
  part: partOf,
  appendAt,
  ensureTrailingNewline: ensureTrailingNewline,
  copyMode: async (from, to) => await chmod(to, (await stat(from)).mode & 0o777),
  async writePrivate(file, text) {
    const beside = await writeBeside(file, text);
    await withFaults("rename", file, () => rename(beside, file));
    await syncFolder(path.dirname(file));
  },
  createPrivate,
  makePrivateFolder,
  writable: (file) => access(file, constants.W_OK).then(() => true, () => false),
  async isLink(file) {
    return (await orMissing(lstat(file)))?.isSymbolicLink() ?? false;
  },
  async readLink(file) {
    const found = await orMissing(lstat(file));
    return found?.isSymbolicLink() ? await readlink(file) : undefined;
  },
  readPrivate,
  rename: (from, to) => withFaults("rename", to, () => rename(from, to)),
  link,
  syncFolder,
  newFile,
  writeAt,
  makeTemporaryFolder: () => mkdtemp(path.join(tmpdir(), "pi-server-")),
  removeFolder: (folder) => rm(folder, { recursive: true, force: true }),
  remove: (file) => rm(file, { force: true }),
  join: (...parts) => path.join(...parts),
  resolve: (base, file) => path.resolve(base, file),
  parent: (file) => path.dirname(file),
  ofUrl: (url) => fileURLToPath(url),
  separator: path.sep,
};

/** The first two numbers of a version. */
export function versionOf(text: string): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return [major, minor];
}

/** Clock, timers, randomness, environment, signals. */
export const common = {
  files,
  pid: process.pid,
  tagChildProcesses,
  tagWorkerProcesses,
  endChildren,
  output,
  memory(): Memory {
    const { heapUsed, external, rss } = process.memoryUsage();
    return { ownBytes: heapUsed + external, residentBytes: rss };
  },
  processors: (): number => availableParallelism(),
  load: (): number => (loadavg()[0] ?? 0) / availableParallelism(),
  hostname: (): string => hostname(),
  now: (): number => Date.now(),
  monotonic: (): number => clock.monotonic(),
  wokeAt: (): number => clock.wokeAt(),
  after: (ms: number, fn: () => void): Timer => clock.after(ms, fn),
  keepTime: (): Timer => clock.keep(),
  steady: (): number => performance.now(),
  alive,
  processStartId,
  uuid: (): string => randomUUID(),
  randomHex: (bytes: number): string => randomBytes(bytes).toString("hex"),
  sha256: (text: string): string => createHash("sha256").update(text).digest("base64"),
  content: {
    hash: (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex"),
    encode: (text: string): Uint8Array => Buffer.from(text),
    size: (text: string): number => Buffer.byteLength(text),
    fromBase64: (text: string): Uint8Array => Buffer.from(text, "base64"),
    toBase64: ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
      Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
  },
  equalTexts(a: string, b: string): boolean {
    // Hashes first, because timingSafeEqual needs two texts of equal length.
    const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
    return timingSafeEqual(digest(a), digest(b));
  },
  env: (name: string): string | undefined => process.env[name],
  envNames: (): readonly string[] => Object.keys(process.env),
  forgetEnv(name: string): void {
    delete process.env[name];
  },
  absolute,
  stand,
  home: (): string => homedir(),
  temporary: (): string => tmpdir(),
  program: (): string => process.execPath,
  // process.on on both runtimes: proper-lockfile's signal-exit counts these listeners, and would otherwise
  // kill the process itself (docs/PI.md#the-process).
  onSignal(name: SignalName, fn: () => void): () => void {
    process.on(name, fn);
    return () => process.off(name, fn);
  },
  outputIsRead,
  inputKind(): InputKind {
    if (process.stdin.isTTY) return "terminal";
    try {
      // Uses the bits of the mode, because isCharacterDevice() of Deno 2.4 is always false. A character device that
      // is not a terminal is the null device. So is a descriptor that was closed before the start.
      return (fstatSync(0).mode & FILE_KIND) === CHARACTER_DEVICE ? "null" : "stream";
    } catch {
      return "closed";
    }
  },
  guardProcess,
  exit: leave,
};
