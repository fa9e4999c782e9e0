// Does: finds the session files in pi's folders, and notices which folders have changed since the last look.
// Used by: session_index.ts. It follows a link only to where clients may go, and opens no file.
// Invariant: a folder whose time says nothing new is not read again, so a look costs little however many files there are.
import type { Files, FolderEntry } from "../runtime/runtime.ts";

/** Folders that are looked at at the same time. */
const LOOKERS = 16;

/** A folder that changed less than this before it was read may change again without a trace in its time. */
const RACY_MS = 100;

/** Milliseconds that it is remembered whether a folder may be read. Each file of a page is checked for itself. */
const ALLOWED_MS = 10_000;

/** The folder of deleted session files, which is in the folder of each of them. */
export const TRASH = "trash";

export interface SessionPlacesParts {
  readonly files: Files;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** pi's folders of sessions. */
  readonly folders: readonly string[];
  /** Whether clients may read that canonical path, to which a link leads. */
  allows(real: string): Promise<boolean>;
  /** Reports a folder that cannot be read. The others are still listed. */
  unreadable(folder: string, error: unknown): void;
}

interface Seen {
  readonly modifiedAt: number;
  readonly readAt: number;
  readonly entries: readonly FolderEntry[];
}

/** Calls `fn` for each item, a few at a time. */
export async function forEach<T>(
  items: Iterable<T>,
  most: number,
  fn: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) await fn(next.value);
  };
  await Promise.all(Array.from({ length: most }, work));
}

/** pi's folders of sessions. */
export class SessionPlaces {
  readonly #parts: SessionPlacesParts;
  readonly #seen = new Map<string, Seen>();
  readonly #allowed = new Map<string, { readonly at: number; readonly allowed: boolean }>();
  #changed = true;
  #linked = "";
  #paths: ReadonlySet<string> = new Set();

  constructor(parts: SessionPlacesParts) {
    this.#parts = parts;
  }

  /** Canonical paths of all that may be a session file. The same set as before when nothing has changed. */
  async look(): Promise<ReadonlySet<string>> {
    const { files, folders: tops } = this.#parts;
    const folders = new Set<string>();
    const links: string[] = [];
    for (const named of tops) {
      const top = await this.#real(named) ?? named;
      folders.add(top);
      for (const { name, kind } of await this.#entriesOf(top)) {
        if (name === TRASH) continue;
        const own = files.join(top, name);
        if (kind === "directory" && await this.#isAllowed(own)) folders.add(own);
        const real = kind === "link" ? await this.#follow(top, name) : undefined;
        if (real === undefined) continue;
        if ((await files.stat(real).catch(() => undefined))?.kind === "directory") folders.add(real);
      }
    }
    const found: string[] = [];
    await forEach(folders, LOOKERS, async (folder) => {
      for (const { name, kind } of await this.#entriesOf(folder)) {
        if (!name.endsWith(".jsonl")) continue;
        if (kind === "file") found.push(files.join(folder, name));
        const real = kind === "link" ? await this.#follow(folder, name) : undefined;
        if (real !== undefined) links.push(real);
      }
    });
    for (const folder of this.#seen.keys()) {
      if (folders.has(folder)) continue;
      this.#seen.delete(folder);
      this.#allowed.delete(folder);
      this.#changed = true;
    }
    const linked = links.sort().join("\n");
    if (this.#changed || linked !== this.#linked) this.#paths = new Set([...found, ...links]);
    this.#changed = false;
    this.#linked = linked;
    return this.#paths;
  }

  /** Whether a folder in pi's folders is not closed, as the state folder is. */
  async #isAllowed(folder: string): Promise<boolean> {
    const { now, allows } = this.#parts;
    const known = this.#allowed.get(folder);
    if (known !== undefined && now() - known.at < ALLOWED_MS) return known.allowed;
    const allowed = await allows(folder);
    this.#allowed.set(folder, { at: now(), allowed });
    return allowed;
  }

  async #entriesOf(folder: string): Promise<readonly FolderEntry[]> {
    const { files, now, unreadable } = this.#parts;
    try {
      const { modifiedAt } = await files.stat(folder) ?? { modifiedAt: -1 };
      const seen = this.#seen.get(folder);
      if (seen?.modifiedAt === modifiedAt && seen.modifiedAt < seen.readAt - RACY_MS) return seen.entries;
      const readAt = now();
      const entries = (await files.entries(folder)).filter(({ name, kind }) =>
        kind === "directory" || kind === "link" || (kind === "file" && name.endsWith(".jsonl"))
      );
      this.#seen.set(folder, { modifiedAt, readAt, entries });
      this.#changed = true;
      return entries;
    } catch (error) {
      unreadable(folder, error);
      if (this.#seen.delete(folder)) this.#changed = true;
      return [];
    }
  }

  /** The canonical path of a name in a canonical folder. Undefined for a link to a path that must not be read. */
  async #follow(folder: string, name: string): Promise<string | undefined> {
    const real = await this.#real(this.#parts.files.join(folder, name));
    return real !== undefined && await this.#parts.allows(real) ? real : undefined;
  }

  async #real(path: string): Promise<string | undefined> {
    // Deno throws when the sandbox denies the target of a link.
    return await this.#parts.files.realpath(path).catch(() => undefined);
  }
}
