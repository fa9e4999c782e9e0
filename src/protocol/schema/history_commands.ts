// Does: the schemas of the commands on history and discovery (docs/PROTOCOL.md#commands-on-history-and-discovery).
// Used by: commands.ts.
import { Type } from "typebox";
import { bounded, bulkRead, Empty, limited, LONG_MS, read, session, shortened } from "./command_spec.ts";
import { FileRepairSchema } from "./responses.ts";
import {
  CommandInfoSchema,
  ContentPieceSchema,
  SkillSchema,
  StoredSessionSchema,
  ToolSchema,
  TreeNodeSchema,
} from "./results.ts";

const Cancelled = Type.Object({ cancelled: Type.Boolean() });
const Switched = Type.Object({ cancelled: Type.Boolean(), fileRepair: Type.Optional(FileRepairSchema) });
const EntryId = Type.String({ minLength: 1, maxLength: 128 });

/** Bytes of a content that one answer holds at most. */
const MOST_CONTENT_BYTES = 4 * 1024 * 1024;

/** By name. */
export const HISTORY_COMMANDS = {
  new_session: session("new_session", { parentSession: Type.Optional(limited("pathChars")) }, Cancelled),
  switch_session_file: session("switch_session_file", { sessionPath: limited("pathChars") }, Switched, {
    scoped: false,
  }),
  fork: session(
    "fork",
    { entryId: EntryId },
    Type.Object({ text: Type.String(), cancelled: Type.Boolean() }),
  ),
  clone: session("clone", {}, Cancelled),
  get_fork_messages: session(
    "get_fork_messages",
    {},
    Type.Object({
      messages: Type.Array(Type.Object({ entryId: Type.String(), text: Type.String() })),
      ...shortened,
    }),
    bulkRead,
  ),
  get_tree: session(
    "get_tree",
    {},
    Type.Object({
      currentLeafId: Type.Union([Type.String(), Type.Null()]),
      nodes: Type.Array(TreeNodeSchema),
      ...shortened,
    }),
    bulkRead,
  ),
  get_entries: session(
    "get_entries",
    {
      since: Type.Optional(Type.Union([EntryId, Type.Null()])),
      before: Type.Optional(EntryId),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
      scope: Type.Optional(Type.Enum(["tree", "branch"])),
      ...bounded,
    },
    Type.Object({
      entries: Type.Array(Type.Object({})),
      leafId: Type.Union([Type.String(), Type.Null()]),
      entryCount: Type.Optional(Type.Integer({ minimum: 0 })),
      unloaded: Type.Optional(Type.Literal(true)),
      more: Type.Optional(Type.Literal(true)),
      nextSince: Type.Optional(Type.String()),
      nextBefore: Type.Optional(Type.String()),
    }),
    bulkRead,
  ),
  get_content: session(
    "get_content",
    {
      ref: Type.String({ pattern: "^[0-9a-f]{64}$" }),
      offset: Type.Optional(Type.Integer({ minimum: 0 })),
      length: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_CONTENT_BYTES })),
    },
    ContentPieceSchema,
    bulkRead,
  ),
  navigate_tree: session(
    "navigate_tree",
    {
      targetId: EntryId,
      options: Type.Optional(Type.Object({
        summarize: Type.Optional(Type.Boolean()),
        customInstructions: Type.Optional(limited("messageChars")),
        replaceInstructions: Type.Optional(Type.Boolean()),
        label: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
      }, { additionalProperties: false })),
    },
    Type.Object({
      editorText: Type.Optional(Type.String()),
      cancelled: Type.Boolean(),
      aborted: Type.Optional(Type.Boolean()),
    }),
    { timeoutMs: LONG_MS },
  ),
  export_html: session(
    "export_html",
    { outputPath: Type.Optional(limited("pathChars")) },
    Type.Object({ path: Type.String(), imagesLeftOut: Type.Optional(Type.Integer({ minimum: 1 })) }),
    { mutates: false, keyed: true },
  ),
  get_commands: session(
    "get_commands",
    {},
    Type.Object({ commands: Type.Array(CommandInfoSchema) }),
    read,
  ),
  get_skills: session("get_skills", {}, Type.Object({ skills: Type.Array(SkillSchema) }), read),
  get_tools: session("get_tools", {}, Type.Object({ tools: Type.Array(ToolSchema) }), read),
  set_tools: session(
    "set_tools",
    { tools: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 256 }) },
    Empty,
  ),
  list_session_files: session(
    "list_session_files",
    {},
    Type.Object({ files: Type.Array(StoredSessionSchema) }),
    { lane: "direct", mutates: false, duringShutdown: true, role: "observe", scoped: false, bulk: true },
  ),
  reload: session("reload", {}, Empty),
};
