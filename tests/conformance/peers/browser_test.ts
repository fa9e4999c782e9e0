// A real browser at the gate (docs/PROTOCOL.md#http-and-who-may-connect): a page of another origin and a page under a name that leads to this
// machine cannot connect, whatever they know; a page of the allowed origin can. Skipped where there is no Chromium.

import { assert, assertEquals } from "@std/assert";
import { Browser, findChromium } from "../../support/browser/chromium.ts";
import { at } from "../../support/base/json.ts";
import { alone, type Bench, TARGET } from "../suite.ts";

const program = await findChromium();

const skipped = (name: string, _body: (bench: Bench) => Promise<void>): void => {
  const why = "no Chromium here, see apt-get install chromium";
  Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
};

const test = program === undefined ? skipped : alone;

/** What a page does that knows the address and the token: a WebSocket, and pages with and without the token. */
const tries = (address: string, token: string): string => `
  const socket = await new Promise((resolve) => {
    const socket = new WebSocket("ws://${address}/", ["pi-server.v1", "pi-server.bearer.${token}"]);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "server_ready") socket.send(JSON.stringify({ id: "1", type: "list_sessions" }));
      else resolve({ open: true, protocol: socket.protocol, success: message.success });
    };
    socket.onclose = () => resolve({ open: false });
  });
  const read = async (path, options) => {
    try {
      const answer = await fetch("http://${address}" + path, options);
      return answer.type === "opaque" ? "opaque" : answer.status;
    } catch {
      return "kept from it";
    }
  };
  return {
    socket,
    health: await read("/healthz"),
    metrics: await read("/metrics", { headers: { authorization: "Bearer ${token}" } }),
  };
`;

/** What a page finds out that Chromium opens under that name; `address` makes the server's out of its port. */
async function visit(
  bench: Bench,
  name: string,
  allow: (origin: string) => string[],
  address: (port: number) => string,
): Promise<unknown> {
  assert(program !== undefined);
  await using browser = await Browser.make(program);
  let script = "";
  const { port, said } = browser.serve(() => script);
  const origin = `http://${name}:${port}`;
  const server = await bench.start(allow(origin));
  script = tries(address((await server.endpoint()).port), await server.token());
  return await browser.open(`${origin}/`, said);
}

const KEPT_OUT = { socket: { open: false }, health: "kept from it", metrics: "kept from it" };

test("browser: a page of another origin cannot connect, even with the token", async (bench) => {
  const told = await visit(
    bench,
    "evil.test",
    () => ["--allow-origin", "http://app.test"],
    (port) => `127.0.0.1:${port}`,
  );
  assertEquals(told, KEPT_OUT);
});

test("browser: a page under a name that leads to this machine cannot connect, even with the token", async (bench) => {
  // What DNS rebinding comes to: to the browser, page and server are of one host.
  const told = await visit(bench, "rebound.test", () => [], (port) => `rebound.test:${port}`);
  assertEquals(told, KEPT_OUT);
  // Not even with its origin allowed: the name itself is not one of ours.
  bench.server.signal("SIGTERM");
  await bench.server.exitCode();
  const again = await visit(
    bench,
    "rebound.test",
    (origin) => ["--allow-origin", origin],
    (port) => `rebound.test:${port}`,
  );
  assertEquals(again, KEPT_OUT);
});

test("browser: a page of the allowed origin connects, and is answered under pi-server.v1 alone", async (bench) => {
  const told = await visit(
    bench,
    "app.test",
    (origin) => ["--allow-origin", origin],
    (port) => `localhost:${port}`,
  );
  assertEquals(at(JSON.parse(JSON.stringify(told)), "socket"), {
    open: true,
    protocol: "pi-server.v1",
    success: true,
  });
  // Plain answers too, with the token in a header that a page has to ask for.
  assertEquals([Reflect.get(Object(told), "health"), Reflect.get(Object(told), "metrics")], [200, 200]);
  assert(!bench.server.stderr.includes(await bench.server.token()));
});
