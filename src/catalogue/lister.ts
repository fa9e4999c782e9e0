// Does: makes the pages of the list of stored sessions: orders, filters, and the JSON of each session.
// Used by: catalogue.ts. Invariant: each file of a page is looked at in that moment, and read again when it has changed.
import { type Listing, MOST_LOOKED_AT } from "../base/listing/listings.ts";
import { SortedIds, type SortKey } from "../base/listing/sorted_ids.ts";
import { defined } from "../base/json.ts";
import { cut, toJson, utf8Bytes } from "../base/text.ts";
import type { StoredQuery } from "../ipc/catalogue_messages.ts";
import type { ListSort } from "../protocol/schema/list_fields.ts";
import type { StoredSession } from "../protocol/schema/results.ts";
import type { Clock, Files } from "../runtime/runtime.ts";
import { readHeader } from "../worker/session/files/session_files.ts";
import { FIELD_CHARS, type Row } from "./row.ts";
import type { Known, SessionIndex } from "./session_index.ts";
import type { Visibility } from "./visibility.ts";

/** Files of one page that are looked at together. */
const TOGETHER = 32;

/** Milliseconds after which a page ends with what it has, and milliseconds that it waits for one large file. */
const [PAGE_MS, FILE_MS] = [600, 300];

/** Names come before sessions without a name. */
const LAST = "\uffff";

