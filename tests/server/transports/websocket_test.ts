// A socket whose token ends while it is being upgraded, between the gate's look at the request and the open socket; and
// one that goes on sending while the server waits for it to take its last answers.
import { assertEquals } from "@std/assert";
import type { Access } from "../../../src/server/auth/access.ts";
import type { HttpRequest, HttpVerdict, SocketHandle } from "../../../src/runtime/runtime.ts";
import { WebSocketTransport } from "../../../src/server/transports/websocket.ts";
import { fakeRuntime } from "../../worker/support/fake_runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { RouterBench } from "../router/router_fixture.ts";

const TOKEN = "0123456789abcdef";

/** What a socket was sent, and how it was closed. */
interface Seen {
  readonly socket: SocketHandle;
  readonly sent: string[];
  readonly closings: unknown[];
}

function fakeSocket(): Seen {
  const [sent, closings]: [string[], unknown[]] = [[], []];
  const nothing = (): void => {};
  const socket: SocketHandle = {
    send: (text) => sent.push(text),
    buffered: 0,
    close: (code, reason) => closings.push([code, reason]),
    onText: nothing,
    onBinary: nothing,
    onTooLarge: nothing,
    pause: () => false,
    resume: nothing,
    onClose: nothing,
    onDrain: nothing,
  };
  return { socket, sent, closings };
}

/**
 * Upgrades one request of that access; `between` runs after the gate and before the socket is open, `use` while it is.
 */
async function upgraded(
  access: Access,
  between: (ended: Set<string>, bench: RouterBench) => Promise<unknown>,
  use: (seen: Seen, bench: RouterBench) => Promise<unknown> = () => Promise.resolve(),
) {
  const bench = new RouterBench();
  const { governor, clock } = bench.made;
  const ended = new Set<string>();
  let decide: (request: HttpRequest) => HttpVerdict = () => {
    throw new Error("not listening");
  };
  const runtime = fakeRuntime(clock, {
    serve: (hostname, port, _messageBytes, fn) => {
      decide = fn;
      return Promise.resolve({ hostname, port, close: () => Promise.resolve() });
    },
  });
  await WebSocketTransport.listen({
    runtime,
    router: bench.router,
    governor,
    hostname: "127.0.0.1",
    port: 1,
    gate: {
      accessOf: (token) => token === TOKEN ? access : undefined,
      holds: (id) => !ended.has(id) && (access.expiresAt ?? Infinity) > clock.now(),
      allowOrigins: new Set(),
      allowHosts: new Set(),
    },
    http: {
      ready: () => true,
      schema: () => "",
      metrics: () => Promise.resolve({ status: 200, body: "" }),
      console: () => Promise.resolve({ status: 200, body: "" }),
    },
  });
  const headers = new Map(Object.entries({
    host: "localhost",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    authorization: `Bearer ${TOKEN}`,
  }));
  const verdict = decide({ method: "GET", path: "/", headers, peer: "127.0.0.1" });
  if (verdict.kind !== "upgrade") throw new Error("refused");
  await between(ended, bench);
  const seen = fakeSocket();
  verdict.accept(seen.socket);
  const connections = bench.router.connections.length;
  await use(seen, bench);
  seen.socket.onClose();
  bench.router.close();
  return { closings: seen.closings, greeted: seen.sent.length > 0, connections };
}

Deno.test("websocket: a token that is revoked during the upgrade opens no connection", async () => {
  const access: Access = { id: "t", role: "drive" };
  const result = await upgraded(access, (ended, bench) => {
    ended.add("t");
    // The router closes the connections that it knows; this one comes later.
    bench.router.revoked("t");
    return Promise.resolve();
  });
  assertEquals(result, { closings: [[1008, "The token was revoked"]], greeted: false, connections: 0 });
});

Deno.test("websocket: a token that expires during the upgrade opens no connection", async () => {
  const access: Access = { id: "t", role: "drive", expiresAt: new FakeClock().now() + 1_000 };
  const result = await upgraded(access, (_, bench) => bench.made.clock.advance(1_000));
  assertEquals(result, { closings: [[1008, "The token has expired"]], greeted: false, connections: 0 });
});

Deno.test("websocket: a token that holds opens one", async () => {
  const result = await upgraded({ id: "t", role: "drive" }, () => Promise.resolve());
  assertEquals(result, { closings: [], greeted: true, connections: 1 });
});

Deno.test("websocket: who goes on sending while its last answers wait is closed after 16 MiB, else after 2 s", async () => {
  const access: Access = { id: "t", role: "drive" };
  const text = "x".repeat(1024 * 1024);
  for (const floods of [true, false]) {
    const counts: number[] = [];
    await upgraded(access, () => Promise.resolve(), async ({ socket, closings }, { made: { clock } }) => {
      Object.assign(socket, { buffered: 1024 });
      socket.onBinary();
      for (let n = 0; n < (floods ? 16 : 15); n++) socket.onText(text);
      await clock.advance(0);
      counts.push(closings.length);
      await clock.advance(1_999);
      counts.push(closings.length);
      await clock.advance(1);
      counts.push(closings.length);
    });
    assertEquals(counts, floods ? [1, 1, 1] : [0, 0, 1]);
  }
});
