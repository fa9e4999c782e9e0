// Does: reads instructions, settings, extensions, skills, prompts and themes for pi at each build and reload.
// Used by: factory.ts. pi itself reads any file, and a link to /dev/zero would take all memory.
// Invariant: it opens nothing of an untrusted folder, and elsewhere only regular files of a bounded size.
import { errorMessage } from "../../../base/error_message.ts";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname, isAbsolute, join, parse } from "node:path";
import type * as Pi from "@mariozechner/pi-coding-agent";
import { pi } from "../engines/packages.ts";
import { PI_PACKAGES, type PiResources } from "../../../protocol/pi_package.ts";
import { engineToLoad } from "../engines/choice.ts";
import { EXTENSION_BYTES, RESOURCE_BYTES } from "../../../governor/limits.ts";
import type { LoadProblem } from "../../../protocol/schema/responses.ts";
import { markedPrompts, markedSkills } from "../problems/marked_files.ts";
import { checkSettings } from "../problems/settings_check.ts";
import type { SettingsScope } from "./settings_overlay.ts";
import { BUILT_IN_NAMES, type Services, type ServicesOptions } from "./sdk.ts";

type LoaderOptions = NonNullable<ServicesOptions["resourceLoaderOptions"]>;
type Settings = Services["settingsManager"];
type Resolved = Awaited<ReturnType<Pi.DefaultPackageManager["resolve"]>>;
type Kind = "extensions" | "skills" | "prompts" | "themes";

const KINDS: readonly Kind[] = ["extensions", "skills", "prompts", "themes"];
/** pi reads these files without a check, wherever it looks for resources. */
const READ_BLINDLY: readonly string[] = [".gitignore", ".ignore", ".fdignore", "package.json"];
/** The most folders that the guard searches for these files. */
const FOLDERS = 2_000;

/** The guard of each session, by its settings: the only object of ours that every part of pi gets. */
const GUARDS = new WeakMap<object, ResourceGuard>();

/** The folder of a session. A replacement of the session may change it. */
export interface Folder {
  readonly cwd: string;
  readonly trusted: boolean;
}

/** The resources of one session. */
export class ResourceGuard {
  /** What is wrong with the settings of each scope. */
  readonly #settings = new Map<SettingsScope, LoadProblem[]>();
  /** Prompt files that pi was to load last. */
  #prompts: readonly string[] = [];
  readonly #folder: Folder;
  readonly #agentDir: string;
  readonly #asked: PiResources;
  readonly #problems = new Map<string, string>();

  /** @param asked what the operator wants loaded, and not looked for */
  constructor(folder: Folder, agentDir: string, asked: PiResources) {
    this.#folder = folder;
    this.#agentDir = agentDir;
    this.#asked = asked;
  }

