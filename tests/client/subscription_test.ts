// The client's subscriptions over lost connections, against a server of the test's own: no event twice, none left
// out, and a gap is reported. What a real server does is in tests/conformance/clients/client_test.ts.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, type Dialog, isEvent, RequestError, type SubscriptionItem } from "../../src/client/mod.ts";
import type { SubscribeOptions } from "../../src/client/mod.ts";
import { readUpdate } from "../../src/cli/fronts/rpc/unparsed_update.ts";
import type { JsonObject } from "../support/base/json.ts";
import { FakeServer, started, turn } from "./fake_server.ts";

const PATIENCE = { connectMs: 1000, reconnectMs: 1000, heartbeatMs: 0 };

interface Watched {
  readonly client: Client;
  readonly server: FakeServer;
  readonly items: SubscriptionItem[];
  /** Ends when the subscription does. */
  readonly reading: Promise<void>;
}

async function watch(
  target: string,
  answer: Parameters<FakeServer["link"]["answer"]>[1],
  work: (watched: Watched) => Promise<void>,
  options: SubscribeOptions = {},
): Promise<void> {
  const server = new FakeServer();
  await using client = await Client.open(server.dial, PATIENCE);
  const subscribed = client.subscribe(target, options);
  server.link.answer("subscribe", answer);
  const events = await subscribed;
  const items: SubscriptionItem[] = [];
  const reading = (async () => {
    for await (const item of events) items.push(item);
  })();
  await work({ client, server, items, reading });
}

const seqs = (items: readonly SubscriptionItem[]) => items.map(({ seq }) => seq);
const SNAPSHOT = { messages: [], messageCount: 0, runningTools: [], queue: { steering: [], followUp: [] } };

Deno.test("subscription: goes on from where it was, and drops what comes before the answer", () =>
  watch("a", started("live", 4), async ({ server, items }) => {
    server.link.event("a", 5);
    server.link.event("a", 6);
    const link = await server.cut();
    assertEquals(link.last("subscribe").from, { epoch: "e", seq: 6 });
    link.event("a", 9);
    link.answer("subscribe", started("replay", 8));
    for (const seq of [7, 8, 9]) link.event("a", seq);
    await turn();
    assertEquals(seqs(items), [5, 6, 7, 8, 9]);
  }));

Deno.test("subscription: unparsed events keep their place among the others", async () => {
  const told: unknown[] = [];
  const server = new FakeServer();
  await using client = await Client.open(server.dial, PATIENCE, { readUnparsed: readUpdate });
  const subscribed = client.subscribe("a", {
    updates: "full",
    onItem: (item) => told.push(item.kind === "event" ? item.event.type : item.kind),
    onUnparsed: (json) => told.push(JSON.parse(String(json))),
  });
  server.link.answer("subscribe", started("live", 4));
  await subscribed;
  const event = (at: number) => ({ type: "message_update", at, text: '"}' });
  const update = (seq: number, envelope: JsonObject = {}): void => {
    const { type, ...more } = event(seq);
    server.link.event("a", seq, type, more, envelope);
  };
  update(5);
  server.link.event("a", 6);
  update(8, { coalesced: 2 });
  update(8);
  // Another order of fields is parsed.
  server.link.say({ sessionId: "a", type: "event", event: { type: "message_update" }, seq: 9 });
  assertEquals(told, [event(5), "tick", event(8), "message_update"]);
  update(11);
  assertEquals(server.link.last("subscribe").from, { epoch: "e", seq: 9 });
  update(10);
  server.link.answer("subscribe", started("replay", 11));
  update(10);
  update(11);
  assertEquals(told.slice(4), [event(10), event(11)]);
  assertEquals((await server.cut()).last("subscribe").from, { epoch: "e", seq: 11 });
});

