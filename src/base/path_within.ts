// Does: decides whether a path lies in a folder, by their text.
// Used by: the worker's path guard and the sandbox.
// Invariant: one rule for the whole product, because the answer decides about access to files.

/** Whether `path` is `folder` or lies in it. Both are canonical; `separator` is the system's. */
export function isWithin(path: string, folder: string, separator: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(separator) ? folder : `${folder}${separator}`);
}
