// Does: the schemas of outbound messages: the greeting, states, server events and their parts. Imports only TypeBox.
// Used by: both threads. Invariant: schemas are open, because clients must accept fields that they do not know.
import { type Static, Type } from "typebox";
/** pi's thinking levels, from none to most. pi 0.73 has no `max`. */
export const THINKING_LEVELS = ["off", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

const text = (): ReturnType<typeof Type.String> => Type.String();
const count = (): ReturnType<typeof Type.Integer> => Type.Integer({ minimum: 0 });

/** A model as clients see it: never headers, keys or a base URL. */
export const ModelSchema = Type.Object({
  provider: text(),
  id: text(),
  name: text(),
  api: text(),
  reasoning: Type.Boolean(),
  input: Type.Array(text()),
  contextWindow: Type.Number(),
  maxTokens: Type.Number(),
  cost: Type.Object({
    input: Type.Number(),
    output: Type.Number(),
    cacheRead: Type.Number(),
    cacheWrite: Type.Number(),
  }),
});
/** A model as clients see it. */
export type WireModel = Static<typeof ModelSchema>;

/** A message that the agent had accepted and that a crash stopped. */
export const InterruptedSchema = Type.Object({
  kind: Type.Enum(["prompt", "steer", "follow_up"]),
  message: text(),
  images: Type.Optional(Type.Array(Type.Object({
    type: Type.Literal("image"),
    data: text(),
    mimeType: text(),
  }))),
  at: Type.String({ format: "date-time" }),
  idempotencyKey: Type.Optional(text()),
  started: Type.Boolean(),
});
/** A message that a crash stopped. */
export type Interrupted = Static<typeof InterruptedSchema>;

/** What a session may spend. An absent limit does not bound. */
export const BudgetSchema = Type.Object({
  maxUsd: Type.Optional(Type.Number()),
  maxTurns: Type.Optional(count()),
  maxWallMs: Type.Optional(count()),
  onExceed: Type.Enum(["pause", "abort"]),
  /** The limit that is reached. */
  exceeded: Type.Optional(Type.Enum(["maxUsd", "maxTurns", "maxWallMs"])),
});

/** What a session has spent: US dollars, turns, and milliseconds in which its agent worked. */
export const BudgetUsageSchema = Type.Object({ usd: Type.Number(), turns: count(), wallMs: count() });

/** The most line numbers that a repair names. */
export const REPAIR_LINES = 100;

/** The damage of a session file, and the path of the damaged original. */
export const FileRepairSchema = Type.Object({
  file: text(),
  copy: text(),
  lostLines: count(),
  lines: Type.Array(Type.Integer({ minimum: 1 }), { maxItems: REPAIR_LINES }),
  rejoined: count(),
  message: text(),
});
/** The damage of a session file, and the path of the damaged original. */
export type FileRepair = Static<typeof FileRepairSchema>;

/** Problems of one session that `extensionErrors` names, at most. */
export const LOAD_PROBLEMS = 50;

/** What pi could not load for a session, or could not use as it stands. */
export const LoadProblemSchema = Type.Object({ extensionPath: text(), event: text(), error: text() });
/** What pi could not load for a session, or could not use as it stands. */
export type LoadProblem = Static<typeof LoadProblemSchema>;

/** State of one session. */
export const SessionInfoSchema = Type.Object({
  sessionId: text(),
  sessionName: Type.Optional(text()),
  firstMessage: Type.Optional(text()),
  sessionFile: Type.Optional(text()),
  cwd: text(),
  model: Type.Optional(ModelSchema),
  thinkingLevel: Type.Enum([...THINKING_LEVELS]),
  isStreaming: Type.Boolean(),
  isCompacting: Type.Boolean(),
  steeringMode: Type.Enum(["all", "one-at-a-time"]),
  followUpMode: Type.Enum(["all", "one-at-a-time"]),
  autoCompactionEnabled: Type.Boolean(),
  messageCount: count(),
  pendingMessageCount: count(),
  createdAt: Type.String({ format: "date-time" }),
  lastActivityAt: Type.String({ format: "date-time" }),
  status: Type.Enum(["live", "parked"]),
  subscribers: count(),
  sessionVersion: count(),
  epoch: text(),
  seq: count(),
  untrusted: Type.Optional(Type.Array(text())),
  fileRepair: Type.Optional(FileRepairSchema),
  extensionErrors: Type.Optional(Type.Array(LoadProblemSchema, { maxItems: LOAD_PROBLEMS })),
  usage: Type.Optional(BudgetUsageSchema),
  budget: Type.Optional(BudgetSchema),
  interrupted: Type.Optional(Type.Array(InterruptedSchema)),
  /** Why pi has not opened the session's file. Its entries can be read all the same. */
  unloaded: Type.Optional(text()),
  archived: Type.Optional(Type.Literal(true)),
  node: Type.Optional(text()),
});
/** State of one session. */
export type SessionInfo = Static<typeof SessionInfoSchema>;

/** Tokens and cost of a run, as pi reports them; money in USD. */
export const UsageSchema = Type.Object({
  input: Type.Number(),
  output: Type.Number(),
  cacheRead: Type.Number(),
  cacheWrite: Type.Number(),
  totalTokens: Type.Number(),
  cost: Type.Object({
    input: Type.Number(),
    output: Type.Number(),
    cacheRead: Type.Number(),
    cacheWrite: Type.Number(),
    total: Type.Number(),
  }),
});
/** Tokens and cost of a run. */
export type Usage = Static<typeof UsageSchema>;

/** How the agent accepted a prompt, steer or follow-up. */
export const DispositionSchema = Type.Enum(["started", "queued", "handled"]);
/** How the agent accepted a prompt, steer or follow-up. */
export type Disposition = Static<typeof DispositionSchema>;

/** Queued texts that were removed. */
export const QueueSchema = Type.Object({ steering: Type.Array(text()), followUp: Type.Array(text()) });
/** Queued texts that were removed. */
export type QueuedTexts = Static<typeof QueueSchema>;

/** `data` of a prompt with `waitFor: "settled"`. */
export const SettledSchema = Type.Object({
  disposition: DispositionSchema,
  text: Type.Union([text(), Type.Null()]),
  stopReason: Type.Union([text(), Type.Null()]),
  usage: Type.Union([UsageSchema, Type.Null()]),
  notice: Type.Optional(text()),
});
/** `data` of a prompt with `waitFor: "settled"`. */
export type Settled = Static<typeof SettledSchema>;

/** The state of a session at exactly one sequence number. */
export const SnapshotSchema = Type.Object({
  messages: Type.Array(Type.Object({})),
  truncated: Type.Optional(Type.Boolean()),
  before: Type.Optional(count()),
  messageCount: count(),
  streamingMessage: Type.Optional(Type.Object({})),
  runningTools: Type.Array(Type.Object({})),
  queue: QueueSchema,
  interrupted: Type.Optional(Type.Array(InterruptedSchema)),
});

/** The answer of `subscribe` for one session. */
export const SubscribedSchema = Type.Object({
  mode: Type.Enum(["live", "replay", "snapshot"]),
  epoch: text(),
  seq: count(),
  sessionInfo: SessionInfoSchema,
  pendingUi: Type.Array(Type.Object({})),
  snapshot: Type.Optional(SnapshotSchema),
});

/** The first message on every connection. */
export const GreetingSchema = Type.Object({
  type: Type.Literal("server_ready"),
  data: Type.Object({
    version: text(),
    protocolVersion: text(),
    serverId: text(),
    transports: Type.Array(text()),
    endpoints: Type.Array(Type.Object({ transport: text(), url: text() })),
    schemaHash: text(),
    pi: Type.Object({ package: text(), version: text() }),
    capabilities: Type.Array(text()),
    limits: Type.Object({ frameBytes: count(), sessions: count() }),
  }),
});
/** The first message on every connection. */
export type Greeting = Static<typeof GreetingSchema>;
