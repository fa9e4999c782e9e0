// What is kept of a session beside pi's own file: enough to list it while it is parked, and to build it again as
// it was. Plain data: it crosses the host's edge and goes to the disk. Types and their check, nothing else.
import { isRecord } from "../base/json.ts";
import type { SessionInfo } from "../protocol/schema/responses.ts";

/** What pi's file does not hold of a session, or does not hold before its first answer. */
export interface AgentKept {
  readonly model?: { readonly provider: string; readonly id: string };
  readonly thinkingLevel: SessionInfo["thinkingLevel"];
  readonly steeringMode: SessionInfo["steeringMode"];
  readonly followUpMode: SessionInfo["followUpMode"];
  readonly autoCompaction: boolean;
  readonly autoRetry: boolean;
  /** Tools that are active now. */
  readonly tools: readonly string[];
  /** Tools that the session was created with, which it can never have more of. */
  readonly allowedTools?: readonly string[];
  readonly trusted: boolean;
  /** Whether pi has begun the file; before the first answer there is none. */
  readonly written: boolean;
  /** The entry of the tree that the session stands at, where that is not the newest; null before the first. */
  readonly leaf?: string | null;
}

/** One session; its `status` says whether `seq` was its last word, or just one of them. */
export interface SessionRecord {
  readonly info: SessionInfo;
  readonly kept: AgentKept;
  /** Canonical path of its file, once that is known. */
  readonly file?: string;
  /** The session has no file and ends with what runs it. */
  readonly inMemory: boolean;
  /** What a client said of the budget (run_guards.ts reads it). */
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
  (value["allowedTools"] === undefined || texts(value["allowedTools"])) &&
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

/** Whether that is a record, down to what is used of it. */
export function isSessionRecord(value: unknown): value is SessionRecord {
  return isRecord(value) && isInfo(value["info"]) && isKept(value["kept"]) &&
    typeof value["inMemory"] === "boolean" &&
    (value["file"] === undefined || typeof value["file"] === "string");
}

/** What a change must be on disk for before it is answered: all but counters, times and what a run moves. */
export function durableText({ info, kept, budget }: SessionRecord): string {
  const { sessionName, sessionFile, cwd } = info;
  return JSON.stringify([sessionName, sessionFile, cwd, kept, budget]);
}
