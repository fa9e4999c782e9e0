// Does: describes a command: the fields of its envelope, its traits, and two functions that build a table. Pure.
// Used by: the tables of this folder.
import { type TObject, type TProperties, type TSchema, Type } from "typebox";
import type { Role } from "./roles.ts";

/** Session ids: never `.` or `..`, never a file name. */
export const SESSION_ID_PATTERN: string = "^(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,128}$";

/** A command's id. */
export const Id = Type.String({ minLength: 1, maxLength: 128 });
/** A session's id. */
export const SessionId = Type.String({ pattern: SESSION_ID_PATTERN });

/** Names of nodes: they are words of NATS's subjects. */
export const NODE_NAME_PATTERN: string = "^[A-Za-z0-9_-]{1,64}$";

/** A node's name. */
export const NodeName = Type.String({ pattern: NODE_NAME_PATTERN });

/** A text whose length has a configured limit. codec.ts checks it under this keyword. */
export const limited = (limit: "messageChars" | "commandChars" | "pathChars", minLength = 1) =>
  Type.String({ minLength, "x-limit": limit });

/** Images of a prompt, base64. */
export const Images = Type.Optional(Type.Array(
  Type.Object({
    type: Type.Literal("image"),
    data: Type.String({ minLength: 1 }),
    mimeType: Type.String({ pattern: "^image/[A-Za-z0-9.+-]{1,64}$" }),
  }, { additionalProperties: false }),
  { maxItems: 32 },
));

/**
 * Where a command waits (docs/PROTOCOL.md#what-waits-for-what). `mailbox`: one at a time in a session. `after`: behind
 * earlier quick commands of its connection. `direct`: behind nothing.
 */
export type Lane = "mailbox" | "after" | "direct";

/** What the server must know of a command beside its fields. */
export interface Traits {
  /** Whether a worker or the server thread handles the command. */
  readonly target: "server" | "session";
  readonly lane: Lane;
  /** Milliseconds that it may run after it has left the mailbox. */
  readonly timeoutMs: number;
  /** Increments `sessionVersion` when it succeeds. */
  readonly mutates: boolean;
  /** The server accepts it during a shutdown. */
  readonly duringShutdown: boolean;
  /**
   * Whether a repetition under the same idempotency key gets the first answer. Otherwise the key has no effect.
   */
  readonly keyed: boolean;
  /** No limit except the frame size applies (docs/PROTOCOL.md#limits). */
  readonly exempt: boolean;
  /** The least role that may send it. */
  readonly role: Role;
  /** Whether a token for some sessions may send it. The answer is then about those alone. */
  readonly scoped: boolean;
  /** Whether its answer may be large. A connection may have only a few of these under way. */
  readonly bulk: boolean;
}

/** One command: its schema, the schema of its `data`, and its traits. */
export interface CommandSpec<S extends TObject = TObject> extends Traits {
  readonly schema: S;
  readonly result: TSchema;
}

/** The least and the most bytes that a client may ask an answer with history to fit in. */
const LEAST_ANSWER_BYTES = 16 * 1024;
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/** Milliseconds for a quick command. */
export const QUICK_MS = 30_000;
/** Milliseconds for a command that may call a model, run hooks or a shell. */
export const LONG_MS = 300_000;
/** Milliseconds for the build of a session. */
export const BUILD_MS = 120_000;

const envelope = {
  id: Type.Optional(Id),
  idempotencyKey: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
};
const base = { ...envelope, ifSessionVersion: Type.Optional(Type.Integer({ minimum: 0 })) };

/** A command of the server. Without `role`, every role may send it. */
export function server<N extends string, F extends TProperties>(
  type: N,
  fields: F,
  result: TSchema,
  more: Partial<Traits> = {},
) {
  const schema = Type.Object(
    { ...envelope, type: Type.Literal(type), ...fields },
    { additionalProperties: false },
  );
  const traits: Traits = {
    target: "server",
    lane: "direct",
    timeoutMs: QUICK_MS,
    mutates: false,
    duringShutdown: false,
    keyed: false,
    exempt: false,
    role: "observe",
    scoped: true,
    bulk: false,
    ...more,
  };
  return { schema, result, ...traits };
}

/** A command of one session. By default: in the mailbox, mutating, for the role `drive`. */
export function session<N extends string, F extends TProperties>(
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
    keyed: more.mutates ?? true,
    exempt: false,
    role: "drive",
    scoped: true,
    bulk: false,
    ...more,
  };
  return { schema, result, ...traits };
}

/** The envelope's `sessionId` on commands without a session. */
export const anySession = { sessionId: Type.Optional(SessionId) };
/** One session, or all. */
export const Target = Type.Union([SessionId, Type.Literal("*")]);

/** Traits of a command that only reads. */
export const read = { lane: "after", mutates: false, duringShutdown: true, role: "observe" } as const;
/** Traits of a command that only reads, and may return much. */
export const bulkRead = { ...read, bulk: true } as const;
/** Traits of a command that stops something. */
export const stop = { lane: "direct", mutates: true, duringShutdown: true, exempt: true } as const;

/** No data. */
export const Empty = Type.Object({});

/** Fields of an answer that is not complete. */
export const shortened = {
  truncated: Type.Optional(Type.Literal(true)),
  message: Type.Optional(Type.String()),
};

/** How large an answer with history may be, and whether large texts and images go by reference. */
export const bounded = {
  maxBytes: Type.Optional(Type.Integer({ minimum: LEAST_ANSWER_BYTES, maximum: MOST_ANSWER_BYTES })),
  refs: Type.Optional(Type.Boolean()),
};

/** Text and images of a message to the agent. */
export const message = { message: limited("messageChars"), images: Images };