Deno.test("subscription: a gap that the server cannot fill becomes a snapshot", () =>
  watch("a", started("live", 4), async ({ server, items }) => {
    server.link.event("a", 5);
    const link = await server.cut();
    link.answer("subscribe", started("snapshot", 90, { epoch: "f", snapshot: SNAPSHOT }));
    link.event("a", 91);
    await turn();
    assertEquals(items.map(({ kind, seq }) => [kind, seq]), [["event", 5], ["snapshot", 90], ["event", 91]]);
    assert(items[1]?.kind === "snapshot" && items[1].missed);
    assertEquals((await server.cut()).last("subscribe").from, { epoch: "f", seq: 91 });
  }));

Deno.test("subscription: what was missed comes before the answers that followed it", () =>
  watch("a", started("live", 0), async ({ client, server }) => {
    const asked = client.request("get_state", { sessionId: "a" });
    const link = await server.cut();
    assertEquals(link.types, ["subscribe"]);
    link.answer("subscribe", started("replay", 0));
    assertEquals(link.types, ["subscribe", "get_state"]);
    link.answer("get_state", {});
    await asked;
  }));

Deno.test("subscription: one that is refused for a moment at the return is sent again, before running commands", () =>
  watch("a", started("live", 0), async ({ client, server }) => {
    const asked = client.request("get_state", { sessionId: "a" });
    const link = await server.cut();
    link.refuse("subscribe", "rate_limited", { retryAfterMs: 20 });
    while (link.sent.length < 2) await turn();
    assertEquals(link.types, ["subscribe", "subscribe"]);
    link.answer("subscribe", started("replay", 0));
    link.answer("get_state", {});
    await asked;
  }));

Deno.test("subscription: waits at the return for a node that is gone, and running commands do not", () =>
  watch("a", started("live", 0), async ({ client, server, items }) => {
    const asked = client.request("list_sessions", {});
    const link = await server.cut();
    link.refuse("subscribe", "node_unavailable", { retryAfterMs: 20 });
    assertEquals(link.types, ["subscribe", "list_sessions"]);
    link.answer("list_sessions", {});
    await asked;
    for (const again of [3, 4]) {
      while (link.sent.length < again) await turn();
      if (again === 3) link.refuse("subscribe", "node_unavailable", { retryAfterMs: 20 });
    }
    link.answer("subscribe", started("replay", 1));
    link.event("a", 1);
    await turn();
    assertEquals(seqs(items), [1]);
    // A new one names the node at once.
    const fresh = assertRejects(() => client.subscribe("b"));
    link.refuse("subscribe", "node_unavailable", { retryAfterMs: 20 });
    assert(await fresh instanceof RequestError);
  }));

Deno.test("subscription: lagged, a crash and a gap all mean: from where we are", () =>
  watch("a", started("live", 0), async ({ server, items }) => {
    const { link } = server;
    link.event("a", 1);
    link.say({ type: "lagged", sessionId: "a", epoch: "e", afterSeq: 1 });
    assertEquals(link.last("subscribe").from, { epoch: "e", seq: 1 });
    link.event("a", 5, "extension_ui_request");
    link.answer("subscribe", started("replay", 3));
    link.event("a", 2);
    link.event("a", 3, "tick", {}, { coalesced: 1 });
    link.event("a", 3);
    link.event("a", 6, "tick", {}, { coalesced: 3 });
    link.event("a", 9);
    assertEquals(link.last("subscribe").from, { epoch: "e", seq: 6 });
    link.answer("subscribe", started("live", 9));
    link.say({ type: "session_crashed", data: { sessionId: "a" } });
    assertEquals(link.last("subscribe").from, { epoch: "e", seq: 9 });
    await turn();
    assertEquals(seqs(items), [1, 2, 3, 6]);
  }));

