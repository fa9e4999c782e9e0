// The envelopes around answers: what is echoed, what is left out, and what errors add.
import { assertEquals } from "@std/assert";
import { type ErrorCode, ERRORS, failure } from "../../../src/protocol/errors.ts";
import { encodeFailure, encodeSuccess } from "../../../src/protocol/envelope.ts";

Deno.test("responses: a success echoes what it is about and carries the data unparsed", () => {
  const head = { id: "7", command: "get_state", sessionId: "a", sessionVersion: 4 };
  assertEquals(JSON.parse(encodeSuccess(head, '{"deep":[1,{"x":"}"}]}')), {
    id: "7",
    type: "response",
    command: "get_state",
    success: true,
    protocolVersion: "1.0",
    sessionId: "a",
    sessionVersion: 4,
    data: { deep: [1, { x: "}" }] },
  });
});

Deno.test("responses: what is not known is left out, and version 0 is not", () => {
  assertEquals(JSON.parse(encodeSuccess({ command: "ping" }, "null")), {
    type: "response",
    command: "ping",
    success: true,
    protocolVersion: "1.0",
    data: null,
  });
  assertEquals(JSON.parse(encodeSuccess({ command: "x", sessionVersion: 0 }, "{}")).sessionVersion, 0);
});

Deno.test("responses: an id of quotes, braces and line breaks comes back as it was", () => {
  const id = '"}\\\n\u2028{"id":"x';
  const head = { id, command: "ping" };
  for (const text of [encodeSuccess(head, "{}"), encodeFailure(head, failure("internal", "m"))]) {
    assertEquals(JSON.parse(text).id, id);
    assertEquals(text.includes("\n"), false, "one line");
  }
});

Deno.test("responses: a failure has error, code and retryable, for every code", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const response = JSON.parse(encodeFailure({ id: "1", command: "bash" }, failure(code, "Say why")));
    assertEquals(response, {
      id: "1",
      type: "response",
      command: "bash",
      success: false,
      protocolVersion: "1.0",
      error: "Say why",
      code,
      retryable: ERRORS[code].retryable,
      ...(code === "timeout" ? { timedOut: true } : {}),
    });
  }
});

Deno.test("responses: retryAfterMs and data stand where they are known", () => {
  const failed = failure("overloaded", "m", { retryAfterMs: 0, data: { limit: "mailbox" } });
  const response = JSON.parse(encodeFailure({ command: "bash", sessionVersion: 0 }, failed));
  assertEquals([response.retryAfterMs, response.data.limit, response.sessionVersion], [0, "mailbox", 0]);
});
