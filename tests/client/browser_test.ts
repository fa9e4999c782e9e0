// The client for web pages, here on Deno, which has what it uses of a browser. A refused token differs from a server
// that is down. A lost server is dialled at once when the network is back. The bundle is small.
import { assert, assertEquals } from "@std/assert";
import * as esbuild from "esbuild";
import { browserClient } from "../../scripts/build/browser_client.ts";
import { connect, TokenRefusedError } from "../../src/client/browser.ts";
import { Client } from "../../src/client/client.ts";
import type { LinkListener } from "../../src/client/mod.ts";
import { deadline } from "../support/base/wait.ts";

/** A server that greets on a WebSocket while it lets in, and answers 401 to everything else. */
function serve() {
  const sockets = new Set<WebSocket>();
  const state = { letsIn: true, url: "", asked: [] as string[] };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (request.headers.get("upgrade") !== "websocket" || !state.letsIn) {
      if (pathname.endsWith("/metrics")) state.asked.push(request.headers.get("authorization") ?? "");
      return new Response("no", { status: state.letsIn ? 200 : 401 });
    }
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "pi-server.v1" });
    socket.onopen = () => socket.send(JSON.stringify(GREETING));
    socket.onclose = () => sockets.delete(socket);
    sockets.add(socket);
    return response;
  });
  state.url = `ws://127.0.0.1:${server.addr.port}/below/`;
  return { state, sockets, server };
}

const GREETING = {
  type: "server_ready",
  data: {
    ...{ version: "0", protocolVersion: "1.0", serverId: "s", transports: [], endpoints: [], schemaHash: "" },
    ...{ pi: { package: "p", version: "0" }, capabilities: [], limits: { frameBytes: 1, sessions: 1 } },
  },
};

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}

Deno.test("a refused token differs from a server that cannot be reached", async () => {
  const { state, server } = serve();
  state.letsIn = false;
  const refused = await failure(connect({ url: state.url, token: "wrong" }));
  assert(refused instanceof TokenRefusedError, String(refused));
  assertEquals(state.asked, ["Bearer wrong"]);
  await server.shutdown();
  const down = await failure(connect({ url: state.url, token: "wrong" }));
  assert(down instanceof Error && !(down instanceof TokenRefusedError), String(down));
});

/** Runs it as in a page of that origin. */
async function inPageOf<T>(origin: string, run: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  Object.defineProperty(globalThis, "location", {
    configurable: true,
    value: { origin, href: `${origin}/` },
  });
  try {
    return await run();
  } finally {
    if (before === undefined) Reflect.deleteProperty(globalThis, "location");
    else Object.defineProperty(globalThis, "location", before);
  }
}

Deno.test("a page of another origin learns that the server must allow it, and a page of its own does not", async () => {
  const { state, server } = serve();
  await server.shutdown();
  const own = new URL(state.url.replace("ws", "http")).origin;
  for (const [origin, told] of [["http://pages.example", true], [own, false]] as const) {
    const error = await inPageOf(origin, () => failure(connect({ url: state.url, token: "good" })));
    assert(
      error instanceof Error && error.message.startsWith(`${state.url} cannot be reached`),
      String(error),
    );
    const sentence = `The server must also allow this page: --allow-origin ${origin}`;
    assertEquals(error.message.includes(sentence), told, error.message);
  }
});

Deno.test("a token that is revoked while the connection is lost ends the client with that reason", async () => {
  const { state, sockets, server } = serve();
  const ended = Promise.withResolvers<Error | undefined>();
  const client = await connect({
    ...{ url: state.url, token: "good" },
    onConnection: (now, _reason, error) => now === "closed" ? ended.resolve(error) : undefined,
  });
  state.letsIn = false;
  for (const socket of sockets) socket.close(1008, "revoked");
  const error = await deadline(
    ended.promise,
    10_000,
    () => "the client goes on with a token that is refused",
  );
  assert(error instanceof TokenRefusedError);
  await client.close();
  await server.shutdown();
});

Deno.test("a lost server is dialled at once when the client hurries", async () => {
  let dials = 0;
  let down = false;
  let listener: LinkListener | undefined;
  const timeouts = { connectMs: 1000, reconnectMs: Infinity, heartbeatMs: 0 };
  const client = await Client.open((told) => {
    dials++;
    if (down) return Promise.reject(new Error("down"));
    listener = told;
    queueMicrotask(() => told.message(JSON.stringify(GREETING)));
    return Promise.resolve({ send: () => {}, close: () => Promise.resolve() });
  }, timeouts);
  down = true;
  listener?.closed("gone");
  while (dials < 5) await new Promise((resolve) => setTimeout(resolve, 5));
  // The next pause is far longer than a turn of the microtasks.
  const before = dials;
  client.hurry();
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assertEquals(dials, before + 1);
  await client.close();
});

// esbuild's process is ended, and its wait ends after the test.
const BUNDLES = { sanitizeOps: false, sanitizeResources: false };

Deno.test("the bundle for browsers is small and asks for nothing of Node's", BUNDLES, async () => {
  try {
    const text = await browserClient(decodeURIComponent(new URL("../..", import.meta.url).pathname));
    assert(text.includes("pi-server.bearer."));
  } finally {
    await esbuild.stop();
  }
});
