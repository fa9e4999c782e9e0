// Who may connect (docs/PROTOCOL.md#http-and-who-may-connect): token, Origin and Host before the upgrade, health, the state folder, and the
// limit on connections. Requests are written by hand, as no browser would.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { get, upgrade } from "../../support/network/raw_http.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench, shared } from "../suite.ts";

const ALLOWED = "https://app.example";
const test = shared(["--allow-origin", ALLOWED, "--max-connections", "20"]);

const place = async (bench: Bench) => ({
  port: (await bench.server.endpoint()).port,
  token: await bench.server.token(),
});

test("gate: without the token 401, with it 101", async (bench) => {
  const { port, token } = await place(bench);
  const wrong = "0".repeat(token.length);
  for (
    const headers of [
      {},
      { Authorization: "" },
      { Authorization: "Bearer " },
      { Authorization: `Bearer ${wrong}` },
      { Authorization: `Bearer ${token}x` },
      { Authorization: `Bearer ${token.slice(0, -1)}` },
      { Authorization: `Basic ${token}` },
      { Authorization: token },
      { "Sec-WebSocket-Protocol": "pi-server.v1" },
      { "Sec-WebSocket-Protocol": `pi-server.v1, pi-server.bearer.${wrong}` },
      { Cookie: `token=${token}` },
    ]
  ) {
    const answer = await upgrade(port, { Connection: "Upgrade, close", ...headers });
    assertEquals(answer.status, 401, JSON.stringify(headers));
    assert(!answer.body.includes(token));
  }
  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    assertEquals((await upgrade(port, { Authorization: `${scheme} ${token}` })).status, 101, scheme);
  }
  const protocols = `pi-server.v1, pi-server.bearer.${token}`;
  const answer = await upgrade(port, { "Sec-WebSocket-Protocol": protocols });
  assertEquals([answer.status, answer.headers.get("sec-websocket-protocol")], [101, "pi-server.v1"]);
  assertEquals((await get(port, `/?token=${token}`)).status !== 101, true);
});

test("gate: subprotocols may be parted by a comma alone, as the package ws does it", async (bench) => {
  const { port, token } = await place(bench);
  for (const comma of [",", ", ", " , "]) {
    const offered = ["pi-server.v1", `pi-server.bearer.${token}`];
    for (const list of [offered, offered.toReversed()]) {
      const answer = await upgrade(port, { "Sec-WebSocket-Protocol": list.join(comma) });
      assertEquals([answer.status, answer.headers.get("sec-websocket-protocol")], [101, "pi-server.v1"]);
    }
  }
});

test("gate: a foreign Origin is 403, before the token is looked at", async (bench) => {
  const { port, token } = await place(bench);
  const foreign = [
    "https://evil.example",
    "null",
    "http://127.0.0.1",
    `http://localhost:${port}`,
    `${ALLOWED}.evil`,
  ];
  for (const origin of [...foreign, "http://app.example", `${ALLOWED}:8443`, `${ALLOWED}/`]) {
    const headers = { Connection: "Upgrade, close", Origin: origin };
    assertEquals((await upgrade(port, { ...headers, Authorization: `Bearer ${token}` })).status, 403, origin);
    assertEquals((await upgrade(port, headers)).status, 403, origin);
  }
  assertEquals((await upgrade(port, { Origin: ALLOWED, Authorization: `Bearer ${token}` })).status, 101);
  assertEquals((await upgrade(port, { Connection: "Upgrade, close", Origin: ALLOWED })).status, 401);
});

test("gate: a Host that is not loopback is 403", async (bench) => {
  const { port, token } = await place(bench);
  const Authorization = `Bearer ${token}`;
  for (
    const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.evil.example",
      "10.0.0.1",
      "localhost.evil",
    ]
  ) {
    const headers = { Connection: "Upgrade, close", Host: host };
    assertEquals((await upgrade(port, { ...headers, Authorization })).status, 403, host);
    assertEquals((await upgrade(port, headers)).status, 403, host);
  }
  for (const host of [`localhost:${port}`, "localhost", `LOCALHOST:${port}`, "127.0.0.1", `[::1]:${port}`]) {
    assertEquals((await upgrade(port, { Authorization, Host: host })).status, 101, host);
  }
});

test("http: healthz and readyz answer, other paths are 404", async (bench) => {
  const { port, token } = await place(bench);
  for (const path of ["/healthz", "/readyz"]) assertEquals((await get(port, path)).status, 200, path);
  for (const path of ["/nope", "/healthz/x", "/../etc/passwd", "/token"]) {
    assertEquals((await get(port, path)).status, 404, path);
  }
  assertEquals((await get(port, "/healthz", { Host: "evil.example" })).status, 403);
  const elsewhere = await upgrade(port, { Authorization: `Bearer ${token}` });
  assertEquals(elsewhere.status, 101);
});

