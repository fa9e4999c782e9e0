// Does: limits the bytes of a list for a client that asks for no pages. Pure.
// Used by: the router and the composition root.
import { ANSWER_BYTES } from "../../governor/limits.ts";

/** A list has at least that many bytes, however small the frames of clients are. */
const LEAST_BYTES = 64 * 1024;

/** The most bytes of such an answer, for clients with frames of that size. */
export function answerBytes(frameBytes: number): number {
  return Math.max(LEAST_BYTES, Math.min(frameBytes, ANSWER_BYTES));
}