/** pi names its files by the time of their creation. */
const STAMP = /(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z_[^/\\]*$/;

const KEYS: Readonly<Record<ListSort, (path: string, known: Known) => SortKey>> = {
  activity: (_, { stat }) => -stat.modifiedAt,
  created: (path, { stat, row }) => {
    const [, day, hours, minutes, seconds, ms] = STAMP.exec(path) ?? [];
    const named = day === undefined ? NaN : Date.parse(`${day}T${hours}:${minutes}:${seconds}.${ms}Z`);
    return -(Date.parse(row?.header?.timestamp ?? "") || named || stat.modifiedAt);
  },
  name: (_, { row }) => row?.name?.toLowerCase() ?? LAST,
  cost: (_, { row }) => -(row?.costUsd ?? 0),
};

export interface ListerParts {
  readonly index: SessionIndex;
  readonly visibility: Visibility;
  readonly clock: Clock;
  readonly files: Files;
}

/** The bounds of a page. */
export interface PageBounds {
  readonly limit: number;
  readonly maxBytes: number;
  /** Wait for every file, whatever it takes. */
  readonly exact: boolean;
}

type Folders = (cwd: string) => Promise<string | undefined>;

/** The pages of one catalogue. */
export class Lister {
  readonly #parts: ListerParts;
  readonly #orders = new Map<ListSort, SortedIds>();

  constructor(parts: ListerParts) {
    this.#parts = parts;
  }

  /** A file came, went, or has another row. */
  touch(path: string): void {
    for (const order of this.#orders.values()) order.touch(path);
  }

  /** All session files in that order. The list never changes. */
  order(sort: ListSort): readonly string[] {
    const { index } = this.#parts;
    let order = this.#orders.get(sort);
    if (order === undefined) {
      order = new SortedIds((path) => {
        const known = index.get(path);
        // A file that was read and is not a session is in no list.
        const other = known === undefined || (known.row !== undefined && known.row.header === undefined);
        return other ? undefined : KEYS[sort](path, known);
      }, index.paths);
      this.#orders.set(sort, order);
    }
    return order.list();
  }

  /** The JSON of the sessions of one page, and where the next one begins. */
  async page(
    { ids, query }: Listing<StoredQuery>,
    from: number,
    { limit, maxBytes, exact }: PageBounds,
  ): Promise<{ readonly texts: readonly string[]; readonly at: number }> {
    const { index, visibility, clock } = this.#parts;
    const started = clock.monotonic();
    const folders = visibility.folders(() => clock.monotonic());
    const texts: string[] = [];
    let bytes = 0;
    let at = from;
    while (at < ids.length && texts.length < limit) {
      const batch: number[] = [];
      let end = at;
      for (; end < ids.length && batch.length < Math.min(TOGETHER, limit - texts.length); end++) {
        if (!exact && end - from >= MOST_LOOKED_AT) break;
        const path = ids[end] ?? "";
        const row = index.get(path)?.row;
        // A row that was fresh at the last look, and does not fit, is not worth a look at its file.
        const wanted = row === undefined || !index.isRead(path) || this.#fits(path, row, query);
        if (wanted) batch.push(end);
      }
      const items = await Promise.all(batch.map(async (place) => {
        return await this.#show(ids[place] ?? "", query, folders, exact ? Infinity : FILE_MS);
      }));
      for (const [position, text] of items.entries()) {
        if (text === undefined) continue;
        const size = utf8Bytes(text);
        if (texts.length > 0 && bytes + size > maxBytes) return { texts, at: batch[position] ?? at };
        bytes += size;
        texts.push(text);
      }
      at = end;
      if (!exact && (clock.monotonic() - started > PAGE_MS || end - from >= MOST_LOOKED_AT)) break;
    }
    return { texts, at };
  }

  /** The JSON of one session. */
  async item(path: string): Promise<string | undefined> {
    const folders: Folders = (cwd) => this.#parts.visibility.folderOf(cwd);
    return await this.#show(path, { sort: "activity" }, folders, Infinity);
  }

  /** Undefined when the file is gone, is not a session, does not fit, or must not be seen. */
  async #show(
    path: string,
    query: StoredQuery,
    folders: Folders,
    withinMs: number,
  ): Promise<string | undefined> {
    const { index, visibility } = this.#parts;
    const fresh = await index.fresh(path, withinMs);
    const row = fresh === "late" ? await this.#partial(path) : fresh;
    if (row?.header === undefined || !this.#fits(path, row, query)) return undefined;
    const folder = await folders(row.header.cwd);
    if (folder === undefined || (query.cwd !== undefined && folder !== query.cwd)) return undefined;
    if (!await visibility.isInPlace(path)) return undefined;
    return toJson(this.#describe(path, row, fresh === "late"));
  }

  /** What is known of a large file before it has been read: its first line, and an older row. */
  async #partial(path: string): Promise<Row | undefined> {
    const known = this.#parts.index.get(path);
    if (known === undefined || known.row?.header !== undefined) return known?.row;
    const header = await readHeader(this.#parts.files, path);
    const { size, modifiedAt } = known.stat;
    return header.ok ? { path, size, modifiedAt, messages: 0, costUsd: 0, header: header.value } : undefined;
  }

  #fits(path: string, { header, name, first }: Row, { status, archived, text }: StoredQuery): boolean {
    const { owners, archived: marked } = this.#parts.visibility;
    if (status !== undefined && owners.has(path) !== (status === "in_use")) return false;
    if (archived !== undefined && marked.has(path) !== archived) return false;
    if (text === undefined) return true;
    return [name, first, header?.cwd].some((one) => one?.toLowerCase().includes(text));
  }

  #describe(path: string, row: Row, late: boolean): StoredSession {
    const { owners, archived } = this.#parts.visibility;
    const { header, name, first, last, messages, costUsd, model, newer, modifiedAt } = row;
    const { id = "", cwd = "", timestamp = "" } = header ?? {};
    return {
      ...defined({ sessionId: cut(id, FIELD_CHARS), sessionName: name }),
      sessionFile: path,
      sessionPath: path,
      cwd: cut(cwd, FIELD_CHARS),
      createdAt: cut(timestamp, FIELD_CHARS),
      modifiedAt: new Date(modifiedAt).toISOString(),
      messageCount: messages,
      ...defined({ firstMessage: first, liveSessionId: owners.get(path), lastMessage: last, model }),
      ...(costUsd === 0 ? {} : { costUsd }),
      ...(newer === undefined ? {} : { newerEntries: [...newer] }),
      ...(archived.has(path) ? { archived: true as const } : {}),
      ...(late ? { indexing: true as const } : {}),
    };
  }
}
