// Does: keeps every path of a client inside the roots (docs/PROTOCOL.md#paths-and-trust).
// Used by: the session builder and the handlers. `~` is an ordinary name.
// Invariant: it compares canonical paths, and reads nothing except the targets of links.
import { isWithin } from "../../../base/path_within.ts";
import { failure } from "../../../protocol/errors.ts";
import type { Files } from "../../../runtime/runtime.ts";
import { isForeign, isKernel, isOfAnotherSystem } from "./path_forms.ts";
import type { Outcome } from "../../../protocol/failures.ts";

/** The most links in a row, as on Linux. */
const MOST_LINKS = 40;
/** Roots that an error names. */
const MOST_NAMED = 3;

/** Checks paths against a fixed set of roots. */
export class PathGuard {
  readonly #files: Files;
  readonly #roots: readonly string[];
  readonly #closed: readonly string[];
  readonly #sessionFolders: readonly string[];

  /**
   * @param roots absolute folders; the root of the file system allows everything
   * @param closed folders that stay closed even inside a root: the state folder
   * @param sessionFolders pi's own, in which session files may lie beside the roots; the folder that such a file
   *   names must be inside the roots all the same
   */
  constructor(
    files: Files,
    roots: readonly string[],
    closed: readonly string[] = [],
    sessionFolders: readonly string[] = [],
  ) {
    this.#sessionFolders = sessionFolders;
    this.#files = files;
    this.#roots = roots;
    this.#closed = closed;
  }

  /** A folder that exists inside the roots, as a canonical path. */
  async folder(base: string, path: string): Promise<Outcome<string>> {
    return await this.#existing(base, path, "directory");
  }

  /** A session file that exists, inside the roots or in pi's own folders, as a canonical path. */
  async file(base: string, path: string): Promise<Outcome<string>> {
    return await this.#existing(base, path, "file", this.#sessionFolders);
  }

  /**
   * The folder that a session file names, as a canonical path inside the roots.
   *
   * @param file the session file; when it lies outside the roots, the failure does not tell its folder
   */
  async folderOf(file: string, base: string, path: string): Promise<Outcome<string>> {
    const folder = await this.folder(base, path);
    if (folder.ok) return folder;
    const own = await this.inside(base, file);
    return own.ok ? folder : own;
  }

