// Questions that extensions ask a person, and that any client may answer (docs/PROTOCOL.md#dialogs): the first answer wins,
// a dialog outlives the client that saw it, and ends with its timeout, its signal or its session.
import { type Failure, failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { PendingUi } from "../../protocol/schema/results.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** The kinds of dialogs. */
export type DialogMethod = "select" | "confirm" | "input" | "editor";

/** Who or what ended a dialog. */
export type ResolvedBy = "client" | "timeout" | "cancelled" | "session";

/** A client's answer. */
export type DialogResponse =
  | { readonly method: "select" | "input" | "editor"; readonly value: string }
  | { readonly method: "confirm"; readonly confirmed: boolean }
  | { readonly method: "cancelled" };

/** What an extension asks. */
export interface Question {
  readonly method: DialogMethod;
  readonly title: string;
  /** Further fields of the request, as clients get them. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Of a `select`: what may be answered. */
  readonly options?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The answer; undefined when there is none. */
export type Answer = string | boolean | undefined;

/** What the dialogs of one session need. */
export interface DialogParts {
  readonly sessionId: string;
  readonly clock: Clock;
  readonly uuid: () => string;
  /** Most that may be open at once; one more is cancelled. */
  readonly most: number;
  emit(event: SessionEvent): void;
  /** The number of open dialogs has changed. */
  changed(open: number): void;
}

interface Open {
  readonly question: Question;
  readonly shown: PendingUi;
  readonly resolve: (answer: Answer) => void;
  readonly cleanup: () => void;
}

/** Ids of ended dialogs that are remembered, to tell a late answer from a wrong one. */
const REMEMBERED = 1_000;

/** An extension may put anything into a dialog; what JSON cannot hold must not reach an answer later on. */
function isEncodable({ title, fields, timeoutMs }: Question): boolean {
  try {
    JSON.stringify({ title, fields, timeoutMs });
    return true;
  } catch {
    return false;
  }
}

/** The dialogs of one session. */
export class Dialogs {
  readonly #parts: DialogParts;
  readonly #open = new Map<string, Open>();
  readonly #ended = new Set<string>();
  #closed = false;

  constructor(parts: DialogParts) {
    this.#parts = parts;
  }

  /** Open dialogs, oldest first. */
  get pending(): readonly PendingUi[] {
    return [...this.#open.values()].map(({ shown }) => shown);
  }

  /** Asks; resolves with the answer, or with undefined when nobody gave one. */
  ask(question: Question): Promise<Answer> {
    if (question.signal?.aborted || this.#closed) return Promise.resolve(undefined);
    if (this.#open.size >= this.#parts.most) {
      const error =
        `The dialog "${question.title}" was cancelled: ${this.#parts.most} are open, the most allowed`;
      this.#parts.emit({ type: "extension_error", extensionPath: "", event: "ui", error });
      return Promise.resolve(undefined);
    }
    if (!isEncodable(question)) {
      const error = `The dialog "${
        String(question.title)
      }" was cancelled: it cannot be told to clients as JSON`;
      this.#parts.emit({ type: "extension_error", extensionPath: "", event: "ui", error });
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => this.#show(question, resolve));
  }

  /** Takes a client's answer; a failure leaves the dialog as it was. */
  respond(requestId: string, response: DialogResponse): Failure | undefined {
    const open = this.#open.get(requestId);
    if (open === undefined) {
      return this.#ended.has(requestId)
        ? failure("ui_already_resolved", "Somebody has answered this dialog already, or it is over")
        : failure("ui_request_not_found", `The session has no dialog "${requestId}"; see list_pending_ui`);
    }
    const { method, options } = open.question;
    if (response.method === "cancelled") return void this.#end(requestId, undefined, "client");
    if (response.method !== method) {
      const sentence = `/response/method: expected "${method}" or "cancelled", got "${response.method}"`;
      return failure("invalid_params", sentence);
    }
    if (response.method === "confirm") return void this.#end(requestId, response.confirmed, "client");
    // Clients see an option that holds half of a character with U+FFFD in its place.
    const chosen = options?.find((option) => option === response.value) ??
      options?.find((option) => String(option).toWellFormed() === response.value);
    if (options !== undefined && chosen === undefined) {
      const sentence = `/response/value: expected one of ${JSON.stringify(options)}`;
      return failure("invalid_params", `${sentence}, got ${JSON.stringify(response.value)}`);
    }
    return void this.#end(requestId, chosen ?? response.value, "client");
  }

  /** Ends all open dialogs without an answer. */
  cancel(by: ResolvedBy): void {
    for (const requestId of [...this.#open.keys()]) this.#end(requestId, undefined, by);
  }

  /** Ends all open dialogs with their session; later ones are not asked. */
  close(): void {
    this.#closed = true;
    this.cancel("session");
  }

  #show(question: Question, resolve: (answer: Answer) => void): void {
    const { clock, sessionId, uuid } = this.#parts;
    const requestId = uuid();
    const { method, title, fields, timeoutMs, signal } = question;
    const onAbort = (): void => this.#end(requestId, undefined, "cancelled");
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer: Timer | undefined = timeoutMs === undefined
      ? undefined
      : clock.after(timeoutMs, () => this.#end(requestId, undefined, "timeout"));
    const request = {
      requestId,
      method,
      title,
      ...fields,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    this.#open.set(requestId, {
      question,
      shown: { sessionId, ...request, createdAt: new Date(clock.now()).toISOString() },
      resolve,
      cleanup() {
        timer?.clear();
        signal?.removeEventListener("abort", onAbort);
      },
    });
    this.#parts.changed(this.#open.size);
    this.#parts.emit({ type: "extension_ui_request", ...request });
  }

  #end(requestId: string, answer: Answer, by: ResolvedBy): void {
    const open = this.#open.get(requestId);
    if (open === undefined) return;
    this.#open.delete(requestId);
    open.cleanup();
    this.#ended.add(requestId);
    const [oldest] = this.#ended;
    if (oldest !== undefined && this.#ended.size > REMEMBERED) this.#ended.delete(oldest);
    this.#parts.emit({ type: "extension_ui_resolved", requestId, by });
    this.#parts.changed(this.#open.size);
    open.resolve(answer);
  }
}
