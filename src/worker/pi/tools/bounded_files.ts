// Does: reads and writes files for pi's tools: regular files of a bounded size, opened without waiting.
// Used by: tools.ts. pi itself opens every path: a FIFO blocks the thread, and a device never ends.
// Invariant: it checks each path before the open, and again on the opened handle.
import { Buffer } from "node:buffer";
import { constants, fstatSync, type Stats } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, stat } from "node:fs/promises";
import { IMAGE_TYPES } from "../sdk/sdk.ts";

/** The limits of one tool call. */
interface Bounds {
  readonly tool: string;
  readonly bytes: number;
  readonly lines: number;
  /** The alternative for a model. */
  readonly instead: string;
}

const MEBI = 1024 * 1024;

/**
 * The limits come from time: pi splits and joins all lines at once, and the worker serves no session meanwhile.
 */
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
/** Enough bytes for every signature, and for the chunks of a PNG before its first pixels. */
const HEAD_BYTES = 4100;
const LF = 10;

/** Missing on Windows. Deno ignores it with partial permissions, so the kind is checked before as well. */
const NO_WAIT: number = constants.O_NONBLOCK ?? 0;

/** Names of devices and of a process's streams. Deno's sandbox hides what they are. */
const STREAMS = /^\/dev\/(?!shm\/)|^\/proc\/[^/]+\/(?:task\/[^/]+\/)?fd\//;

const PIPE = "a pipe";

/**
 * A sentence for the model. pi prints some errors with `String(error)`, which would put the class name in
 * front.
 */
class Refusal extends Error {
  /** What the path names, when that is the reason. */
  readonly kind: string | undefined;

  constructor(message: string, kind?: string) {
    super(message);
    this.kind = kind;
  }

  override toString(): string {
    return this.message;
  }
}

function kindOf(found: Stats): string | undefined {
  if (found.isFile() || found.isDirectory()) return undefined;
  // Uses the bits of the mode (stat(2)), because isFIFO() and isSocket() of Deno 2.4 are always false.
  const kind = found.mode & 0o170000;
  return kind === 0o010000 ? PIPE : kind === 0o140000 ? "a socket" : "a device";
}

/** Throws unless the path is a regular file or a folder. The system itself refuses to read a folder. */
function refuseKind(tool: string, path: string, found: Stats | undefined): void {
  const kind = STREAMS.test(path) ? "a device or a stream" : found && kindOf(found);
  if (kind === undefined) return;
  throw new Refusal(`${path} is ${kind}; ${tool} takes regular files only. Use bash for anything else`, kind);
}

/** Whether a tool refused its path because it names a pipe. */
export const refusedPipe = (error: unknown): boolean => error instanceof Refusal && error.kind === PIPE;

/** Throws for the name of a device or stream. The newer pi looks at the path before its operations do. */
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

/** The refusal for a size or a number of lines above the limit. */
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

/** Reads a whole file. It does not trust the size: that of a file in /proc is 0, and a file may grow. */
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

/** Whether a PNG is animated. Its control chunk comes before the first pixels. */
function isAnimated(png: Uint8Array): boolean {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 8 <= png.length; at += 12 + view.getUint32(at)) {
    const name = text(png, at + 4, at + 8);
    if (name === "acTL" || name === "IDAT") return name === "acTL";
  }
  return false;
}

/** The type of an image that pi shows to a model, from its first bytes. */
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

/** Whether an opened file is the server's own input, protocol or log. */
function isOwnStream({ dev, ino }: Stats): boolean {
  return [0, 1, 2].some((descriptor) => {
    try {
      const own = fstatSync(descriptor);
      return ino !== 0 && own.dev === dev && own.ino === ino;
    } catch {
      // The descriptor is closed, or the server may not look at it.
      return false;
    }
  });
}

/** Writes a whole file. It empties the file only after the check of the opened handle. */
async function writeAll(tool: string, path: string, content: string): Promise<void> {
  await withFile(tool, path, constants.O_WRONLY | constants.O_CREAT, async (handle, found) => {
    if (isOwnStream(found)) {
      throw new Refusal(`${path} is where this server writes its protocol or its log; choose another file`);
    }
    await handle.truncate(0);
    await handle.writeFile(content, "utf-8");
  });
}

/** Checks that a file may be read or changed. Throws the system's own error, as pi does. */
async function mayOpen(tool: string, path: string, mode: number): Promise<void> {
  refuseKind(tool, path, undefined);
  await access(path, mode);
  refuseKind(tool, path, await stat(path));
}

/** Operations for pi's `read`. */
export const readOperations = {
  access: (path: string): Promise<void> => mayOpen("read", path, constants.R_OK),
  readFile: (path: string): Promise<Buffer> => readAll(path, READ),
  detectImageMimeType: detectImage,
};

/** Operations for pi's `write`. */
export const writeOperations = {
  mkdir: async (folder: string): Promise<void> => {
    // The refusal of the file is clearer than that of its folder.
    if (!STREAMS.test(`${folder}/`)) await mkdir(folder, { recursive: true });
  },
  writeFile: (path: string, content: string): Promise<void> => writeAll("write", path, content),
};

/** Operations for pi's `edit`. */
export const editOperations = {
  access: (path: string): Promise<void> => mayOpen("edit", path, constants.R_OK | constants.W_OK),
  readFile: (path: string): Promise<Buffer> => readAll(path, EDIT),
  writeFile: (path: string, content: string): Promise<void> => writeAll("edit", path, content),
};

/** Operations for pi's `grep`. ripgrep reads the files, and pi reads the lines around a match. */
export const grepOperations = {
  isDirectory: async (path: string): Promise<boolean> => {
    const found = await stat(path);
    refuseKind("grep", path, found);
    return found.isDirectory();
  },
  readFile: async (path: string): Promise<string> => (await readAll(path, GREP)).toString("utf-8"),
};

/** Operations for pi's `ls`. */
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

/** Why grep refuses a path. pi says "Path not found" for every error. Undefined when that is right. */
export async function grepRefusal(path: string): Promise<Error | undefined> {
  try {
    refuseKind("grep", path, await stat(path));
    return undefined;
  } catch (error) {
    return error instanceof Refusal ? error : undefined;
  }
}
