// Does: answers plain HTTP on the WebSocket port (docs/PROTOCOL.md#http-and-who-may-connect).
// Used by: websocket.ts, after the gate.
import { errorMessage } from "../../base/error_message.ts";
import type { HttpAnswer, HttpRequest } from "../../runtime/runtime.ts";
import type { Page } from "../auth/http_gate.ts";

/** The content of the answers. */
export interface HttpState {
  /** False while the server drains. */
  ready(): boolean;
  schema(): string;
  /** Prometheus text. */
  metrics(): Promise<HttpAnswer>;
  /** A file of the console. The page has the empty name. */
  console(file: string, request: HttpRequest): Promise<HttpAnswer>;
}

/** The answer to a refused request. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Stops browsers from guessing that an answer is a script or a style sheet. */
const NO_GUESS: Readonly<Record<string, string>> = { "x-content-type-options": "nosniff" };

/** A refusal with its reason as text. */
export function refusal({ status, reason, headers }: Refusal): HttpAnswer {
  return { status, body: `${reason}\n`, headers: { ...NO_GUESS, ...headers } };
}

/** Redirects a browser to an address relative to its request. */
export function redirect(location: string): HttpAnswer {
  return { status: 308, body: `Go on to ${location}\n`, headers: { ...NO_GUESS, location } };
}

/** Answers a request that the gate has admitted to that page. */
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
