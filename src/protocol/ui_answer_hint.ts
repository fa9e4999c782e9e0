// Does: recognises the answer to a dialog in the form of pi's own RPC mode, and says what to send instead.
// Used by: codec.ts, when a command does not match its schema. Pure.
// Invariant: a command that matches its schema never comes here.
import { isRecord } from "../base/json.ts";

const FIELDS: readonly string[] = ["value", "confirmed", "cancelled"];

const hasAnswer = (from: Record<string, unknown>): boolean =>
  FIELDS.some((name) => Object.hasOwn(from, name));

/** A sentence for a `extension_ui_response` in pi's form; undefined for everything else. */
export function uiAnswerHint(message: unknown): string | undefined {
  if (!isRecord(message) || message["type"] !== "extension_ui_response") return undefined;
  const { response } = message;
  const nested = isRecord(response) && !Object.hasOwn(response, "method") ? response : {};
  const given = hasAnswer(message) ? message : hasAnswer(nested) ? nested : undefined;
  if (given === undefined) return undefined;
  const send = Object.hasOwn(given, "confirmed")
    ? '"response":{"method":"confirm","confirmed":true}'
    : Object.hasOwn(given, "cancelled")
    ? '"response":{"method":"cancelled"}'
    : '"response":{"method":"select","value":"…"} (the method of the request: select, input or editor)';
  const ids = '"sessionId" and "requestId" of the event extension_ui_request';
  return `This is the answer of pi's RPC mode; send ${ids}, and ${send}`;
}
