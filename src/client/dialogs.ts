// Does: shows each dialog of a session's extensions to a handler once, and sends the answer (docs/PROTOCOL.md#dialogs).
// Used by: subscription.ts. It closes a dialog that another client has answered.
import { isRecord } from "../base/json.ts";
import { RequestError } from "./errors.ts";

/** A dialog of an extension. */
export interface Dialog {
  /** The session whose extension asks. */
  readonly sessionId: string;
  /** Id of the dialog. */
  readonly requestId: string;
  /** The kind of answer: one of `options`, yes or no, a line, or a text. */
  readonly method: "select" | "confirm" | "input" | "editor";
  /** The question. */
  readonly title: string;
  /** The options of a `select`. */
  readonly options?: readonly string[];
  /** More text of a `confirm`. */
  readonly message?: string;
  /** The text in an empty field of an `input`. */
  readonly placeholder?: string;
  /** The text to edit, of an `editor`. */
  readonly prefill?: string;
  /** Aborts when the dialog ends: another client answered, it timed out, or its session is gone. */
  readonly signal: AbortSignal;
}

/**
 * An answer: a text for `select`, `input` and `editor`, a boolean for `confirm`. null cancels; undefined leaves
 * it to other clients.
 */
export type DialogAnswer = string | boolean | null | undefined;

/** Shows a dialog and returns its answer. */
export type DialogHandler = (dialog: Dialog) => DialogAnswer | Promise<DialogAnswer>;

type Send = (fields: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** The events about dialogs. */
export const DIALOG_EVENTS: readonly string[] = ["extension_ui_request", "extension_ui_resolved"];

const METHODS: ReadonlySet<unknown> = new Set(["select", "confirm", "input", "editor"]);
/** The ids of past dialogs that are kept, for events that arrive again. */
const REMEMBERED = 1024;

function isMethod(value: unknown): value is Dialog["method"] {
  return METHODS.has(value);
}

/** The wire form of a handler's answer. */
function responseOf(method: Dialog["method"], answer: DialogAnswer): Readonly<Record<string, unknown>> {
  if (answer === null) return { method: "cancelled" };
  return method === "confirm" ? { method, confirmed: answer === true } : { method, value: String(answer) };
}

/** The dialogs of the sessions of one subscription. */
export class Dialogs {
  readonly #handler: DialogHandler;
  readonly #send: Send;
  readonly #failed: (error: unknown) => void;
  readonly #open = new Map<string, AbortController>();
  readonly #seen = new Set<string>();

  /** @param send sends `extension_ui_response`, @param failed gets the errors of handlers */
  constructor(handler: DialogHandler, send: Send, failed: (error: unknown) => void) {
    this.#handler = handler;
    this.#send = send;
    this.#failed = failed;
  }

  /** Takes an event of a session. */
  event(sessionId: string, event: Readonly<Record<string, unknown>>): void {
    const { type, requestId } = event;
    if (typeof requestId !== "string") return;
    if (type === "extension_ui_request") this.#show(sessionId, requestId, event);
    else if (type === "extension_ui_resolved") this.#over(requestId);
  }

  /** Takes the open dialogs of a subscription's answer. */
  pending(sessionId: string, requests: readonly unknown[]): void {
    for (const request of requests) {
      if (!isRecord(request)) continue;
      const { requestId } = request;
      if (typeof requestId === "string") this.#show(sessionId, requestId, request);
    }
  }

  /** Ends all dialogs. */
  close(): void {
    for (const id of [...this.#open.keys()]) this.#over(id);
  }

  #over(requestId: string): void {
    this.#remember(requestId);
    this.#open.get(requestId)?.abort();
    this.#open.delete(requestId);
  }

  #remember(requestId: string): void {
    this.#seen.add(requestId);
    const [oldest] = this.#seen;
    if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }

  #show(sessionId: string, requestId: string, fields: Readonly<Record<string, unknown>>): void {
    const { method, title, options, message, placeholder, prefill } = fields;
    if (this.#seen.has(requestId) || !isMethod(method)) return;
    this.#remember(requestId);
    const over = new AbortController();
    this.#open.set(requestId, over);
    const dialog: Dialog = {
      sessionId,
      requestId,
      method,
      title: typeof title === "string" ? title : "",
      ...(Array.isArray(options) ? { options: options.map(String) } : {}),
      ...(typeof message === "string" ? { message } : {}),
      ...(typeof placeholder === "string" ? { placeholder } : {}),
      ...(typeof prefill === "string" ? { prefill } : {}),
      signal: over.signal,
    };
    void this.#answer(dialog).catch(this.#failed);
  }

  async #answer(dialog: Dialog): Promise<void> {
    const { sessionId, requestId, method, signal } = dialog;
    const answer = await this.#handler(dialog);
    if (answer === undefined || signal.aborted) return;
    try {
      await this.#send({ sessionId, requestId, response: responseOf(method, answer) });
    } catch (error) {
      // Another client was quicker, or our own answer was sent twice around a lost connection.
      const late = error instanceof RequestError && error.code.startsWith("ui_");
      if (!late) throw error;
    }
  }
}
