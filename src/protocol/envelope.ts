// Does: writes the envelope of a response around an answer that is JSON already.
// Used by: the router, for every command. Uses: errors.ts for what each code means.
// Invariant: an answer is never encoded twice.
import { PROTOCOL_VERSION } from "./version.ts";
import { ERRORS, type Failure } from "./errors.ts";
import { toJson } from "../base/text.ts";

/** The subject of a response: the fields of the command that it repeats. */
export interface ResponseHead {
  readonly id?: string;
  readonly command: string;
  readonly sessionId?: string;
  readonly sessionVersion?: number;
  /** The answer to an earlier command with the same key. */
  readonly replayed?: true;
}

/** The envelope before its content. It is joined by hand, because every command passes here. */
export function head(about: ResponseHead, success: boolean): string {
  const { id, command, sessionId, sessionVersion, replayed } = about;
  const before = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
  const session = sessionId === undefined ? "" : `,"sessionId":${JSON.stringify(sessionId)}`;
  const version = sessionVersion === undefined ? "" : `,"sessionVersion":${sessionVersion}`;
  const fixed = `"type":"response","command":${JSON.stringify(command)},"success":${success}`;
  const old = replayed === undefined ? "" : `,"replayed":true`;
  return `{${before}${fixed},"protocolVersion":"${PROTOCOL_VERSION}"${session}${version}${old}`;
}

/** A successful response around `dataText`, which is JSON already. */
export function encodeSuccess(about: ResponseHead, dataText: string): string {
  return `${head(about, true)},"data":${dataText}}`;
}

/** An error response. */
export function encodeFailure(about: ResponseHead, failed: Failure): string {
  const rest = toJson({
    error: failed.message,
    code: failed.code,
    retryable: ERRORS[failed.code].retryable,
    ...(failed.retryAfterMs === undefined ? {} : { retryAfterMs: failed.retryAfterMs }),
    ...(failed.code === "timeout" ? { timedOut: true } : {}),
    ...(failed.data === undefined ? {} : { data: failed.data }),
  });
  return `${head(about, false)},${rest.slice(1)}`;
}
