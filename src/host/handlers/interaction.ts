// Talking to the agent and its extensions: prompt, steer, follow_up, abort, clear_queue, answers to dialogs.
import type { CommandOf } from "../../protocol/commands.ts";
import type { QueuedTexts, Settled } from "../../protocol/responses.ts";
import type { Outcome, PromptInput, QueueKind } from "../agent_port.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, on } from "./handler.ts";

function inputOf(command: { message: string; images?: PromptInput["images"][number][] }): PromptInput {
  return { message: command.message, images: command.images ?? [] };
}

async function prompt(session: Session, command: CommandOf<"prompt">): Promise<Handled> {
  const handle = session.agent.prompt(inputOf(command), command.streamingBehavior);
  // A slash command's handler may outlive its answer, and a call that pi turns down late tells nobody else.
  session.track(handle.returned);
  const acceptance = await handle.accepted;
  if (!acceptance.ok) return acceptance;
  const { disposition, queued } = acceptance;
  const { begin } = handle;
  if (command.waitFor !== "settled") return { ok: true, value: { disposition }, begin };
  if (disposition === "handled") {
    const nothing: Settled = { disposition, text: null, stopReason: null, usage: null };
    const later = handle.returned.then((): Outcome<Settled> => ({ ok: true, value: nothing }));
    return { ok: true, value: undefined, later: session.waiters.within(later, command.waitMs), begin };
  }
  return { ok: true, value: undefined, later: session.waiters.wait(disposition, queued, command.waitMs) };
}

async function queue(session: Session, kind: QueueKind, input: PromptInput): Promise<Handled> {
  const acceptance = await session.agent.queue(kind, input);
  return acceptance.ok ? done({ disposition: acceptance.disposition }) : acceptance;
}

function withdraw(session: Session, texts: QueuedTexts): Handled {
  session.waiters.withdraw(texts);
  return done(texts);
}

/** The group's handlers. */
export const INTERACTION: readonly Entry[] = [
  on("prompt", prompt),
  on("steer", (session, command) => queue(session, "steer", inputOf(command))),
  on("follow_up", (session, command) => queue(session, "followUp", inputOf(command))),
  on("abort", (session) => {
    const texts = session.agent.abort();
    session.dialogs.cancel("cancelled");
    return withdraw(session, texts);
  }),
  on("extension_ui_response", (session, { requestId, response }) => {
    const failed = session.dialogs.respond(requestId, response);
    return failed === undefined ? done({}) : { ok: false, failure: failed };
  }),
  on("clear_queue", (session) => withdraw(session, session.agent.clearQueue())),
];
