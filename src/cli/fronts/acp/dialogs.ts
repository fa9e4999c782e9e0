// Does: asks the questions of extensions in the editor, as permissions or forms; else says who can answer them.
// Used by: acp_session.ts.
// Invariant: a question that the editor cannot show stays open for other clients.
import type {
  AgentContext,
  ClientCapabilities,
  PermissionOption,
  SessionUpdate,
} from "@agentclientprotocol/sdk";
import { errorMessage } from "../../../base/error_message.ts";
import type { Dialog, DialogAnswer } from "../../../client/mod.ts";
import type { Words } from "./words.ts";

/** What a dialog needs of its session. */
export interface DialogPlace {
  /** The id that the editor knows. */
  readonly id: string;
  readonly sessionId: string;
  readonly editor: AgentContext;
  readonly capabilities: ClientCapabilities;
  send(update: SessionUpdate): Promise<void>;
  say(words: Words): Promise<void>;
}

interface Open {
  readonly title: string;
  readonly how: "permission" | "form" | "words";
  /** The editor's own answer. */
  answer?: string;
}

const REFUSES = /^\W*(?:no|not|never|deny|denied|reject|refuse|block|cancel|abort|stop|don't|do not)\b/i;
const YES = "yes";
const NO = "no";

function titleOf({ title, message }: Dialog): string {
  return [title, message ?? ""].filter((part) => part.trim() !== "").join("\n") || "A question";
}

/** The choices of a question. */
function choicesOf({ method, options = [] }: Dialog): PermissionOption[] {
  if (method === "confirm") {
    return [
      { optionId: YES, name: "Yes", kind: "allow_once" },
      { optionId: NO, name: "No", kind: "reject_once" },
    ];
  }
  return options.map((name, index) => ({
    optionId: String(index),
    name,
    kind: REFUSES.test(name) ? "reject_once" : "allow_once",
  }));
}

/** The questions of one session that are open. */
export class DialogBook {
  readonly #place: DialogPlace;
  readonly #open = new Map<string, Open>();

  constructor(place: DialogPlace) {
    this.#place = place;
  }

  /** Shows a question and returns its answer; undefined leaves it to other clients. */
  async ask(dialog: Dialog): Promise<DialogAnswer> {
    const { method, options = [], requestId } = dialog;
    if (method === "confirm" || (method === "select" && options.length > 0)) {
      return await this.#permission(dialog);
    }
    const form = this.#place.capabilities.elicitation?.form;
    if (form !== undefined && form !== null) return await this.#form(dialog);
    this.#open.set(requestId, { title: titleOf(dialog), how: "words" });
    await this.#elsewhere(dialog, "this editor has no form for it");
    return undefined;
  }

  /** A question is over: the editor learns how, where it did not end it itself. */
  async resolved(requestId: string, by: unknown): Promise<void> {
    const open = this.#open.get(requestId);
    if (open === undefined) return;
    this.#open.delete(requestId);
    const { title, how, answer } = open;
    const end = answer ??
      (by === "client"
        ? "another client has answered it"
        : by === "timeout"
        ? "its time ran out"
        : "it was withdrawn");
    if (how === "permission") {
      await this.#place.send({
        sessionUpdate: "tool_call_update",
        toolCallId: this.#callOf(requestId),
        status: answer === undefined && by !== "client" ? "failed" : "completed",
        content: [{ type: "content", content: { type: "text", text: `Answer: ${end}` } }],
      });
    } else if (answer === undefined) {
      await this.#place.say({ severity: "info", title: `The question is over, ${end}: ${title}` });
    }
  }

  #callOf(requestId: string): string {
    return `question-${requestId}`;
  }

  async #elsewhere({ requestId, signal, ...dialog }: Dialog, why: string): Promise<void> {
    if (signal.aborted) return;
    await this.#place.say({
      severity: "warning",
      title:
        `An extension asks: ${
          titleOf({ requestId, signal, ...dialog })
        }\nThe question stays open, because ${why}. ` +
        `Answer it in another client: pi-server attach ${this.#place.sessionId}`,
    });
  }

  async #permission(dialog: Dialog): Promise<DialogAnswer> {
    const { requestId, signal, method } = dialog;
    const { id, editor } = this.#place;
    const toolCallId = this.#callOf(requestId);
    const title = titleOf(dialog);
    const options = choicesOf(dialog);
    const open: Open = { title, how: "permission" };
    this.#open.set(requestId, open);
    await this.#place.send({
      sessionUpdate: "tool_call",
      toolCallId,
      title,
      kind: "other",
      status: "pending",
    });
    try {
      const { outcome } = await editor.request("session/request_permission", {
        sessionId: id,
        toolCall: { toolCallId, title, kind: "other", status: "pending" },
        options,
      }, { cancellationSignal: signal, stopWaitingOnCancel: true });
      if (signal.aborted) return undefined;
      if (outcome.outcome === "cancelled") {
        open.answer = "none";
        return null;
      }
      const chosen = options.find(({ optionId }) => optionId === outcome.optionId);
      if (chosen === undefined) throw new Error(`there is no option "${outcome.optionId}"`);
      open.answer = chosen.name;
      return method === "confirm" ? chosen.optionId === YES : chosen.name;
    } catch (error) {
      await this.#elsewhere(dialog, `the editor did not ask it (${errorMessage(error)})`);
      return undefined;
    }
  }

  async #form(dialog: Dialog): Promise<DialogAnswer> {
    const { requestId, signal, placeholder, prefill } = dialog;
    const { id, editor } = this.#place;
    const title = titleOf(dialog);
    const open: Open = { title, how: "form" };
    this.#open.set(requestId, open);
    try {
      const response = await editor.request("elicitation/create", {
        mode: "form",
        sessionId: id,
        message: title,
        requestedSchema: {
          type: "object",
          properties: {
            answer: {
              type: "string",
              title: "Answer",
              ...(placeholder === undefined ? {} : { description: placeholder }),
              ...(prefill === undefined ? {} : { default: prefill }),
            },
          },
          required: ["answer"],
        },
      }, { cancellationSignal: signal, stopWaitingOnCancel: true });
      if (signal.aborted) return undefined;
      const answer = response.action === "accept" && "content" in response
        ? (response.content as Record<string, unknown> | null | undefined)?.["answer"]
        : undefined;
      open.answer = typeof answer === "string" ? answer : "none";
      return typeof answer === "string" ? answer : null;
    } catch (error) {
      await this.#elsewhere(dialog, `the editor did not ask it (${errorMessage(error)})`);
      return undefined;
    }
  }
}
