// Does: finds the entry in one parsed line of a session file, or why pi cannot work with it. Pure.
// Used by: file_inspector.ts. pi checks nothing at the open, and fails later at any command.
import { isRecord } from "../../../base/json.ts";
import type { FileFormat } from "../../../ipc/file_format.ts";

/** An entry's place in the tree. */
export interface Link {
  readonly line: number;
  readonly id: string;
  readonly parentId: string | null;
  readonly timestamp: unknown;
  /** Of a compaction: the first entry that it keeps. */
  readonly firstKept?: string;
}

/** The content of a line: an entry of the tree, a line that pi skips, something of a newer pi, or nonsense. */
export type Shape =
  | { readonly kind: "entry"; readonly link: Link }
  | { readonly kind: "skipped" }
  | { readonly kind: "newer"; readonly what: string }
  | { readonly kind: "nonsense"; readonly why: string };

/** First version of a file whose entries have ids; pi gives ids to older ones. */
export const IDS_SINCE = 2;

/** Fields that pi or clients need, by type of entry. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  compaction: ["summary"],
  branch_summary: ["summary"],
  model_change: ["provider", "modelId"],
  thinking_level_change: ["thinkingLevel"],
  label: ["targetId"],
};

const nonsense = (why: string): Shape => ({ kind: "nonsense", why });

/** Roles whose content is a text or a list of blocks. */
const TALK: ReadonlySet<unknown> = new Set(["user", "assistant", "toolResult", "custom", "hookMessage"]);

function isContent(value: unknown, role: unknown): boolean {
  if (typeof value === "string") return role !== "assistant" && role !== "toolResult";
  return Array.isArray(value) && value.every(isBlock);
}

function isBlock(value: unknown): boolean {
  if (!isRecord(value) || typeof value["type"] !== "string") return false;
  switch (value["type"]) {
    case "text":
      return typeof value["text"] === "string";
    case "thinking":
      return typeof value["thinking"] === "string";
    case "image":
      return typeof value["data"] === "string" && typeof value["mimeType"] === "string";
    case "toolCall":
      return typeof value["id"] === "string" && typeof value["name"] === "string";
    default:
      return true;
  }
}

/** The fault of a message. Undefined when pi can work with it. */
function faultOf(message: unknown): string | undefined {
  if (!isRecord(message) || typeof message["role"] !== "string") return "has no message";
  const { role, content, usage } = message;
  if (TALK.has(role) && !isContent(content, role)) return `has a message of ${role} without content`;
  if (role !== "assistant") return undefined;
  return isRecord(usage) && isRecord(usage["cost"]) ? undefined : "has an answer without usage";
}

function newerOf(entry: Record<string, unknown>, format: FileFormat, version: number): string | undefined {
  const { type, message, id, firstKeptEntryId } = entry;
  if (typeof type === "string" && !format.types.has(type)) return format.skipsUnknown ? undefined : type;
  if (type === "compaction" && !format.keepsNothing && typeof id === "string" && id === firstKeptEntryId) {
    return "compaction:keeps-nothing";
  }
  const role = type === "message" && isRecord(message) ? message["role"] : undefined;
  if (typeof role !== "string" || format.roles.has(role)) return undefined;
  // pi renames it when it opens a file of that version.
  return role === "hookMessage" && version < 3 ? undefined : `message:${role}`;
}

/** The name of something that the loaded pi does not know. Undefined when it knows everything. */
export function newerKind(entry: unknown, format: FileFormat, version: number): string | undefined {
  return isRecord(entry) ? newerOf(entry, format, version) : undefined;
}

/**
 * The content of a parsed line.
 *
 * @param version the version of the file, from its header
 */
export function shapeOf(entry: unknown, line: number, format: FileFormat, version: number): Shape {
  if (!isRecord(entry) || typeof entry["type"] !== "string") return nonsense("is not an entry");
  // pi skips every header after the first.
  if (entry["type"] === "session") return { kind: "skipped" };
  const what = newerOf(entry, format, version);
  if (what !== undefined) return { kind: "newer", what };
  const { type, id, parentId = null, timestamp, firstKeptEntryId } = entry;
  const fault = type === "message" ? faultOf(entry["message"]) : undefined;
  if (fault !== undefined) return nonsense(fault);
  if (type === "custom_message" && !isContent(entry["content"], "custom")) return nonsense("has no content");
  const text = TEXTS[String(type)]?.find((name) => typeof entry[name] !== "string");
  if (text !== undefined) return nonsense(`has no ${text}`);
  if (type === "session_info" && !["string", "undefined"].includes(typeof entry["name"])) {
    return nonsense("has a name that is not a text");
  }
  if (version < IDS_SINCE) return { kind: "skipped" };
  if (typeof id !== "string" || id === "") return nonsense("has no id");
  if (parentId !== null && typeof parentId !== "string") return nonsense("has a parentId that is not a text");
  const kept = typeof firstKeptEntryId === "string" ? { firstKept: firstKeptEntryId } : {};
  return { kind: "entry", link: { line, id, parentId, timestamp, ...kept } };
}
