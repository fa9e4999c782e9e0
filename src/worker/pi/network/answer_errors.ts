// Does: explains a failed answer in words that pi's list of errors to retry knows, and keeps pi from
// a retry of what a provider has refused for good.
// Used by: tool_call_guard.ts for each answer, and the factory once.
// Invariant: a text that is already right stays as it is; an answer may be looked at twice.
import type { AssistantMessage } from "@mariozechner/pi-ai";
import type { ModelRequest } from "./model_request.ts";

/** A connection that broke while an answer came: Deno's words, hyper's, and those of Node that pi does not know. */
const BROKEN: RegExp =
  /error (?:reading a body from connection|decoding response body)|connection closed before message completed|unexpected (?:EOF|end of file)|stream error (?:received|sent)|connection reset|broken pipe|ECONNRESET|EPIPE|premature close|stream ended before/i;
/** Texts of SDKs that leave out why a request got no answer. */
const WITHOUT_CAUSE: RegExp = /connection error|fetch failed|error sending request/i;
/** Pages in place of an answer. */
const PAGE: RegExp = /^(?:text\/html|application\/xhtml\+xml)$/;
/** Answers of the 4xx kind that another try may change. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
const LIMITED: RegExp = /rate.?limit|too many requests|overloaded/i;

const STATUS = new WeakMap<AssistantMessage, number>();

/** The message of a failed answer, with its cause and without the key of the request. */
function wordsOf(text: string, request: ModelRequest | undefined): string {
  const { secret = "", failure } = request ?? {};
  // The newer pi adds the cause itself, behind the sentence of the SDK.
  const shown = (secret.length < 4 ? text : text.replaceAll(secret, "[key]"))
    .replace(/^Connection error\.: /, "Connection error: ");
  if (failure !== undefined && !shown.includes(failure)) {
    return WITHOUT_CAUSE.test(shown) ? `Connection error: ${failure}` : `${shown}: ${failure}`;
  }
  // A status at the start is a provider's answer; its words are the provider's own.
  if (/^(?:\d{3}\b|Connection (?:lost|error): )/.test(shown)) return shown;
  if (failure !== undefined && !/connection.?error|fetch failed/i.test(shown)) {
    return `Connection error: ${shown}`;
  }
  return BROKEN.test(shown) ? `Connection lost: ${shown}` : shown;
}

/** What came in place of an answer; undefined when it was one. */
function notAnAnswer({ provider, status, contentType = "" }: ModelRequest): string | undefined {
  if (status !== 200 || !PAGE.test(contentType)) return undefined;
  return `The provider ${provider} sent a web page (${contentType}) instead of an answer; ` +
    "check its baseUrl in models.json, and any proxy on the way";
}

/** Completes the error of a failed answer. */
export function explain(message: AssistantMessage, request: ModelRequest | undefined): void {
  if (message.stopReason !== "error") return;
  if (request?.status !== undefined && request.failure === undefined) STATUS.set(message, request.status);
  const page = request === undefined ? undefined : notAnAnswer(request);
  message.errorMessage = page ?? wordsOf(message.errorMessage ?? "The provider gave no reason", request);
}

/** Why an answer that pi takes for whole is none; undefined when it is. */
export function whyUnfinished(request: ModelRequest | undefined): string {
  const page = request === undefined ? undefined : notAnAnswer(request);
  // pi tries again after an error with the words "ended without".
  return page ?? "The answer ended without its final event";
}

/** The HTTP status of a failed answer. */
export function statusOf(message: AssistantMessage): number | undefined {
  const known = STATUS.get(message);
  if (known !== undefined) return known;
  const [, digits] = /^(\d{3})\b/.exec(message.errorMessage ?? "") ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function isRefusal(message: AssistantMessage): boolean {
  const status = statusOf(message);
  if (status === undefined || status < 400 || status > 499 || PASSING.has(status)) return false;
  return !LIMITED.test(message.errorMessage ?? "");
}

/**
 * Has pi take no refusal for an error that passes: it looks for numbers such as 500 anywhere in the text.
 *
 * @param prototype the session class of pi
 */
export function refuseForGood(prototype: object): void {
  const original: unknown = Reflect.get(prototype, "_isRetryableError");
  if (typeof original !== "function") throw new Error("This pi decides about retries in another way");
  Reflect.set(prototype, "_isRetryableError", function (this: unknown, message: AssistantMessage): unknown {
    return isRefusal(message) ? false : Reflect.apply(original, this, [message]);
  });
}
