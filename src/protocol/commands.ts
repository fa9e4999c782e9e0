// Inbound messages: one entry for each command with its fields, its result and its traits. The schemas are
// the single source of the static types, the validators (codec.ts) and the JSON Schema (schema.ts).
// Closed: an unknown field is an error. To add a command, add it here and to a file in host/handlers.
import { type Static, type TObject, type TProperties, type TSchema, Type } from "typebox";
import {
  DispositionSchema,
  ModelSchema,
  QueueSchema,
  SessionInfoSchema,
  SettledSchema,
  SubscribedSchema,
  THINKING_LEVELS,
} from "./responses.ts";

/** Session ids: never `.` or `..`, never a file name (PROTOCOL §3). */
export const SESSION_ID_PATTERN: string = "^(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,128}$";

const Id = Type.String({ minLength: 1, maxLength: 128 });
const SessionId = Type.String({ pattern: SESSION_ID_PATTERN });

/** A text whose length is bounded by a configurable limit, checked in codec.ts under this keyword. */
const limited = (limit: "messageChars" | "commandChars" | "pathChars", minLength = 1) =>
  Type.String({ minLength, "x-limit": limit });

const Images = Type.Optional(Type.Array(
  Type.Object({
    type: Type.Literal("image"),
    data: Type.String({ minLength: 1 }),
    mimeType: Type.String({ pattern: "^image/[A-Za-z0-9.+-]{1,64}$" }),
  }, { additionalProperties: false }),
  { maxItems: 32 },
));

/**
 * Where a command waits (PROTOCOL §3, Order): `mailbox`, one at a time in a session; `after`, not in the
 * mailbox, but behind earlier quick commands of its own connection; `direct`, behind nothing.
 */
export type Lane = "mailbox" | "after" | "direct";

interface Traits {
  /** Whether the command goes to a session's host or is the router's own. */
  readonly target: "server" | "session";
  readonly lane: Lane;
  /** Milliseconds it may run once it has left the mailbox. */
  readonly timeoutMs: number;
  /** Raises `sessionVersion` when it succeeds. */
  readonly mutates: boolean;
  /** Served while the server shuts down. */
  readonly duringShutdown: boolean;
  /** Free of every limit but frame size (PROTOCOL §8). */
  readonly exempt: boolean;
}

/** One command: its schema, the schema of its `data`, and its traits. */
export interface CommandSpec<S extends TObject = TObject> extends Traits {
  readonly schema: S;
  readonly result: TSchema;
}

const QUICK_MS = 30_000;
const LONG_MS = 300_000;
const BUILD_MS = 120_000;

const base = { id: Type.Optional(Id), ifSessionVersion: Type.Optional(Type.Integer({ minimum: 0 })) };

function server<N extends string, F extends TProperties>(
  type: N,
  fields: F,
  result: TSchema,
  more: Partial<Traits> = {},
) {
  const schema = Type.Object(
    { id: Type.Optional(Id), type: Type.Literal(type), ...fields },
    { additionalProperties: false },
  );
  const traits: Traits = {
    target: "server",
    lane: "direct",
    timeoutMs: QUICK_MS,
    mutates: false,
    duringShutdown: false,
    exempt: false,
    ...more,
  };
  return { schema, result, ...traits };
}

function session<N extends string, F extends TProperties>(
  type: N,
  fields: F,
  result: TSchema,
  more: Partial<Traits> = {},
) {
  const schema = Type.Object(
    { ...base, type: Type.Literal(type), sessionId: SessionId, ...fields },
    { additionalProperties: false },
  );
  const traits: Traits = {
    target: "session",
    lane: "mailbox",
    timeoutMs: QUICK_MS,
    mutates: true,
    duringShutdown: false,
    exempt: false,
    ...more,
  };
  return { schema, result, ...traits };
}

/** The envelope's `sessionId` on commands that are not about one session. */
const anySession = { sessionId: Type.Optional(SessionId) };
const Target = Type.Union([SessionId, Type.Literal("*")]);

