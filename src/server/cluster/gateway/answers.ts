// Does: reads the answers of other nodes to commands of this one. Pure.
// Used by: fan_out.ts and session_reader.ts.
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import { type ErrorCode, ERRORS, type Failure, failure } from "../../../protocol/errors.ts";
import { headingOf } from "./wire_texts.ts";

/** Another node's answer, read. */
export type NodeAnswer = { readonly ok: true; readonly data: Record<string, unknown> } | {
  readonly ok: false;
  readonly failure: Failure;
};

/** Reads an answer. A failure stands for one that never came. */
export function answerOf(answer: string | Failure): NodeAnswer {
  if (typeof answer !== "string") return { ok: false, failure: answer };
  const { success, data } = tryParseRecord(answer) ?? {};
  return success === true && isRecord(data) ? { ok: true, data } : { ok: false, failure: failureOf(answer) };
}

/** The failure in an answer. */
export function failureOf(answer: string): Failure {
  const { code, error, retryAfterMs, data } = tryParseRecord(answer) ?? {};
  const known = typeof code === "string" && Object.hasOwn(ERRORS, code) ? code as ErrorCode : "internal";
  const sentence = typeof error === "string" ? error : "The answer of another node cannot be read";
  return failure(known, sentence, {
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
    ...(data === undefined ? {} : { data }),
  });
}

/** Whether another node has refused its part. */
export function isRefused(answer: string): boolean {
  const heading = headingOf(answer);
  return heading.kind === "response" && !heading.success;
}
