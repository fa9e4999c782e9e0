// Does: the schemas of answers beside a session's own state: stored sessions, history, discovery, usage, dialogs. Pure.
// Used by: the command tables. Invariant: schemas are open, because clients must accept fields that they do not know.
import { type Static, Type } from "typebox";

const text = Type.String();
const count = Type.Integer({ minimum: 0 });

/** One of pi's session files on disk. */
export const StoredSessionSchema = Type.Object({
  sessionId: text,
  sessionName: Type.Optional(text),
  sessionFile: text,
  sessionPath: text,
  cwd: text,
  createdAt: text,
  modifiedAt: text,
  messageCount: count,
  firstMessage: Type.Optional(text),
  liveSessionId: Type.Optional(text),
  newerEntries: Type.Optional(Type.Array(text)),
  lastMessage: Type.Optional(text),
  costUsd: Type.Optional(Type.Number()),
  model: Type.Optional(Type.Object({ provider: text, id: text })),
  archived: Type.Optional(Type.Literal(true)),
  node: Type.Optional(text),
  /** The file is large, and the counts are not those of its whole content yet. */
  indexing: Type.Optional(Type.Literal(true)),
});
/** One of pi's session files on disk. */
export type StoredSession = Static<typeof StoredSessionSchema>;

/** An entry of a session's tree. The tree is sent flat, because nesting has no bound. */
export const TreeNodeSchema = Type.Object({
  entryId: text,
  parentId: Type.Union([text, Type.Null()]),
  entryType: text,
  role: Type.Optional(text),
  text: Type.Optional(text),
  timestamp: text,
  label: Type.Optional(text),
});
/** An entry of a session's tree. */
export type TreeNode = Static<typeof TreeNodeSchema>;

/** What stands in the place of a large text or image when a client asks for `refs`. */
export const ContentRefSchema = Type.Object({
  hash: text,
  kind: Type.Enum(["image", "text", "json"]),
  size: count,
  mediaType: Type.Optional(text),
});
/** What stands in the place of a large text or image when a client asks for `refs`. */
export type ContentRef = Static<typeof ContentRefSchema>;

/** A piece of a content, in base64. */
export const ContentPieceSchema = Type.Object({
  ...ContentRefSchema.properties,
  offset: count,
  data: text,
  nextOffset: Type.Optional(count),
});

/** A slash command that `prompt` understands, and where it comes from. */
export const CommandInfoSchema = Type.Object({
  name: text,
  description: Type.Optional(text),
  source: Type.Enum(["extension", "prompt", "skill"]),
  sourceInfo: Type.Optional(Type.Object({})),
});

/** A skill. */
export const SkillSchema = Type.Object({
  name: text,
  description: text,
  filePath: text,
  baseDir: text,
});

/** A tool, and whether the model may use it now. */
export const ToolSchema = Type.Object({ name: text, description: text, active: Type.Boolean() });
/** A tool, and whether the model may use it now. */
export type Tool = Static<typeof ToolSchema>;

/** How full the model's context is; `tokens` is null right after a compaction. */
export const ContextUsageSchema = Type.Object({
  tokens: Type.Union([Type.Number(), Type.Null()]),
  contextWindow: Type.Number(),
  percent: Type.Union([Type.Number(), Type.Null()]),
});
/** How full the model's context is. */
export type ContextUsage = Static<typeof ContextUsageSchema>;

/** Counts, tokens and cost of a session (USD). */
export const SessionStatsSchema = Type.Object({
  sessionId: text,
  sessionFile: Type.Optional(text),
  userMessages: count,
  assistantMessages: count,
  toolCalls: count,
  toolResults: count,
  totalMessages: count,
  tokens: Type.Object({
    input: Type.Number(),
    output: Type.Number(),
    cacheRead: Type.Number(),
    cacheWrite: Type.Number(),
    total: Type.Number(),
  }),
  cost: Type.Number(),
  contextUsage: Type.Optional(ContextUsageSchema),
});

/** Result of a compaction. */
export const CompactionSchema = Type.Object({
  summary: text,
  firstKeptEntryId: text,
  tokensBefore: Type.Number(),
});

/** An open dialog of an extension; its own fields (`options`, `message`, …) stand beside these. */
export const PendingUiSchema = Type.Object({
  sessionId: text,
  requestId: text,
  method: Type.Enum(["select", "confirm", "input", "editor"]),
  title: text,
  createdAt: text,
});
/** An open dialog of an extension. */
export type PendingUi = Static<typeof PendingUiSchema> & Readonly<Record<string, unknown>>;
