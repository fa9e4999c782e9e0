// The client's commands around refusals and lost connections: sent again where that is safe, an error where it is
// not, and never answered twice.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, ConnectionLostError, RequestError } from "../../src/client/mod.ts";
import { FakeServer, turn } from "./fake_server.ts";

const PATIENCE = { connectMs: 1000, reconnectMs: 1000, heartbeatMs: 0 };

async function withClient(
  work: (client: Client, server: FakeServer) => Promise<void>,
  capabilities: string[] = [],
): Promise<void> {
  const server = new FakeServer();
  server.capabilities = capabilities;
  await using client = await Client.open(server.dial, PATIENCE);
  await work(client, server);
}

Deno.test("client: answers find their requests, whatever their order", () =>
  withClient(async (client, server) => {
    const first = client.request("get_state", { sessionId: "a" });
    const second = client.request("ping", {});
    server.link.answer("ping", { now: 7 });
    server.link.answer("get_state", { cwd: "/" });
    server.link.say({ type: "response", id: "99", command: "ping", success: true, data: {} });
    assertEquals((await second).now, 7);
    assertEquals((await first).cwd, "/");
  }));

Deno.test("client: an error is a RequestError with its code", () =>
  withClient(async (client, server) => {
    const asked = client.request("get_state", { sessionId: "a" });
    server.link.refuse("get_state", "session_not_found", { retryable: false, data: { x: 1 } });
    const error = await assertRejects(() => asked);
    assert(error instanceof RequestError);
    assertEquals([error.code, error.command, error.retryable, error.data], [
      "session_not_found",
      "get_state",
      false,
      { x: 1 },
    ]);
  }));

Deno.test("client: what has no room is sent again when the server says", () =>
  withClient(async (client, server) => {
    const asked = client.request("set_session_name", { sessionId: "a", name: "n" });
    server.link.refuse("set_session_name", "rate_limited", { retryAfterMs: 30 });
    await turn();
    assertEquals(server.link.types, ["set_session_name"]);
    while (server.link.sent.length < 2) await turn();
    server.link.answer("set_session_name", {});
    assertEquals(await asked, {});
  }));

Deno.test("client: a read is sent again after a cut, a change without a key is not", () =>
  withClient(async (client, server) => {
    const reads = client.request("get_state", { sessionId: "a" });
    const changes = client.request("set_session_name", { sessionId: "a", name: "n" });
    const lost = assertRejects(() => changes);
    const link = await server.cut();
    assert(await lost instanceof ConnectionLostError);
    assertEquals(link.types, ["get_state"]);
    link.answer("get_state", { cwd: "/" });
    assertEquals((await reads).cwd, "/");
  }));

Deno.test("client: a change with a key is sent again with the same key", () =>
  withClient(async (client, server) => {
    const asked = client.exchange("set_session_name", { sessionId: "a", name: "n" });
    const own = client.request("set_session_name", { sessionId: "a", name: "m" }, {
      idempotencyKey: "mine",
    });
    const [first, second] = [server.link.sent[0], server.link.sent[1]];
    assert(typeof first?.idempotencyKey === "string" && second?.idempotencyKey === "mine");
    const link = await server.cut();
    assertEquals(link.sent, [first, second]);
    link.say({ ...link.sent[1], type: "response", success: true, data: {} });
    link.say({ id: first.id, type: "response", success: true, data: {}, replayed: true });
    assertEquals([(await asked).replayed, await own], [true, {}]);
  }, ["idempotency"]));

Deno.test("client: where keys have no room a change goes without, unless the key is the caller's", () =>
  withClient(async (client, server) => {
    const full = { data: { limit: "idempotencyKeys" }, retryAfterMs: 600_000 };
    const asked = client.request("set_session_name", { sessionId: "a", name: "n" });
    server.link.refuse("set_session_name", "overloaded", full);
    assertEquals(server.link.sent.map(({ idempotencyKey }) => typeof idempotencyKey), [
      "string",
      "undefined",
    ]);
    server.link.answer("set_session_name", {});
    await asked;
    const own = client.request("set_session_name", { sessionId: "a", name: "n" }, { idempotencyKey: "mine" });
    const failed = assertRejects(() => own);
    server.link.refuse("set_session_name", "overloaded", full);
    assert(await failed instanceof RequestError);
  }, ["idempotency"]));

Deno.test("client: a server without keys is sent none", () =>
  withClient(async (client, server) => {
    const asked = client.request("set_session_name", { sessionId: "a", name: "n" }, {
      idempotencyKey: "mine",
    });
    assertEquals(server.link.sent[0]?.idempotencyKey, undefined);
    server.link.answer("set_session_name", {});
    await asked;
  }));

