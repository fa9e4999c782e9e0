// Halves of surrogate pairs in what pi keeps and sends: messages of models, tools and extensions, and requests to a
// provider. pi-ai 0.73.1 mends texts on their way to a provider, and neither tool calls nor descriptions of tools.
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { mend } from "../protocol/text.ts";

/** Mends the session's messages before pi stores or uses them, and each request before it is sent. */
export function mendTexts({ agent, sessionManager }: AgentSession): void {
  // A file of an earlier version may hold halves; the agent's messages are those of the entries.
  for (const entry of sessionManager.getEntries()) mend(entry);
  // The agent waits for this before it runs a tool or asks again; the session's own listeners come later.
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
