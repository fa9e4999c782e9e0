// Does: lets pages of allowed origins read plain HTTP answers, with the headers of the Fetch standard (CORS).
// Used by: the WebSocket transport, for each answer other than a WebSocket. Pure.
// Invariant: only origins of --allow-origin get a header; the gate has refused the others before.
import type { HttpAnswer, HttpRequest } from "../../runtime/runtime.ts";

/** Seconds that a browser may keep the answer to a preflight. */
const PREFLIGHT_SECONDS = "600";

/** The answer to a browser that asks whether a page may send its token. */
export function preflight(request: HttpRequest): HttpAnswer {
  const own = request.headers.get("access-control-request-private-network") === "true";
  return {
    status: 200,
    body: "",
    headers: {
      "access-control-allow-methods": "GET, HEAD",
      "access-control-allow-headers": "authorization, if-none-match, range",
      "access-control-max-age": PREFLIGHT_SECONDS,
      ...(own ? { "access-control-allow-private-network": "true" } : {}),
    },
  };
}

/** The same answer, readable for the page that has sent the request, when its origin is an allowed one. */
export async function readable(
  answer: HttpAnswer | Promise<HttpAnswer>,
  request: HttpRequest,
  allowOrigins: ReadonlySet<string>,
): Promise<HttpAnswer> {
  const made = await answer;
  const origin = request.headers.get("origin");
  if (origin === undefined || !allowOrigins.has(origin)) return made;
  return { ...made, headers: { ...made.headers, "access-control-allow-origin": origin, vary: "origin" } };
}
