// Modes of files on Deno. `node:fs` there creates a file and then sets its mode by `Deno.chmod`, past the umask, and
// does so again at every write with a mode: `appendFileSync` makes a 0600 file 0666. This ignores those calls, as Node
// has no such step. Named imports of node:fs cannot be replaced, so the seam is Deno.chmod. Imported by deno.ts alone.

/** The mode that `appendFile` sets when the caller names none. */
const DEFAULT_MODE = 0o666;

/** Stack frames: the error's own line, this function, the replaced chmod, its caller. */
const CALLER = 3;

type Path = string | URL;

/** Whether node:fs is setting a mode as a part of a write, and not because a program asked it to. */
function isPartOfWrite(): boolean {
  const { stackTraceLimit, prepareStackTrace } = Error as unknown as Record<string, unknown>;
  Reflect.set(Error, "stackTraceLimit", CALLER);
  // A program may have replaced it, as libraries for source maps do.
  Reflect.set(Error, "prepareStackTrace", undefined);
  const { stack = "" } = new Error();
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  Reflect.set(Error, "prepareStackTrace", prepareStackTrace);
  const caller = stack.split("\n")[CALLER] ?? "";
  return caller.includes("ext:deno_node/") && !/chmod(?:Sync)? \(/.test(caller);
}

/**
 * The mode that the write leaves behind, as on Node: a new file has the mode asked for without the umask's bits, and
 * an existing file keeps its own. Undefined: nothing to set.
 */
export function modeAfterWrite(
  file: Pick<Deno.FileInfo, "size" | "mode" | "mtime" | "birthtime">,
  asked: number,
): number | undefined {
  const { size, mode, mtime, birthtime } = file;
  if (mode === null) return undefined;
  const changed = birthtime !== null && mtime !== null && birthtime.getTime() !== mtime.getTime();
  if (size > 0 || changed) return undefined;
  // The file was created a moment ago with 0666 and the umask. The umask cannot be read in a sandbox, so its bits are
  // taken from there; where it lets others read, it lets them execute.
  const current = mode & 0o777;
  return asked & (current | ((current & 0o444) >> 2));
}

/** Makes node:fs keep the modes of files when it writes to them. */
export function mendFileModes(): void {
  if (Deno.build.os === "windows") return;
  const { chmod, chmodSync } = Deno;
  Reflect.set(Deno, "chmodSync", (path: Path, mode: number): void => {
    if (!isPartOfWrite()) return chmodSync(path, mode);
    const after = mode === DEFAULT_MODE ? undefined : modeAfterWrite(Deno.statSync(path), mode);
    if (after !== undefined) chmodSync(path, after);
  });
  Reflect.set(Deno, "chmod", (path: Path, mode: number): Promise<void> => {
    // An async function would put a frame of its own on the stack.
    return isPartOfWrite() ? setAfterWrite(path, mode) : chmod(path, mode);
  });
  async function setAfterWrite(path: Path, mode: number): Promise<void> {
    const after = mode === DEFAULT_MODE ? undefined : modeAfterWrite(await Deno.stat(path), mode);
    if (after !== undefined) await chmod(path, after);
  }
}
