// Does: the fields that every long list has: the order, the filters, and the page (docs/PROTOCOL.md#long-lists). Pure.
// Used by: the tables of this folder.
import { Type } from "typebox";
import { limited } from "./command_spec.ts";

/** The orders of a list of sessions. */
export const LIST_SORTS = ["activity", "created", "name", "cost"] as const;

/** The order of a list of sessions. */
export type ListSort = (typeof LIST_SORTS)[number];

/** Items of a page when the client names no limit, and the most. */
export const [PAGE_ITEMS, MOST_PAGE_ITEMS] = [100, 1_000] as const;

/** The most bytes of JSON in one page. A larger item comes alone. */
export const PAGE_BYTES: number = 512 * 1024;

/** Where the next page begins: `nextCursor` of the page before. */
export const PageCursor = Type.Optional(Type.String({ minLength: 1, maxLength: 512 }));

/** Fields of a list of sessions beside its `limit`, `cwd` and `status`. */
export const listFields = {
  cursor: PageCursor,
  sort: Type.Optional(Type.Enum([...LIST_SORTS])),
  query: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  archived: Type.Optional(Type.Boolean()),
};

/** The folder of a session. */
export const cwdField = Type.Optional(limited("pathChars"));

/** Fields of an answer that is one page. */
export const pageFields = {
  nextCursor: Type.Optional(Type.String()),
  truncated: Type.Optional(Type.Literal(true)),
};
