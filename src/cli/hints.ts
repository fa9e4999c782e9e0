// The next step after an error of the server, for a person at a terminal. Pure.
// Used by: the dispatch and `run`.

/** By the protocol's error code. */
const HINTS: Readonly<Record<string, string>> = {
  path_forbidden: "such as pi-server stop, then pi-server start --root DIR",
  no_model: "pi-server doctor shows which credentials there are",
  no_api_key: "pi-server doctor shows which credentials there are",
  model_not_found: "as in pi-server call get_available_models --sessionId ID",
  session_not_found: "pi-server sessions lists those that there are",
  agent_busy: "wait for it, or use another session",
  forbidden: "pi-server token mint makes a token with another role",
};

/** `; NEXT STEP` for an error with a code that has one, else an empty text. */
export function hintFor(error: Error): string {
  const code: unknown = Reflect.get(error, "code");
  const hint = typeof code === "string" && Object.hasOwn(HINTS, code) ? HINTS[code] : undefined;
  return hint === undefined ? "" : `; ${hint}`;
}
