// The error table against the protocol: which codes there are, and which a client may simply send again.
import { assert, assertEquals } from "@std/assert";
import { ERRORS, failure } from "../../src/protocol/errors.ts";

const RETRYABLE = [
  ...["session_limit", "rate_limited", "overloaded", "agent_busy", "timeout", "shutting_down"],
  "node_unavailable",
];

Deno.test("errors: exactly these codes are retryable", () => {
  const retryable = Object.entries(ERRORS).filter(([, traits]) => traits.retryable).map(([code]) => code);
  assertEquals(retryable.sort(), [...RETRYABLE].sort());
});

Deno.test("errors: every code says what it means, without a full stop", () => {
  for (const [code, { meaning }] of Object.entries(ERRORS)) {
    assert(/^[A-Za-z].{10,}[^.]$/.test(meaning), `${code}: ${meaning}`);
  }
});

Deno.test("errors: a failure has only the details it was given", () => {
  assertEquals(failure("internal", "m"), { code: "internal", message: "m" });
  assertEquals(Object.keys(failure("internal", "m")), ["code", "message"]);
  assertEquals(failure("overloaded", "m", { retryAfterMs: 0, data: null }), {
    code: "overloaded",
    message: "m",
    retryAfterMs: 0,
    data: null,
  });
});
