// Does: lets extensions in the binary load CommonJS and JSON from the disk. The base runtime of `deno compile` looks
// for what is required inside of the executable alone, and takes every file on the disk for an ES module.
// Used by: factory.ts, before the first extension is loaded. The bundle's jiti asks for `importFromDisk` by its symbol.
// Invariant: what cannot be loaded natively fails before any of its code has run, and jiti then compiles it.
import { existsSync, readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRecord } from "../../../base/json.ts";

/** Whether this is part of an executable. The bundle of the binary sets it, since Deno does not tell its workers. */
const IN_EXECUTABLE: boolean = false;
/** The key under which the bundle's jiti finds the import of a module on the disk (scripts/build/pi_patches.ts). */
const IMPORT_KEY = Symbol.for("pi-server:import-from-disk");

interface Loaded {
  exports: unknown;
  _compile(content: string, filename: string, format?: string): unknown;
}
type Load = (module: Loaded, filename: string) => void;

const types = new Map<string, string | undefined>();

/** The `type` of the package that a folder belongs to. */
function typeOf(folder: string): string | undefined {
  if (types.has(folder)) return types.get(folder);
  const manifest = join(folder, "package.json");
  const parent = dirname(folder);
  let type: string | undefined;
  if (existsSync(manifest)) {
    const value: unknown = JSON.parse(readFileSync(manifest, "utf8"));
    type = isRecord(value) && typeof value["type"] === "string" ? value["type"] : undefined;
  } else if (parent !== folder) type = typeOf(parent);
  types.set(folder, type);
  return type;
}

/** Whether Node would load the file as CommonJS, by its name and its package. */
export function isCommonJs(file: string): boolean {
  const extension = extname(file);
  if (extension === ".cjs" || extension === ".json") return true;
  return extension === ".js" && typeOf(dirname(file)) !== "module";
}

function refuse(file: string): Error {
  return Object.assign(new Error(`${file} is an ES module, which the binary cannot load natively`), {
    code: "ERR_REQUIRE_ESM",
  });
}

const loadScript: Load = (module, filename) => {
  if (!isCommonJs(filename)) throw refuse(filename);
  module._compile(readFileSync(filename, "utf8"), filename, "commonjs");
};

const loadJson: Load = (module, filename) => {
  module.exports = JSON.parse(readFileSync(filename, "utf8").replace(/^\ufeff/, ""));
};

/** Imports a module by its name, path or address as Node does; rejects for an ES module on the disk. */
function importFromDisk(id: string): Promise<unknown> {
  return Promise.resolve(id).then(readFromDisk);
}

function readFromDisk(id: string): unknown {
  const isUrl = id.startsWith("file:");
  const isPath = isUrl || id.startsWith("/") || /^[A-Za-z]:[\\/]/.test(id);
  const file = isUrl ? fileURLToPath(id) : id;
  if (isPath && !isCommonJs(file)) throw refuse(file);
  // A name without a path is one of the runtime's own modules: pi's loader resolves all others to paths.
  const exports: unknown = createRequire(isPath ? file : import.meta.url)(file);
  // A function has exports beside it too: `node:stream` is one.
  const holds = typeof exports === "function" || typeof exports === "object" && exports !== null;
  const named = holds ? { ...exports } : {};
  return { ...named, default: exports };
}

/** Has this thread load modules from the disk; nothing to do outside of the binary. */
export function loadModulesFromDisk(): void {
  if (!IN_EXECUTABLE) return;
  const extensions: unknown = Reflect.get(Module, "_extensions");
  if (!isRecord(extensions)) throw new Error("This runtime loads CommonJS in another way");
  extensions[".js"] = loadScript;
  extensions[".cjs"] = loadScript;
  extensions[".json"] = loadJson;
  Reflect.set(globalThis, IMPORT_KEY, importFromDisk);
}