Deno.test("client: what is asked while the server is away goes out when it is back, in order", () =>
  withClient(async (client, server) => {
    const back = server.cut();
    const asked = [
      client.request("set_session_name", { sessionId: "a", name: "n" }),
      client.request("ping", {}),
    ];
    const link = await back;
    assertEquals(link.types, ["set_session_name", "ping"]);
    link.answer("ping", { now: 1 });
    link.answer("set_session_name", {});
    await Promise.all(asked);
  }));

Deno.test("client: a server that does not come back fails everything", async () => {
  const server = new FakeServer();
  const states: string[] = [];
  await using client = await Client.open(server.dial, { ...PATIENCE, reconnectMs: 60 }, {
    onConnection: (state) => states.push(state),
  });
  const subscribed = client.subscribe("a");
  server.link.answer("subscribe", { mode: "live", epoch: "e", seq: 0, sessionInfo: {}, pendingUi: [] });
  const events = await subscribed;
  const asked = assertRejects(() => client.request("ping", {}));
  const read = assertRejects(() => events.next());
  server.down = true;
  server.link.cut();
  assert(await asked instanceof ConnectionLostError);
  assert(await read instanceof ConnectionLostError);
  assertEquals(states, ["connected", "lost", "closed"]);
  await assertRejects(() => client.request("ping", {}));
});

Deno.test("client: a silent link is asked, and given up", async () => {
  const server = new FakeServer();
  await using client = await Client.open(server.dial, { ...PATIENCE, heartbeatMs: 20 });
  const first = server.link;
  while (server.links.length < 2) await turn();
  assertEquals(first.types, ["ping"]);
  assertEquals(client.greeting.data.version, "0");
});

Deno.test("client: an abort ends the wait and forgets the answer", () =>
  withClient(async (client, server) => {
    const stop = new AbortController();
    const asked = assertRejects(() => client.request("ping", {}, { signal: stop.signal }));
    stop.abort(new Error("enough"));
    assertEquals(String(await asked), "Error: enough");
    server.link.answer("ping", { now: 1 });
  }));

Deno.test("client: the first connection that fails is reported", async () => {
  const server = new FakeServer();
  server.down = true;
  assertEquals(String(await assertRejects(() => Client.open(server.dial, PATIENCE))), "Error: down");
});

Deno.test("client: fields that are no JSON fail at once, and nothing else with them", () =>
  withClient(async (client, server) => {
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    const options = Object.assign({ sessionName: "n" }, circle);
    assert(await assertRejects(() => client.request("create_session", options)) instanceof TypeError);
    const link = await server.cut();
    const asked = client.request("ping", {});
    assertEquals(link.types, ["ping"]);
    link.answer("ping", { now: 1 });
    await asked;
  }));

Deno.test("client: what is sent again is what was asked for first", () =>
  withClient(async (client, server) => {
    const tools = ["read"];
    const asked = client.request("set_tools", { sessionId: "a", tools });
    const [first] = server.link.sent;
    tools.push("bash");
    const link = await server.cut();
    assertEquals(link.sent, [first]);
    link.answer("set_tools", {});
    await asked;
  }, ["idempotency"]));

Deno.test("client: an error of the user's own functions is uncaught, and the client goes on", async () => {
  const told: unknown[] = [];
  const heard = (event: ErrorEvent) => {
    event.preventDefault();
    told.push(event.error.message);
  };
  addEventListener("error", heard);
  try {
    const server = new FakeServer();
    await using client = await Client.open(server.dial, PATIENCE, {
      onConnection: (state) => {
        throw new Error(state);
      },
      onServerEvent: (type) => {
        throw new Error(type);
      },
    });
    server.link.say({ type: "session_created", data: { sessionId: "a" } });
    const link = await server.cut();
    const asked = client.request("ping", {});
    link.answer("ping", { now: 1 });
    await asked;
    assertEquals(told, ["connected", "session_created", "lost", "connected"]);
  } finally {
    removeEventListener("error", heard);
  }
});

Deno.test("client: a second close waits for the same end as the first", async () => {
  const server = new FakeServer();
  let gone = (): void => {};
  const end = new Promise<void>((resolve) => gone = resolve);
  const client = await Client.open(async (listener, signal) => {
    const link = await server.dial(listener, signal);
    return { ...link, close: () => end };
  }, PATIENCE);
  let over = 0;
  const both = [client.close(), client.close()].map((closed) => closed.then(() => over++));
  await turn();
  assertEquals(over, 0);
  gone();
  await Promise.all(both);
});