Deno.test("subscription: with a filter numbers are missing, and cursors say how far it has come", () =>
  watch("a", started("live", 0), async ({ server, items }) => {
    server.link.event("a", 3);
    server.link.event("a", 8);
    server.link.say({ type: "cursor", sessionId: "a", epoch: "e", seq: 20 });
    const link = await server.cut();
    const { from, events } = link.last("subscribe");
    assertEquals([from, events], [{ epoch: "e", seq: 20 }, ["tick"]]);
    assertEquals(seqs(items), [3, 8]);
  }, { events: ["tick"] }));

Deno.test("subscription: a reader that is behind is not drowned, and loses nothing", async () => {
  const server = new FakeServer();
  await using client = await Client.open(server.dial, PATIENCE);
  const subscribed = client.subscribe("a", { queuedBytes: 300 });
  server.link.answer("subscribe", started("live", 0));
  const events = await subscribed;
  for (let seq = 1; seq <= 50; seq++) server.link.event("a", seq);
  const seen: number[] = [];
  while (server.link.types.length === 1) seen.push((await events.next()).value?.seq ?? 0);
  assert(seen.length < 10, `${seen.length} were queued`);
  assertEquals(server.link.last("subscribe").from, { epoch: "e", seq: seen.length });
  server.link.answer("subscribe", started("replay", 50));
  server.link.event("a", seen.length + 1);
  assertEquals((await events.next()).value?.seq, seen.length + 1);
});

Deno.test("subscription to all: one cursor a session, and new sessions from their beginning", () =>
  watch("*", { sessions: { a: started("live", 4) } }, async ({ server, items }) => {
    server.link.event("a", 5);
    server.link.event("b", 1);
    const link = await server.cut();
    assertEquals(link.last("subscribe").from, { sessions: { a: { epoch: "e", seq: 5 } } });
    const sessions = { a: started("replay", 6), b: started("live", 2), c: started("live", 3) };
    link.answer("subscribe", { sessions });
    const all = { a: { epoch: "e", seq: 5 }, b: { epoch: "e", seq: 1 }, c: { epoch: "e", seq: 0 } };
    assertEquals(link.last("subscribe").from, { sessions: all });
    link.event("a", 6);
    link.answer("subscribe", {
      sessions: { a: started("replay", 6), b: started("replay", 2), c: started("replay", 3) },
    });
    link.event("a", 6);
    link.event("b", 2);
    for (const seq of [1, 2, 3]) link.event("c", seq);
    await turn();
    const told = items.map(({ sessionId, seq }) => `${sessionId}${seq}`);
    assertEquals(told, ["a5", "b1", "a6", "b2", "c1", "c2", "c3"]);
  }));

Deno.test("subscription: one by id takes its session over from all, once it is answered", () =>
  watch("*", { sessions: { a: started("live", 0) } }, async ({ client, server, items }) => {
    const { link } = server;
    const subscribed = client.subscribe("a");
    link.event("a", 1);
    link.answer("subscribe", started("live", 1));
    const own = await subscribed;
    link.event("a", 2);
    await turn();
    assertEquals([seqs(items), (await own.next()).value?.seq], [[1], 2]);
    await assertRejects(() => client.subscribe("a"));
    const closed = own.close();
    link.answer("unsubscribe", { unsubscribed: true });
    await closed;
    assertEquals((await own.next()).done, true);
  }));

Deno.test("subscription: ends with its session, and fails where there is none", () =>
  watch("a", started("live", 0), async ({ client, server, items, reading }) => {
    server.link.event("a", 1, "agent_settled", { stopReason: "stop", aborted: false });
    server.link.say({ type: "session_deleted", data: { sessionId: "a" } });
    await reading;
    const [item] = items;
    assert(item?.kind === "event" && isEvent(item.event, "agent_settled") && !item.event.aborted);
    const again = assertRejects(() => client.subscribe("a"));
    server.link.refuse("subscribe", "session_not_found");
    assert(await again instanceof RequestError);
  }));

