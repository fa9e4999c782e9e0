// Does: answers `list_sessions` page by page: chooses the sessions by their records, and asks workers for those alone.
// Used by: the router. Uses: the manager, and the lists that clients page through.
// Invariant: the cost of a page does not depend on the number of sessions, and the page is bounded in bytes.
import { type Listing, Listings, MOST_LOOKED_AT } from "../../base/listing/listings.ts";
import { defined } from "../../base/json.ts";
import { toJson, utf8Bytes } from "../../base/text.ts";
import type { CommandOf } from "../../protocol/schema/commands.ts";
import { type ListSort, PAGE_BYTES, PAGE_ITEMS } from "../../protocol/schema/list_fields.ts";
import { type Access, sees } from "../auth/access.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { KnownSession, SessionManager } from "../manager/session_manager.ts";
import { cursorExpired, type PageCursors } from "./page_cursors.ts";

type ListSessions = CommandOf<"list_sessions">;

/** What a client asked for with the first page. Later pages may not change it. */
interface Query {
  readonly sort: ListSort;
  readonly status?: "live" | "parked";
  readonly cwd?: string;
  readonly archived?: boolean;
  /** In lower case. */
  readonly text?: string;
}

export interface SessionListParts {
  readonly manager: SessionManager;
  readonly cursors: PageCursors;
  /** Milliseconds on a clock that never goes back. */
  readonly monotonic: () => number;
  /** Whether that session file is archived. */
  readonly isArchived: (file: string | undefined) => boolean;
}

/** Whether a command asks for a page. Older clients send none of these fields, and get one list of all. */
export function asksForPage(command: ListSessions): boolean {
  const { cursor, limit, sort, query, archived, status, cwd } = command;
  return [cursor, limit, sort, query, archived, status, cwd].some((field) => field !== undefined);
}

/** The pages of one server's sessions. */
export class SessionList {
  readonly #parts: SessionListParts;
  readonly #listings: Listings<Query>;

  constructor(parts: SessionListParts) {
    this.#parts = parts;
    this.#listings = new Listings(parts.monotonic);
  }

  /** JSON of a session's information, with what only the server thread knows. */
  mark(sessionId: string, infoText: string): string {
    const file = this.#parts.manager.known(sessionId)?.file;
    return this.#parts.isArchived(file) ? `${infoText.slice(0, -1)},"archived":true}` : infoText;
  }

  /** Answers with one page. `maxBytes` bounds the sessions in it, and one session may come alone. */
  page(command: ListSessions, access: Access, replyTo: ReplyTo, maxBytes = PAGE_BYTES): void {
    const { manager, cursors } = this.#parts;
    const { cursor, limit = PAGE_ITEMS } = command;
    const place = cursor === undefined ? undefined : cursors.decode("list_sessions", cursor);
    if (place?.ok === false) return replyTo.answer({ ok: false, failure: place.failure });
    const listing = place === undefined ? this.#begin(command) : this.#listings.find(place.value.key);
    if (listing === undefined) return replyTo.answer({ ok: false, failure: cursorExpired() });
    const from = place?.value.at ?? 0;
    const chosen: number[] = [];
    let at = from;
    for (; at < listing.ids.length && chosen.length < limit && at - from < MOST_LOOKED_AT; at++) {
      const id = listing.ids[at] ?? "";
      if (sees(access, id) && this.#fits(manager.known(id), listing.query)) chosen.push(at);
    }
    const ids = chosen.map((index) => listing.ids[index] ?? "");
    manager.infosOf(ids, (infos) => {
      const texts: string[] = [];
      let bytes = 0;
      let next = at;
      for (const [index, id] of ids.entries()) {
        const info = infos.get(id);
        // Deleted since the page was chosen.
        if (info === undefined) continue;
        const text = this.mark(id, info);
        const size = utf8Bytes(text);
        if (texts.length > 0 && bytes + size > maxBytes) {
          next = chosen[index] ?? at;
          break;
        }
        bytes += size;
        texts.push(text);
      }
      const more = next < listing.ids.length;
      if (more) this.#listings.keep(listing);
      const rest = {
        nextCursor: more ? cursors.encode("list_sessions", { key: listing.key, at: next }) : undefined,
      };
      const tail = toJson(defined(rest)).slice(1);
      replyTo.answer({
        ok: true,
        dataText: `{"sessions":[${texts.join(",")}]${tail === "}" ? "" : ","}${tail}`,
      });
    });
  }

  #begin({ sort = "activity", status, cwd, archived, query }: ListSessions): Listing<Query> {
    const text = query?.toLowerCase();
    return this.#listings.begin(
      this.#parts.manager.sessionOrder(sort),
      defined({ sort, status, cwd, archived, text }),
    );
  }

  #fits(known: KnownSession | undefined, { status, cwd, archived, text }: Query): boolean {
    if (known === undefined) return false;
    const { info, file } = known;
    if (status !== undefined && known.status !== status) return false;
    if (cwd !== undefined && info.cwd !== cwd) return false;
    if (archived !== undefined && this.#parts.isArchived(file) !== archived) return false;
    if (text === undefined) return true;
    return [info.sessionName, info.firstMessage, info.cwd].some((one) => one?.toLowerCase().includes(text));
  }
}
