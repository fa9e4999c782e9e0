// How a command is described: the envelope's fields, the traits that say where it waits and how long it may
// run, and two makers for the tables beside this file. Pure.
import { type TObject, type TProperties, type TSchema, Type } from "typebox";
import type { Role } from "./roles.ts";

/** Session ids: never `.` or `..`, never a file name. */
export const SESSION_ID_PATTERN: string = "^(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,128}$";

/** A command's id. */
export const Id = Type.String({ minLength: 1, maxLength: 128 });
/** A session's id. */
export const SessionId = Type.String({ pattern: SESSION_ID_PATTERN });

/** A text whose length is bounded by a configurable limit, checked in codec.ts under this keyword. */
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
 * Where a command waits (docs/PROTOCOL.md#what-waits-for-what): `mailbox`, one at a time in a session; `after`, not in the
 * mailbox, but behind earlier quick commands of its own connection; `direct`, behind nothing.
 */
export type Lane = "mailbox" | "after" | "direct";

/** What the server must know of a command beyond its fields. */
export interface Traits {
  /** Whether the command goes to a session's host or is the router's own. */
  readonly target: "server" | "session";
  readonly lane: Lane;
  /** Milliseconds it may run once it has left the mailbox. */
  readonly timeoutMs: number;
  /** Raises `sessionVersion` when it succeeds. */
  readonly mutates: boolean;
  /** Served while the server shuts down. */
  readonly duringShutdown: boolean;
  /** Whether a repetition under the same idempotency key gets the first one's answer; else keys mean nothing. */
  readonly keyed: boolean;
  /** Free of every limit but frame size (docs/PROTOCOL.md#limits). */
  readonly exempt: boolean;
  /** The least role that may send it. */
  readonly role: Role;
  /** Whether a token for some sessions may send it: it tells of those alone. */
  readonly scoped: boolean;
  /** Whether its answer may be large: only a few of these are under way for one connection. */
  readonly bulk: boolean;
}

/** One command: its schema, the schema of its `data`, and its traits. */
export interface CommandSpec<S extends TObject = TObject> extends Traits {
  readonly schema: S;
  readonly result: TSchema;
}

/** Milliseconds for a command that should be quick. */
export const QUICK_MS = 30_000;
/** Milliseconds for one that may call a model, run hooks or a shell. */
export const LONG_MS = 300_000;
/** Milliseconds for building a session. */
export const BUILD_MS = 120_000;

const envelope = {
  id: Type.Optional(Id),
  idempotencyKey: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
};
const base = { ...envelope, ifSessionVersion: Type.Optional(Type.Integer({ minimum: 0 })) };

/** A command of the server's own; for every role unless told otherwise. */
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

/** A command of one session; in the mailbox, mutating and for `drive` unless told otherwise. */
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

/** The envelope's `sessionId` on commands that are not about one session. */
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

/** What an answer that is not whole says. */
export const shortened = {
  truncated: Type.Optional(Type.Literal(true)),
  message: Type.Optional(Type.String()),
};

/** Text and images of a message to the agent. */
export const message = { message: limited("messageChars"), images: Images };
