// The console over HTTP, black box: the page and its files, the headers that keep others out of it, whose Origin may
// connect, which paths are not files of it, and the flags --console and --base-path.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  addressesIn,
  CONSOLE_HEADERS,
  loadConsole,
  policyOf,
  statusOf,
} from "../../support/browser/console_page.ts";
import { rawLines, upgrade } from "../../support/network/raw_http.ts";
import { alone, type Bench, shared } from "../suite.ts";

const test = shared(["--allow-host", "pi.example", "--log-level", "debug"]);

const place = async (bench: Bench) => ({
  port: (await bench.server.endpoint()).port,
  token: await bench.server.token(),
});

/** The page's path and those of the files that it names. */
async function paths(port: number): Promise<string[]> {
  return ["/", ...await loadConsole(`http://127.0.0.1:${port}/`)];
}

test("console: the page and what it names come without a token, under headers that keep others out", async (bench) => {
  const { port } = await place(bench);
  for (const path of await paths(port)) {
    for (const method of ["GET", "HEAD"]) {
      const { status, headers } = await rawLines(port, [
        `${method} ${path} HTTP/1.1`,
        `Host: localhost:${port}`,
        "Connection: close",
      ]);
      assertEquals(status, 200, `${method} ${path}`);
      for (const [name, value] of Object.entries(CONSOLE_HEADERS)) {
        // Deno adds a name of its own to `vary` where it might compress.
        assertStringIncludes((headers.get(name) ?? "").toLowerCase(), value.toLowerCase(), `${path} ${name}`);
      }
      assertEquals(headers.get("content-security-policy"), policyOf(`localhost:${port}`));
      const lasting = "public, max-age=31536000, immutable";
      assertEquals(headers.get("cache-control"), path === "/" ? "no-cache" : lasting);
      assertEquals([headers.has("set-cookie"), headers.has("access-control-allow-origin")], [false, false]);
    }
  }
});

test("console: files are compressed if the client accepts it, 304 if it has them, and without a body for HEAD", async (bench) => {
  const { port } = await place(bench);
  for (const path of await paths(port)) {
    const ask = async (lines: string[], method = "GET") =>
      await rawLines(port, [
        `${method} ${path} HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        ...lines,
        "Connection: close",
      ]);
    const plain = await ask([]);
    const gzip = await ask(["Accept-Encoding: gzip, deflate, br"]);
    assertEquals([plain.headers.get("content-encoding"), gzip.headers.get("content-encoding")], [
      undefined,
      "gzip",
    ]);
    const [tag = "", gzipTag = ""] = [plain.headers.get("etag"), gzip.headers.get("etag")];
    assert(tag !== gzipTag && /^"[0-9a-f]{16}"$/.test(tag), `${tag} ${gzipTag}`);
    const known = await ask([`If-None-Match: ${tag}`]);
    assertEquals([known.status, known.body, known.headers.get("etag")], [304, "", tag]);
    assertEquals((await ask([`If-None-Match: ${gzipTag}`])).status, 200);
    const head = await ask([], "HEAD");
    assertEquals([head.status, head.body, head.headers.get("etag")], [200, "", tag]);
    assertEquals(head.headers.get("content-length") ?? "0", plain.headers.get("content-length") ?? "0");
  }
});

test("console: the page holds no secret, and names nothing outside its server", async (bench) => {
  const { port, token } = await place(bench);
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  assert(!page.includes(token));
  for (const address of addressesIn(page)) assert(address.startsWith("./assets/"), address);
  // Whatever the address asks for, it is the same page.
  assertEquals(
    await (await fetch(`http://127.0.0.1:${port}/?token=${token}&next=//evil.example`)).text(),
    page,
  );
});

test("console: only the page's own Origin connects, and only with the token", async (bench) => {
  const { port, token } = await place(bench);
  const Authorization = `Bearer ${token}`;
  const close = { Connection: "Upgrade, close" };
  const own = [
    [`127.0.0.1:${port}`, `http://127.0.0.1:${port}`],
    [`localhost:${port}`, `http://localhost:${port}`],
    ["pi.example", "https://pi.example"],
    ["pi.example:8443", "https://pi.example:8443"],
  ];
  for (const [Host = "", Origin = ""] of own) {
    assertEquals((await upgrade(port, { Host, Origin, Authorization })).status, 101, Origin);
    assertEquals((await upgrade(port, { Host, Origin, ...close })).status, 401, `${Origin} without a token`);
    const protocols = { "Sec-WebSocket-Protocol": `pi-server.v1, pi-server.bearer.${token}` };
    assertEquals(
      (await upgrade(port, { Host, Origin, ...protocols })).status,
      101,
      `${Origin} as browsers do it`,
    );
  }
  const foreign = [
    [`127.0.0.1:${port}`, "http://evil.example"],
    [`127.0.0.1:${port}`, `http://localhost:${port}`],
    [`127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`],
    [`127.0.0.1:${port}`, "http://127.0.0.1"],
    [`127.0.0.1:${port}`, "null"],
    ["pi.example", "https://pi.example.evil"],
    ["pi.example", "https://pi.example:8443"],
    // The own Origin under a Host that is none of ours, and the other way round.
    ["evil.example", `http://127.0.0.1:${port}`],
    ["evil.example", "http://evil.example"],
    [`evil.example:${port}`, `http://evil.example:${port}`],
  ];
  for (const [Host = "", Origin = ""] of foreign) {
    const headers = { Host, Origin, Authorization, ...close };
    assertEquals((await upgrade(port, headers)).status, 403, `${Host} ${Origin}`);
    const lines = [`Host: ${Host}`, `Origin: ${Origin}`];
    for (const path of await paths(port)) assertEquals(await statusOf(port, `GET ${path}`, lines), 403, path);
  }
});

test("console: no other method and no other path leads to a file", async (bench) => {
  const { port } = await place(bench);
  const [, asset = ""] = await paths(port);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]) {
    for (const path of ["/", asset]) {
      const status = await statusOf(port, `${method} ${path}`);
      assert([400, 404, 405].includes(status), `${method} ${path}: ${status}`);
    }
  }
  const bad = [
    ..."/..%2f /..%2ftoken /%2e%2e%2f /assets /assets/ /assets/..%2ftoken /assets/%2e%2e/%2e%2e/token".split(
      " ",
    ),
    ..."/assets/../../etc/passwd /assets/..\\..\\token /assets/console-0000000000000000.js".split(" "),
    ..."//assets/x.js /assets/files.ts /src/console/main.tsx /index.html /assets/x.js%00.css".split(" "),
    asset.toUpperCase(),
    `${asset}/`,
    `${asset}.map`,
    `/x${asset}`,
  ];
  for (const path of bad) {
    const status = await statusOf(port, `GET ${path}`);
    assert([400, 404].includes(status), `${path}: ${status}`);
  }
});

