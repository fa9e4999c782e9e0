// Does: keeps the modes of files when `node:fs` writes them on Deno (docs/PI.md#runtimes).
// Used by: deno.ts. Node does not change the mode after a write.
// Invariant: named imports of node:fs cannot be replaced, so it replaces Deno.chmod.

/** The mode that `appendFile` sets by default. */
const DEFAULT_MODE = 0o666;

/** Stack frames: the error's own line, this function, the replaced chmod, its caller. */
const CALLER = 3;

type Path = string | URL;

/** Whether node:fs sets a mode as a part of a write, and not for a program. */
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
 * The mode after a write, as on Node: a new file gets the requested mode without the bits of the umask, and an existing
 * file keeps its own mode. Undefined: nothing to set.
 */
export function modeAfterWrite(
  file: Pick<Deno.FileInfo, "size" | "mode" | "mtime" | "birthtime">,
  asked: number,
): number | undefined {
  const { size, mode, mtime, birthtime } = file;
  if (mode === null) return undefined;
  const changed = birthtime !== null && mtime !== null && birthtime.getTime() !== mtime.getTime();
  if (size > 0 || changed) return undefined;
  // The file was just created with 0666 and the umask. A sandbox cannot read the umask, so its bits come from the
  // file. Where the umask lets others read, it lets them execute.
  const current = mode & 0o777;
  return asked & (current | ((current & 0o444) >> 2));
}

/** Makes node:fs keep the modes of files at a write. */
export function mendFileModes(): void {
  if (Deno.build.os === "windows") return;
  const { chmod, chmodSync } = Deno;
  Reflect.set(Deno, "chmodSync", (path: Path, mode: number): void => {
    if (!isPartOfWrite()) return chmodSync(path, mode);
    const after = mode === DEFAULT_MODE ? undefined : modeAfterWrite(Deno.statSync(path), mode);
    if (after !== undefined) chmodSync(path, after);
  });
  Reflect.set(Deno, "chmod", (path: Path, mode: number): Promise<void> => {
    // An async function would add a frame to the stack.
    return isPartOfWrite() ? setAfterWrite(path, mode) : chmod(path, mode);
  });
  async function setAfterWrite(path: Path, mode: number): Promise<void> {
    const after = mode === DEFAULT_MODE ? undefined : modeAfterWrite(await Deno.stat(path), mode);
    if (after !== undefined) await chmod(path, after);
  }
}
