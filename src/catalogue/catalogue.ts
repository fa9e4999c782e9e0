// Does: answers questions about all stored sessions: pages of the list, the search, histories, and edits of files at rest.
// Used by: catalogue_thread.ts. Uses: the index, and the same guard of paths as the workers.
// Invariant: a client sees only sessions whose file and folder it may name, as they are at that moment.
import { deadline } from "../base/async/deadline.ts";
import { errorMessage } from "../base/error_message.ts";
import { Listings } from "../base/listing/listings.ts";
import { FILE_FORMATS } from "../ipc/file_format.ts";
import type {
  CatalogueAnswer,
  CatalogueCall,
  CatalogueConfig,
  ListPlace,
  StoredQuery,
  StoredRead,
} from "../ipc/catalogue_messages.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { type Outcome, unreadable } from "../protocol/failures.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readHeader } from "../worker/session/files/session_files.ts";
import { PathGuard } from "../worker/session/files/path_guard.ts";
import { FileEdits } from "./file_edits.ts";
import { IndexStore } from "./index_store.ts";
import { Lister } from "./lister.ts";
import { Searcher, type SearchQuery } from "./searcher.ts";
import { SessionIndex } from "./session_index.ts";
import { SessionPlaces } from "./session_places.ts";
import { StoredReader } from "./stored/stored_reader.ts";
import { Visibility } from "./visibility.ts";

/** Files up to which the first page of a list waits for a look at all of them. A look at more files follows the page. */
const FEW_FILES = 200;

/** Milliseconds that a page waits for the look at the folders. */
const LOOK_MS = 200;

export interface CatalogueParts {
  readonly runtime: Runtime;
  readonly config: CatalogueConfig;
  /** The list has changed, or more of it is in the index. */
  changed(): void;
  log(level: "info" | "warn" | "error", message: string, fields: Record<string, unknown>): void;
}

