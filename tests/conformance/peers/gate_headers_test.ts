// The header table (docs/PROTOCOL.md#http-and-who-may-connect), black box: what of Host, Origin and token gets in, for the upgrade and for every
// page, and what a request that no browser would send comes to. Lines are written by hand, so headers come twice.

import { assert, assertEquals } from "@std/assert";
import { rawLines } from "../../support/network/raw_http.ts";
import { type Bench, shared } from "../suite.ts";

const ALLOWED = "https://app.example";
const test = shared(["--allow-origin", ALLOWED, "--allow-host", "pi.example"]);

const place = async (bench: Bench) => ({
  port: (await bench.server.endpoint()).port,
  token: await bench.server.token(),
});

const UPGRADE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** The status of an upgrade with these lines beside what makes one. */
async function upgraded(port: number, lines: readonly string[], target = "/"): Promise<number> {
  return (await rawLines(port, [`GET ${target} HTTP/1.1`, ...lines, ...UPGRADE])).status;
}

/** The status of a plain request. */
async function asked(
  port: number,
  lines: readonly string[],
  line = "GET /healthz HTTP/1.1",
): Promise<number> {
  return (await rawLines(port, [line, ...lines, "Connection: close"])).status;
}

/** Not let in: 403, or 400 where the HTTP library itself refuses such a request. */
const kept = (status: number, what: string): void =>
  assert([400, 403].includes(status), `${what}: ${status}`);

test("headers: Host is a loopback or an allowed name, with any port and in any case", async (bench) => {
  const { port, token } = await place(bench);
  const bearer = `Authorization: Bearer ${token}`;
  const good = ["127.0.0.1", `127.0.0.1:${port}`, "127.255.1.2", "localhost", "LocalHost:1", "[::1]"];
  for (const host of [...good, "pi.example", "PI.EXAMPLE:443"]) {
    assertEquals(await upgraded(port, [`Host: ${host}`, bearer]), 101, host);
    assertEquals(await asked(port, [`Host: ${host}`]), 200, host);
  }
});

test("headers: no other Host gets in, neither as a socket nor to a page, whatever token comes with it", async (bench) => {
  const { port, token } = await place(bench);
  const bearer = `Authorization: Bearer ${token}`;
  const bad = [
    ..."evil.example 127.0.0.1.evil.example localhost.evil.example 10.0.0.1 0.0.0.0 128.0.0.1".split(" "),
    ..."127.0.0.256 127.0.0 0x7f.0.0.1 2130706433 [::2] ::1 [::1 [::1]evil localhost: localhost:x".split(" "),
    ..."user@localhost http://localhost pi.example.evil sub.pi.example pi.example. localhost.".split(" "),
    ...["", "localhost evil", "localhost, evil.example", "evil.example, localhost", "localhost/x", "a\tb"],
  ];
  for (const host of bad) {
    kept(await upgraded(port, [`Host: ${host}`, bearer]), `upgrade, Host: ${host}`);
    kept(await asked(port, [`Host: ${host}`, bearer]), `healthz, Host: ${host}`);
  }
  assertEquals(await upgraded(port, [bearer]), 403, "no Host");
  assertEquals(await asked(port, [bearer]), 403, "healthz, no Host");
  for (
    const [one, two] of [["localhost", "evil.example"], ["evil.example", "localhost"], [
      "localhost",
      "localhost",
    ]]
  ) {
    kept(await upgraded(port, [`Host: ${one}`, `host: ${two}`, bearer]), `Host twice: ${one}, ${two}`);
    kept(await asked(port, [`Host: ${one}`, `HOST: ${two}`]), `Host twice: ${one}, ${two}`);
  }
  kept(await upgraded(port, ["X-Forwarded-Host: localhost", "Host: evil.example", bearer]), "forwarded");
  // The name of another host in the request's target does not bypass the header.
  kept(await upgraded(port, ["Host: evil.example", bearer], `http://127.0.0.1:${port}/`), "absolute target");
  const status = await upgraded(port, [`Host: 127.0.0.1:${port}`, bearer], "http://evil.example/");
  assert([400, 403, 404].includes(status), `absolute target, good Host: ${status}`);
});

test("headers: only exactly the allowed Origin gets in, and no second one beside it", async (bench) => {
  const { port, token } = await place(bench);
  const fine = [`Host: 127.0.0.1:${port}`, `Authorization: Bearer ${token}`];
  assertEquals(await upgraded(port, fine), 101, "no Origin");
  assertEquals(await upgraded(port, [...fine, `Origin: ${ALLOWED}`]), 101);
  const bad = [
    ..."null * https://evil.example http://app.example https://app.example:443 https://APP.example".split(
      " ",
    ),
    ..."https://app.example.evil https://app.example/ https://evil-app.example file://".split(" "),
    ...["", "http://127.0.0.1", `http://localhost:${port}`, `${ALLOWED}, ${ALLOWED}`, `${ALLOWED} x`],
  ];
  for (const origin of bad) {
    kept(await upgraded(port, [...fine, `Origin: ${origin}`]), `upgrade, Origin: ${origin}`);
    kept(await asked(port, [...fine, `Origin: ${origin}`]), `healthz, Origin: ${origin}`);
    kept(await upgraded(port, [fine[0] ?? "", `Origin: ${origin}`]), `no token, Origin: ${origin}`);
  }
  for (const other of ["https://evil.example", ALLOWED]) {
    kept(await upgraded(port, [...fine, `Origin: ${ALLOWED}`, `origin: ${other}`]), `Origin twice: ${other}`);
    kept(await upgraded(port, [...fine, `Origin: ${other}`, `Origin: ${ALLOWED}`]), `Origin twice: ${other}`);
  }
});

