// The gate and the console: which paths are its files, below a base path too, and whose origin its page has.
import { assertEquals } from "@std/assert";
import type { HttpRequest } from "../../../src/runtime/runtime.ts";
import { ADMIN } from "../../../src/server/auth/access.ts";
import { check, type GateConfig } from "../../../src/server/auth/http_gate.ts";

const TOKEN = "0123456789abcdef";
const OFF: GateConfig = {
  accessOf: (token) => token === TOKEN ? ADMIN : undefined,
  allowOrigins: new Set(["https://app.example"]),
  allowHosts: new Set(["pi.example"]),
};
const ON: GateConfig = { ...OFF, console: true };
const BELOW: GateConfig = { ...ON, basePath: "/pi" };
const HOST = "127.0.0.1:3141";
const HANDSHAKE = {
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** What comes of a request without a token: a kind, or the status of a refusal. */
function ask(path: string, config: GateConfig, more: Partial<HttpRequest> = {}): string | number {
  const verdict = check(
    { method: "GET", path, headers: new Map([["host", HOST]]), peer: "127.0.0.1", ...more },
    config,
  );
  if (verdict.kind === "console") return `file ${verdict.file}`;
  if (verdict.kind === "redirect") return `to ${verdict.location}`;
  return verdict.kind === "refuse" ? verdict.status : verdict.kind;
}

/** The status of an upgrade with the token; 0 for let in. */
function upgrade(headers: Record<string, string>, config: GateConfig, path = "/"): number {
  const all = new Map(Object.entries({ ...HANDSHAKE, authorization: `Bearer ${TOKEN}`, ...headers }));
  const verdict = check({ method: "GET", path, headers: all, peer: "127.0.0.1" }, config);
  return verdict.kind === "refuse" ? verdict.status : 0;
}

Deno.test("gate: the page and its files need no token, and are read alone", () => {
  for (const method of ["GET", "HEAD"]) {
    assertEquals(ask("/", ON, { method }), "file ");
    assertEquals(ask("/assets/console-0a.js", ON, { method }), "file assets/console-0a.js");
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", ""]) {
    assertEquals(
      [ask("/", ON, { method }), ask("/assets/console-0a.js", ON, { method })],
      [404, 404],
      method,
    );
  }
  const headers = new Map([["host", "evil.example"]]);
  assertEquals([ask("/", ON, { headers }), ask("/assets/a.js", ON, { headers })], [403, 403]);
});

Deno.test("gate: no path but theirs leads to the console", () => {
  const bad = [
    ..."/..%2f /..%2fassets/a.js /assets /assets/ /assets/../token /assets/..%2ftoken /assets/a/b.js".split(
      " ",
    ),
    ..."/assets/A.js //assets/a.js /assets//a.js /assets/%61.js /assets/a.js%00 /assets/a.js/ /index.html"
      .split(" "),
    ..."/./ /../ // /assets\\a.js /favicon.ico /console".split(" "),
    "",
  ];
  for (const path of bad) assertEquals([ask(path, ON), ask(path, BELOW)], [404, 404], path);
  assertEquals([ask("/", OFF), ask("/assets/console-0a.js", OFF)], [404, 404]);
});

Deno.test("gate: below a base path everything is there, with and without the proxy having taken it off", () => {
  assertEquals([ask("/pi/", BELOW), ask("/", BELOW)], ["file ", "file "]);
  assertEquals(ask("/pi/assets/a.js", BELOW), "file assets/a.js");
  assertEquals([ask("/pi/healthz", BELOW), ask("/healthz", BELOW), ask("/pi/metrics", BELOW)], [
    "page",
    "page",
    401,
  ]);
  assertEquals(ask("/pi", BELOW), "to pi/");
  assertEquals(ask("/a/b", { ...ON, basePath: "/a/b" }), "to b/");
  for (const path of ["/pie", "/PI/", "/pi/..%2f", "/pi//", "/pi/x", "/x"]) {
    assertEquals(ask(path, BELOW), 404, path);
  }
  for (const path of ["/", "/pi/", "/pi"]) assertEquals(upgrade({ host: HOST }, BELOW, path), 0, path);
  assertEquals([upgrade({ host: HOST }, BELOW, "/pie"), upgrade({ host: HOST }, ON, "/pi/")], [404, 404]);
  assertEquals([ask("/pi", { ...OFF, basePath: "/pi" }), ask("/pi/", { ...OFF, basePath: "/pi" })], [
    404,
    404,
  ]);
});

Deno.test("gate: the page's own origin connects, as the request's Host names it", () => {
  const own = [
    [HOST, `http://${HOST}`],
    [HOST, `https://${HOST}`],
    ["LocalHost:3141", "http://localhost:3141"],
    ["[::1]:3141", "http://[::1]:3141"],
    ["pi.example", "https://pi.example"],
    ["pi.example", "http://pi.example"],
    ["pi.example:443", "https://pi.example"],
    ["pi.example:8443", "https://pi.example:8443"],
    [HOST, "https://app.example"],
  ];
  for (const [host = "", origin = ""] of own) {
    assertEquals(upgrade({ host, origin }, ON), 0, `${host} ${origin}`);
    const status = origin === "https://app.example" ? 0 : 403;
    assertEquals(upgrade({ host, origin }, OFF), status, `the console is off: ${host} ${origin}`);
    assertEquals(upgrade({ host, origin, authorization: "" }, ON), 401, "the origin opens nothing by itself");
  }
});

Deno.test("gate: no other origin is the page's own", () => {
  const foreign = [
    [HOST, "http://localhost:3141"],
    [HOST, "http://127.0.0.1"],
    [HOST, "http://127.0.0.1:3142"],
    [HOST, "ws://127.0.0.1:3141"],
    [HOST, `http://${HOST}/`],
    [HOST, `HTTP://${HOST}`],
    [HOST, HOST],
    [HOST, `http://x@${HOST}`],
    [HOST, "null"],
    [HOST, ""],
    [HOST, `http://${HOST}, http://${HOST}`],
    ["evil.example", "http://evil.example"],
    ["evil.example:3141", `http://${HOST}`],
    ["pi.example", "https://pi.example:8443"],
    ["pi.example:80", "https://pi.example"],
    ["pi.example:99999", "http://pi.example:99999"],
    ["pi.example", "https://sub.pi.example"],
    ["pi.example", "http://127.0.0.1:3141"],
  ];
  for (const [host = "", origin = ""] of foreign) {
    assertEquals(upgrade({ host, origin }, ON), 403, `${host} ${origin}`);
  }
});
