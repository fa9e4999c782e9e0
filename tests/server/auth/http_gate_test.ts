// The gate as a table of headers: which Host, which Origin and which token get in.
import { assertEquals } from "@std/assert";
import type { HttpRequest } from "../../../src/runtime/runtime.ts";
import { type Access, ADMIN } from "../../../src/server/auth/access.ts";
import { check, type GateConfig, hostHeadersOf, hostName } from "../../../src/server/auth/http_gate.ts";

const TOKEN = "0123456789abcdef";
const OBSERVER: Access = { id: "o", role: "observe", sessions: new Set(["a"]) };
const SCRAPER: Access = { id: "s", role: "observe", scrape: true };
const TOKENS = new Map([[TOKEN, ADMIN], ["fedcba9876543210", OBSERVER], ["scraper-0123456789", SCRAPER]]);
const CONFIG: GateConfig = {
  accessOf: (token) => TOKENS.get(token),
  allowOrigins: new Set(["https://app.example", "http://localhost:5173"]),
  allowHosts: new Set(["pi.example", "[2001:db8::1]"]),
};
const HOST = "127.0.0.1:3141";
const HANDSHAKE = {
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const BEARER = `Bearer ${TOKEN}`;

function request(headers: Record<string, string>, more: Partial<HttpRequest> = {}): HttpRequest {
  const all = new Map(Object.entries({ ...HANDSHAKE, ...headers }));
  return { method: "GET", path: "/", headers: all, peer: "127.0.0.1", ...more };
}

/** 0 for let in, else the status. */
function status(headers: Record<string, string>, config = CONFIG): number {
  const verdict = check(request(headers), config);
  return verdict.kind === "refuse" ? verdict.status : 0;
}

Deno.test("gate: loopback and allowed hosts get in, with any port, in any case", () => {
  const good = [
    ..."127.0.0.1 127.0.0.1:3141 127.255.255.254 localhost LocalHost:80 [::1] [::1]:3141".split(" "),
    ..."pi.example PI.Example:443 [2001:db8::1]:3141 [2001:DB8::1]".split(" "),
  ];
  for (const host of good) assertEquals(status({ host, authorization: BEARER }), 0, host);
});

Deno.test("gate: every other Host is refused before the token is looked at", () => {
  const bad = [
    ..."evil.example 127.0.0.1.evil.example localhost.evil.example evil.example:3141 10.0.0.1".split(" "),
    ..."128.0.0.1 127.0.0.256 127.0.0 1270.0.1 [::2] ::1 [::1 localhost: localhost:x localhost:123456".split(
      " ",
    ),
    ..."user@localhost http://localhost pi.example.evil apipi.example xn--localhost-abc".split(" "),
    ...["", " ", "localhost, evil.example", "evil.example, localhost", "localhost,localhost", " localhost"],
    ...["localhost evil", "localhost\t", "127.0.0.1:3141:3141", "[::1]evil", "0x7f.0.0.1", "２７.0.0.1"],
  ];
  for (const host of bad) assertEquals(status({ host, authorization: BEARER }), 403, JSON.stringify(host));
  assertEquals(status({ authorization: BEARER }), 403, "no Host at all");
  assertEquals(status({ host: "evil.example" }), 403, "403 and not 401");
});

Deno.test("gate: an allowed host admits exactly that name", () => {
  assertEquals(status({ host: "sub.pi.example", authorization: BEARER }), 403);
  assertEquals(status({ host: "pi.example.", authorization: BEARER }), 403);
});

Deno.test("gate: hostName takes exactly one name, without its port", () => {
  assertEquals([hostName("A:1"), hostName("[::1]:99999"), hostName("a:")], ["a", "[::1]", undefined]);
  assertEquals([hostName(undefined), hostName("a b"), hostName("a,b")], [undefined, undefined, undefined]);
});

Deno.test("gate: the bind address is a Host in each of its spellings", () => {
  assertEquals(hostHeadersOf("10.0.0.1"), ["10.0.0.1"]);
  assertEquals(hostHeadersOf("::FFFF:10.0.0.1"), ["[::ffff:10.0.0.1]", "[::ffff:a00:1]"]);
  assertEquals([hostHeadersOf("0.0.0.0"), hostHeadersOf("::")], [[], []]);
});

Deno.test("gate: only exactly allowed origins get in, and none is fine", () => {
  const ok = { host: HOST, authorization: BEARER };
  for (const origin of ["https://app.example", "http://localhost:5173"]) {
    assertEquals(status({ ...ok, origin }), 0, origin);
  }
  const bad = [
    ..."null * https://evil.example http://app.example https://app.example:8443 https://APP.example".split(
      " ",
    ),
    ..."https://app.example.evil https://app.example/ https://xapp.example http://localhost".split(" "),
    ...["http://localhost:5174", "", " https://app.example", "https://app.example, https://app.example"],
    ...["http://127.0.0.1:3141", "file://", "app.example"],
  ];
  for (const origin of bad) assertEquals(status({ ...ok, origin }), 403, JSON.stringify(origin));
  assertEquals(status({ host: HOST, origin: "https://evil.example" }), 403, "403 and not 401");
});

Deno.test("gate: the token comes as a bearer, the scheme in any case", () => {
  for (const authorization of [BEARER, `bearer ${TOKEN}`, `BEARER   ${TOKEN}`]) {
    assertEquals(status({ host: HOST, authorization }), 0, authorization);
  }
});

Deno.test("gate: a token of another scheme, cut, lengthened, empty or doubled is refused", () => {
  const bad = [
    ...[TOKEN, `Basic ${TOKEN}`, `Bearer${TOKEN}`, "Bearer", "Bearer ", `Token ${TOKEN}`, ""],
    ...[`Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN.slice(0, -1)}`, `Bearer ${TOKEN}0`, `Bearer x ${TOKEN}`],
    ...[`Bearer ${TOKEN} x`, `Bearer ${TOKEN}, Bearer ${TOKEN}`, `Bearer ${TOKEN},`, `Bearer "${TOKEN}"`],
    ...[`Bearer ${TOKEN.toUpperCase()}`, `x Bearer ${TOKEN}`, `Bearer\t${TOKEN}`, `Bearer undefined`],
  ];
  for (const authorization of bad) {
    assertEquals(status({ host: HOST, authorization }), 401, JSON.stringify(authorization));
  }
  assertEquals(status({ host: HOST }), 401);
});

Deno.test("gate: browsers bring the token as a subprotocol, which is never answered with", () => {
  const ask = (protocols: string) =>
    check(request({ host: HOST, "sec-websocket-protocol": protocols }), CONFIG);
  const bearer = `pi-server.bearer.${TOKEN}`;
  assertEquals(ask(`pi-server.v1, ${bearer}`), { kind: "upgrade", access: ADMIN, protocol: "pi-server.v1" });
  assertEquals(ask(`${bearer},pi-server.v1`), { kind: "upgrade", access: ADMIN, protocol: "pi-server.v1" });
  assertEquals(ask(bearer), { kind: "upgrade", access: ADMIN });
  for (const bad of ["pi-server.v1", TOKEN, `${bearer}0`, "pi-server.bearer.", `PI-SERVER.BEARER.${TOKEN}`]) {
    assertEquals(ask(bad).kind, "refuse", bad);
  }
});

Deno.test("gate: a right token admits in both forms, and the verdict contains no token", () => {
  const headers = {
    host: HOST,
    authorization: "Bearer wrong",
    "sec-websocket-protocol": `x, pi-server.bearer.${TOKEN}`,
  };
  assertEquals(check(request(headers), CONFIG), { kind: "upgrade", access: ADMIN });
  for (const bad of [{ host: HOST, authorization: "Bearer secret-guess" }, { host: "evil" }]) {
    const verdict = JSON.stringify(check(request(bad), CONFIG));
    assertEquals([verdict.includes(TOKEN), verdict.includes("secret-guess")], [false, false]);
  }
});

Deno.test("gate: without a token in the configuration none is asked for; Host and Origin still are", () => {
  const { accessOf: _accessOf, ...open } = CONFIG;
  assertEquals(status({ host: HOST }, open), 0);
  assertEquals(status({ host: "evil.example" }, open), 403);
  assertEquals(status({ host: HOST, origin: "null" }, open), 403);
});

Deno.test("gate: where no token is asked for, a peer of another machine is refused all the same", () => {
  const { accessOf: _accessOf, ...open } = CONFIG;
  const from = (peer: string) => check(request({ host: HOST }, { peer }), open).kind;
  for (const peer of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) {
    assertEquals(from(peer), "upgrade", peer);
  }
  for (const peer of ["10.0.0.1", "::2", "", "local", "::ffff:10.0.0.1", "1127.0.0.1"]) {
    assertEquals(from(peer), "refuse", peer);
  }
  assertEquals(
    check(request({ host: HOST, authorization: BEARER }, { peer: "10.0.0.1" }), CONFIG).kind,
    "upgrade",
  );
});

Deno.test("gate: a token for some sessions comes in with just that, and not to the metrics", () => {
  const headers = { host: HOST, authorization: "Bearer fedcba9876543210" };
  assertEquals(check(request(headers), CONFIG), { kind: "upgrade", access: OBSERVER });
  const verdict = check(request(headers, { path: "/metrics" }), CONFIG);
  assertEquals(verdict.kind === "refuse" && verdict.status, 403);
});

Deno.test("gate: no token is asked about before Host and Origin are good, nor where there is nothing", () => {
  const asked: string[] = [];
  const config = { ...CONFIG, accessOf: (token: string) => (asked.push(token), undefined) };
  check(request({ host: "evil", authorization: "Bearer one" }), config);
  check(request({ host: HOST, origin: "null", authorization: "Bearer one" }), config);
  check(request({ host: HOST, authorization: "Bearer one" }, { path: "/x" }), config);
  assertEquals(asked, []);
  check(request({ host: HOST, authorization: "Bearer one" }), config);
  assertEquals(asked, ["one"]);
});

/** What the gate makes of a plain request: the page, or the status. */
function page(path: string, headers: Record<string, string> = {}, method = "GET"): string | number {
  const all = new Map(Object.entries({ host: HOST, ...headers }));
  const verdict = check({ method, path, headers: all, peer: "127.0.0.1" }, CONFIG);
  return verdict.kind === "refuse" ? verdict.status : verdict.kind === "page" ? verdict.page : 101;
}

Deno.test("gate: plain pages need a good Host and Origin; the metrics need the token too", () => {
  for (const method of ["GET", "HEAD"]) {
    assertEquals(["/healthz", "/readyz", "/schema.json"].map((path) => page(path, {}, method)), [
      "healthz",
      "readyz",
      "schema",
    ]);
  }
  assertEquals([page("/metrics"), page("/metrics", { authorization: BEARER })], [401, "metrics"]);
  for (const path of ["/healthz", "/metrics", "/", "/x"]) {
    assertEquals(page(path, { host: "evil.example", authorization: BEARER }), 403, path);
    assertEquals(page(path, { origin: "null", authorization: BEARER }), 403, path);
  }
  assertEquals(page("/healthz", { origin: "https://app.example" }), "healthz");
});

Deno.test("gate: everything else is 404, also with the token, a socket too", () => {
  const paths = ["/", "/healthz/", "/HEALTHZ", "/x", "", "/schema", "/__proto__", "/token", "/healthz?x"];
  for (const path of [...paths, "//healthz", "/metrics/", "/./healthz", "http://127.0.0.1/healthz"]) {
    assertEquals(page(path, { authorization: BEARER }), 404, path);
    if (path !== "/") assertEquals(page(path, { authorization: BEARER, upgrade: "websocket" }), 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", ""]) {
    assertEquals(page("/healthz", {}, method), 404, method);
    assertEquals(page("/", { authorization: BEARER, upgrade: "websocket" }, method), 404, method);
  }
  assertEquals(page("/", { authorization: BEARER, upgrade: "h2c" }), 404);
});

Deno.test("gate: a token for /metrics opens that page and no socket", () => {
  const headers = { host: HOST, authorization: "Bearer scraper-0123456789" };
  assertEquals(status(headers), 403);
  assertEquals(check(request(headers, { path: "/metrics" }), CONFIG), { kind: "page", page: "metrics" });
});

Deno.test("gate: a handshake is looked at once the token is right, and is refused as RFC 6455 says", () => {
  const ok = { host: HOST, authorization: BEARER };
  assertEquals(status({ ...ok, upgrade: "h2c, WebSocket", connection: "keep-alive, Upgrade" }), 0);
  const bad: [Record<string, string>, number][] = [
    [{ connection: "close" }, 400],
    [{ connection: "" }, 400],
    ...["", "8", "13, 13", "14", "013"].map((version): [Record<string, string>, number] => [
      { "sec-websocket-version": version },
      426,
    ]),
    ...["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZR==", "AAAA", "dGhlIHNhbXBsZSBub25jZQ==, x"]
      .map((key): [Record<string, string>, number] => [{ "sec-websocket-key": key }, 400]),
  ];
  for (const [headers, code] of bad) {
    assertEquals(status({ ...ok, ...headers }), code, JSON.stringify(headers));
    assertEquals(status({ host: HOST, ...headers }), 401, "the token comes first");
  }
  const verdict = check(request({ ...ok, "sec-websocket-version": "8" }), CONFIG);
  assertEquals(verdict.kind === "refuse" && verdict.headers?.["sec-websocket-version"], "13");
});

Deno.test("gate: an Upgrade header changes nothing for a page, an expectation is not met", () => {
  const page = (headers: Record<string, string>) =>
    check(request({ host: HOST, ...headers }, { path: "/healthz" }), CONFIG);
  assertEquals(page({}), { kind: "page", page: "healthz" });
  assertEquals(page({ expect: "100-Continue" }), { kind: "page", page: "healthz" });
  const refused = page({ expect: "a miracle" });
  assertEquals(refused.kind === "refuse" && refused.status, 417);
});

Deno.test("gate: a content needs a token for its session, and a path of exactly that shape", () => {
  const hash = "0123456789abcdef".repeat(4);
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const verdict = check(request({ host: HOST, ...headers }, { path, method }), CONFIG);
    return verdict.kind === "refuse" ? verdict.status : verdict.kind;
  };
  const bearer = { authorization: BEARER };
  assertEquals(ask(`/content/a/${hash}`), 401);
  assertEquals([ask(`/content/a/${hash}`, bearer), ask(`/content/a/${hash}`, bearer, "HEAD")], [
    "content",
    "content",
  ]);
  for (
    const path of [
      `/content/../${hash}`,
      `/content/./${hash}`,
      `/content/a/b/${hash}`,
      `/content/a/${hash}0`,
      `/content/a/${hash.toUpperCase()}`,
      `/content//${hash}`,
      `/content/a%2f/${hash}`,
      "/content/a",
    ]
  ) assertEquals(ask(path, bearer), 404, path);
  assertEquals(ask(`/content/a/${hash}`, bearer, "POST"), 404);
});
