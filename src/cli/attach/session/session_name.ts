// What a person calls a session: its name, else its id; of an id that no person gave, the folder and its beginning.
// Pure.
import { sanitizeLine } from "../view/sanitize.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** The name, harmless and never empty. */
export function nameOf(session: { sessionId: string; sessionName?: string; cwd?: string }): string {
  const name = sanitizeLine(session.sessionName ?? "");
  if (name !== "") return name;
  const { sessionId, cwd } = session;
  if (!UUID.test(sessionId)) return sanitizeLine(sessionId);
  const folder = sanitizeLine(cwd?.split(/[/\\]/).filter((part) => part !== "").at(-1) ?? "");
  return `${folder === "" ? "session" : folder} ${sessionId.slice(0, 8)}`;
}
