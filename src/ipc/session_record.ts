// Does: the session record: enough to list a parked session and to build it again. Types and their check.
// Used by: both threads, and the session store. Invariant: it is plain data.
import { isRecord } from "../base/json.ts";
import type { SessionInfo } from "../protocol/schema/responses.ts";

/** The state of a session that pi's file does not hold, or not before the first answer. */
export interface AgentKept {
  readonly model?: { readonly provider: string; readonly id: string };
  readonly thinkingLevel: SessionInfo["thinkingLevel"];
  readonly steeringMode: SessionInfo["steeringMode"];
  readonly followUpMode: SessionInfo["followUpMode"];
  readonly autoCompaction: boolean;
  readonly autoRetry: boolean;
  /** The active tools. */
  readonly tools: readonly string[];
  /** Tools that a client or an extension has switched off or on. An older record has none of both. */
  readonly toolsOff?: readonly string[];
  readonly toolsOn?: readonly string[];
  /** The tools of `create_session`. The session can never have more. */
  readonly allowedTools?: readonly string[];
  readonly trusted: boolean;
  /** Whether pi has begun the file. Before the first answer there is none. */
  readonly written: boolean;
  /** The leaf of the tree, when it is not the newest entry. Null before the first entry. */
  readonly leaf?: string | null;
}

/** One session. `status` tells whether `seq` is its last number or only a recent one. */
export interface SessionRecord {
  readonly info: SessionInfo;
  readonly kept: AgentKept;
  /** Canonical path of its file, when known. */
  readonly file?: string;
  /** The session has no file, and ends with its worker. */
  readonly inMemory: boolean;
  /** Copied from a dead node, and written before this node owned the session. Without its claim it means nothing. */
  readonly copy?: true;
  /** The client's budget. run_guards.ts reads it. */
  readonly budget?: unknown;
}

const MODES: readonly unknown[] = ["all", "one-at-a-time"];

const texts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((one) => typeof one === "string");

const isKept = (value: unknown): boolean =>
  isRecord(value) && typeof value["thinkingLevel"] === "string" && MODES.includes(value["steeringMode"]) &&
  MODES.includes(value["followUpMode"]) && typeof value["autoCompaction"] === "boolean" &&
  typeof value["autoRetry"] === "boolean" && texts(value["tools"]) && typeof value["trusted"] === "boolean" &&
  typeof value["written"] === "boolean" &&
  ["allowedTools", "toolsOff", "toolsOn"].every((name) => value[name] === undefined || texts(value[name])) &&
  (value["leaf"] === undefined || value["leaf"] === null || typeof value["leaf"] === "string") &&
  (value["model"] === undefined ||
    isRecord(value["model"]) && typeof value["model"]["provider"] === "string" &&
      typeof value["model"]["id"] === "string");

const isInfo = (value: unknown): boolean =>
  isRecord(value) &&
  ["sessionId", "cwd", "thinkingLevel", "createdAt", "lastActivityAt", "epoch"].every((name) =>
    typeof value[name] === "string"
  ) &&
  ["messageCount", "sessionVersion", "seq"].every((name) => Number.isSafeInteger(value[name])) &&
  (value["sessionFile"] === undefined || typeof value["sessionFile"] === "string");

/** Whether a value is a record, in all fields that are used. */
export function isSessionRecord(value: unknown): value is SessionRecord {
  return isRecord(value) && isInfo(value["info"]) && isKept(value["kept"]) &&
    typeof value["inMemory"] === "boolean" &&
    (value["file"] === undefined || typeof value["file"] === "string");
}

/** The durable part of a record. A reply waits until this part is on disk; counters and times may be older. */
export function durableText({ info, kept, budget }: SessionRecord): string {
  const { sessionName, sessionFile, cwd } = info;
  return JSON.stringify([sessionName, sessionFile, cwd, kept, budget]);
}
