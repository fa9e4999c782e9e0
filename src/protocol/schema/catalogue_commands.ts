// Does: the schemas of the commands on stored sessions: search, archive, rename and delete (docs/PROTOCOL.md#long-lists).
// Used by: commands.ts.
import { Type } from "typebox";
import { anySession, limited, NodeName, server } from "./command_spec.ts";
import { PageCursor } from "./list_fields.ts";
import { StoredSessionSchema } from "./results.ts";

const text = Type.String();
const count = Type.Integer({ minimum: 0 });
const sessionPath = limited("pathChars");
const node = Type.Optional(NodeName);

/** A message that holds the text of a search. */
export const SearchHitSchema = Type.Object({
  sessionFile: text,
  sessionPath: text,
  sessionId: text,
  sessionName: Type.Optional(text),
  liveSessionId: Type.Optional(text),
  node: Type.Optional(text),
  cwd: text,
  entryId: Type.Optional(text),
  role: text,
  timestamp: Type.Optional(text),
  snippet: text,
  matchAt: count,
  matchLength: count,
});

const edit = { role: "drive", scoped: false } as const;

/** By name. */
export const CATALOGUE_COMMANDS = {
  search: server(
    "search",
    {
      ...anySession,
      query: Type.String({ minLength: 1, maxLength: 256 }),
      sessions: Type.Optional(Type.Array(sessionPath, { minItems: 1, maxItems: 100 })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
      cursor: PageCursor,
    },
    Type.Object({
      hits: Type.Array(SearchHitSchema),
      searched: count,
      sessions: count,
      unsearched: count,
      nextCursor: Type.Optional(text),
    }),
    { duringShutdown: true, scoped: false, bulk: true },
  ),
  archive_session: server(
    "archive_session",
    { ...anySession, sessionPath, node },
    Type.Object({ sessionFile: text, archived: Type.Literal(true) }),
    edit,
  ),
  unarchive_session: server(
    "unarchive_session",
    { ...anySession, sessionPath, node },
    Type.Object({ sessionFile: text, archived: Type.Literal(false) }),
    edit,
  ),
  rename_stored_session: server(
    "rename_stored_session",
    { ...anySession, sessionPath, node, sessionName: Type.String({ minLength: 1, maxLength: 1024 }) },
    Type.Object({ session: StoredSessionSchema }),
    edit,
  ),
  delete_stored_session: server(
    "delete_stored_session",
    { ...anySession, sessionPath, node, permanent: Type.Optional(Type.Boolean()) },
    Type.Object({ deleted: Type.Literal(true), trashFile: Type.Optional(text) }),
    edit,
  ),
};
