// nginx in front, with the file of deploy/: TLS and a path of its own, which goes on to the server or is taken off. The
// page, its files, health and WebSockets work below it, and Origin is judged as the browser knows it.

import { assert, assertEquals } from "@std/assert";
import { loadConsole } from "../support/console_page.ts";
import { findNginx, Nginx } from "../support/nginx.ts";
import { deadline } from "../support/wait.ts";
import { WsWire } from "../support/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "./suite.ts";

const program = await findNginx();

/** A case with nginx in front of a server; left out by name where there is none. */
function test(name: string, body: (bench: Bench, nginx: Nginx) => Promise<void>): void {
  if (program === undefined) {
    const why = "no nginx and openssl here, see apt-get install nginx";
    Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
    return;
  }
  alone(name, async (bench) => {
    await bench.start(["--base-path", "/pi", "--allow-host", "pi.example"]);
    await using nginx = await Nginx.start(program, (await bench.server.endpoint()).port);
    await body(bench, nginx);
  });
}

/** What becomes of a WebSocket over TLS, from a page of that origin: its greeting's type, or "refused". */
async function greeted(nginx: Nginx, path: string, token: string, origin: string): Promise<string> {
  using client = Deno.createHttpClient({ caCerts: [nginx.certificate] });
  const options = { protocols: ["pi-server.v1", `pi-server.bearer.${token}`], headers: { origin }, client };
  const url = `wss://localhost:${nginx.tlsPort}${path}`;
  // A browser's WebSocket takes no options, and the types of a browser count where the console is checked too.
  const socket: WebSocket = Reflect.construct(WebSocket, [url, options]);
  const closed = Promise.withResolvers<void>();
  const said = new Promise<string>((resolve) => {
    socket.onmessage = ({ data }) => resolve(String(Reflect.get(JSON.parse(data), "type")));
    socket.onclose = () => {
      resolve("refused");
      closed.resolve();
    };
    socket.onerror = () => resolve("refused");
  });
  const result = await deadline(said, 10_000, () => `a greeting at ${path}`);
  if (socket.readyState < WebSocket.CLOSING) socket.close();
  await closed.promise;
  return result;
}

test(
  "proxy: nginx with TLS and a path of its own shows the page, its files and health",
  async (_bench, nginx) => {
    using client = Deno.createHttpClient({ caCerts: [nginx.certificate] });
    const through: typeof fetch = (address, init) => fetch(address, { ...init, client });
    const origin = `https://localhost:${nginx.tlsPort}`;
    const files = await loadConsole(`${origin}/pi/`, through);
    assert(files.every((path) => path.startsWith("/pi/assets/")), String(files));
    for (const path of ["/pi/healthz", "/pi/readyz", "/pi/schema.json"]) {
      const answer = await through(`${origin}${path}`);
      assertEquals(answer.status, 200, path);
      await answer.body?.cancel();
    }
    const page = await through(`${origin}/pi/`);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert(policy.includes(` wss://localhost:${nginx.tlsPort};`), policy);
    await page.body?.cancel();
    const sent = await through(`${origin}/pi`, { redirect: "manual" });
    assertEquals([sent.status, new URL(sent.headers.get("location") ?? "", origin).pathname], [308, "/pi/"]);
    await sent.body?.cancel();
    for (const path of ["/", "/healthz", "/pi/token", "/pi/..%2ftoken"]) {
      const answer = await through(`${origin}${path}`);
      assertEquals(answer.status, 404, path);
      await answer.body?.cancel();
    }
  },
);

test("proxy: WebSockets get through nginx with TLS, from its own page alone", async (bench, nginx) => {
  const token = await bench.server.token();
  const own = `https://localhost:${nginx.tlsPort}`;
  assertEquals(await greeted(nginx, "/pi/", token, own), "server_ready");
  assertEquals(await greeted(nginx, "/pi/", `${token}x`, own), "refused");
  const foreign = ["https://localhost", "https://evil.example", `http://127.0.0.1:${nginx.tlsPort}`, "null"];
  for (const origin of foreign) assertEquals(await greeted(nginx, "/pi/", token, origin), "refused", origin);
  assertEquals(await greeted(nginx, "/", token, own), "refused");
  assert(!(await nginx.log()).includes(token), "nginx logged the token");
});

test(
  "proxy: nginx that takes the path off shows the page, and a session runs through it",
  async (bench, nginx) => {
    const files = await loadConsole(`http://127.0.0.1:${nginx.plainPort}/pi/`);
    assert(files.every((path) => path.startsWith("/pi/assets/")), String(files));
    const wire = await WsWire.connect(`ws://127.0.0.1:${nginx.plainPort}/pi/`, await bench.server.token());
    bench.wires.push(wire);
    const { id } = await bench.watched(wire);
    await settled(wire, id, "Hello through a proxy");
  },
);