const read = { lane: "after", mutates: false, duringShutdown: true } as const;
const stop = { lane: "direct", mutates: true, duringShutdown: true, exempt: true } as const;
const Empty = Type.Object({});
const Subscribed = Type.Union([
  SubscribedSchema,
  Type.Object({ sessions: Type.Record(Type.String(), SubscribedSchema) }),
]);
const message = { message: limited("messageChars"), images: Images };

const TABLE = {
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
    anySession,
    Type.Object({ sessions: Type.Array(SessionInfoSchema) }),
    {
      duringShutdown: true,
    },
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
    },
    Type.Object({ sessionId: Type.String(), sessionInfo: SessionInfoSchema }),
    { timeoutMs: BUILD_MS },
  ),
  delete_session: session("delete_session", {}, Type.Object({ deleted: Type.Literal(true) }), {
    lane: "direct",
  }),
  switch_session: session("switch_session", {}, Type.Object({ sessionInfo: SessionInfoSchema }), {
    lane: "direct",
    mutates: false,
    duringShutdown: true,
  }),
  subscribe: server(
    "subscribe",
    {
      sessionId: Target,
      updates: Type.Optional(Type.Enum(["delta", "full"])),
      events: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 128 })),
    },
    Subscribed,
    { duringShutdown: true },
  ),
  unsubscribe: server(
    "unsubscribe",
    { sessionId: Target },
    Type.Object({ unsubscribed: Type.Boolean() }),
    { duringShutdown: true },
  ),
  prompt: session(
    "prompt",
    {
      ...message,
      streamingBehavior: Type.Optional(Type.Enum(["steer", "followUp"])),
      waitFor: Type.Optional(Type.Enum(["accepted", "settled"])),
      waitMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
    },
    Type.Union([SettledSchema, Type.Object({ disposition: DispositionSchema })]),
    { timeoutMs: LONG_MS },
  ),
  steer: session("steer", message, Type.Object({ disposition: DispositionSchema }), { lane: "after" }),
  follow_up: session("follow_up", message, Type.Object({ disposition: DispositionSchema }), {
    lane: "after",
  }),
  abort: session("abort", {}, QueueSchema, stop),
  clear_queue: session("clear_queue", {}, QueueSchema, { lane: "direct" }),
  get_state: session("get_state", {}, SessionInfoSchema, read),
  get_messages: session(
    "get_messages",
    {
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
      before: Type.Optional(Type.Integer({ minimum: 0 })),
    },
    Type.Object({ messages: Type.Array(Type.Object({})), messageCount: Type.Integer({ minimum: 0 }) }),
    read,
  ),
  set_session_name: session(
    "set_session_name",
    { name: Type.String({ minLength: 1, maxLength: 1024, pattern: "\\S" }) },
    Empty,
  ),
  get_available_models: session(
    "get_available_models",
    {},
    Type.Object({ models: Type.Array(ModelSchema) }),
    read,
  ),
  set_model: session(
    "set_model",
    {
      provider: Type.String({ minLength: 1, maxLength: 256 }),
      modelId: Type.String({ minLength: 1, maxLength: 256 }),
    },
    Type.Object({ model: ModelSchema }),
  ),
  bash: session(
    "bash",
    { command: limited("commandChars"), excludeFromContext: Type.Optional(Type.Boolean()) },
    Type.Object({
      output: Type.String(),
      exitCode: Type.Optional(Type.Integer()),
      cancelled: Type.Boolean(),
      truncated: Type.Boolean(),
      fullOutputPath: Type.Optional(Type.String()),
    }),
    { timeoutMs: LONG_MS },
  ),
  abort_bash: session("abort_bash", {}, Empty, stop),
};

/** Names of all commands. */
export type CommandName = keyof typeof TABLE;

/** The command of that name, as it stands after validation. */
export type CommandOf<N extends CommandName> = Static<(typeof TABLE)[N]["schema"]>;

/** Any valid command. */
export type Command = { [N in CommandName]: CommandOf<N> }[CommandName];

/** All commands by name. A `Map`, since a name such as `constructor` is data. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map<string, CommandSpec>(Object.entries(TABLE));

/** The spec of a command that is known to exist. */
export function specOf(name: CommandName): CommandSpec {
  return TABLE[name];
}
