import { assertEquals } from "@std/assert";
import type { AssistantMessage } from "@mariozechner/pi-ai";
import { explain, refuseForGood } from "../../../../src/worker/pi/network/answer_errors.ts";
import { type ModelRequest, reasonOf } from "../../../../src/worker/pi/network/model_request.ts";

function failed(errorMessage: string): AssistantMessage {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  return {
    ...{ role: "assistant", content: [], api: "openai-completions", provider: "p", model: "m", timestamp: 0 },
    usage: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost },
    ...{ stopReason: "error", errorMessage },
  };
}

function explained(text: string, request: Partial<ModelRequest> = {}): string | undefined {
  const message = failed(text);
  const about: ModelRequest = { provider: "p", modelId: "m", secret: undefined, ...request };
  explain(message, about);
  const once = message.errorMessage;
  explain(message, about);
  assertEquals(message.errorMessage, once, "the second look changes nothing");
  return once;
}

Deno.test("a connection that broke is named in words that pi tries again", () => {
  const deno = "error reading a body from connection";
  assertEquals(explained(deno), `Connection lost: ${deno}`);
  assertEquals(explained("terminated"), "terminated");
  assertEquals(explained("Connection error.: refused"), "Connection error: refused");
  assertEquals(explained("read ECONNRESET"), "Connection lost: read ECONNRESET");
  const ended = "Anthropic stream ended before message_stop";
  assertEquals(explained(ended), `Connection lost: ${ended}`);
});

Deno.test("a request without an answer gets its cause, and shows no secret", () => {
  const failure = "connect ECONNREFUSED 127.0.0.1:1";
  assertEquals(explained("Connection error.", { failure }), `Connection error: ${failure}`);
  assertEquals(
    explained("401 bad key sk-secret-1", { status: 401, secret: "sk-secret-1" }),
    "401 bad key [key]",
  );
  const cause = new Error("connect to http://user:word@proxy.test:1/x?key=2 failed");
  assertEquals(
    reasonOf(new TypeError("fetch failed", { cause })),
    "connect to http://proxy.test:1/x failed",
  );
  assertEquals(reasonOf(new AggregateError([new Error("refused")])), "refused");
});

Deno.test("what a provider says stays as it is, and a page is called a page", () => {
  assertEquals(explained("400 broken pipe in your text", { status: 400 }), "400 broken pipe in your text");
  assertEquals(
    explained("Stream ended without finish_reason", { status: 200, contentType: "text/html" }),
    "The provider p sent a web page (text/html) instead of an answer; check its baseUrl in models.json, and any proxy on the way",
  );
});

Deno.test("pi tries no refusal again, whatever numbers its text holds", () => {
  class Session {
    _isRetryableError(message: AssistantMessage): boolean {
      return /429|500|overloaded/.test(message.errorMessage ?? "");
    }
  }
  refuseForGood(Session.prototype);
  const session = new Session();
  const retried = (text: string) => session._isRetryableError(failed(text));
  assertEquals(retried("400 max_tokens must be below 500"), false);
  assertEquals(retried("429 slow down"), true);
  assertEquals(retried("500 down"), true);
  assertEquals(retried("403 the model is overloaded"), true);
  const silent = failed("the limit is 500");
  explain(silent, { provider: "p", modelId: "m", secret: undefined, status: 422 });
  assertEquals(session._isRetryableError(silent), false);
});
