// Talking to the agent and its extensions: prompt, steer, follow_up, abort, clear_queue, answers to dialogs.
import type { CommandOf } from "../../protocol/commands.ts";
import type { QueuedTexts, Settled } from "../../protocol/responses.ts";
import type { AcceptedMessage } from "../accepted_messages.ts";
import type { Acceptance, Outcome, PromptInput, QueueKind } from "../agent_port.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, foreignWrite, on } from "./handler.ts";

function inputOf(command: { message: string; images?: PromptInput["images"][number][] }): PromptInput {
  return { message: command.message, images: command.images ?? [] };
}

function messageOf(acceptance: Extract<Acceptance, { ok: true }>, returned?: Promise<void>): AcceptedMessage {
  const { disposition, queued } = acceptance;
  return {
    disposition,
    ...(queued === undefined ? {} : { queued }),
    ...(returned === undefined ? {} : { returned }),
  };
}

async function prompt(session: Session, command: CommandOf<"prompt">): Promise<Handled> {
  const spent = session.watch.budget.refusal;
  if (spent !== undefined) return { ok: false, failure: spent };
  const foreign = foreignWrite(session);
  if (foreign !== undefined) return foreign;
  const handle = session.agent.prompt(inputOf(command), command.streamingBehavior);
  // A slash command's handler may outlive its answer, and a call that pi turns down late tells nobody else.
  session.track(handle.returned);
  const acceptance = await handle.accepted;
  if (!acceptance.ok) return acceptance;
  const { disposition, queued } = acceptance;
  const { begin } = handle;
  const message = messageOf(acceptance, handle.returned);
  if (command.waitFor !== "settled") return { ok: true, value: { disposition }, begin, message };
  if (disposition === "handled") {
    const nothing: Settled = { disposition, text: null, stopReason: null, usage: null };
    const later = handle.returned.then((): Outcome<Settled> => ({ ok: true, value: nothing }));
    return {
      ok: true,
      value: undefined,
      later: session.waiters.within(later, command.waitMs),
      begin,
      message,
    };
  }
  const later = session.waiters.wait(disposition, queued, command.waitMs);
  return { ok: true, value: undefined, later, message };
}

async function queue(session: Session, kind: QueueKind, input: PromptInput): Promise<Handled> {
  const spent = session.watch.budget.refusal;
  if (spent !== undefined) return { ok: false, failure: spent };
  const foreign = foreignWrite(session);
  if (foreign !== undefined) return foreign;
  const acceptance = await session.agent.queue(kind, input);
  if (!acceptance.ok) return acceptance;
  return { ok: true, value: { disposition: acceptance.disposition }, message: messageOf(acceptance) };
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
