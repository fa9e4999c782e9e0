// Files as pi's tools may use them: regular files of a bounded size, opened without waiting. pi itself opens
// whatever a path leads to: a FIFO takes a thread for good, a device never ends, a 400 MB file stops all sessions.
// Each path is judged before it is opened and again on the opened handle. Used by tools.ts.
import { Buffer } from "node:buffer";
import { constants, fstatSync, type Stats } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, stat } from "node:fs/promises";
import { IMAGE_TYPES } from "../sdk/sdk.ts";

/** The most that one call of a tool takes. */
interface Bounds {
  readonly tool: string;
  readonly bytes: number;
  readonly lines: number;
  /** What a model can do instead. */
  readonly instead: string;
}

const MEBI = 1024 * 1024;

/** Set by time: pi splits, joins and compares all lines at once, and no session is served meanwhile. */
const READ: Bounds = {
  tool: "read",
  bytes: 8 * MEBI,
  lines: 100_000,
  instead: "Use bash for a part of it, such as: sed -n '1,200p' FILE",
};
const EDIT: Bounds = {
  tool: "edit",
  bytes: 4 * MEBI,
  lines: 50_000,
  instead: "Use bash to change it, such as: sed -i 's/old/new/' FILE",
};
const GREP: Bounds = { ...READ, tool: "grep" };
const IMAGE_BYTES = 32 * MEBI;
const LIST_ENTRIES = 10_000;

const CHUNK_BYTES = 256 * 1024;
/** Enough for every signature, and for the chunks of a PNG before its first pixels. */
const HEAD_BYTES = 4100;
const LF = 10;

/** Not on Windows. Deno ignores it where permissions are partial, so the kind is checked before as well. */
const NO_WAIT: number = constants.O_NONBLOCK ?? 0;

/** Names of streams of a process, and devices. Deno's sandbox does not even say what they are. */
const STREAMS = /^\/dev\/(?!shm\/)|^\/proc\/[^/]+\/(?:task\/[^/]+\/)?fd\//;

/** A sentence for the model. pi prints it by `String(error)` in places, where the class's name would stand in front. */
class Refusal extends Error {
  override toString(): string {
    return this.message;
  }
}

function kindOf(found: Stats): string | undefined {
  if (found.isFile() || found.isDirectory()) return undefined;
  // The mode's own bits (stat(2)): Deno 2.4's isFIFO() and isSocket() are always false.
  const kind = found.mode & 0o170000;
  return kind === 0o010000 ? "a pipe" : kind === 0o140000 ? "a socket" : "a device";
}

/** Throws unless it is a regular file, or a folder, which the system itself refuses. */
function refuseKind(tool: string, path: string, found: Stats | undefined): void {
  const kind = STREAMS.test(path) ? "a device or a stream" : found && kindOf(found);
  if (kind === undefined) return;
  throw new Refusal(`${path} is ${kind}; ${tool} takes regular files only. Use bash for anything else`);
}

/** Throws where the name alone tells a device or a stream. The newer pi looks at the path before its operations do. */
export function refuseStream(tool: string, path: string): void {
  refuseKind(tool, path, undefined);
}

async function find(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, "code") === "ENOENT") return undefined;
    throw error;
  }
}

/** Runs `use` on the opened file. */
async function withFile<T>(
  tool: string,
  path: string,
  flags: number,
  use: (handle: FileHandle, found: Stats) => Promise<T>,
): Promise<T> {
  refuseKind(tool, path, undefined);
  refuseKind(tool, path, await find(path));
  const handle = await open(path, flags | NO_WAIT, 0o666);
  try {
    const found = await handle.stat();
    refuseKind(tool, path, found);
    return await use(handle, found);
  } finally {
    await handle.close();
  }
}

/** What stands in place of a size or a number of lines that is too much. */
function tooMuch(path: string, bounds: Bounds, found: string): Refusal {
  const { tool, bytes, lines, instead } = bounds;
  const most = `${bytes / MEBI} MB and ${lines.toLocaleString("en")} lines`;
  return new Refusal(`${path} has ${found}; ${tool} takes files of at most ${most}. ${instead}`);
}

const megabytes = (bytes: number): string => `${(bytes / MEBI).toFixed(1)} MB`;

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines++;
  return lines;
}

/** All of a file. Sizes are not trusted: those in /proc are 0, and a file may grow meanwhile. */
async function readAll(path: string, bounds: Bounds): Promise<Buffer> {
  return await withFile(bounds.tool, path, constants.O_RDONLY, async (handle, { size }) => {
    const chunks: Buffer[] = [];
    let [bytes, lines] = [0, 1];
    let limit = bounds;
    while (true) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(size - bytes, HEAD_BYTES)));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, bytes);
      if (bytesRead === 0) return Buffer.concat(chunks);
      const part = chunk.subarray(0, bytesRead);
      if (bytes === 0 && bounds === READ && imageType(part) !== undefined) {
        limit = { ...READ, bytes: IMAGE_BYTES, lines: Infinity, instead: "Use bash to make it smaller" };
      }
      bytes += bytesRead;
      const most = Math.max(bytes, size);
      if (most > limit.bytes) throw tooMuch(path, limit, megabytes(most));
      if (limit.lines !== Infinity) lines += linesIn(part);
      if (lines > limit.lines) {
        throw tooMuch(path, limit, `more than ${limit.lines.toLocaleString("en")} lines`);
      }
      chunks.push(part);
    }
  });
}

