// nginx and Caddy in front, with the files of deploy/: TLS and a path of its own, which goes on to the server or is
// taken off. The page, its files, health and WebSockets work below it, and Origin is judged as the browser knows it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Caddy, findCaddy } from "../../support/network/caddy.ts";
import { command } from "../../support/server/command_line.ts";
import { loadConsole } from "../../support/browser/console_page.ts";
import { findNginx, Nginx } from "../../support/network/nginx.ts";
import { deadline } from "../../support/base/wait.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

const nginxProgram = await findNginx();
const caddyProgram = await findCaddy();

/** What both have in front of a server. */
type TlsProxy = Pick<Nginx, "tlsPort" | "certificate">;

/** A case with a proxy in front of a server; left out by name where there is none. */
function withProxy<P extends AsyncDisposable>(
  name: string,
  kind: "nginx" | "caddy",
  start: ((port: number) => Promise<P>) | undefined,
  body: (bench: Bench, proxy: P) => Promise<void>,
): void {
  if (start === undefined) {
    const why = `no ${kind} and openssl here, see apt-get install ${kind}`;
    Deno.test({ name: `[${TARGET}] ${name} (${why})`, ignore: true, fn: () => {} });
    return;
  }
  alone(name, async (bench) => {
    await bench.start(["--base-path", "/pi", "--allow-host", "pi.example"]);
    await using proxy = await start((await bench.server.endpoint()).port);
    await body(bench, proxy);
  });
}

function withNginx(name: string, body: (bench: Bench, nginx: Nginx) => Promise<void>): void {
  const program = nginxProgram;
  withProxy(name, "nginx", program === undefined ? undefined : (port) => Nginx.start(program, port), body);
}

function withCaddy(name: string, body: (bench: Bench, caddy: Caddy) => Promise<void>): void {
  const program = caddyProgram;
  withProxy(name, "caddy", program === undefined ? undefined : (port) => Caddy.start(program, port), body);
}

/** What becomes of a WebSocket over TLS, from a page of that origin: its greeting's type, or "refused". */
async function greeted(proxy: TlsProxy, path: string, token: string, origin: string): Promise<string> {
  using client = Deno.createHttpClient({ caCerts: [proxy.certificate] });
  const options = { protocols: ["pi-server.v1", `pi-server.bearer.${token}`], headers: { origin }, client };
  const url = `wss://localhost:${proxy.tlsPort}${path}`;
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

/** The page, its files and health are there below the path, and nothing is anywhere else. */
async function showsPages(proxy: TlsProxy): Promise<void> {
  using client = Deno.createHttpClient({ caCerts: [proxy.certificate] });
  const through: typeof fetch = (address, init) => fetch(address, { ...init, client });
  const origin = `https://localhost:${proxy.tlsPort}`;
  const files = await loadConsole(`${origin}/pi/`, through);
  assert(files.every((path) => path.startsWith("/pi/assets/")), String(files));
  for (const path of ["/pi/healthz", "/pi/readyz", "/pi/schema.json"]) {
    const answer = await through(`${origin}${path}`);
    assertEquals(answer.status, 200, path);
    await answer.body?.cancel();
  }
  const page = await through(`${origin}/pi/`);
  const policy = page.headers.get("content-security-policy") ?? "";
  assert(policy.includes(` wss://localhost:${proxy.tlsPort};`), policy);
  await page.body?.cancel();
  const sent = await through(`${origin}/pi`, { redirect: "manual" });
  assertEquals([sent.status, new URL(sent.headers.get("location") ?? "", origin).pathname], [308, "/pi/"]);
  await sent.body?.cancel();
  for (const path of ["/", "/healthz", "/pi/token", "/pi/..%2ftoken"]) {
    const answer = await through(`${origin}${path}`);
    assertEquals(answer.status, 404, path);
    await answer.body?.cancel();
  }
}

/** WebSockets get through, from the proxy's own page alone. */
async function passesSockets(proxy: TlsProxy, token: string): Promise<void> {
  const own = `https://localhost:${proxy.tlsPort}`;
  assertEquals(await greeted(proxy, "/pi/", token, own), "server_ready");
  assertEquals(await greeted(proxy, "/pi/", `${token}x`, own), "refused");
  const foreign = ["https://localhost", "https://evil.example", `http://127.0.0.1:${proxy.tlsPort}`, "null"];
  for (const origin of foreign) assertEquals(await greeted(proxy, "/pi/", token, origin), "refused", origin);
  assertEquals(await greeted(proxy, "/", token, own), "refused");
}

withNginx(
  "proxy: nginx with TLS and a path of its own shows the page, its files and health",
  async (_, nginx) => {
    await showsPages(nginx);
  },
);

withNginx("proxy: WebSockets get through nginx with TLS, from its own page alone", async (bench, nginx) => {
  const token = await bench.server.token();
  await passesSockets(nginx, token);
  assert(!(await nginx.log()).includes(token), "nginx logged the token");
});

withNginx(
  "proxy: a command reaches the server over TLS, or says that the certificate is not trusted",
  async (bench, nginx) => {
    const server = ["call", "ping", "--data", "--server", `wss://localhost:${nginx.tlsPort}/pi/`];
    const token = { PI_SERVER_TOKEN: await bench.server.token() };
    const refused = await command(bench.home, server, { env: token });
    assertEquals(refused.code, 1, refused.stderr);
    assertMatch(refused.stderr, /certificate of wss:.* is not trusted \(.*NODE_EXTRA_CA_CERTS/);
    const file = `${bench.home.dir}/authority.pem`;
    await Deno.writeTextFile(file, nginx.certificate);
    // The second is for a binary on an older Deno.
    const env = { ...token, NODE_EXTRA_CA_CERTS: file, DENO_CERT: file };
    const answered = await command(bench.home, server, { env });
    assertEquals(answered.code, 0, answered.stderr);
    const without = await command(
      bench.home,
      [...server.slice(0, -1), `wss://localhost:${nginx.tlsPort}/pi`],
      { env },
    );
    assertEquals(without.code, 1, without.stderr);
    assertMatch(without.stderr, /is not a pi-server \(HTTP 404\); .* ends with a slash: wss:.*\/pi\/$/m);
  },
);

withCaddy(
  "proxy: Caddy with TLS and a path of its own shows the page and passes WebSockets on",
  async (bench, caddy) => {
    const token = await bench.server.token();
    await showsPages(caddy);
    await passesSockets(caddy, token);
    const log = await caddy.end();
    assert(log.includes("/pi/healthz"), log.slice(-2000));
    assert(!log.includes(token), "Caddy logged the token");
  },
);

withNginx(
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
