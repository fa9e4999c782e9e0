// Does: carries out the commands on stored sessions: list, search, archive, rename, delete.
// Used by: the router. Uses: the catalogue for the files, and the manager for their owners.
// Invariant: it edits no file that a session or another server drives.
import { defined } from "../../base/json.ts";
import { toJson } from "../../base/text.ts";
import type { CatalogueAnswer, CatalogueCall, ListPlace, StoredQuery } from "../../ipc/catalogue_messages.ts";
import type { Reply } from "../../ipc/messages.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { fileInUse, type Outcome } from "../../protocol/failures.ts";
import { type CommandOf, specOf } from "../../protocol/schema/commands.ts";
import { PAGE_BYTES, PAGE_ITEMS } from "../../protocol/schema/list_fields.ts";
import type { ArchiveStore } from "../state/archive_store.ts";
import { MOST_ARCHIVED } from "../state/archive_store.ts";
import type { SessionManager } from "../manager/session_manager.ts";
import type { CatalogueLink } from "./catalogue_link.ts";
import { cursorExpired, type PageCursors } from "./page_cursors.ts";

/** Sessions that a list returns to a client that names no limit and asks for no page. */
const DEFAULT_LIST = 1_000;

/** Milliseconds that one answer to `search` takes, and its hits without a limit. */
const [SEARCH_MS, SEARCH_HITS] = [1_000, 50];

/** What happened to a stored session by a command. */
export type StoredChange = "archived" | "unarchived" | "renamed" | "deleted";

export interface StoredSessionsParts {
  readonly catalogue: CatalogueLink;
  readonly archive: ArchiveStore;
  readonly manager: Pick<SessionManager, "files">;
  readonly cursors: PageCursors;
  /** The most bytes of an answer to a client that knows no pages. */
  readonly answerBytes: number;
  /** A client has changed a stored session. */
  changed(change: StoredChange, sessionFile: string): void;
}

type Listing = CommandOf<"list_stored_sessions">;

const failed = (failure: Failure): Reply => ({ ok: false, failure });

/** The commands on stored sessions. */
export class StoredSessions {
  readonly #parts: StoredSessionsParts;

  constructor(parts: StoredSessionsParts) {
    this.#parts = parts;
  }

  /** Whether that session file is archived. */
  isArchived(file: string | undefined): boolean {
    return file !== undefined && this.#parts.archive.has(file);
  }

  async list(command: Listing): Promise<Reply> {
    const { cursor, sort = "activity", cwd, status, archived, query, limit } = command;
    const paged = [cursor, command.sort, status, archived, query].some((field) => field !== undefined);
    const text = query?.toLowerCase();
    const first: StoredQuery = defined({ sort, cwd, status, archived, text });
    const from = this.#from(command.type, cursor, first);
    if (!from.ok) return from;
    const answer = await this.#ask({
      type: "list",
      from: from.value,
      limit: paged ? Math.min(limit ?? PAGE_ITEMS, 1_000) : limit ?? DEFAULT_LIST,
      maxBytes: paged ? PAGE_BYTES : this.#parts.answerBytes,
      exact: !paged,
    });
    return this.#page(command.type, answer);
  }

  async search(command: CommandOf<"search">): Promise<Reply> {
    const { cursor, query, sessions, limit } = command;
    const first = { text: query, ...defined({ files: sessions }) };
    const from = this.#from(command.type, cursor, first);
    if (!from.ok) return from;
    const answer = await this.#ask({
      type: "search",
      from: from.value,
      limit: limit ?? SEARCH_HITS,
      maxBytes: PAGE_BYTES,
      withinMs: SEARCH_MS,
    });
    return this.#page(command.type, answer);
  }

  /** Marks a session file, or removes the mark. A session may drive it. */
  async archive({ sessionPath }: { sessionPath: string }, archived: boolean): Promise<Reply> {
    const { archive, catalogue, changed } = this.#parts;
    const file = await this.#identify(sessionPath);
    if (!file.ok) return file;
    if (archived && archive.isFull && !archive.has(file.value)) {
      const sentence = `There are ${MOST_ARCHIVED} archived sessions, the most possible; delete some of them`;
      return failed(failure("session_limit", sentence));
    }
    const was = archive.has(file.value);
    const trouble = await archive.set(file.value, archived);
    catalogue.archived(file.value, archived);
    if (was !== archived) changed(archived ? "archived" : "unarchived", file.value);
    if (trouble !== undefined) {
      const sentence =
        `The mark cannot be written to the state folder (${trouble}), and ends with this server`;
      return failed(failure("internal", sentence, { data: { reason: "storage" } }));
    }
    return { ok: true, dataText: toJson({ sessionFile: file.value, archived }) };
  }

  rename({ sessionPath, sessionName }: CommandOf<"rename_stored_session">): Promise<Reply> {
    const name = sessionName.trim();
    if (name === "") {
      return Promise.resolve(
        failed(failure("invalid_params", "/sessionName: a name needs more than blanks")),
      );
    }
    return this.#edit(sessionPath, "set_session_name", async (file) => {
      const answer = await this.#ask({ type: "rename", file, name });
      if (answer.ok === true) this.#parts.changed("renamed", file);
      return this.#page("rename_stored_session", answer);
    });
  }

  delete({ sessionPath, permanent = false }: CommandOf<"delete_stored_session">): Promise<Reply> {
    return this.#edit(sessionPath, "delete_session", async (file) => {
      const answer = await this.#ask({ type: "remove", file, permanent });
      if (answer.ok === true) {
        const { archive, catalogue, changed } = this.#parts;
        void archive.set(file, false);
        catalogue.archived(file, false);
        changed("deleted", file);
      }
      return this.#page("delete_stored_session", answer);
    });
  }

  /** Runs an edit of a file that no session drives. `instead` is the command for one that a session drives. */
  async #edit(sessionPath: string, instead: string, run: (file: string) => Promise<Reply>): Promise<Reply> {
    const { files } = this.#parts.manager;
    const file = await this.#identify(sessionPath);
    if (!file.ok) return file;
    const owner = await files.hold(file.value);
    if (owner !== undefined) {
      const used = fileInUse(owner);
      const message = typeof owner === "string"
        ? `Session "${owner}" drives that file; send ${instead} to it first`
        : used.message;
      return failed({ ...used, message });
    }
    try {
      return await run(file.value);
    } finally {
      await files.letGo(file.value);
    }
  }

  async #identify(path: string): Promise<Outcome<string>> {
    const answer = await this.#ask({ type: "identify", path });
    if (answer.ok === true && answer.file !== undefined) return { ok: true, value: answer.file };
    return { ok: false, failure: answer.ok === false ? answer.failure : cursorExpired() };
  }

  #ask(call: CatalogueCall): Promise<CatalogueAnswer> {
    return this.#parts.catalogue.ask(call, specOf("list_stored_sessions").timeoutMs);
  }

  /** Where a page begins: at the beginning, or where the cursor leads. */
  #from<Q>(command: string, cursor: string | undefined, first: Q): Outcome<Q | ListPlace> {
    if (cursor === undefined) return { ok: true, value: first };
    return this.#parts.cursors.decode(command, cursor);
  }

  #page(command: string, answer: CatalogueAnswer): Reply {
    if (answer.ok === "expired") return failed(cursorExpired());
    if (!answer.ok) return answer;
    const { dataText, next } = answer;
    if (next === undefined) return { ok: true, dataText };
    const cursor = JSON.stringify(this.#parts.cursors.encode(command, next));
    return { ok: true, dataText: `${dataText.slice(0, -1)},"nextCursor":${cursor}}` };
  }
}
