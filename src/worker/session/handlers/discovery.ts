// Does: handles the commands for slash commands, skills, tools, session files and reload.
// Used by: mod.ts. See docs/PROTOCOL.md#commands-on-history-and-discovery.
import { failure } from "../../../protocol/errors.ts";
import { toJson } from "../../../base/text.ts";
import { agentBusy } from "../../../protocol/failures.ts";
import type { Handled, Session } from "../session.ts";
import { listSessions, type SessionPlaces } from "../files/session_files.ts";
import { done, type Entry, on, written } from "./handler.ts";

/** The most files that list_session_files reads. */
const MOST_FILES = 1_000;

async function sessionFiles(session: Session): Promise<Handled> {
  const folder = session.agent.discovery.sessionFolder();
  if (folder === undefined) return done({ files: [] });
  const { files, checker, guard, liveSession } = session.place;
  let denied = false;
  const places: SessionPlaces = {
    files,
    allows: (real) => guard.reaches(real, [folder]),
    unreadable: () => denied = true,
  };
  const every = (): Promise<boolean> => Promise.resolve(true);
  const found = await listSessions(places, [folder], MOST_FILES, every, checker.format);
  if (denied) {
    const sentence = `${folder} cannot be read; check its permissions`;
    return { ok: false, failure: failure("path_forbidden", sentence) };
  }
  const all = found.map((one) => {
    const liveSessionId = liveSession(one.sessionFile);
    return liveSessionId === undefined ? one : { ...one, liveSessionId };
  });
  return written(() => toJson({ files: all }));
}

/** The group's handlers. */
export const DISCOVERY: readonly Entry[] = [
  on("get_commands", (session) => done({ commands: session.agent.discovery.commands() })),
  on("get_skills", (session) => done({ skills: session.agent.discovery.skills() })),
  on("get_tools", (session) => done({ tools: session.agent.discovery.tools() })),
  on("set_tools", (session, { tools }) => {
    const unknown = session.agent.discovery.setTools(tools);
    if (unknown.length === 0) return done({});
    const sentence = `/tools: there is no tool ${unknown.join(", ")}; see get_tools`;
    return { ok: false, failure: failure("invalid_params", sentence) };
  }),
  on("list_session_files", sessionFiles),
  on("reload", async (session) => {
    if (session.agent.busy()) return { ok: false, failure: agentBusy() };
    const outcome = await session.agent.discovery.reload();
    return outcome.ok ? done({}) : outcome;
  }),
];
