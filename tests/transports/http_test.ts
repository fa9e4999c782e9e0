// The plain HTTP answers: what each page says, and what a shutdown changes.
import { assertEquals } from "@std/assert";
import type { Page } from "../../src/transports/gate.ts";
import { answerHttp, refusal } from "../../src/transports/http.ts";

const ask = (page: Page, ready = true) => answerHttp(page, { ready: () => ready, schema: () => '{"s":1}' });

Deno.test("http: health, readiness and schema answer", () => {
  const pages = ["healthz", "readyz", "schema"] as const;
  assertEquals(pages.map((page) => ask(page).status), [200, 200, 200]);
  assertEquals([ask("schema").body, ask("schema").contentType], ['{"s":1}', "application/schema+json"]);
});

Deno.test("http: while the server drains it is alive and not ready", () => {
  assertEquals([ask("healthz", false).status, ask("readyz", false).status], [200, 503]);
});

Deno.test("http: metrics are given where there are any", () => {
  assertEquals(ask("metrics").status, 404);
  const state = { ready: () => true, schema: () => "", metrics: () => ({ status: 200, body: "m 1\n" }) };
  assertEquals(answerHttp("metrics", state).body, "m 1\n");
});

Deno.test("http: a refusal says why, and a 401 how to get in", () => {
  assertEquals(refusal(401, "Send the token"), {
    status: 401,
    body: "Send the token\n",
    headers: { "www-authenticate": "Bearer" },
  });
  assertEquals(refusal(403, "No").headers, {});
});
