// Does: answers get_entries and get_content from a session's file, without pi (docs/PROTOCOL.md#reading-a-long-history).
// Used by: catalogue.ts, for sessions that are parked, or on their way back, or too large to load.
// Invariant: memory is bounded, whatever the size of the file and of its lines. It writes nothing.
import { toJson } from "../../base/text.ts";
import { ANSWER_BYTES, ANSWER_HEAD_BYTES, STORED_LINE_BYTES } from "../../governor/limits.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Outcome } from "../../protocol/failures.ts";
import type { CommandOf } from "../../protocol/schema/commands.ts";
import type { Clock, ContentBytes, Files } from "../../runtime/runtime.ts";
import type { FileFormat } from "../../ipc/file_format.ts";
import { newestJson } from "../../worker/session/events/bounded_json.ts";
import { ContentRefs } from "../../worker/session/events/content_refs.ts";
import { linesBackwards, type StoredLine } from "./backward_lines.ts";
import { entryIn, HEAD_BYTES, headIn, isShown, type StoredHead } from "./stored_entry.ts";

export interface StoredHistoryParts {
  readonly files: Pick<Files, "part" | "stat">;
  readonly content: ContentBytes;
  readonly clock: Pick<Clock, "after">;
  readonly format: FileFormat;
}

/** An entry in the file. */
interface Stored {
  readonly line: StoredLine;
  readonly head: StoredHead;
  readonly shown: boolean;
}

/** What is known of a file, for as long as it stays the same. */
interface Known {
  readonly size: number;
  readonly modifiedAt: number;
  /** Where pages began, by entry. */
  readonly begins: Map<string, { readonly offset: number; readonly parentId: string | null }>;
  /** The lines with the contents that were named. */
  readonly contents: Map<string, StoredLine>;
  leafId: string | undefined;
}

/** The query of one page, and the leaf if it is not the newest entry. */
export type StoredQuery = CommandOf<"get_entries"> & { readonly leaf?: string | null };

/** Files of which something is remembered, and the number of places in each. */
const FILES = 32;
const PLACES = 10_000;

/** The most entries of one page that goes forwards. */
const FORWARD_ENTRIES = 1_000;

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** The walk from the newest entry backwards: which entries are in the scope, and where the agent stands. */
class Walk {
  readonly #branch: boolean;
  readonly #cursors: ReadonlyMap<string, "since" | "before">;
  /** The next entry of the branch. Undefined before the first line, if the newest entry is the leaf. */
  #wanted: string | null | undefined;
  #leaf: string | null | undefined;
  #leafId: string | null | undefined;
  /** A cursor outside of the branch, and the ancestor of it that is looked for. */
  off: { readonly field: "since" | "before"; readonly id: string; common: string | null } | undefined;
  #offFound = false;

  constructor({ scope, since, before }: StoredQuery, leaf: string | null | undefined, known?: string | null) {
    this.#branch = scope === "branch";
    this.#wanted = leaf;
    this.#leaf = leaf;
    this.#leafId = leaf === undefined ? known : undefined;
    const cursors = new Map<string, "since" | "before">();
    if (before !== undefined) cursors.set(before, "before");
    if (typeof since === "string") cursors.set(since, "since");
    this.#cursors = cursors;
  }

  /** The entry at which the agent stands, as far as the walk has come. */
  get leafId(): string | null {
    return this.#leafId ?? this.#leaf ?? null;
  }

  /** Whether nothing more of the scope can come. */
  get over(): boolean {
    return this.#branch && this.#wanted === null && (this.off === undefined || this.#offFound);
  }

  /** The entry from which the rest of the branch goes on. */
  goOn(parentId: string | null): void {
    this.#wanted = parentId;
  }

