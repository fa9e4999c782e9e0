// What is kept of a pi session while it is parked, and how it is put back: all that pi holds in memory alone
// (docs/PI.md#session-files). Whether anything would be lost is asked here too.
import { existsSync } from "node:fs";
import type { LiveSession, PiSession } from "./live_session.ts";
import { hasQueued, levelOf } from "./sdk/sdk.ts";
import { hasModel } from "./settings.ts";
import type { AgentKept } from "../../ipc/session_record.ts";

/** Entries that are made again with the session, or told by what is kept. */
const REMADE: ReadonlySet<string> = new Set(["model_change", "thinking_level_change", "session_info"]);

/** What pi's file does not hold. */
export function savedStateOf({ session, environment: around, parts }: LiveSession): AgentKept {
  const { model, sessionManager } = session;
  const { allowedTools } = parts.loaded;
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
    ...(allowedTools === undefined ? {} : { allowedTools }),
    trusted: around.trusted,
    written: session.sessionFile !== undefined && existsSync(session.sessionFile),
    // pi's file does not say where in the tree one stands; reopened, that is its last entry.
    ...(leaf === newest ? {} : { leaf }),
  };
}

/** Whether the file and what is kept tell everything. */
export function isRestorable({ session }: LiveSession): boolean {
  const { sessionManager, sessionFile } = session;
  if (!sessionManager.isPersisted() || sessionFile === undefined) return false;
  // Results of bash and queued messages wait in memory.
  if (session.hasPendingBashMessages || hasQueued(session)) return false;
  const entries = sessionManager.getEntries();
  const answered = entries.some((entry) => entry.type === "message" && entry.message.role === "assistant");
  // pi writes nothing before the first answer, but a branch is written when it is made.
  return existsSync(sessionFile) || (!answered && entries.every(({ type }) => REMADE.has(type)));
}

/** Puts back what the file did not tell. */
export function restore(session: PiSession, kept: AgentKept): void {
  if (session.steeringMode !== kept.steeringMode) session.setSteeringMode(kept.steeringMode);
  if (session.followUpMode !== kept.followUpMode) session.setFollowUpMode(kept.followUpMode);
  if (session.autoCompactionEnabled !== kept.autoCompaction) {
    session.setAutoCompactionEnabled(kept.autoCompaction);
  }
  if (session.autoRetryEnabled !== kept.autoRetry) session.setAutoRetryEnabled(kept.autoRetry);
  const known = new Set(session.getAllTools().map((tool) => tool.name));
  const wanted = kept.tools.filter((name) => known.has(name));
  const active = session.getActiveToolNames();
  if (wanted.length !== active.length || wanted.some((name) => !active.includes(name))) {
    session.setActiveToolsByName(wanted);
  }
}
