// The few plain HTTP answers on the WebSocket port (PROTOCOL §9): health, readiness, schema, and refusals.
import { errorMessage } from "../error_message.ts";
import type { HttpAnswer } from "../runtime/runtime.ts";
import type { Page } from "./gate.ts";

/** What the answers say. */
export interface HttpState {
  /** False while the server drains. */
  ready(): boolean;
  schema(): string;
  /** Prometheus text. */
  metrics(): Promise<HttpAnswer>;
}

/** A refusal with its reason as text. */
export function refusal(status: number, reason: string): HttpAnswer {
  const headers = status === 401 ? { "www-authenticate": "Bearer" } : {};
  return { status, body: `${reason}\n`, headers };
}

/** Answers a request that the gate has let in to that page. */
export function answerHttp(page: Page, state: HttpState): HttpAnswer | Promise<HttpAnswer> {
  switch (page) {
    case "healthz":
      return { status: 200, body: "ok\n" };
    case "readyz":
      return state.ready() ? { status: 200, body: "ready\n" } : refusal(503, "shutting down");
    case "schema":
      return { status: 200, body: state.schema(), contentType: "application/schema+json" };
    case "metrics":
      return state.metrics().catch((error) =>
        refusal(500, `The metrics cannot be read: ${errorMessage(error)}`)
      );
  }
}