test("state folder: private, with token and endpoint, and the token nowhere else", async (bench) => {
  const { port, token } = await place(bench);
  const { stateDir } = bench.home;
  assertEquals(((await Deno.stat(stateDir)).mode ?? 0) & 0o777, 0o700);
  assertEquals(((await Deno.stat(`${stateDir}/token`)).mode ?? 0) & 0o777, 0o600);
  assertMatch(token, /^[A-Za-z0-9_-]{43,}$|^[0-9a-f]{64}$/);
  const endpoint: unknown = JSON.parse(await Deno.readTextFile(`${stateDir}/endpoint.json`));
  const { url, pid } = endpoint as { url: string; pid: number };
  assertEquals([url, pid], [`ws://127.0.0.1:${port}/`, bench.server.pid]);
  assert(!JSON.stringify(endpoint).includes(token));
  assert(!bench.server.stderr.includes(token));
  const cmdline = await Deno.readTextFile(`/proc/${bench.server.pid}/cmdline`).catch(() => "");
  assert(!cmdline.includes(token));
});

test("limits: connections beyond --max-connections are 503, and a closed one frees its place", async (bench) => {
  const { port, token } = await place(bench);
  const headers = { Connection: "Upgrade, close", Authorization: `Bearer ${token}` };
  // Hand-made upgrades of the cases before may still be closing: fill up until the first refusal.
  const wires: WsWire[] = [];
  const fill = async () => {
    while (wires.length < 20) wires.push(await bench.connect(`c${wires.length}`));
  };
  await until(
    async () => {
      try {
        await fill();
        return true;
      } catch {
        return false;
      }
    },
    10_000,
    () => `only ${wires.length} connections`,
  );
  assertEquals((await upgrade(port, headers)).status, 503);
  assertEquals((await get(port, "/healthz")).status, 200);
  await wires[0]?.ok({ type: "ping" });
  await wires.pop()?.close();
  await until(
    async () => (await upgrade(port, { ...headers, Connection: "Upgrade" })).status === 101,
    5000,
    () => "no place was freed",
  );
});

alone("token from the environment: used, and gone from sessions' environment", async (bench) => {
  const token = "from-the-environment-0123456789-abcdefghijklmnop";
  await bench.start([], { env: { PI_SERVER_TOKEN: token } });
  const { url } = await bench.server.endpoint();
  const wire = await WsWire.connect(url, token);
  bench.wires.push(wire);
  const { id } = await bench.session(wire);
  const command = 'echo "[$PI_SERVER_TOKEN]"; env | grep -c from-the-environment';
  assertEquals((await wire.ok({ type: "bash", sessionId: id, command })).output, "[]\n0\n");
  assert(!bench.server.stderr.includes(token));
});

alone("--no-auth on loopback: no token needed, Origin and Host still are looked at", async (bench) => {
  await bench.start(["--no-auth"]);
  const { port } = await bench.server.endpoint();
  assertEquals((await upgrade(port)).status, 101);
  assertEquals(
    (await upgrade(port, { Connection: "Upgrade, close", Origin: "https://evil.example" })).status,
    403,
  );
  assertEquals((await upgrade(port, { Connection: "Upgrade, close", Host: "evil.example" })).status, 403);
});

/** An address of documentation (RFC 5737), which no machine has, so that nothing here is open to others. */
const BEYOND = "192.0.2.1";

alone(
  "a bind beyond loopback is logged, makes a token first, and never works without one",
  async (bench) => {
    const { stateDir } = bench.home;
    const open = bench.spawn({ args: ["--host", BEYOND] });
    assertEquals(await open.exitCode(), 1);
    const [loud = ""] = open.stderr.split("\n").filter((line) => line.includes("OPEN TO THE NETWORK"));
    assertStringIncludes(loud, BEYOND);
    assertMatch(loud, /warn/);
    assertMatch((await Deno.readTextFile(`${stateDir}/token`)).trim(), /^[0-9a-f]{64}$/);
    await Deno.remove(stateDir, { recursive: true });
    const without = bench.spawn({ args: ["--host", BEYOND, "--no-auth"] });
    assertEquals(await without.exitCode(), 2);
    assertStringIncludes(without.stderr, "--no-auth");
    assertEquals(await Deno.stat(stateDir).catch(() => "nothing was begun"), "nothing was begun");
    await bench.start();
    assert(!bench.server.stderr.includes("OPEN TO THE NETWORK"), "loopback is not the network");
  },
);

alone("a second server on the same state folder exits with 1 and names the first", async (bench) => {
  await bench.start();
  const { url } = await bench.server.endpoint();
  const second = bench.spawn();
  assertEquals(await second.exitCode(), 1);
  assertStringIncludes(second.stderr, url.replace(/\/$/, ""));
  const [first] = bench.servers;
  assert(first);
  const wire = await WsWire.connect(url, await first.token());
  bench.wires.push(wire);
  await wire.ok({ type: "ping" });
  // Its folder is free again when it is gone, also after a crash.
  await first.kill();
  const third = bench.spawn();
  const changed = async () => {
    const text = await Deno.readTextFile(`${bench.home.stateDir}/endpoint.json`).catch(() => "");
    return text !== "" && !text.includes(url);
  };
  await until(changed, 30_000, () => `the third did not start:\n${third.stderr}`);
});