  /** A file to write inside the roots, in a folder that exists, as a canonical path. */
  async output(base: string, path: string): Promise<Outcome<string>> {
    const real = await this.inside(base, path);
    if (!real.ok) return real;
    const found = await this.#files.stat(real.value).catch(() => undefined);
    if (found !== undefined && found.kind !== "file") {
      return forbidden(`${real.value} is not a regular file; choose another`);
    }
    if (found === undefined && isOfAnotherSystem(path, this.#files.separator)) return foreign();
    const folder = await this.#files.stat(this.#files.parent(real.value)).catch(() => undefined);
    if (folder?.kind === "directory") return real;
    const sentence = `${this.#files.parent(real.value)} is not a folder; create it first`;
    return { ok: false, failure: failure("path_not_found", sentence) };
  }

  /** The canonical form of a path that may not exist, if it is inside the roots, or inside `more`. */
  async inside(base: string, path: string, more: readonly string[] = []): Promise<Outcome<string>> {
    if (path.includes("\0")) return forbidden("A path cannot contain a NUL character");
    if (isForeign(path, this.#files.separator)) return foreign();
    const absolute = this.#files.resolve(base, path);
    const real = await this.#canonical(absolute);
    if (await this.#allows(absolute, real, more)) return { ok: true, value: real };
    const next = "use a path in there, or start the server with --root to allow more";
    return forbidden(`${absolute} is outside the server's roots (${this.#named()}); ${next}`);
  }

  /** Whether pi's folders, or a link in them, allow to read a canonical path. */
  async reaches(real: string, folders: readonly string[]): Promise<boolean> {
    return await this.#allows(real, real, folders);
  }

  /**
   * The target of an absolute path, inside the roots or not. A missing file is named below its nearest folder.
   */
  async real(absolute: string): Promise<string> {
    return await this.#canonical(absolute);
  }

  /**
   * Whether the canonical path of a session file still has the same target. Call it right before the use, because links can be
   * swapped.
   */
  async still(real: string): Promise<Outcome<string>> {
    const now = await this.inside(real, real, this.#sessionFolders);
    if (!now.ok || now.value === real) return now;
    return forbidden(`${real} leads elsewhere than it did when it was checked; send the command again`);
  }

  async #existing(
    base: string,
    path: string,
    kind: "file" | "directory",
    more: readonly string[] = [],
  ): Promise<Outcome<string>> {
    // This comes first, because a client must not learn whether a path outside the roots exists.
    const real = await this.inside(base, path, more);
    if (!real.ok) return real;
    // A loop of links or a name that is too long counts as a missing file.
    const found = await this.#files.stat(real.value).catch(() => undefined);
    if (found?.kind === kind) return real;
    if (found?.kind === "other") return forbidden(`${real.value} is a device, a pipe or a socket`);
    if (found === undefined && isOfAnotherSystem(path, this.#files.separator)) return foreign();
    const problem = found === undefined
      ? "does not exist"
      : kind === "file"
      ? "is not a regular file"
      : "is not a directory";
    return { ok: false, failure: failure("path_not_found", `${real.value} ${problem}`) };
  }

  /** The canonical path. For a missing file, that of the nearest existing parent with the rest appended. */
  async #canonical(absolute: string, links = 0): Promise<string> {
    let rest = "";
    for (let at = absolute;; at = this.#files.parent(at)) {
      const real = await this.#files.realpath(at).catch(() => undefined);
      if (real !== undefined) return rest === "" ? real : this.#files.join(real, rest);
      // A link to a missing file still has a target, and a write through the link goes there.
      const target = links < MOST_LINKS ? await this.#files.readLink(at).catch(() => undefined) : undefined;
      if (target !== undefined) {
        const folder = this.#files.parent(at);
        const led = this.#files.resolve(
          await this.#files.realpath(folder).catch(() => undefined) ?? folder,
          target,
        );
        return await this.#canonical(rest === "" ? led : this.#files.join(led, rest), links + 1);
      }
      if (this.#files.parent(at) === at) return absolute;
      rest = this.#files.join(at.slice(this.#files.parent(at).length), rest);
    }
  }

  async #allows(absolute: string, real: string, more: readonly string[] = []): Promise<boolean> {
    const roots = await this.#canonicals([...this.#roots, ...more]);
    if (!roots.some((root) => this.#within(real, root, this.#files.separator === "\\"))) return false;
    // Always compares canonical folders: without case, one folder has many names.
    const closed = await this.#canonicals(this.#closed);
    if (closed.some((folder) => this.#within(real, folder, true))) return false;
    if (this.#files.separator !== "/" || !(isKernel(absolute) || isKernel(real))) return true;
    return roots.some((root) => isKernel(root) && this.#within(real, root, false));
  }

  /** The roots as a sentence names them. */
  #named(): string {
    const more = this.#roots.length - MOST_NAMED;
    return this.#roots.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  }

  #canonicals(folders: readonly string[]): Promise<string[]> {
    return Promise.all(folders.map(async (folder) => {
      return await this.#files.realpath(folder).catch(() => undefined) ?? folder;
    }));
  }

  #within(path: string, folder: string, anyCase: boolean): boolean {
    const as = (text: string): string => anyCase ? text.toLowerCase() : text;
    return isWithin(as(path), as(folder), this.#files.separator);
  }
}

function forbidden(sentence: string): Outcome<never> {
  return { ok: false, failure: failure("path_forbidden", sentence) };
}

function foreign(): Outcome<never> {
  return forbidden("The path is of another system: no drives, UNC names, device names or backslashes here");
}