Deno.test("subscription: breaking out of the loop ends it at the server too", async () => {
  const server = new FakeServer();
  await using client = await Client.open(server.dial, PATIENCE);
  const subscribed = client.subscribe("a");
  server.link.answer("subscribe", started("live", 0));
  server.link.event("a", 1);
  const read = (async () => {
    for await (const item of await subscribed) return item.seq;
  })();
  while (!server.link.types.includes("unsubscribe")) await turn();
  server.link.answer("unsubscribe", { unsubscribed: true });
  assertEquals(await read, 1);
});

Deno.test("subscription: breaking out of the loop does not wait for a server that is away", async () => {
  for (const paused of [false, true]) {
    const server = new FakeServer();
    await using client = await Client.open(server.dial, { ...PATIENCE, reconnectMs: 60_000 });
    const subscribed = client.subscribe("a", { queuedBytes: 0 });
    server.link.answer("subscribe", started("live", 0));
    const events = await subscribed;
    for (const seq of paused ? [1, 2] : []) server.link.event("a", seq);
    server.down = true;
    // Cut while the answer is due, or, of a reader that is behind, before it is asked for.
    if (paused) server.link.cut();
    const closed = events.close();
    server.link.cut();
    await closed;
    server.down = false;
    const asked = client.request("ping", {});
    while (server.links.length < 2) await turn();
    await turn();
    assertEquals(server.link.types, ["ping"]);
    server.link.answer("ping", { now: 1 });
    await asked;
  }
});

Deno.test("dialogs: shown once over a reconnect, answered, and taken back", () => {
  const shown: Dialog[] = [];
  const over: string[] = [];
  const onDialog = (dialog: Dialog) => {
    shown.push(dialog);
    dialog.signal.addEventListener("abort", () => over.push(dialog.requestId));
    return dialog.method === "confirm" ? true : undefined;
  };
  const pick = { requestId: "p", method: "select", title: "Which?", options: ["A", "B"] };
  const answer = started("live", 0, { pendingUi: [pick] });
  return watch("a", answer, async ({ server }) => {
    server.link.event("a", 1, "extension_ui_request", { requestId: "n", method: "notify", message: "hi" });
    server.link.event("a", 2, "extension_ui_request", { requestId: "c", method: "confirm", title: "Sure?" });
    await turn();
    const { sessionId, requestId, response } = server.link.last("extension_ui_response");
    assertEquals([sessionId, requestId, response], ["a", "c", { method: "confirm", confirmed: true }]);
    const link = await server.cut();
    link.answer("subscribe", started("replay", 3, { pendingUi: [pick] }));
    link.refuse("extension_ui_response", "ui_already_resolved");
    link.event("a", 3, "extension_ui_resolved", { requestId: "p", by: "client" });
    await turn();
    assertEquals(shown.map(({ requestId, options }) => [requestId, options?.length]), [["p", 2], [
      "c",
      undefined,
    ]]);
    assertEquals(over, ["p"]);
  }, { onDialog });
});

Deno.test("dialogs: reach a subscriber with a filter too, although the filter does not name them", () => {
  const shown: string[] = [];
  const onDialog = ({ requestId }: Dialog) => void shown.push(requestId);
  return watch("a", started("live", 0), async ({ server, items }) => {
    const asked = server.link.last("subscribe").events;
    assertEquals(asked, ["tick", "extension_ui_request", "extension_ui_resolved"]);
    server.link.event("a", 1, "extension_ui_request", { requestId: "c", method: "confirm", title: "Sure?" });
    server.link.event("a", 4);
    await turn();
    assertEquals([shown, seqs(items)], [["c"], [4]]);
  }, { onDialog, events: ["tick"] });
});

Deno.test("subscription: closed while the server is away, it is over at once", async () => {
  const server = new FakeServer();
  await using client = await Client.open(server.dial, PATIENCE);
  const subscribed = client.subscribe("a");
  server.link.answer("subscribe", started("live", 0));
  const events = await subscribed;
  server.down = true;
  server.link.cut();
  await events.close();
  assertEquals((await events.next()).done, true);
});