/** All stored sessions of one server. */
export class Catalogue {
  readonly index: SessionIndex;
  readonly visibility: Visibility;
  readonly #parts: CatalogueParts;
  readonly #guard: PathGuard;
  readonly #lister: Lister;
  readonly #searcher: Searcher;
  readonly #edits: FileEdits;
  readonly #reader: StoredReader;
  readonly #lists: Listings<StoredQuery>;
  readonly #searches: Listings<SearchQuery>;
  #opening: Promise<void> | undefined;

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
    const { runtime, config } = parts;
    const { files } = runtime;
    const { folders, closed, engine, indexFolder, firstList } = config;
    const warn = (message: string, fields: Record<string, unknown>): void =>
      parts.log("warn", message, fields);
    const format = FILE_FORMATS[engine];
    const roots = config.roots ?? [config.cwd, ...folders];
    const guard = this.#guard = new PathGuard(files, roots, closed);
    const unreadableFolders = new Set<string>();
    const places = new SessionPlaces({
      files,
      folders,
      now: () => runtime.now(),
      allows: (real) => guard.reaches(real, folders),
      unreadable: (folder, error) => {
        // Logged once, because a client may ask for the list all the time.
        if (unreadableFolders.has(folder)) return;
        unreadableFolders.add(folder);
        const fields = { folder, error: errorMessage(error) };
        warn("a folder of sessions cannot be read and is left out of lists; check its permissions", fields);
      },
    });
    this.index = new SessionIndex({
      clock: runtime,
      files,
      format,
      places,
      store: new IndexStore({ files, folder: indexFolder, engine, warn }),
      changed: (path) => {
        this.#lister.touch(path);
        parts.changed();
      },
      warn,
    });
    this.visibility = new Visibility(files, guard, config.cwd);
    this.#lister = new Lister({ index: this.index, visibility: this.visibility, clock: runtime, files });
    this.#searcher = new Searcher({ index: this.index, visibility: this.visibility, clock: runtime, files });
    this.#reader = new StoredReader({ files, guard, content: runtime.content, clock: runtime, format });
    this.#edits = new FileEdits({ index: this.index, guard, runtime });
    const monotonic = (): number => runtime.monotonic();
    this.#lists = new Listings(monotonic, firstList);
    this.#searches = new Listings(monotonic, firstList);
  }

  /** Finds the files. Later calls join the first one. */
  open(): Promise<void> {
    this.#opening ??= this.index.open();
    return this.#opening;
  }

  /** Answers a call. Never rejects. */
  async answer(call: CatalogueCall): Promise<CatalogueAnswer> {
    // A history needs no list of files.
    if (call.type === "read") return await this.#reader.read(call);
    try {
      await this.open();
      return await this.#answer(call);
    } catch (error) {
      return unreadable(error);
    }
  }

  /** Saves the index. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.index.close();
  }

  async #answer(call: Exclude<CatalogueCall, StoredRead>): Promise<CatalogueAnswer> {
    switch (call.type) {
      case "list":
        return await this.#list(call);
      case "search":
        return await this.#search(call);
      case "identify": {
        const file = await this.#identify(call.path);
        return file.ok ? { ok: true, dataText: "{}", file: file.value } : file;
      }
      case "rename": {
        const renamed = await this.#edits.rename(call.file, call.name);
        return renamed === undefined ? await this.#item(call.file) : refused(renamed);
      }
      case "remove": {
        const removed = await this.#edits.remove(call.file, call.permanent);
        return removed.ok ? { ok: true, dataText: JSON.stringify(removed.value) } : removed;
      }
    }
  }

  async #list({ from, limit, maxBytes, exact }: CatalogueCall & { type: "list" }): Promise<CatalogueAnswer> {
    const place = "key" in from ? from : undefined;
    let listing = place === undefined ? undefined : this.#lists.find(place.key);
    if ("sort" in from) {
      await this.#look(exact);
      const cwd = from.cwd === undefined
        ? undefined
        : await this.#guard.inside(this.#parts.config.cwd, from.cwd);
      if (cwd?.ok === false) return cwd;
      const query = cwd === undefined ? from : { ...from, cwd: cwd.value };
      listing = this.#lists.begin(this.#lister.order(from.sort), query);
    }
    if (listing === undefined) return { ok: "expired" };
    const page = await this.#lister.page(listing, place?.at ?? 0, { limit, maxBytes, exact });
    const dataText = `{"sessions":[${page.texts.join(",")}],"index":${JSON.stringify(this.index.progress)}}`;
    if (page.at >= listing.ids.length) return { ok: true, dataText };
    this.#lists.keep(listing);
    return { ok: true, dataText, next: { key: listing.key, at: page.at, offset: 0 } };
  }

  async #search(call: CatalogueCall & { type: "search" }): Promise<CatalogueAnswer> {
    const { from } = call;
    const place: ListPlace | undefined = "key" in from ? from : undefined;
    let listing = place === undefined ? undefined : this.#searches.find(place.key);
    if ("text" in from) {
      await this.#look(false);
      const named: string[] = [];
      for (const path of from.files ?? []) {
        const file = await this.#identify(path);
        if (!file.ok) return file;
        named.push(file.value);
      }
      const query = { text: from.text, named: from.files !== undefined };
      const ids = from.files === undefined ? this.#lister.order("activity") : [...new Set(named)];
      listing = this.#searches.begin(ids, query);
    }
    if (listing === undefined) return { ok: "expired" };
    const { key, ids, query } = listing;
    const found = await this.#searcher.search(ids, query, place ?? { at: 0, offset: 0 }, call);
    const { hits, searched, unsearched, at, offset } = found;
    const counts = JSON.stringify({ searched, sessions: ids.length, unsearched });
    const dataText = `{"hits":[${hits.join(",")}],${counts.slice(1)}`;
    if (at >= ids.length) return { ok: true, dataText };
    this.#searches.keep(listing);
    return { ok: true, dataText, next: { key, at, offset } };
  }

  /** Looks at what may have changed before a list begins. */
  async #look(exact: boolean): Promise<void> {
    const { index } = this;
    if (exact || index.progress.files <= FEW_FILES) return await index.look();
    await deadline(this.#parts.runtime, LOOK_MS, index.lookAtFolders(), undefined);
    index.lookSoon();
  }

  /** The canonical path of a stored session that a client names. */
  async #identify(path: string): Promise<Outcome<string>> {
    const file = await this.#guard.file(this.#parts.config.cwd, path);
    if (!file.ok) return file;
    const header = await readHeader(this.#parts.runtime.files, file.value);
    if (!header.ok) return header;
    if (this.index.get(file.value) === undefined) await this.index.lookAtFolders();
    if (
      this.index.get(file.value) !== undefined &&
      await this.visibility.folderOf(header.value.cwd) !== undefined
    ) {
      return file;
    }
    const sentence =
      `${file.value} is not in pi's folders of sessions; list_stored_sessions names those that are`;
    return { ok: false, failure: failure("path_not_found", sentence) };
  }

  /** One session, as lists show it. */
  async #item(file: string): Promise<CatalogueAnswer> {
    const text = await this.#lister.item(file);
    return text === undefined
      ? refused(failure("path_not_found", `${file} does not exist any more`))
      : { ok: true, dataText: `{"session":${text}}`, file };
  }
}

function refused(failed: Failure): CatalogueAnswer {
  return { ok: false, failure: failed };
}