  get #cwd(): string {
    return this.#folder.cwd;
  }

  get #trusted(): boolean {
    return this.#folder.trusted;
  }

  /** Guards every part of pi that works with these settings. */
  watch(settings: Settings): void {
    GUARDS.set(settings, this);
  }

  /** Whether what the folder brings along may be looked at. */
  get readsProject(): boolean {
    return this.#trusted;
  }

  /** What was not loaded, and why. */
  get problems(): readonly LoadProblem[] {
    const own = [...this.#problems].map(([extensionPath, error]) => ({
      extensionPath,
      event: "load",
      error,
    }));
    return [...own, ...[...this.#settings.values()].flat()];
  }

  /** Options for pi's loader. The guard reads the instructions here and passes them on. */
  async options(settingsManager: Settings): Promise<LoaderOptions> {
    this.#problems.clear();
    const asked = this.#asked;
    if (!this.#trusted) this.#settings.delete("project");
    const read = (path: string): { text: string; marked: boolean } | undefined => this.#readMarked(path);
    // In an untrusted folder pi looks for nothing itself, and gets what the user has.
    const trusted = this.#trusted;
    const found = trusted ? undefined : await this.#foundByUser(settingsManager);
    const paths = (kind: Exclude<Kind, "themes">, finds: boolean): string[] => [
      ...this.#loadable(kind, asked[kind]),
      ...finds ? found?.(kind) ?? [] : [],
    ];
    return {
      noContextFiles: true,
      agentsFilesOverride: () => ({ agentsFiles: this.#contextFiles() }),
      // A value is needed, or pi looks for the files. It is empty, or pi takes it for a file name.
      systemPrompt: "",
      systemPromptOverride: () => asked.systemPrompt ?? this.#instructions("SYSTEM.md"),
      appendSystemPrompt: [],
      appendSystemPromptOverride: () => {
        const append = asked.appendSystemPrompt ?? this.#instructions("APPEND_SYSTEM.md");
        return append === undefined ? [] : [append];
      },
      skillsOverride: markedSkills(read),
      promptsOverride: markedPrompts(read, () => this.#prompts),
      noExtensions: !trusted || !asked.findsExtensions,
      noSkills: !trusted || !asked.findsSkills,
      noPromptTemplates: !trusted || !asked.findsPrompts,
      noThemes: !trusted,
      additionalExtensionPaths: paths("extensions", asked.findsExtensions),
      additionalSkillPaths: paths("skills", asked.findsSkills),
      additionalPromptTemplatePaths: paths("prompts", asked.findsPrompts),
      additionalThemePaths: found?.("themes") ?? [],
    };
  }

  /** The resources of the user by their kind, without those of the folder. */
  async #foundByUser(settingsManager: Settings): Promise<(kind: Kind) => string[]> {
    // An engine without such extensions does not know the option.
    const builtIn: object = { builtinExtensions: BUILT_IN_NAMES };
    const packages = new pi.DefaultPackageManager({
      cwd: this.#cwd,
      agentDir: this.#agentDir,
      settingsManager,
      ...builtIn,
    });
    const found = await packages.resolve();
    return (kind) =>
      found[kind].filter((one) => one.enabled && one.metadata.scope === "user").map((one) => one.path);
  }

  /** A view of pi's package manager that opens the folder only when that is safe. */
  view(manager: Pi.DefaultPackageManager): Pi.DefaultPackageManager {
    if (this.#trusted && !this.#folders().some((folder) => this.#readsBlindly(folder))) return manager;
    const discover: unknown = Reflect.get(manager, "addAutoDiscoveredResources");
    if (typeof discover !== "function") throw new Error("This pi looks for resources in another way");
    const view: Pi.DefaultPackageManager = Object.create(manager, {
      cwd: { value: parse(this.#cwd).root },
      addAutoDiscoveredResources: {
        value: (found: unknown, global: unknown, project: unknown, globalDir: unknown) =>
          Reflect.apply(discover, view, [
            found,
            global,
            project,
            globalDir,
            join(this.#agentDir, "no-project"),
          ]),
      },
    });
    return view;
  }

  /** The found resources that pi may read. */
  usable(found: Resolved): Resolved {
    const usable = { ...found };
    for (const kind of KINDS) usable[kind] = found[kind].filter(({ path }) => this.#isUsable(kind, path));
    this.#prompts = usable.prompts.filter(({ enabled }) => enabled).map(({ path }) => path);
    return usable;
  }

  /** The settings in a file as pi is to read them; undefined where there is none, or none that may be read. */
  readSettings(scope: SettingsScope, path: string): string | undefined {
    this.#settings.delete(scope);
    const content = this.read(path);
    if (content === undefined) return undefined;
    const { text, faults } = checkSettings(path, content);
    this.#settings.set(scope, faults.map((error) => ({ extensionPath: path, event: "load", error })));
    return text;
  }

  /** Whether a file is missing, or may be read. Anything else there is a problem. */
  readable(path: string): boolean {
    try {
      return this.#check(path, RESOURCE_BYTES) || !existsSync(path);
    } catch (error) {
      this.#problems.set(path, `${path} cannot be read: ${errorMessage(error)}`);
      return false;
    }
  }

  #readMarked(path: string): { text: string; marked: boolean } | undefined {
    const content = this.read(path);
    return content === undefined ? undefined : { text: content, marked: beginsWithMark(path) };
  }

  /** The text of a file. Undefined when the file is missing or must not be read. */
  read(path: string): string | undefined {
    try {
      return this.#check(path, RESOURCE_BYTES) ? readRegular(path, RESOURCE_BYTES) : undefined;
    } catch (error) {
      this.#problems.set(
        path,
        `${path} cannot be read: ${errorMessage(error)}`,
      );
      return undefined;
    }
  }

  /** Whether a regular file of a bounded size exists. Anything else there is a problem. */
  #check(path: string, most: number): boolean {
    const found = statSync(path, { throwIfNoEntry: false });
    this.#problems.delete(path);
    if (found === undefined) return false;
    if (found.isFile() && found.size <= most) return true;
    const why = found.isFile() ? `is larger than ${most} bytes` : "is not a regular file";
    this.#problems.set(path, `${path} ${why}, so it was not loaded; replace or remove it`);
    return false;
  }

  #isUsable(kind: Kind, path: string): boolean {
    // An extension that pi has built in is the name of no file.
    if (!isAbsolute(path)) return true;
    const found = statSync(path, { throwIfNoEntry: false });
    // pi itself reports a missing path, and checks the content of a folder.
    if (found === undefined) return true;
    if (!found.isDirectory()) {
      return this.#check(path, kind === "extensions" ? EXTENSION_BYTES : RESOURCE_BYTES);
    }
    const skill = join(path, "SKILL.md");
    return kind !== "skills" || !existsSync(skill) || this.#check(skill, RESOURCE_BYTES);
  }

  /** Project folders in which pi looks for resources. */
  #folders(): string[] {
    const folders = KINDS.map((kind) => join(this.#cwd, ".pi", kind));
    for (const above of ancestors(this.#cwd)) folders.push(join(above, ".agents", "skills"));
    return folders;
  }

  /** Whether the folder holds something that pi would read and that is not a plain file. */
  #readsBlindly(folder: string): boolean {
    const open = [folder];
    let bad = false;
    for (const at of open) {
      for (const name of READ_BLINDLY) {
        const path = join(at, name);
        if (existsSync(path) && !this.#check(path, RESOURCE_BYTES)) bad = true;
      }
      if (open.length >= FOLDERS || !existsSync(at)) continue;
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        const inside = entry.name !== "node_modules" &&
          (entry.isDirectory() || isLinkToFolder(join(at, entry.name), entry));
        if (inside && open.length < FOLDERS) open.push(join(at, entry.name));
      }
    }
    return bad;
  }

  /** The user's instructions, and those of trusted folders from the session's folder upward. */
  /** The paths that pi may read. */
  #loadable(kind: Kind, paths: readonly string[]): string[] {
    return paths.filter((path) => this.#isUsable(kind, path));
  }

  #contextFiles(): { path: string; content: string }[] {
    if (!this.#asked.readsContextFiles) return [];
    const above = this.#trusted ? ancestors(this.#cwd).reverse() : [];
    const files = new Map<string, string>();
    for (const folder of [this.#agentDir, ...above]) {
      for (const name of PI_PACKAGES[engineToLoad()].contextFiles) {
        const path = join(folder, name);
        const content = files.has(path) ? undefined : this.read(path);
        if (content === undefined) continue;
        files.set(path, content);
        break;
      }
    }
    return [...files].map(([path, content]) => ({ path, content }));
  }

  #instructions(name: string): string | undefined {
    const ofProject = this.#trusted ? this.read(join(this.#cwd, ".pi", name)) : undefined;
    return ofProject ?? this.read(join(this.#agentDir, name));
  }
}

function ancestors(folder: string): string[] {
  const all = [folder];
  for (let at = folder; dirname(at) !== at; at = dirname(at)) all.push(dirname(at));
  return all;
}

function isLinkToFolder(path: string, entry: { isSymbolicLink(): boolean }): boolean {
  return entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Whether a file begins with the byte order mark of UTF-8. */
function beginsWithMark(path: string): boolean {
  const handle = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const bytes = new Uint8Array(3);
    return readSync(handle, bytes, 0, 3, 0) === 3 && bytes[0] === 0xef && bytes[1] === 0xbb &&
      bytes[2] === 0xbf;
  } finally {
    closeSync(handle);
  }
}

/** Reads a file that may change meanwhile. It does not wait for a pipe, and reads no more than allowed. */
function readRegular(path: string, most: number): string | undefined {
  const handle = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) return undefined;
    const bytes = new Uint8Array(Math.min(found.size, most));
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(handle, bytes, length, bytes.length - length, null);
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    closeSync(handle);
  }
}

/**
 * Makes pi's package managers skip packages that are not installed, because an installation runs foreign code. They
 * also stay out of folders that the guard of their session closes.
 */
export function guardPackages(): void {
  const original = pi.DefaultPackageManager.prototype.resolve;
  pi.DefaultPackageManager.prototype.resolve = async function (onMissing) {
    const settings: unknown = Reflect.get(this, "settingsManager");
    const guard = typeof settings === "object" && settings !== null ? GUARDS.get(settings) : undefined;
    const skip = onMissing ?? (() => Promise.resolve("skip" as const));
    const found = await original.call(guard?.view(this) ?? this, skip);
    return guard === undefined ? found : guard.usable(found);
  };
}
