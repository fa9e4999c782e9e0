// Does: makes `existsSync` of extensions return false where the sandbox refuses. Node's never throws, and packages
// look for their settings all over the home while they load.
// Used by: compiled_modules.ts, for the modules that jiti compiles.
import fs from "node:fs";

/** Names under which a module imports the files. */
const NAMES: ReadonlySet<unknown> = new Set(["fs", "node:fs"]);

const exists = fs.existsSync;
const existsSync: typeof exists = (path) => {
  try {
    return exists(path);
  } catch {
    return false;
  }
};

let files: Record<string, unknown> | undefined;

/** Also covers what requires the files. */
export function tolerateRefusedLookups(): void {
  Reflect.set(fs, "existsSync", existsSync);
}

/** The module for an import, in place of the runtime's own. Undefined for every other module. */
export function tolerantModule(name: unknown): Record<string, unknown> | undefined {
  if (!NAMES.has(name)) return undefined;
  return files ??= { ...fs, existsSync, default: fs };
}
