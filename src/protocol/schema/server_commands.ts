// Does: the schemas of the server's own commands (docs/PROTOCOL.md#server-commands).
// Used by: commands.ts.
import { Type } from "typebox";
import {
  anySession,
  bounded,
  BUILD_MS,
  limited,
  NodeName,
  server,
  session,
  SessionId,
  Target,
} from "./command_spec.ts";
import { cwdField, listFields, MOST_PAGE_ITEMS, pageFields } from "./list_fields.ts";
import { SessionInfoSchema, SubscribedSchema, THINKING_LEVELS } from "./responses.ts";
import { PendingUiSchema, StoredSessionSchema } from "./results.ts";

const Subscribed = Type.Union([
  SubscribedSchema,
  Type.Object({ sessions: Type.Record(Type.String(), SubscribedSchema) }),
]);

const Cursor = Type.Object(
  { epoch: Type.String({ minLength: 1, maxLength: 128 }), seq: Type.Integer({ minimum: 0 }) },
  { additionalProperties: false },
);
const From = Type.Union([
  Cursor,
  Type.Object({ sessions: Type.Record(SessionId, Cursor, { additionalProperties: false }) }, {
    additionalProperties: false,
  }),
]);

/** By name. */
export const SERVER_COMMANDS = {
  hello: server(
    "hello",
    {
      ...anySession,
      protocolVersions: Type.Optional(
        Type.Array(Type.String({ pattern: "^[0-9]{1,4}\\.[0-9]{1,4}$" }), { minItems: 1, maxItems: 32 }),
      ),
      client: Type.Optional(Type.Object({
        name: Type.String({ minLength: 1, maxLength: 128 }),
        version: Type.Optional(Type.String({ maxLength: 128 })),
      }, { additionalProperties: false })),
    },
    Type.Object({
      protocolVersion: Type.String(),
      serverVersion: Type.String(),
      capabilities: Type.Array(Type.String()),
      limits: Type.Object({}),
    }),
    { duringShutdown: true, exempt: true },
  ),
  ping: server("ping", anySession, Type.Object({ now: Type.Integer() }), {
    duringShutdown: true,
    exempt: true,
  }),
  get_schema: server(
    "get_schema",
    { ...anySession, command: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })) },
    Type.Object({ schema: Type.Object({}), schemaHash: Type.String() }),
    { duringShutdown: true },
  ),
  list_sessions: server(
    "list_sessions",
    {
      ...anySession,
      ...listFields,
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_PAGE_ITEMS })),
      status: Type.Optional(Type.Enum(["live", "parked"])),
      cwd: cwdField,
    },
    Type.Object({
      sessions: Type.Array(SessionInfoSchema),
      unavailable: Type.Optional(
        Type.Array(Type.Object({ sessionId: Type.String(), node: Type.String() })),
      ),
      ...pageFields,
    }),
    { duringShutdown: true, bulk: true },
  ),
  create_session: server(
    "create_session",
    {
      ...anySession,
      cwd: Type.Optional(limited("pathChars")),
      sessionName: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
      provider: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
      modelId: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
      thinkingLevel: Type.Optional(Type.Enum([...THINKING_LEVELS])),
      tools: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 256 })),
      inMemory: Type.Optional(Type.Boolean()),
      trustProject: Type.Optional(Type.Boolean()),
      node: Type.Optional(NodeName),
    },
    Type.Object({ sessionId: Type.String(), sessionInfo: SessionInfoSchema }),
    { timeoutMs: BUILD_MS, keyed: true, role: "drive" },
  ),
  delete_session: session(
    "delete_session",
    // In a cluster: the node of the session is gone for good, and its id becomes free.
    { lost: Type.Optional(Type.Boolean()) },
    Type.Object({ deleted: Type.Literal(true) }),
    { lane: "direct" },
  ),
  switch_session: session("switch_session", {}, Type.Object({ sessionInfo: SessionInfoSchema }), {
    lane: "direct",
    mutates: false,
    duringShutdown: true,
    role: "observe",
  }),
  subscribe: server(
    "subscribe",
    {
      sessionId: Target,
      from: Type.Optional(From),
      snapshot: Type.Optional(Type.Boolean()),
      ...bounded,
      updates: Type.Optional(Type.Enum(["delta", "full"])),
      events: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 128 })),
    },
    Subscribed,
    { duringShutdown: true, bulk: true },
  ),
  unsubscribe: server(
    "unsubscribe",
    { sessionId: Target },
    Type.Object({ unsubscribed: Type.Boolean() }),
    { duringShutdown: true },
  ),
  list_stored_sessions: server(
    "list_stored_sessions",
    {
      ...anySession,
      ...listFields,
      cwd: cwdField,
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      status: Type.Optional(Type.Enum(["in_use", "free"])),
    },
    Type.Object({
      sessions: Type.Array(StoredSessionSchema),
      index: Type.Object({ files: Type.Integer({ minimum: 0 }), indexed: Type.Integer({ minimum: 0 }) }),
      ...pageFields,
    }),
    { duringShutdown: true, scoped: false, bulk: true },
  ),
  load_session: server(
    "load_session",
    { ...anySession, sessionPath: limited("pathChars"), node: Type.Optional(NodeName) },
    Type.Object({ sessionId: Type.String(), sessionInfo: SessionInfoSchema }),
    { timeoutMs: BUILD_MS, keyed: true, role: "drive", scoped: false },
  ),
  list_pending_ui: server(
    "list_pending_ui",
    anySession,
    Type.Object({
      requests: Type.Array(PendingUiSchema),
      truncated: Type.Optional(Type.Literal(true)),
    }),
    { duringShutdown: true },
  ),
};
