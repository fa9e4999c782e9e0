// The few plain HTTP answers on the WebSocket port (docs/PROTOCOL.md#http-and-who-may-connect): health, readiness, schema, and refusals.
import { errorMessage } from "../../base/error_message.ts";
import type { HttpAnswer, HttpRequest } from "../../runtime/runtime.ts";
import type { Page } from "../auth/http_gate.ts";

/** What the answers say. */
export interface HttpState {
  /** False while the server drains. */
  ready(): boolean;
  schema(): string;
  /** Prometheus text. */
  metrics(): Promise<HttpAnswer>;
  /** A file of the console by its name; the page's is empty. */
  console(file: string, request: HttpRequest): Promise<HttpAnswer>;
}

/** What a refused request is answered with. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** No answer is a script or a style sheet of the console's page because a browser guesses so. */
const NO_GUESS: Readonly<Record<string, string>> = { "x-content-type-options": "nosniff" };

/** A refusal with its reason as text. */
export function refusal({ status, reason, headers }: Refusal): HttpAnswer {
  return { status, body: `${reason}\n`, headers: { ...NO_GUESS, ...headers } };
}

/** Sends a browser on to that address, which is relative to the one that it asked for. */
export function redirect(location: string): HttpAnswer {
  return { status: 308, body: `Go on to ${location}\n`, headers: { ...NO_GUESS, location } };
}

/** Answers a request that the gate has let in to that page. */
export function answerHttp(page: Page, state: HttpState): HttpAnswer | Promise<HttpAnswer> {
  switch (page) {
    case "healthz":
      return { status: 200, body: "ok\n", headers: NO_GUESS };
    case "readyz":
      return state.ready()
        ? { status: 200, body: "ready\n", headers: NO_GUESS }
        : refusal({ status: 503, reason: "shutting down" });
    case "schema":
      return {
        status: 200,
        body: state.schema(),
        contentType: "application/schema+json",
        headers: NO_GUESS,
      };
    case "metrics":
      return state.metrics().catch((error) =>
        refusal({ status: 500, reason: `The metrics cannot be read: ${errorMessage(error)}` })
      );
  }
}
