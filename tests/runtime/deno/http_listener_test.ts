// Both ways in on Deno: the one that accepts connections itself, and the one for a Deno without `Deno.serveHttp`.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { listen, type ListenerParts, type Replying } from "../../../src/runtime/deno/http_listener.ts";
import type { Listener } from "../../../src/runtime/runtime.ts";

/** Answers everything; a request to upgrade with a socket that says back what it hears. */
const echo: Replying = (request, _peer, letIn) => {
  if (request.headers.get("upgrade") === null) {
    const response = new Response(new URL(request.url).pathname, { headers: { connection: "close" } });
    return Promise.resolve({ response, lost: () => {} });
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = letIn;
  socket.onmessage = ({ data }) => socket.send(data);
  return Promise.resolve({ response, lost: () => {} });
};

function parts(warnings: string[], more: Partial<ListenerParts> = {}): ListenerParts {
  return {
    reply: echo,
    warn: (line) => void warnings.push(line),
    nextTick: (fn) => void setTimeout(fn, 0),
    cutLongHeads: () => {},
    ...more,
  };
}

async function conversation(port: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const heard = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
  const closed = new Promise((resolve) => socket.onclose = resolve);
  await new Promise((resolve) => socket.onopen = resolve);
  socket.send("hello");
  assertEquals(await heard, "hello");
  socket.close();
  await closed;
}

async function worksOn(listener: Listener, warnings: string[]): Promise<void> {
  try {
    const { port } = listener;
    const answer = await fetch(`http://127.0.0.1:${port}/page`);
    assertEquals(await answer.text(), "/page");
    await conversation(port);
    const second = assertThrows(() => listen("127.0.0.1", port, parts(warnings)));
    assert(second instanceof Deno.errors.AddrInUse, String(second));
  } finally {
    await listener.close();
  }
}

/** As it will be once Deno has it no more. */
function withoutServeHttp(): Disposable {
  const found = Object.getOwnPropertyDescriptor(Deno, "serveHttp");
  assert(found !== undefined, "Deno.serveHttp is gone for good: the other listener can go, too");
  Object.defineProperty(Deno, "serveHttp", { value: undefined, configurable: true });
  return { [Symbol.dispose]: () => Object.defineProperty(Deno, "serveHttp", found) };
}

Deno.test("connections are accepted, answered, upgraded and hung up on", async () => {
  const warnings: string[] = [];
  const listener = listen("127.0.0.1", 0, parts(warnings));
  await worksOn(listener, warnings);
  assertEquals(warnings, []);
});

Deno.test("a closed listener drops the connections that wait", async () => {
  const listener = listen("127.0.0.1", 0, parts([]));
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  await peer.write(new TextEncoder().encode("GET / HT"));
  // Answered after the one before it was taken in.
  await (await fetch(`http://127.0.0.1:${listener.port}/`)).text();
  await listener.close();
  assertEquals(await peer.read(new Uint8Array(1)).catch(() => null), null);
});

Deno.test("heads are looked at only while they are not complete", async () => {
  const looked: number[][] = [];
  const seen = Promise.withResolvers<void>();
  const cutLongHeads = (peers: Iterable<Deno.NetAddr>): void => {
    looked.push(Array.from(peers, ({ port }) => port));
    seen.resolve();
  };
  const listener = listen("127.0.0.1", 0, parts([], { cutLongHeads }));
  try {
    await conversation(listener.port);
    assertEquals(looked, []);
    using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    await peer.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
    await seen.promise;
    assertEquals(looked[0], [peer.localAddr.port]);
  } finally {
    await listener.close();
  }
});

Deno.test("many connections at once are all accepted, some in each turn", async () => {
  let turns = 0;
  const nextTick = (fn: () => void): void => {
    turns++;
    setTimeout(fn, 0);
  };
  const listener = listen("127.0.0.1", 0, parts([], { nextTick }));
  try {
    const pages = Array.from({ length: 40 }, async (_, n) => {
      const answer = await fetch(`http://127.0.0.1:${listener.port}/${n}`);
      return await answer.text();
    });
    assertEquals(await Promise.all(pages), pages.map((_, n) => `/${n}`));
    // Later ones may wait for a look at the heads instead.
    assert(turns > 0);
  } finally {
    await listener.close();
  }
});

Deno.test("without Deno.serveHttp the server serves all the same, and says what is missing", async () => {
  using _gone = withoutServeHttp();
  const warnings: string[] = [];
  const listener = listen("127.0.0.1", 0, parts(warnings));
  await worksOn(listener, warnings);
  assert(warnings[0]?.includes("no time limit"), String(warnings));
});
