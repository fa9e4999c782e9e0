// What a session has at hand (PROTOCOL §5): slash commands, skills, tools, session files, reload.
import { failure } from "../../protocol/errors.ts";
import { agentBusy } from "../failures.ts";
import type { Session } from "../session.ts";
import { listSessions } from "../session_files.ts";
import { done, type Entry, on } from "./handler.ts";

/** Most files that list_session_files reads. */
const MOST_FILES = 1_000;

async function sessionFiles(session: Session): Promise<unknown> {
  const folder = session.agent.discovery.sessionFolder();
  if (folder === undefined) return { files: [] };
  const { files, checker, liveSession } = session.place;
  const found = await listSessions(files, [folder], MOST_FILES, () => Promise.resolve(true), checker.format);
  return {
    files: found.map((one) => {
      const liveSessionId = liveSession(one.sessionFile);
      return liveSessionId === undefined ? one : { ...one, liveSessionId };
    }),
  };
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
  on("list_session_files", async (session) => done(await sessionFiles(session))),
  on("reload", async (session) => {
    if (session.agent.busy()) return { ok: false, failure: agentBusy() };
    const outcome = await session.agent.discovery.reload();
    return outcome.ok ? done({}) : outcome;
  }),
];
