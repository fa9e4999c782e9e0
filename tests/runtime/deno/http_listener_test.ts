// Both ways in on Deno: the one that accepts connections itself, and the one for a Deno without `Deno.serveHttp`.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { listen, type Replying } from "../../../src/runtime/deno/http_listener.ts";
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
    const second = assertThrows(() => listen("127.0.0.1", port, echo, (line) => warnings.push(line)));
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
  const listener = listen("127.0.0.1", 0, echo, (line) => warnings.push(line));
  await worksOn(listener, warnings);
  assertEquals(warnings, []);
});

Deno.test("a closed listener hangs up on who waits", async () => {
  const listener = listen("127.0.0.1", 0, echo, () => {});
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  await peer.write(new TextEncoder().encode("GET / HT"));
  // Answered after the one before it was taken in.
  await (await fetch(`http://127.0.0.1:${listener.port}/`)).text();
  await listener.close();
  assertEquals(await peer.read(new Uint8Array(1)).catch(() => null), null);
});

Deno.test("without Deno.serveHttp the server serves all the same, and says what is missing", async () => {
  using _gone = withoutServeHttp();
  const warnings: string[] = [];
  const listener = listen("127.0.0.1", 0, echo, (line) => warnings.push(line));
  await worksOn(listener, warnings);
  assert(warnings[0]?.includes("no time limit"), String(warnings));
});