  /** Whether the entry is in the scope. */
  takes({ head, shown }: Stored): boolean {
    const { id, parentId } = head;
    if (this.#leaf === undefined) this.#leaf = id;
    if (this.#leafId === undefined && id === this.#leaf) {
      // Of a hidden entry clients see the one above.
      if (shown) this.#leafId = id;
      else this.#leaf = parentId;
    }
    if (!this.#branch) return true;
    if (this.#wanted === undefined) this.#wanted = id;
    if (id !== this.#wanted) {
      const field = this.#cursors.get(id);
      if (field !== undefined) this.off ??= { field, id, common: parentId };
      else if (this.off !== undefined && !this.#offFound && this.off.common === id) {
        this.off.common = parentId;
      }
      return false;
    }
    if (this.off?.common === id) this.#offFound = true;
    this.#wanted = parentId;
    return true;
  }
}

/** The stored histories of one server. */
export class StoredHistory {
  readonly #parts: StoredHistoryParts;
  readonly #known = new Map<string, Known>();
  readonly #refs: ContentRefs;
  /** The entry that a content was read from last: its next piece is probably asked for next. */
  #last: { readonly path: string; readonly line: StoredLine; readonly entry: object } | undefined;

  constructor(parts: StoredHistoryParts) {
    this.#parts = parts;
    this.#refs = new ContentRefs(parts.content, parts.clock);
  }

  /** JSON of a page of entries. The path must be canonical and allowed. */
  async page(path: string, query: StoredQuery): Promise<Outcome<string>> {
    const known = await this.#of(path);
    if (known === undefined) return { ok: false, failure: goneFile(path) };
    return query.since === undefined
      ? await this.#backwards(path, known, query)
      : await this.#forwards(path, known, query);
  }

  /** JSON of a piece of a content. */
  async content(path: string, command: CommandOf<"get_content">): Promise<Outcome<string>> {
    const { ref: hash } = command;
    const known = await this.#of(path);
    if (known === undefined) return { ok: false, failure: goneFile(path) };
    const entry = await this.#entryWith(path, known, hash);
    const content = entry === undefined ? undefined : await this.#refs.find(hash, () => [entry]);
    if (content === undefined) {
      const sentence = `The session's file holds no content "${hash}"; read the message again`;
      return { ok: false, failure: failure("content_not_found", sentence) };
    }
    const piece = this.#refs.piece(content, command);
    return piece.ok ? { ok: true, value: toJson(piece.value) } : piece;
  }

  async #backwards(path: string, known: Known, query: StoredQuery): Promise<Outcome<string>> {
    const { scope = "tree", before, limit = Infinity, leaf } = query;
    const begin = before === undefined ? undefined : known.begins.get(`${scope} ${before}`);
    const walk = new Walk(query, leaf, known.leafId);
    if (begin !== undefined) walk.goOn(begin.parentId);
    let reached = before === undefined || begin !== undefined;
    const page = new PageText(mostOf(query));
    const hidden = new Map<string, string | null>();
    let more = false;
    for await (const stored of this.#entries(path, begin?.offset ?? known.size)) {
      if (walk.takes(stored)) {
        const { head, line, shown } = stored;
        if (!shown) hidden.set(head.id, head.parentId);
        else if (!reached) reached = head.id === before;
        else {
          more = page.count >= limit ||
            !page.add(this.#textOf(known, stored, page.most, query.refs === true));
          if (more) break;
          page.first = { id: head.id, offset: line.offset, parentId: head.parentId };
        }
      }
      if (walk.over) break;
    }
    if (!reached && before !== undefined) return cursorFailure("before", before, walk);
    const { leafId } = walk;
    if (leaf === undefined) known.leafId ??= leafId ?? undefined;
    const { first } = page;
    if (more && first !== undefined) remember(known.begins, `${scope} ${first.id}`, first);
    const rest = more && first !== undefined ? { more, nextBefore: first.id } : {};
    return {
      ok: true,
      value: page.json("backwards", hidden, { leafId, unloaded: true, ...rest }),
    };
  }

  /** The oldest entries after a cursor. They are the last ones that a walk from the end meets. */
  async #forwards(path: string, known: Known, query: StoredQuery): Promise<Outcome<string>> {
    const { since, before, leaf } = query;
    const limit = Math.min(query.limit ?? FORWARD_ENTRIES, FORWARD_ENTRIES);
    const walk = new Walk(query, leaf, known.leafId);
    const hidden = new Map<string, string | null>();
    let reached = before === undefined;
    let found = since === null;
    let met = 0;
    let oldest: StoredLine[] = [];
    for await (const stored of this.#entries(path, known.size)) {
      if (walk.takes(stored)) {
        const { head, line, shown } = stored;
        if (since !== null && head.id === since) {
          found = true;
          break;
        }
        if (!shown) {
          if (hidden.size < PLACES) hidden.set(head.id, head.parentId);
        } else if (!reached) reached = head.id === before;
        else {
          met++;
          // The bytes are read again, so that only places are held.
          oldest.push({ offset: line.offset, length: line.length });
          if (oldest.length > 2 * limit) oldest = oldest.slice(-limit);
        }
      }
      if (walk.over) break;
    }
    if (!reached && before !== undefined && !found) return cursorFailure("before", before, walk);
    if (!found && typeof since === "string") return cursorFailure("since", since, walk);
    const { leafId } = walk;
    if (leaf === undefined) known.leafId ??= leafId ?? undefined;
    const page = new PageText(mostOf(query));
    for (const line of oldest.slice(-limit).reverse()) {
      const stored = await this.#storedAt(path, line);
      if (stored === undefined) continue;
      if (!page.add(this.#textOf(known, stored, page.most, query.refs === true))) break;
      page.first = { id: stored.head.id, offset: line.offset, parentId: stored.head.parentId };
    }
    const rest = page.count < met && page.first !== undefined ? { more: true, nextSince: page.first.id } : {};
    return {
      ok: true,
      value: page.json("forwards", hidden, { leafId, unloaded: true, ...rest }),
    };
  }

  /** The entries whose lines end before that place, newest first. */
  async *#entries(path: string, end: number): AsyncGenerator<Stored> {
    for await (const line of linesBackwards(this.#parts.files, path, end, STORED_LINE_BYTES)) {
      const stored = await this.#stored(path, line);
      if (stored !== undefined) yield stored;
    }
  }

  async #storedAt(path: string, { offset, length }: StoredLine): Promise<Stored | undefined> {
    if (length > STORED_LINE_BYTES) return await this.#stored(path, { offset, length });
    const bytes = await this.#parts.files.part(path, offset, length);
    return await this.#stored(path, { offset, length, bytes });
  }

  async #stored(path: string, line: StoredLine): Promise<Stored | undefined> {
    const { files, format } = this.#parts;
    const { offset, length, bytes } = line;
    const part = async (from: number, to: number): Promise<string> =>
      utf8.decode(bytes?.subarray(from, to) ?? await files.part(path, offset + from, to - from));
    const beginning = await part(0, Math.min(length, HEAD_BYTES));
    const end = length <= HEAD_BYTES ? beginning : await part(length - HEAD_BYTES, length);
    const head = headIn(beginning, end) ?? (bytes === undefined ? undefined : entryIn(utf8.decode(bytes)));
    if (head === undefined || head.type === "session") return undefined;
    const [, role] = /"message":\{"role":"([A-Za-z]{1,64})"/.exec(beginning) ?? [];
    const message = role === undefined ? {} : { message: { role } };
    return { line, head, shown: isShown({ ...head, ...message }, format) };
  }

  /** JSON of an entry within that many bytes. Of a line that is too long for any memory, what is known of it. */
  #textOf(known: Known, { line, head }: Stored, most: number, refs: boolean): string {
    const { bytes, length } = line;
    const entry = bytes === undefined ? undefined : entryIn(utf8.decode(bytes));
    if (entry === undefined) return toJson({ ...head, oversized: true, lineBytes: length });
    const text = newestJson([entry], most, undefined, refs ? this.#refs : undefined).text.slice(1, -1);
    if (refs) {
      const place = { offset: line.offset, length };
      for (const [, hash = ""] of text.matchAll(/"contentRef":\{"hash":"([0-9a-f]{64})"/g)) {
        remember(known.contents, hash, place);
      }
    }
    return text;
  }

  /** The entry that holds a content: the known one, or the first that a search from the end meets. */
  async #entryWith(path: string, known: Known, hash: string): Promise<object | undefined> {
    const line = known.contents.get(hash);
    if (line !== undefined) {
      const last = this.#last;
      if (last?.path === path && last.line === line) return last.entry;
      const bytes = await this.#parts.files.part(path, line.offset, line.length);
      const entry = entryIn(utf8.decode(bytes));
      if (entry === undefined) return undefined;
      this.#last = { path, line, entry };
      return entry;
    }
    for await (const found of linesBackwards(this.#parts.files, path, known.size, STORED_LINE_BYTES)) {
      const entry = found.bytes === undefined ? undefined : entryIn(utf8.decode(found.bytes));
      if (entry === undefined || await this.#refs.find(hash, () => [entry]) === undefined) continue;
      const place = { offset: found.offset, length: found.length };
      remember(known.contents, hash, place);
      this.#last = { path, line: place, entry };
      return entry;
    }
    return undefined;
  }

  /** What is known of a file. Everything is forgotten when the file has changed. */
  async #of(path: string): Promise<Known | undefined> {
    const found = await this.#parts.files.stat(path);
    if (found?.kind !== "file") return undefined;
    const { size, modifiedAt } = found;
    let known = this.#known.get(path);
    if (known?.size !== size || known.modifiedAt !== modifiedAt) {
      known = { size, modifiedAt, begins: new Map(), contents: new Map(), leafId: undefined };
      if (this.#last?.path === path) this.#last = undefined;
    }
    this.#known.delete(path);
    this.#known.set(path, known);
    if (this.#known.size > FILES) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    return known;
  }
}

/** The JSON of a page, which grows entry by entry. */
class PageText {
  readonly most: number;
  readonly #texts: string[] = [];
  #bytes = 2;
  /** The entry that was added last. */
  first: { readonly id: string; readonly offset: number; readonly parentId: string | null } | undefined;

  constructor(most: number) {
    this.most = most;
  }

  get count(): number {
    return this.#texts.length;
  }

  /** Adds an entry. False when it does not fit beside the others. */
  add(text: string): boolean {
    const size = encoder.encode(text).length + 1;
    if (this.#bytes + size > this.most && this.#texts.length > 0) return false;
    this.#bytes += size;
    this.#texts.push(text);
    return true;
  }

  /** @param hidden entries that clients do not see, with their parents */
  json(order: "forwards" | "backwards", hidden: ReadonlyMap<string, string | null>, rest: object): string {
    const texts = order === "forwards" ? this.#texts : this.#texts.toReversed();
    const shown = hidden.size === 0 ? texts : texts.map((text) => withParent(text, hidden));
    return `{"entries":[${shown.join(",")}],${toJson(rest).slice(1)}`;
  }
}

/** An entry below the nearest one that clients see. */
function withParent(text: string, hidden: ReadonlyMap<string, string | null>): string {
  const entry = entryIn(text);
  if (entry === undefined || entry.parentId === null || !hidden.has(entry.parentId)) return text;
  let parentId: string | null = entry.parentId;
  for (
    let next = hidden.get(parentId);
    next !== undefined;
    next = next === null ? undefined : hidden.get(next)
  ) {
    parentId = next;
  }
  return toJson({ ...entry, parentId });
}

function mostOf({ maxBytes }: StoredQuery): number {
  return maxBytes === undefined ? ANSWER_BYTES : Math.min(ANSWER_BYTES, maxBytes - ANSWER_HEAD_BYTES);
}

function cursorFailure(field: "since" | "before", id: string, { off, leafId }: Walk): Outcome<never> {
  if (off?.id !== id) {
    const sentence = `/${field}: the session's history has no entry "${id}"; begin again without "${field}"`;
    return { ok: false, failure: failure("entry_not_found", sentence) };
  }
  const { common } = off;
  const next = common === null
    ? `begin again without "${field}"`
    : `the last entry of both is "${common}", so go on from there`;
  const sentence = `/${field}: entry "${id}" is on a branch that the session has left; ` +
    `${next}, or read with scope "tree"`;
  const data = { leafId, commonEntryId: common };
  return { ok: false, failure: failure("entry_not_on_branch", sentence, { data }) };
}

function goneFile(path: string): Failure {
  return failure("path_not_found", `${path} is gone; put it back, or delete the session`);
}

/** Keeps a place, and forgets the oldest of too many. */
function remember<V>(places: Map<string, V>, key: string, value: V): void {
  places.set(key, value);
  if (places.size <= PLACES) return;
  const [oldest] = places.keys();
  if (oldest !== undefined) places.delete(oldest);
}
