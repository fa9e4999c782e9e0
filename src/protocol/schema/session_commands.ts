// Does: the schemas of the commands of one session (docs/PROTOCOL.md#session-commands).
// Used by: commands.ts. History and discovery are in history_commands.ts.
import { Type } from "typebox";
import {
  anySession,
  bounded,
  bulkRead,
  Empty,
  Id,
  limited,
  LONG_MS,
  message,
  read,
  session,
  shortened,
  stop,
} from "./command_spec.ts";
import {
  DispositionSchema,
  ModelSchema,
  QueueSchema,
  SessionInfoSchema,
  SettledSchema,
  THINKING_LEVELS,
} from "./responses.ts";
import { CompactionSchema, ContextUsageSchema, SessionStatsSchema } from "./results.ts";

const Level = Type.Enum([...THINKING_LEVELS]);
const LevelOrNull = Type.Union([Type.Object({ level: Level }), Type.Null()]);
const Mode = { mode: Type.Enum(["all", "one-at-a-time"]) };
const Enabled = { enabled: Type.Boolean() };
const closed = { additionalProperties: false };
const UiResponse = Type.Union([
  Type.Object(
    { method: Type.Enum(["select", "input", "editor"]), value: limited("messageChars", 0) },
    closed,
  ),
  Type.Object({ method: Type.Literal("confirm"), confirmed: Type.Boolean() }, closed),
  Type.Object({ method: Type.Literal("cancelled") }, closed),
]);

/** By name. */
export const SESSION_COMMANDS = {
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
      ...bounded,
    },
    Type.Object({
      messages: Type.Array(Type.Object({})),
      messageCount: Type.Integer({ minimum: 0 }),
      before: Type.Optional(Type.Integer({ minimum: 0 })),
      ...shortened,
    }),
    bulkRead,
  ),
  set_session_name: session(
    "set_session_name",
    { name: Type.String({ minLength: 1, maxLength: 1024, pattern: "\\S" }) },
    Empty,
  ),
  dismiss_interrupted: session("dismiss_interrupted", {}, Empty),
  get_available_models: session(
    "get_available_models",
    // Without a session: the models that every session has.
    anySession,
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
  get_last_assistant_text: session(
    "get_last_assistant_text",
    {},
    Type.Object({ text: Type.Union([Type.String(), Type.Null()]), ...shortened }),
    bulkRead,
  ),
  get_session_stats: session("get_session_stats", {}, SessionStatsSchema, read),
  get_context_usage: session(
    "get_context_usage",
    {},
    Type.Union([ContextUsageSchema, Type.Null()]),
    read,
  ),
  cycle_model: session(
    "cycle_model",
    { direction: Type.Optional(Type.Enum(["forward", "backward"])) },
    Type.Union([
      Type.Object({ model: ModelSchema, thinkingLevel: Level, isScoped: Type.Boolean() }),
      Type.Null(),
    ]),
  ),
  set_thinking_level: session("set_thinking_level", { level: Level }, Type.Object({ level: Level })),
  cycle_thinking_level: session("cycle_thinking_level", {}, LevelOrNull),
  get_available_thinking_levels: session(
    "get_available_thinking_levels",
    {},
    Type.Object({ levels: Type.Array(Level) }),
    read,
  ),
  set_steering_mode: session("set_steering_mode", Mode, Empty),
  set_follow_up_mode: session("set_follow_up_mode", Mode, Empty),
  compact: session(
    "compact",
    { customInstructions: Type.Optional(limited("messageChars")) },
    CompactionSchema,
    { timeoutMs: LONG_MS },
  ),
  abort_compaction: session("abort_compaction", {}, Empty, stop),
  set_auto_compaction: session("set_auto_compaction", Enabled, Empty),
  set_auto_retry: session("set_auto_retry", Enabled, Empty),
  abort_retry: session("abort_retry", {}, Empty, stop),
  extension_ui_response: session(
    "extension_ui_response",
    { requestId: Id, response: UiResponse },
    Empty,
    { ...stop, mutates: false, keyed: true, role: "answer" },
  ),
};