test("console: no token of an address is in the log, wherever it stands there", async (bench) => {
  const { port } = await place(bench);
  const secret = "a-secret-of-an-address-0123456789";
  for (const target of [`/?token=${secret}`, `/#token=${secret}`, `/${secret}`, `/assets/${secret}.js`]) {
    await statusOf(port, `GET ${target}`);
  }
  await statusOf(port, "GET /", [
    `Host: 127.0.0.1:${port}`,
    `Referer: http://127.0.0.1:${port}/#token=${secret}`,
  ]);
  assert(!bench.server.stderr.includes(secret));
});

alone("console: off, there is no page, and its Origin is as foreign as any", async (bench) => {
  await bench.start(["--console", "off"]);
  const { port, token } = await place(bench);
  for (const path of ["/", "/assets/console-0000000000000000.js"]) {
    assertEquals(await statusOf(port, `GET ${path}`), 404, path);
  }
  const headers = { Authorization: `Bearer ${token}` };
  const Origin = `http://127.0.0.1:${port}`;
  assertEquals((await upgrade(port, { ...headers, Origin, Connection: "Upgrade, close" })).status, 403);
  assertEquals((await upgrade(port, headers)).status, 101);
  assertEquals(await statusOf(port, "GET /healthz"), 200);
});

alone(
  "console: below a base path everything is there too, whether a proxy takes it off or not",
  async (bench) => {
    await bench.start(["--base-path", "/tools/pi"]);
    const { port, token } = await place(bench);
    const host = `http://127.0.0.1:${port}`;
    const below = await loadConsole(`${host}/tools/pi/`);
    assert(below.every((path) => path.startsWith("/tools/pi/assets/")), String(below));
    await loadConsole(`${host}/`);
    for (const path of ["/tools/pi/healthz", "/tools/pi/readyz", "/tools/pi/schema.json", "/healthz"]) {
      assertEquals(await statusOf(port, `GET ${path}`), 200, path);
    }
    assertEquals(await statusOf(port, "GET /tools/pi/metrics"), 401);
    const sent = await fetch(`${host}/tools/pi`, { redirect: "manual" });
    assertEquals([sent.status, new URL(sent.headers.get("location") ?? "", sent.url).pathname], [
      308,
      "/tools/pi/",
    ]);
    await sent.body?.cancel();
    for (const path of ["/tools", "/tools/", "/tools/pix", "/tools/pi/..%2f", "/tools/pi//", "/Tools/pi/"]) {
      assertEquals(await statusOf(port, `GET ${path}`), 404, path);
    }
    for (
      const [path, status] of [["/", 101], ["/tools/pi/", 101], ["/tools/pi", 101], ["/tools/", 404]] as const
    ) {
      const lines = [
        ...[`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, `Origin: http://127.0.0.1:${port}`],
        ...["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"],
        ...["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", `Authorization: Bearer ${token}`],
      ];
      assertEquals((await rawLines(port, lines)).status, status, path);
    }
  },
);
