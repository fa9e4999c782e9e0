// Halves of surrogate pairs in what pi keeps and sends: messages of models, tools and extensions, and requests to a
// provider. pi-ai 0.73.1 mends texts on their way to a provider, and neither tool calls nor descriptions of tools.
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { mend } from "../../../base/text.ts";

/** Histories whose entries are mended already. */
const mended = new WeakSet<object>();

/** A file of an earlier version may hold halves; the agent's messages are those of the entries. */
function mendEntries(history: AgentSession["sessionManager"]): void {
  if (mended.has(history)) return;
  mended.add(history);
  for (const entry of history.getEntries()) mend(entry);
  const persist: unknown = Reflect.get(history, "_persist");
  if (typeof persist !== "function") return;
  Reflect.set(history, "_persist", (entry: unknown) => {
    mend(entry);
    Reflect.apply(persist, history, [entry]);
  });
}

/** Mends the session's messages before pi writes or uses them, and each request before it is sent. */
export function mendTexts({ agent, sessionManager }: AgentSession): void {
  mendEntries(sessionManager);
  // The agent waits for this before it runs a tool or asks again; pi 0.73.1 writes the message later.
  agent.subscribe((event) => {
    if (event.type === "message_end") mend(event.message);
  });
  const { onPayload } = agent;
  agent.onPayload = async (payload, model) => {
    const sent = await onPayload?.(payload, model) ?? payload;
    mend(sent);
    return sent;
  };
}
