// The few plain HTTP answers on the WebSocket port (PROTOCOL §9): health, readiness, schema, and refusals.
import type { HttpAnswer, HttpRequest } from "../runtime/runtime.ts";

/** What the answers say. */
export interface HttpState {
  /** False while the server drains. */
  ready(): boolean;
  schema(): string;
}

/** A refusal with its reason as text. */
export function refusal(status: number, reason: string): HttpAnswer {
  const headers = status === 401 ? { "www-authenticate": "Bearer" } : {};
  return { status, body: `${reason}\n`, headers };
}

/** Answers a plain request that has passed the gate. */
export function answerHttp(request: HttpRequest, state: HttpState): HttpAnswer {
  if (request.method !== "GET" && request.method !== "HEAD") return refusal(404, "Not found");
  switch (request.path) {
    case "/healthz":
      return { status: 200, body: "ok\n" };
    case "/readyz":
      return state.ready() ? { status: 200, body: "ready\n" } : refusal(503, "shutting down");
    case "/schema.json":
      return { status: 200, body: state.schema(), contentType: "application/schema+json" };
    case "/":
      return refusal(404, "This is pi-server: open a WebSocket here");
    default:
      return refusal(404, "Not found");
  }
}
