// Does: holds the open dialogs of a session and takes their answers (docs/PROTOCOL.md#dialogs).
// Used by: session.ts. The first valid answer wins.
// Invariant: a dialog outlives the client that saw it. It ends with its timeout, its signal or its session.
import { type Failure, failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { PendingUi } from "../../protocol/schema/results.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** The kinds of dialogs. */
export type DialogMethod = "select" | "confirm" | "input" | "editor";

/** What ended a dialog. */
export type ResolvedBy = "client" | "timeout" | "cancelled" | "session";

/** A client's answer. */
export type DialogResponse =
  | { readonly method: "select" | "input" | "editor"; readonly value: string }
  | { readonly method: "confirm"; readonly confirmed: boolean }
  | { readonly method: "cancelled" };

/** The dialog that an extension asks for. */
export interface Question {
  readonly method: DialogMethod;
  readonly title: string;
  /** Further fields of the request, as clients get them. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The allowed answers of a `select`. */
  readonly options?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The answer. Undefined when the dialog ended without one. */
export type Answer = string | boolean | undefined;

export interface DialogParts {
  readonly sessionId: string;
  readonly clock: Clock;
  readonly uuid: () => string;
  /** The limit of open dialogs. A further one is cancelled. */
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

/** Ids of ended dialogs that are kept. They tell a late answer from a wrong one. */
const REMEMBERED = 1_000;

/** An extension may put any value into a dialog. A value that JSON cannot hold must not reach a reply later. */
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

  /** Opens a dialog. Resolves with the answer, or with undefined without one. */
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
      }" was cancelled: it cannot be sent to clients as JSON`;
      this.#parts.emit({ type: "extension_error", extensionPath: "", event: "ui", error });
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => this.#show(question, resolve));
  }

  /** Takes a client's answer. A failure leaves the dialog open. */
  respond(requestId: string, response: DialogResponse): Failure | undefined {
    const open = this.#open.get(requestId);
    if (open === undefined) {
      return this.#ended.has(requestId)
        ? failure("ui_already_resolved", "The dialog is over, or another client has answered it")
        : failure("ui_request_not_found", `The session has no dialog "${requestId}"; see list_pending_ui`);
    }
    const { method, options } = open.question;
    if (response.method === "cancelled") return void this.#end(requestId, undefined, "client");
    if (response.method !== method) {
      const sentence = `/response/method: expected "${method}" or "cancelled", got "${response.method}"`;
      return failure("invalid_params", sentence);
    }
    if (response.method === "confirm") return void this.#end(requestId, response.confirmed, "client");
    // Clients see an option with half a character as one with U+FFFD.
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

  /** Ends all open dialogs with their session. Later ones are not opened. */
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
