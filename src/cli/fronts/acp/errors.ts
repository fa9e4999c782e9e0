// Does: turns what went wrong into an error of the Agent Client Protocol, with the server's sentence.
// Used by: agent.ts and acp_session.ts. Pure.
import { RequestError } from "@agentclientprotocol/sdk";
import { errorMessage } from "../../../base/error_message.ts";
import { hintFor } from "../../hints.ts";

const AUTH_REQUIRED = -32000;
const NOT_FOUND = -32002;
const INVALID_PARAMS = -32602;
const INTERNAL = -32603;
const CANCELLED = -32800;

/** By the code of pi-server's protocol; every other code is internal. */
const CODES: Readonly<Record<string, number>> = {
  no_api_key: AUTH_REQUIRED,
  no_model: AUTH_REQUIRED,
  session_not_found: NOT_FOUND,
  invalid_params: INVALID_PARAMS,
  model_not_found: INVALID_PARAMS,
  path_forbidden: INVALID_PARAMS,
  path_not_found: INVALID_PARAMS,
};

/** The error to answer with. */
export function acpError(error: unknown, sessionId?: string): RequestError {
  if (error instanceof RequestError) return error;
  const name = error instanceof Error ? error.name : "";
  const code: unknown = name === "RequestError" && error instanceof Error
    ? Reflect.get(error, "code")
    : undefined;
  const known = typeof code === "string" && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  const sentence = `${errorMessage(error)}${error instanceof Error ? hintFor(error) : ""}`;
  return new RequestError(known ?? INTERNAL, sentence, {
    ...(typeof code === "string" ? { code } : {}),
    ...(sessionId === undefined ? {} : { sessionId }),
  });
}

/** Whether an editor has cancelled the request itself. */
export function isCancelled(reason: unknown): boolean {
  return reason instanceof RequestError && reason.code === CANCELLED;
}

/** No session of that id is open on this connection. */
export function notOpen(sessionId: string): RequestError {
  return new RequestError(
    NOT_FOUND,
    `the session "${sessionId}" is not open here; open it with session/load, session/resume or session/new`,
    { sessionId },
  );
}

/** A parameter is wrong. */
export function invalid(sentence: string): RequestError {
  return new RequestError(INVALID_PARAMS, sentence);
}

/** The server has no session of that id. */
export function notFound(sessionId: string): RequestError {
  return new RequestError(
    NOT_FOUND,
    `there is no session "${sessionId}"; session/list names those that there are`,
    { sessionId },
  );
}

/** pi has no credentials. */
export function loginNeeded(): RequestError {
  return new RequestError(
    AUTH_REQUIRED,
    "pi has no credentials for any model; run pi in a terminal and type /login, or give the server a provider's " +
      "key such as ANTHROPIC_API_KEY, then try again",
  );
}
