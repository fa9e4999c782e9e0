// Does: reads the state of a pi session that only memory holds, for a session record, and restores it.
// Used by: agent.ts and factory.ts. See docs/PI.md#session-files.
import { existsSync } from "node:fs";
import { isRecord } from "../../base/json.ts";
import { cut } from "../../base/text.ts";
import { textOf } from "../session/files/session_files.ts";
import type { LiveSession, PiSession } from "./live_session.ts";
import { hasQueued, levelOf } from "./sdk/sdk.ts";
import { hasModel } from "./settings.ts";
import type { AgentKept } from "../../ipc/session_record.ts";

/** Entries that a rebuilt session makes again, or that the record holds. */
const REMADE: ReadonlySet<string> = new Set(["model_change", "thinking_level_change", "session_info"]);

/** Characters of the first message that lists show. */
const FIRST_MESSAGE_CHARS = 200;

/** The first message of each history, once the user has sent it, by pi's id of the history. */
const FIRST = new WeakMap<PiSession["sessionManager"], readonly [id: string, text: string]>();

/** The first message of the user. pi may have compacted it away, so the function looks in the entries, and once. */
export function firstMessageOf({ sessionManager }: PiSession): { firstMessage?: string } {
  const id = sessionManager.getSessionId();
  let first = FIRST.get(sessionManager);
  if (first?.[0] !== id) {
    const text = firstUserText(sessionManager.getEntries());
    if (text === undefined) return {};
    FIRST.set(sessionManager, first = [id, text]);
  }
  return { firstMessage: first[1] };
}

function firstUserText(entries: readonly unknown[]): string | undefined {
  for (const entry of entries) {
    const message = isRecord(entry) && entry["type"] === "message" ? entry["message"] : undefined;
    if (!isRecord(message) || message["role"] !== "user") continue;
    const text = textOf(message, FIRST_MESSAGE_CHARS);
    if (text.trim() !== "") return cut(text, FIRST_MESSAGE_CHARS);
  }
  return undefined;
}

/** The state that pi's file does not hold. */
export function savedStateOf({ session, environment: around, parts }: LiveSession): AgentKept {
  const { model, sessionManager } = session;
  const { allowedTools, choices } = parts.loaded;
  const leaf = sessionManager.getLeafId();
  const newest = sessionManager.getEntries().at(-1)?.id ?? null;
  return {
    ...(hasModel(model) ? { model: { provider: model.provider, id: model.id } } : {}),
    thinkingLevel: levelOf(session.thinkingLevel),
    steeringMode: session.steeringMode,
    followUpMode: session.followUpMode,
    autoCompaction: session.autoCompactionEnabled,
    autoRetry: session.autoRetryEnabled,
    tools: session.getActiveToolNames(),
    ...choices.of(session),
    ...(allowedTools === undefined ? {} : { allowedTools }),
    trusted: around.trusted,
    written: session.sessionFile !== undefined && existsSync(session.sessionFile),
    // pi's file does not hold the leaf. A reopened session continues at its last entry.
    ...(leaf === newest ? {} : { leaf }),
  };
}

/** Whether the file and the record together hold everything. */
export function isRestorable({ session }: LiveSession): boolean {
  const { sessionManager, sessionFile } = session;
  if (!sessionManager.isPersisted() || sessionFile === undefined) return false;
  // Results of bash and queued messages are only in memory.
  if (session.hasPendingBashMessages || hasQueued(session)) return false;
  const entries = sessionManager.getEntries();
  const answered = entries.some((entry) => entry.type === "message" && entry.message.role === "assistant");
  // pi writes the file with the first answer, but a branch at once.
  return existsSync(sessionFile) || (!answered && entries.every(({ type }) => REMADE.has(type)));
}

/** Restores the state that the file does not hold. */
export function restore(session: PiSession, kept: AgentKept): void {
  if (session.steeringMode !== kept.steeringMode) session.setSteeringMode(kept.steeringMode);
  if (session.followUpMode !== kept.followUpMode) session.setFollowUpMode(kept.followUpMode);
  if (session.autoCompactionEnabled !== kept.autoCompaction) {
    session.setAutoCompactionEnabled(kept.autoCompaction);
  }
  if (session.autoRetryEnabled !== kept.autoRetry) session.setAutoRetryEnabled(kept.autoRetry);
}