test("headers: only the whole token in its own place gets in", async (bench) => {
  const { port, token } = await place(bench);
  const host = `Host: 127.0.0.1:${port}`;
  const bearer = `Authorization: Bearer ${token}`;
  for (const name of ["Bearer", "bearer", "BEARER"]) {
    assertEquals(await upgraded(port, [host, `Authorization: ${name} ${token}`]), 101, name);
  }
  const bad = [
    [],
    ...["", "Bearer", "Bearer ", token, `Basic ${token}`, `Basic ${btoa(`pi:${token}`)}`, `Token ${token}`]
      .map((value) => [`Authorization: ${value}`]),
    ...[token.slice(0, -1), token.slice(1), `${token}0`, token.toUpperCase() + "X", `"${token}"`, `${token},`]
      .map((value) => [`Authorization: Bearer ${value}`]),
    [bearer, bearer],
    [bearer, "Authorization: Bearer x"],
    [`Cookie: token=${token}`],
    [`X-Authorization: Bearer ${token}`],
    [`Proxy-Authorization: Bearer ${token}`],
    [`Sec-WebSocket-Protocol: ${token}`],
    [`Sec-WebSocket-Protocol: pi-server.v1, pi-server.bearer.${token.slice(0, -1)}`],
  ];
  for (const lines of bad) {
    const status = await upgraded(port, [host, ...lines]);
    assert(status === 401 || status === 400, `${lines.join(" | ")}: ${status}`);
  }
  for (const target of [`/?token=${token}`, `/?access_token=${token}`, `/?Authorization=Bearer%20${token}`]) {
    assertEquals(await upgraded(port, [host], target), 401, target.slice(0, 12));
  }
  assertEquals(await upgraded(port, [host], `/${token}`), 404);
  assert(!bench.server.stderr.includes(token), "a token of a URL is in the log");
});

test("headers: the metrics need the token, other pages do not, and there are no others", async (bench) => {
  const { port, token } = await place(bench);
  const host = `Host: 127.0.0.1:${port}`;
  const bearer = `Authorization: Bearer ${token}`;
  for (const path of ["/healthz", "/readyz", "/schema.json"]) {
    assertEquals(await asked(port, [host], `GET ${path} HTTP/1.1`), 200, path);
  }
  assertEquals(await asked(port, [host], "GET /metrics HTTP/1.1"), 401);
  assertEquals(await asked(port, [host, "Authorization: Bearer x"], "GET /metrics HTTP/1.1"), 401);
  assertEquals(await asked(port, [host, bearer], `GET /metrics?token=${token} HTTP/1.1`) !== 401, true);
  for (
    const line of [
      "POST /healthz",
      "PUT /",
      "DELETE /metrics",
      "OPTIONS /",
      "POST /",
      "GET /x",
      "GET //healthz",
    ]
  ) {
    assertEquals(await asked(port, [host, bearer], `${line} HTTP/1.1`), 404, line);
  }
  for (
    const target of ["/healthz/../x", "/metrics/", "/token", "/endpoint.json", "/%2e%2e/token", "/healthz%00"]
  ) {
    assertEquals(await asked(port, [host, bearer], `GET ${target} HTTP/1.1`), 404, target);
  }
});

test("header table: pages of an allowed origin read plain answers, refusals too, and may send their token", async (bench) => {
  const { port, token } = await place(bench);
  const host = `Host: 127.0.0.1:${port}`;
  const ask = (line: string, ...more: string[]) => rawLines(port, [line, host, "Connection: close", ...more]);
  const allowed = `Origin: ${ALLOWED}`;
  for (const path of ["/healthz", "/readyz", "/schema.json", "/metrics"]) {
    const answer = await ask(`GET ${path} HTTP/1.1`, allowed, `Authorization: Bearer ${token}`);
    assertEquals([answer.status, answer.headers.get("access-control-allow-origin")], [200, ALLOWED], path);
    assertEquals(answer.headers.get("vary")?.toLowerCase().includes("origin"), true, path);
    const preflight = await ask(
      `OPTIONS ${path} HTTP/1.1`,
      ...[allowed, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"],
    );
    assertEquals([preflight.status, preflight.headers.get("access-control-allow-headers")], [
      200,
      // The last two are for parts of contents.
      "authorization, if-none-match, range",
    ], path);
  }
  const refused = await ask("GET /metrics HTTP/1.1", allowed);
  assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, ALLOWED]);
  const foreign = await ask("GET /healthz HTTP/1.1", "Origin: https://other.example");
  assertEquals([foreign.status, foreign.headers.get("access-control-allow-origin")], [403, undefined]);
  const none = await ask("GET /healthz HTTP/1.1");
  assertEquals([none.status, none.headers.get("access-control-allow-origin")], [200, undefined]);
});
