// Does: replaces halves of surrogate pairs in the messages that pi keeps, and in the requests that it sends.
// Used by: live_session.ts. pi-ai repairs only texts, and no tool calls (docs/PI.md#models-and-providers).
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { mend } from "../../../base/text.ts";

/** Histories whose entries are already repaired. */
const mended = new WeakSet<object>();

/**
 * Repairs the entries of a file, which an earlier version may have written. The agent uses the same objects.
 */
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

/** Repairs each message before pi writes or uses it, and each request before pi sends it. */
export function mendTexts({ agent, sessionManager }: AgentSession): void {
  mendEntries(sessionManager);
  // The agent waits for this listener before it runs a tool or asks again. pi 0.73.1 writes the message later.
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
