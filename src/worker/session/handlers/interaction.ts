// Does: handles prompt, steer, follow_up, abort, clear_queue, and answers to dialogs.
// Used by: mod.ts.
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import type { QueuedTexts, Settled } from "../../../protocol/schema/responses.ts";
import { failure } from "../../../protocol/errors.ts";
import { checkImage } from "../guards/image_check.ts";
import type { AcceptedMessage } from "../message_tracker.ts";
import type { Acceptance, PromptInput, QueueKind } from "../agent_port.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, externalWrite, on } from "./handler.ts";
import type { Outcome } from "../../../protocol/failures.ts";

/**
 * The message in a form that providers accept. They refuse blank texts and bad images, and then all later
 * requests.
 */
function inputOf(
  command: { message: string; images?: PromptInput["images"][number][] },
): Outcome<PromptInput> {
  const images: PromptInput["images"][number][] = [];
  for (const [index, image] of (command.images ?? []).entries()) {
    const checked = checkImage(image);
    if (!checked.ok) {
      const sentence = `images[${index}] cannot be sent: ${checked.why}; send a PNG, JPEG, GIF or WebP`;
      return { ok: false, failure: failure("invalid_params", sentence) };
    }
    images.push(checked.image);
  }
  if (images.length === 0 && !/\S/.test(command.message)) {
    return { ok: false, failure: failure("invalid_params", "message holds only blanks; write a text") };
  }
  return { ok: true, value: { message: command.message, images } };
}

/** The message for the agent. Refused when the budget is used up, or another program has written to the session file. */
function admitted(
  session: Session,
  command: CommandOf<"prompt" | "steer" | "follow_up">,
): Outcome<PromptInput> {
  const spent = session.watch.budget.refusal;
  if (spent !== undefined) return { ok: false, failure: spent };
  return externalWrite(session) ?? inputOf(command);
}

function messageOf(acceptance: Extract<Acceptance, { ok: true }>, returned?: Promise<void>): AcceptedMessage {
  const { disposition, queued } = acceptance;
  return {
    disposition,
    ...(queued === undefined ? {} : { queued }),
    ...(returned === undefined ? {} : { returned }),
  };
}

/** What an operator may read of a prompt: the name of its slash command, and no other word. */
function nameOf(message: string): string {
  return /^\/[\w:.-]{1,64}(?=\s|$)/.exec(message)?.[0] ?? "prompt";
}

async function prompt(session: Session, command: CommandOf<"prompt">): Promise<Handled> {
  const input = admitted(session, command);
  if (!input.ok) return input;
  const handle = session.agent.prompt(input.value, command.streamingBehavior);
  // The handler of a slash command may outlive its reply. A late error of pi has no other receiver.
  session.track(nameOf(command.message), handle.returned);
  const acceptance = await handle.accepted;
  if (!acceptance.ok) return acceptance;
  const { disposition, queued } = acceptance;
  const { begin } = handle;
  const message = messageOf(acceptance, handle.returned);
  if (command.waitFor !== "settled") return { ok: true, value: { disposition }, afterReply: begin, message };
  if (disposition === "handled") {
    const nothing: Settled = { disposition, text: null, stopReason: null, usage: null };
    const later = handle.returned.then((): Outcome<Settled> => ({ ok: true, value: nothing }));
    return {
      ok: true,
      value: undefined,
      pending: session.waiters.within(later, command.waitMs),
      afterReply: begin,
      message,
    };
  }
  const later = session.waiters.wait(disposition, queued, command.waitMs);
  return { ok: true, value: undefined, pending: later, message };
}

async function queue(
  session: Session,
  kind: QueueKind,
  command: CommandOf<"steer" | "follow_up">,
): Promise<Handled> {
  const input = admitted(session, command);
  if (!input.ok) return input;
  const acceptance = await session.agent.queue(kind, input.value);
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
  on("steer", (session, command) => queue(session, "steer", command)),
  on("follow_up", (session, command) => queue(session, "followUp", command)),
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
