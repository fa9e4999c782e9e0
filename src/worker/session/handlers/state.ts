// Does: handles the commands that read, name or end a session: state, messages, stats, usage, name, delete_session.
// Used by: mod.ts.
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import { infoText } from "../session_state.ts";
import { boundedText, newestJson, newestOf } from "../events/bounded_json.ts";
import type { Handled, Session } from "../session.ts";
import { formOf, writtenWith } from "./entries.ts";
import { done, type Entry, on, onFile } from "./handler.ts";

/** The newest messages that fit. The choice is made now, and the JSON when the reply leaves. */
function getMessages(session: Session, command: CommandOf<"get_messages">): Handled | Promise<Handled> {
  const { limit, before } = command;
  const form = formOf(session, command);
  const { most, refs } = form;
  const all = session.agent.messages();
  const messageCount = all.length;
  const end = Math.min(before ?? messageCount, messageCount);
  const start = limit === undefined ? 0 : Math.max(0, end - limit);
  const newest = newestOf(all, start, end, most, refs !== undefined);
  return writtenWith(session, form, newest, () => {
    const { text, start: left } = newestJson(newest, most, undefined, refs);
    const first = end - newest.length + left;
    if (first === start) return `{"messages":${text},"messageCount":${messageCount}}`;
    const message = `Older messages are left out, since an answer has at most ${most} bytes of them; ` +
      `send get_messages with "before": ${first} for these`;
    const rest = JSON.stringify({ messageCount, truncated: true, before: first, message });
    return `{"messages":${text},${rest.slice(1)}`;
  });
}

/** The group's handlers. */
export const STATE: readonly Entry[] = [
  on("get_state", (session) => ({ ok: true, value: undefined, text: infoText(session) })),
  on("get_messages", getMessages),
  on("get_last_assistant_text", (session) => {
    const { text, truncated } = boundedText(session.agent.discovery.lastAssistantText());
    if (!truncated) return done({ text });
    return done({ text, truncated, message: "The text is too long for one answer; its end is left out" });
  }),
  on("get_session_stats", (session) => {
    // pi's own id of the file means nothing to a client.
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
