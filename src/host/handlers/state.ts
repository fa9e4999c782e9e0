// Reading and naming a session, and ending it: get_state, get_messages, set_session_name, delete_session.
import { done, type Entry, on } from "./handler.ts";

/** The group's handlers. */
export const STATE: readonly Entry[] = [
  on("get_state", (session) => done(session.info())),
  on("get_messages", (session, { limit, before }) => {
    const all = session.agent.messages();
    const end = Math.min(before ?? all.length, all.length);
    const start = limit === undefined ? 0 : Math.max(0, end - limit);
    return done({ messages: all.slice(start, end), messageCount: all.length });
  }),
  on("set_session_name", (session, { name }) => {
    session.agent.setName(name.trim());
    return done({});
  }),
  on("delete_session", (session) => {
    session.remove();
    return done({ deleted: true });
  }),
];
