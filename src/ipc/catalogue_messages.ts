// Does: the messages between the server thread and the catalogue's thread. Types only.
// Used by: server/lists and the catalogue. Invariant: messages are plain data in order, and each call has one answer.
import type { Engine } from "../protocol/pi_package.ts";
import type { Failure } from "../protocol/errors.ts";
import type { CommandOf } from "../protocol/schema/commands.ts";
import type { ListSort } from "../protocol/schema/list_fields.ts";

/** The configuration of the catalogue. Paths are absolute. */
export interface CatalogueConfig {
  readonly engine: Engine;
  /** Base of relative paths, and the folder of sessions that name none. */
  readonly cwd: string;
  /** Folders that clients may name paths in. Absent: the base and pi's folders of sessions. */
  readonly roots?: readonly string[];
  /** Folders that stay closed even inside a root: the state folder. */
  readonly closed: readonly string[];
  /** pi's folders of sessions. */
  readonly folders: readonly string[];
  /** The folder of the index. It exists. */
  readonly indexFolder: string;
  /** The key of the first list. Lists of an earlier thread have smaller keys. */
  readonly firstList: number;
}

/** The place in a list where a page begins. */
export interface ListPlace {
  readonly key: number;
  readonly at: number;
  /** Bytes of the session at that place that a search has read already. */
  readonly offset: number;
}

/** What one page of stored sessions has to show. */
export interface StoredQuery {
  readonly sort: ListSort;
  readonly cwd?: string;
  readonly status?: "in_use" | "free";
  readonly archived?: boolean;
  readonly text?: string;
}

/** A command that the file of a session answers, while no worker runs the session. */
export interface StoredRead {
  readonly type: "read";
  readonly command: CommandOf<"get_entries"> | CommandOf<"get_content">;
  /** pi's path of the file. */
  readonly sessionFile: string;
  /** Where that path led when the session was parked. */
  readonly file?: string;
  /** The entry at which the agent stands, if it is not the newest one. */
  readonly leaf?: string | null;
}

/** A question to the catalogue. */
export type CatalogueCall =
  | StoredRead
  | {
    readonly type: "list";
    /** The first page, or where a later one begins. */
    readonly from: StoredQuery | ListPlace;
    readonly limit: number;
    readonly maxBytes: number;
    /** An older client: the order is exact, whatever it takes, and nothing is left for later. */
    readonly exact: boolean;
  }
  | {
    readonly type: "search";
    readonly from: { readonly text: string; readonly files?: readonly string[] } | ListPlace;
    readonly limit: number;
    readonly maxBytes: number;
    readonly withinMs: number;
  }
  /** Find the session file of a client's path. */
  | { readonly type: "identify"; readonly path: string }
  /** Write a name into a file that no session drives. */
  | { readonly type: "rename"; readonly file: string; readonly name: string }
  /** Move a file that no session drives to the trash, or remove it. */
  | { readonly type: "remove"; readonly file: string; readonly permanent: boolean };

/** The answer to a call. */
export type CatalogueAnswer =
  | {
    readonly ok: true;
    /** JSON of the answer's fields. */
    readonly dataText: string;
    /** Where the next page begins. */
    readonly next?: ListPlace;
    /** The file that the call was about. */
    readonly file?: string;
  }
  | { readonly ok: false; readonly failure: Failure }
  /** The list of that place is gone. */
  | { readonly ok: "expired" };

/** Messages from the server thread. */
export type ToCatalogue =
  | { readonly kind: "open"; readonly config: CatalogueConfig }
  | { readonly kind: "call"; readonly ref: number; readonly call: CatalogueCall }
  /** That session drives the file from now on, or none does. */
  | { readonly kind: "owner"; readonly file: string; readonly sessionId?: string }
  | { readonly kind: "archived"; readonly file: string; readonly archived: boolean }
  /** A session of this server has written to that file. */
  | { readonly kind: "touched"; readonly file: string }
  /** Save the index. `closed` follows. */
  | { readonly kind: "close" };

/** Messages from the catalogue's thread. */
export type FromCatalogue =
  | { readonly kind: "answer"; readonly ref: number; readonly answer: CatalogueAnswer }
  /** The stored sessions have changed, or more of them are in the index. At most once a second. */
  | { readonly kind: "changed"; readonly files: number; readonly indexed: number }
  | { readonly kind: "closed" }
  | {
    readonly kind: "log";
    readonly level: "info" | "warn" | "error";
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  };

/** What the catalogue's thread gets: the same entry as a worker's, so that each build needs one. */
export interface CatalogueBatch {
  readonly catalogue: readonly ToCatalogue[];
}