const text = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to));

/** Whether a PNG moves: its control chunk comes before the first pixels. */
function isAnimated(png: Uint8Array): boolean {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 8 <= png.length; at += 12 + view.getUint32(at)) {
    const name = text(png, at + 4, at + 8);
    if (name === "acTL" || name === "IDAT") return name === "acTL";
  }
  return false;
}

/** The type of an image that pi shows to a model, by its first bytes. */
export function imageType(head: Uint8Array): string | undefined {
  let type: string | undefined;
  if (text(head, 0, 3) === "\xff\xd8\xff") type = head[3] === 0xf7 ? undefined : "image/jpeg";
  else if (text(head, 0, 8) === "\x89PNG\r\n\x1a\n") type = isAnimated(head) ? undefined : "image/png";
  else if (/^GIF8[79]a/.test(text(head, 0, 6))) type = "image/gif";
  else if (text(head, 0, 4) === "RIFF" && text(head, 8, 12) === "WEBP") type = "image/webp";
  else if (text(head, 0, 2) === "BM" && head.length >= 26 && text(head, 6, 10) === "\0\0\0\0") {
    type = "image/bmp";
  }
  return type !== undefined && IMAGE_TYPES.has(type) ? type : undefined;
}

async function detectImage(path: string): Promise<string | undefined> {
  return await withFile("read", path, constants.O_RDONLY, async (handle) => {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return imageType(head.subarray(0, bytesRead));
  });
}

/** Whether an opened file is where the server's own input, protocol or log goes. */
function isOwnStream({ dev, ino }: Stats): boolean {
  return [0, 1, 2].some((descriptor) => {
    try {
      const own = fstatSync(descriptor);
      return ino !== 0 && own.dev === dev && own.ino === ino;
    } catch {
      // Closed, or not ours to look at.
      return false;
    }
  });
}

/** Writes a whole file. It is emptied only once the opened file has been judged. */
async function writeAll(tool: string, path: string, content: string): Promise<void> {
  await withFile(tool, path, constants.O_WRONLY | constants.O_CREAT, async (handle, found) => {
    if (isOwnStream(found)) {
      throw new Refusal(`${path} is where this server writes its protocol or its log; choose another file`);
    }
    await handle.truncate(0);
    await handle.writeFile(content, "utf-8");
  });
}

/** A file that may be read or changed; says it as pi does, with the system's own error, where it may not. */
async function mayOpen(tool: string, path: string, mode: number): Promise<void> {
  refuseKind(tool, path, undefined);
  await access(path, mode);
  refuseKind(tool, path, await stat(path));
}

/** What pi's `read` is made of. */
export const readOperations = {
  access: (path: string): Promise<void> => mayOpen("read", path, constants.R_OK),
  readFile: (path: string): Promise<Buffer> => readAll(path, READ),
  detectImageMimeType: detectImage,
};

/** What pi's `write` is made of. */
export const writeOperations = {
  mkdir: async (folder: string): Promise<void> => {
    // The refusal of the file itself says more than that of its folder.
    if (!STREAMS.test(`${folder}/`)) await mkdir(folder, { recursive: true });
  },
  writeFile: (path: string, content: string): Promise<void> => writeAll("write", path, content),
};

/** What pi's `edit` is made of. */
export const editOperations = {
  access: (path: string): Promise<void> => mayOpen("edit", path, constants.R_OK | constants.W_OK),
  readFile: (path: string): Promise<Buffer> => readAll(path, EDIT),
  writeFile: (path: string, content: string): Promise<void> => writeAll("edit", path, content),
};

/** What pi's `grep` is made of; ripgrep reads the files, pi the lines around a match. */
export const grepOperations = {
  isDirectory: async (path: string): Promise<boolean> => {
    const found = await stat(path);
    refuseKind("grep", path, found);
    return found.isDirectory();
  },
  readFile: async (path: string): Promise<string> => (await readAll(path, GREP)).toString("utf-8"),
};

/** What pi's `ls` is made of. */
export const lsOperations = {
  exists: (path: string): Promise<boolean> => stat(path).then(() => true, () => false),
  stat: (path: string): Promise<Stats> => stat(path),
  readdir: async (path: string): Promise<string[]> => {
    const entries = await readdir(path);
    if (entries.length <= LIST_ENTRIES) return entries;
    const [count, most] = [entries.length, LIST_ENTRIES].map((number) => number.toLocaleString("en"));
    throw new Refusal(`it has ${count} entries, ls takes ${most}; use bash, such as: ls | head -200`);
  },
};

/** Why grep takes no such path: pi says "Path not found" for every error. Undefined when that is right. */
export async function grepRefusal(path: string): Promise<Error | undefined> {
  try {
    refuseKind("grep", path, await stat(path));
    return undefined;
  } catch (error) {
    return error instanceof Refusal ? error : undefined;
  }
}
