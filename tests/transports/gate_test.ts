// The gate as a table of headers: which Host, which Origin and which token get in.
import { assertEquals } from "@std/assert";
import type { HttpRequest } from "../../src/runtime/runtime.ts";
import {
  checkOrigin,
  checkUpgrade,
  type GateConfig,
  hostName,
  isLoopback,
} from "../../src/transports/gate.ts";

const TOKEN = "0123456789abcdef";
const CONFIG: GateConfig = {
  token: TOKEN,
  allowOrigins: new Set(["https://app.example", "http://localhost:5173"]),
  allowHosts: new Set(["pi.example", "[2001:db8::1]"]),
  equalTexts: (a, b) => a === b,
};
const HOST = "127.0.0.1:3141";
const BEARER = `Bearer ${TOKEN}`;

function request(headers: Record<string, string>): HttpRequest {
  return { method: "GET", path: "/", headers: new Map(Object.entries(headers)), peer: "127.0.0.1" };
}

/** 0 for let in, else the status. */
function status(headers: Record<string, string>, config = CONFIG): number {
  const verdict = checkUpgrade(request(headers), config);
  return verdict.ok ? 0 : verdict.status;
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

Deno.test("gate: an allowed name lets its own name in alone", () => {
  assertEquals(status({ host: "sub.pi.example", authorization: BEARER }), 403);
  assertEquals(status({ host: "pi.example.", authorization: BEARER }), 403);
});

Deno.test("gate: hostName takes exactly one name, without its port", () => {
  assertEquals([hostName("A:1"), hostName("[::1]:99999"), hostName("a:")], ["a", "[::1]", undefined]);
  assertEquals([hostName(undefined), hostName("a b"), hostName("a,b")], [undefined, undefined, undefined]);
  assertEquals([isLoopback("127.0.0.1"), isLoopback("127.0.0.999"), isLoopback("a127.0.0.1")], [
    true,
    false,
    false,
  ]);
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
    checkUpgrade(request({ host: HOST, "sec-websocket-protocol": protocols }), CONFIG);
  const bearer = `pi-server.bearer.${TOKEN}`;
  assertEquals(ask(`pi-server.v1, ${bearer}`), { ok: true, protocol: "pi-server.v1" });
  assertEquals(ask(`${bearer},pi-server.v1`), { ok: true, protocol: "pi-server.v1" });
  assertEquals(ask(bearer), { ok: true });
  for (const bad of ["pi-server.v1", TOKEN, `${bearer}0`, "pi-server.bearer.", `PI-SERVER.BEARER.${TOKEN}`]) {
    assertEquals(ask(bad).ok, false, bad);
  }
});

Deno.test("gate: with a right token of the two ways it gets in, and no token comes back in the verdict", () => {
  const headers = {
    host: HOST,
    authorization: "Bearer wrong",
    "sec-websocket-protocol": `x, pi-server.bearer.${TOKEN}`,
  };
  assertEquals(checkUpgrade(request(headers), CONFIG), { ok: true });
  for (const bad of [{ host: HOST, authorization: "Bearer secret-guess" }, { host: "evil" }]) {
    const verdict = JSON.stringify(checkUpgrade(request(bad), CONFIG));
    assertEquals([verdict.includes(TOKEN), verdict.includes("secret-guess")], [false, false]);
  }
});

Deno.test("gate: without a token in the configuration none is asked for; Host and Origin still are", () => {
  const { token: _token, ...open } = CONFIG;
  assertEquals(status({ host: HOST }, open), 0);
  assertEquals(status({ host: "evil.example" }, open), 403);
  assertEquals(status({ host: HOST, origin: "null" }, open), 403);
});

Deno.test("gate: the token is compared by the function that takes constant time", () => {
  const compared: string[][] = [];
  const config = { ...CONFIG, equalTexts: (a: string, b: string) => compared.push([a, b]) > 1 };
  assertEquals(status({ host: HOST, authorization: "Bearer one" }, config), 401);
  assertEquals(compared, [["one", TOKEN]]);
});

Deno.test("gate: plain requests need a good Host and Origin, and no token", () => {
  const ok = (headers: Record<string, string>): boolean => checkOrigin(request(headers), CONFIG).ok;
  assertEquals([ok({ host: HOST }), ok({ host: "evil.example" }), ok({})], [true, false, false]);
  assertEquals([ok({ host: HOST, origin: "null" }), ok({ host: HOST, origin: "https://app.example" })], [
    false,
    true,
  ]);
});
