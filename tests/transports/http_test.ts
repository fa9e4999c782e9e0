// The plain HTTP answers: which paths there are, and what a shutdown changes.
import { assertEquals } from "@std/assert";
import { answerHttp, refusal } from "../../src/transports/http.ts";

function ask(path: string, method = "GET", ready = true) {
  const request = { method, path, headers: new Map<string, string>(), peer: "p" };
  return answerHttp(request, { ready: () => ready, schema: () => '{"s":1}' });
}

Deno.test("http: health, readiness and schema answer GET and HEAD", () => {
  for (const method of ["GET", "HEAD"]) {
    assertEquals(["/healthz", "/readyz", "/schema.json"].map((path) => ask(path, method).status), [
      200,
      200,
      200,
    ]);
  }
  assertEquals([ask("/schema.json").body, ask("/schema.json").contentType], [
    '{"s":1}',
    "application/schema+json",
  ]);
});

Deno.test("http: while the server drains it is alive and not ready", () => {
  assertEquals([ask("/healthz", "GET", false).status, ask("/readyz", "GET", false).status], [200, 503]);
});

Deno.test("http: everything else is 404", () => {
  for (
    const path of ["/", "/healthz/", "/HEALTHZ", "/x", "", "/schema", "/__proto__", "/token", "/healthz?x"]
  ) {
    assertEquals(ask(path).status, 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) {
    assertEquals(ask("/healthz", method).status, 404, method);
  }
});

Deno.test("http: a refusal says why, and a 401 how to get in", () => {
  assertEquals(refusal(401, "Send the token"), {
    status: 401,
    body: "Send the token\n",
    headers: { "www-authenticate": "Bearer" },
  });
  assertEquals(refusal(403, "No").headers, {});
});
