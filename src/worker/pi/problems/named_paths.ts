// Does: finds paths in settings and packages that do not exist: extensions, skills, prompts, themes, packages.
// Used by: load_problems.ts after every load.
// Invariant: it never loads a file. A path that the sandbox closes counts as missing.
import { existsSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type * as pi from "@mariozechner/pi-coding-agent";
import { isRecord } from "../../../base/json.ts";
import type { LoadProblem } from "../../../protocol/schema/responses.ts";

type Settings = ReturnType<pi.SettingsManager["getGlobalSettings"]>;
type Scope = "user" | "project";

const LISTS = ["extensions", "skills", "prompts", "themes"] as const;
/** Entries that choose among what others have found, or that stand for many files. */
const CHOOSING = /^[!+-]|[*?]/;
/** Folders of extensions whose manifests are looked at. */
const FOLDERS = 500;

const problem = (extensionPath: string, error: string): LoadProblem => ({
  extensionPath,
  event: "load",
  error,
});

function expand(path: string): string {
  const trimmed = path.trim();
  if (trimmed === "~") return homedir();
  return trimmed.startsWith("~/") ? join(homedir(), trimmed.slice(2)) : trimmed;
}

/** Paths that one settings file names and that are not there. */
export function missingPaths(settings: Settings, file: string, folder: string): LoadProblem[] {
  return LISTS.flatMap((key) => {
    const entries: readonly unknown[] = settings[key] ?? [];
    return entries.flatMap((entry) => {
      if (typeof entry !== "string" || CHOOSING.test(entry)) return [];
      const path = resolve(folder, expand(entry));
      const why = `does not exist or may not be read; correct "${key}" there`;
      return existsSync(path) ? [] : [problem(path, `${path}, which ${file} names, ${why}`)];
    });
  });
}

/** Packages that one settings file names and that are not there. */
export function missingPackages(
  packages: pi.DefaultPackageManager,
  settings: Settings,
  scope: Scope,
): LoadProblem[] {
  return (settings.packages ?? []).flatMap((one) => {
    const source = typeof one === "string" ? one : one.source;
    if (packages.getInstalledPath(source, scope) !== undefined) return [];
    return [problem(source, notInstalled(source))];
  });
}

/** What a user does about a package that is not there. */
export function notInstalled(source: string): string {
  return `The package ${source} is not installed; run: pi install ${source}`;
}

/** What is wrong with the manifests of the packages in a folder of extensions. */
export function manifestFaults(
  extensions: string,
  read: (path: string) => string | undefined,
): LoadProblem[] {
  if (!existsSync(extensions)) return [];
  return readdirSync(extensions).slice(0, FOLDERS).flatMap((name) => {
    const folder = join(extensions, name);
    const path = join(folder, "package.json");
    const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
    return isFolder && existsSync(path) ? manifestFault(folder, path, read(path)) : [];
  });
}

function manifestFault(folder: string, path: string, content: string | undefined): LoadProblem[] {
  if (content === undefined) return [];
  let manifest: unknown;
  try {
    manifest = JSON.parse(content);
  } catch {
    // pi goes on with the folder's index file.
    return [];
  }
  const named: unknown = isRecord(manifest) && isRecord(manifest["pi"])
    ? manifest["pi"]["extensions"]
    : undefined;
  if (named === undefined) return [];
  if (!Array.isArray(named) || !named.every((one) => typeof one === "string")) {
    return [problem(path, `${path}: "pi.extensions" must be a list of paths, so pi loads none of them`)];
  }
  return named.filter((one) => !CHOOSING.test(one) && !existsSync(resolve(folder, one))).map((one) =>
    problem(path, `${path} names the extension ${one}, which does not exist; correct "pi.extensions" there`)
  );
}
