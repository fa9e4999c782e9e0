// Does: decides whether a client may see a stored session, and knows which session drives it and whether it is archived.
// Used by: the catalogue and its parts. Uses: the guard of paths.
// Invariant: the folder of a session counts as much as its file: both must be where clients may go.
import type { Files } from "../runtime/runtime.ts";
import type { PathGuard } from "../worker/session/files/path_guard.ts";

/** Milliseconds that the canonical form of a session's folder is remembered. */
const REMEMBERED_MS = 1_000;

/** The rights and marks of stored sessions. */
export class Visibility {
  readonly owners = new Map<string, string>();
  readonly archived = new Set<string>();
  readonly #files: Files;
  readonly #guard: PathGuard;
  readonly #cwd: string;

  constructor(files: Files, guard: PathGuard, cwd: string) {
    this.#files = files;
    this.#guard = guard;
    this.#cwd = cwd;
  }

  /** The canonical folder of a session. Undefined when clients may not name it. */
  async folderOf(cwd: string): Promise<string | undefined> {
    const own = await this.#guard.inside(this.#cwd, cwd === "" ? this.#cwd : cwd);
    return own.ok ? own.value : undefined;
  }

  /** The same for many sessions of few folders. */
  folders(now: () => number): (cwd: string) => Promise<string | undefined> {
    const known = new Map<string, { readonly at: number; readonly folder: Promise<string | undefined> }>();
    return (cwd) => {
      const found = known.get(cwd);
      if (found !== undefined && now() - found.at < REMEMBERED_MS) return found.folder;
      const folder = this.folderOf(cwd);
      known.set(cwd, { at: now(), folder });
      return folder;
    };
  }

  /** Whether a canonical path still leads to itself. A link that replaced it leads elsewhere. */
  async isInPlace(path: string): Promise<boolean> {
    return await this.#files.realpath(path).catch(() => undefined) === path;
  }
}
