// Does: opens regular files only, and never waits for the other end of a pipe.
// Used by: common.ts. Deno drops O_NOFOLLOW and O_NONBLOCK with partial permissions (docs/PI.md#runtimes).
// Invariant: it checks the kind before the open, and compares the handle with the path's file.
import { constants } from "node:fs";
import { type FileHandle, lstat, open, stat } from "node:fs/promises";

/** Flags that Windows does not have: do not open through a link, do not wait for a pipe. */
export const NO_LINK: number = constants.O_NOFOLLOW ?? 0;
export const NO_WAIT: number = constants.O_NONBLOCK ?? 0;

/** Bytes that are read at a time. */
const CHUNK_BYTES = 64 * 1024;

/** The path names a pipe, a device, a folder, or a link where none may be. */
export class NotRegularError extends Error {
  override name = "NotRegularError";
}

/**
 * Opens the file. Throws `NotRegularError` for anything else, and the system's error when the file is missing.
 *
 * @param links whether to follow a symbolic link in the last place
 */
export async function openRegular(
  file: string | URL,
  flags: number,
  links: "followed" | "refused",
): Promise<FileHandle> {
  const before = await (links === "followed" ? stat(file) : lstat(file));
  // The open of a pipe would wait for its other end.
  check(before);
  const handle = await open(file, flags | NO_WAIT | (links === "refused" ? NO_LINK : 0));
  try {
    const opened = await handle.stat();
    check(opened);
    if (opened.dev !== before.dev || opened.ino !== before.ino) {
      throw new NotRegularError("another file took its place while it was opened");
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The whole text of the file, through links. */
export async function readRegular(file: string | URL): Promise<string> {
  const handle = await openRegular(file, constants.O_RDONLY, "followed");
  try {
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** The bytes of the file from that place on, piece by piece, through links. */
export async function* chunksOf(file: string, from = 0): AsyncGenerator<Uint8Array> {
  const handle = await openRegular(file, constants.O_RDONLY, "followed");
  try {
    for (let at = from;;) {
      const buffer = new Uint8Array(CHUNK_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from === 0 ? null : at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** A part of the file, through links. */
export async function partOf(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await openRegular(file, constants.O_RDONLY, "followed");
  try {
    const buffer = new Uint8Array(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await handle.read(buffer, got, length - got, offset + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return buffer.subarray(0, got);
  } finally {
    await handle.close();
  }
}

function check(found: { isFile(): boolean; isSymbolicLink(): boolean }): void {
  if (found.isSymbolicLink()) throw new NotRegularError("it is a symbolic link");
  if (!found.isFile()) throw new NotRegularError("it is not a regular file");
}
