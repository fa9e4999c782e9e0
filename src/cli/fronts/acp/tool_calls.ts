// Does: describes calls of pi's tools for an editor: kind, title, files, differences, output.
// Used by: transcript.ts. Pure. Tools of extensions are shown by their name and their output.
import type { ToolCallContent, ToolCallLocation, ToolKind } from "@agentclientprotocol/sdk";
import { isRecord, tryParse } from "../../../base/json.ts";
import { contentOf } from "./prompt_content.ts";

/** The arguments of a call. */
export type Arguments = Readonly<Record<string, unknown>>;

const MOST_TITLE = 200;

const KINDS: Readonly<Record<string, ToolKind>> = {
  read: "read",
  ls: "read",
  grep: "search",
  find: "search",
  bash: "execute",
  powershell: "execute",
  edit: "edit",
  write: "edit",
};

/** What kind of tool it is. */
export function kindOf(name: string): ToolKind {
  return Object.hasOwn(KINDS, name) ? KINDS[name] ?? "other" : "other";
}

function field(args: Arguments, ...names: string[]): string {
  for (const name of names) {
    const value = args[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return "";
}

function pathOf(args: Arguments): string {
  return field(args, "path", "file_path");
}

/** One line on what the call does. */
export function titleOf(name: string, args: Arguments): string {
  const path = pathOf(args);
  const title = (() => {
    switch (name) {
      case "read":
        return `Read ${path}`;
      case "edit":
        return `Edit ${path}`;
      case "write":
        return `Write ${path}`;
      case "ls":
        return `List ${path || "."}`;
      case "grep":
      case "find":
        return `${name === "grep" ? "Search" : "Find"} ${field(args, "pattern")}${path ? ` in ${path}` : ""}`;
      case "bash":
      case "powershell":
        return field(args, "command") || name;
      default: {
        const first = Object.values(args).find((value) => typeof value === "string" && value !== "");
        return first === undefined ? name : `${name}: ${first}`;
      }
    }
  })().replaceAll(/\s+/g, " ").trim();
  return title.length > MOST_TITLE ? `${title.slice(0, MOST_TITLE)}…` : title || "tool";
}

/** The absolute form of a tool's path; undefined where this program cannot know it. */
export function absoluteIn(cwd: string, path: string): string | undefined {
  const plain = path.startsWith("@") ? path.slice(1) : path;
  if (plain === "" || plain === "~" || plain.startsWith("~/")) return undefined;
  const windows = /^[A-Za-z]:[\\/]/;
  const backslashes = windows.test(cwd) && cwd.includes("\\");
  const full = plain.startsWith("/") || windows.test(plain)
    ? plain
    : `${cwd}${backslashes ? "\\" : "/"}${plain}`;
  const parts: string[] = [];
  for (const part of full.split(backslashes ? /[\\/]/ : "/")) {
    if (part === "..") {
      if (parts.length > 1) parts.pop();
    } else if (part !== "." && (part !== "" || parts.length === 0)) parts.push(part);
  }
  return parts.join(backslashes ? "\\" : "/") || "/";
}

/** The files of a call. */
export function locationsOf(
  name: string,
  args: Arguments,
  details: unknown,
  cwd: string,
): ToolCallLocation[] {
  if (kindOf(name) === "other" || kindOf(name) === "execute") return [];
  const path = absoluteIn(cwd, pathOf(args));
  if (path === undefined) return [];
  const changed = isRecord(details) ? details["firstChangedLine"] : undefined;
  const line = typeof changed === "number" ? changed : name === "read" ? args["offset"] : undefined;
  return [{ path, ...(typeof line === "number" && line >= 0 ? { line: Math.floor(line) } : {}) }];
}

interface Edit {
  readonly oldText: string;
  readonly newText: string;
}

function isEdit(value: unknown): value is Edit {
  return isRecord(value) && typeof value["oldText"] === "string" && typeof value["newText"] === "string";
}

/** The replacements of an edit, in each form that models send and pi takes. */
function editsOf(args: Arguments): readonly Edit[] {
  const given = args["edits"];
  const edits = typeof given === "string" ? tryParse(given) : given;
  const list: readonly unknown[] = Array.isArray(edits) ? edits : [edits];
  return [...list, args].filter(isEdit);
}

/** The differences that a call makes. What stood in a file before pi wrote it anew is not known. */
export function diffsOf(name: string, args: Arguments, cwd: string): ToolCallContent[] {
  const path = absoluteIn(cwd, pathOf(args)) ?? pathOf(args);
  if (name === "edit") {
    return editsOf(args).map(({ oldText, newText }) => ({ type: "diff", path, oldText, newText }));
  }
  const content = args["content"];
  if (name !== "write" || typeof content !== "string") return [];
  return [{ type: "diff", path, oldText: null, newText: content }];
}

/** A text that an editor shows as it is, not as Markdown. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}

/** The output of a tool, perhaps the output so far. */
export function outputOf(name: string, result: unknown): ToolCallContent[] {
  const plain = kindOf(name) !== "other";
  return contentOf(isRecord(result) ? result["content"] : undefined).map((block) => ({
    type: "content",
    content: plain && block.type === "text" ? { ...block, text: fenced(block.text) } : block,
  }));
}
