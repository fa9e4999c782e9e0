// Reading and naming a session, and ending it: state, messages, stats, usage, name, delete_session.
import { infoText } from "../attachment.ts";
import { done, type Entry, on, onFile } from "./handler.ts";

/** The group's handlers. */
export const STATE: readonly Entry[] = [
  on("get_state", (session) => ({ ok: true, value: undefined, text: infoText(session) })),
  on("get_messages", (session, { limit, before }) => {
    const all = session.agent.messages();
    const end = Math.min(before ?? all.length, all.length);
    const start = limit === undefined ? 0 : Math.max(0, end - limit);
    return done({ messages: all.slice(start, end), messageCount: all.length });
  }),
  on("get_last_assistant_text", (session) => done({ text: session.agent.discovery.lastAssistantText() })),
  on("get_session_stats", (session) => {
    // pi's own id of the file says nothing to a client.
    return done({ ...session.agent.discovery.stats(), sessionId: session.sessionId });
  }),
  on("get_context_usage", (session) => done(session.agent.discovery.contextUsage())),
  onFile("set_session_name", (session, { name }) => {
    session.agent.setName(name.trim());
    return done({});
  }),
  on("dismiss_interrupted", (session) => {
    session.dismissInterrupted();
    return done({});
  }),
  on("delete_session", (session) => {
    session.remove();
    return done({ deleted: true });
  }),
];
