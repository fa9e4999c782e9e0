// The plain HTTP answers: what each page says, and what a shutdown changes.
import { assertEquals } from "@std/assert";
import type { Page } from "../../../src/server/auth/http_gate.ts";
import { answerHttp, redirect, refusal } from "../../../src/server/transports/http_pages.ts";

const METRICS = { status: 200, body: "m 1\n" };

const ask = (page: Page, ready = true, metrics = Promise.resolve(METRICS)) =>
  answerHttp(page, {
    ready: () => ready,
    schema: () => '{"s":1}',
    metrics: () => metrics,
    console: () => Promise.resolve({ status: 200, body: "" }),
  });

Deno.test("http: health, readiness and schema answer", async () => {
  const pages = ["healthz", "readyz", "schema"] as const;
  for (const page of pages) assertEquals((await ask(page)).status, 200);
  const { body, contentType } = await ask("schema");
  assertEquals([body, contentType], ['{"s":1}', "application/schema+json"]);
});

Deno.test("http: while the server drains it is alive and not ready", async () => {
  assertEquals([(await ask("healthz", false)).status, (await ask("readyz", false)).status], [200, 503]);
});

Deno.test("http: metrics are given, or why they cannot be", async () => {
  assertEquals(await ask("metrics"), METRICS);
  const { status, body } = await ask("metrics", true, Promise.reject(new Error("no such package")));
  assertEquals([status, body], [500, "The metrics cannot be read: no such package\n"]);
});

Deno.test("http: a refusal says why, with the headers that belong to it", () => {
  const headers = { "www-authenticate": "Bearer" };
  const always = { "x-content-type-options": "nosniff" };
  assertEquals(refusal({ status: 401, reason: "Send the token", headers }), {
    status: 401,
    body: "Send the token\n",
    headers: { ...always, ...headers },
  });
  assertEquals(refusal({ status: 403, reason: "No" }).headers, always);
  assertEquals(redirect("pi/"), {
    status: 308,
    body: "Go on to pi/\n",
    headers: { ...always, location: "pi/" },
  });
});
