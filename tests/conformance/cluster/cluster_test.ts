// Clusters on a real nats-server: sessions of other nodes through a gateway, ids, tokens, large messages, and leaving.
// What fails and comes back is in cluster_faults_test.ts.

import { assert, assertEquals } from "@std/assert";
import { nodesOf } from "../../support/cluster/cluster.ts";
import { ClusterNodes, reported, scriptedSession as session } from "../../support/cluster/cluster_nodes.ts";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { hang, ModelServer, OPENAI, text } from "../../support/model/model_server.ts";
import { WITHOUT_NATS } from "../../support/cluster/nats_server.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { until } from "../../support/base/wait.ts";
import { conformance, listed, settled, TARGET } from "../suite.ts";

const model = new ModelServer();
let cluster: Promise<ClusterNodes> | undefined;

/** Two nodes with sessions and a gateway, for all cases of this file. */
function nodes(): Promise<ClusterNodes> {
  return cluster ??= (async () => {
    const made = await ClusterNodes.make(model);
    await Promise.all([made.start("a"), made.start("b"), made.start("g", ["--workers", "none"])]);
    const wire = await made.connect("g");
    await made.joined(wire, 3);
    await wire.close();
    return made;
  })();
}

Deno.test.afterAll(async () => {
  await (await cluster?.catch(() => undefined))?.[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

function onCluster(name: string, body: (nodes: ClusterNodes) => Promise<void>): void {
  conformance(`cluster: ${name}`, async () => await reported(await nodes(), body), WITHOUT_NATS);
}

onCluster("a gateway leads to a session elsewhere, and SessionInfo names its node", async (all) => {
  const wire = await all.connect("g") as WsWire;
  const made = await session(wire, "led", "b");
  assertEquals(stringAt(made, "sessionInfo", "node"), "b");
  await wire.ok({ type: "subscribe", sessionId: "led" });
  model.script("over there", text(["Hello ", "from ", "b"]));
  await settled(wire, "led", "over there");
  const events = wire.events("led").map(({ type }) => type);
  assertEquals(events.at(0), "agent_start");
  await wire.event("led", "agent_settled");
  const state = await wire.ok({ type: "get_state", sessionId: "led" });
  assertEquals(stringAt(state, "node"), "b");
  const direct = await all.connect("b") as WsWire;
  assert((await listed(direct)).includes("led"));
  for (const one of [wire, direct]) {
    await one.close();
    one.check();
  }
});

onCluster("one create of two at two nodes wins, and each node knows the owner", async (all) => {
  const [a, b] = [await all.connect("a"), await all.connect("b")];
  for (let round = 0; round < 5; round++) {
    const sessionId = `twin-${round}`;
    const create = { type: "create_session", sessionId, ...OPENAI };
    const answers = await Promise.all([
      a.request({ ...create, node: "a" }, 60_000),
      b.request({ ...create, node: "b" }, 60_000),
    ]);
    const codes = answers.map(({ success, code }) => success === true ? "ok" : String(code));
    assertEquals(codes.toSorted(), ["ok", "session_exists"]);
    const owner = codes[0] === "ok" ? "a" : "b";
    for (const wire of [a, b]) {
      assertEquals(stringAt(await wire.ok({ type: "get_state", sessionId }), "node"), owner);
      assertEquals((await listed(wire)).filter((id) => id === sessionId).length, 1);
    }
    await (owner === "a" ? b : a).ok({ type: "delete_session", sessionId });
    // Free again everywhere, at once.
    await (owner === "a" ? a : b).ok({ ...create, node: owner === "a" ? "b" : "a" }, 60_000);
    await a.ok({ type: "delete_session", sessionId });
  }
  for (const wire of [a, b]) {
    await wire.close();
    wire.check();
  }
});

onCluster(
  "* delivers the sessions of all nodes, behind one answer, also those that come later",
  async (all) => {
    const wire = await all.connect("a") as WsWire;
    await session(wire, "star-a", "a");
    await session(wire, "star-b", "b");
    const { sessions } = await wire.ok({ type: "subscribe", sessionId: "*" });
    const known = Object.keys(sessions as JsonObject);
    assert(known.includes("star-a") && known.includes("star-b"), known.join());
    await session(wire, "star-late", "b");
    for (const id of ["star-a", "star-b", "star-late"]) {
      model.script(`for ${id}`, text([id, " speaks"]));
      await settled(wire, id, `for ${id}`);
      await wire.event(id, "agent_settled");
    }
    assertEquals(await wire.ok({ type: "unsubscribe", sessionId: "*" }), { unsubscribed: true });
    await wire.close();
    wire.check();
  },
);

onCluster("pages of list_sessions go over all nodes, each session once and in order", async (all) => {
  const wire = await all.connect("g") as WsWire;
  for (const [index, node] of ["a", "b", "a", "b", "a"].entries()) await session(wire, `page-${index}`, node);
  const seen: JsonObject[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await wire.ok({
      type: "list_sessions",
      limit: 2,
      sort: "created",
      ...(cursor === undefined ? {} : { cursor }),
    });
    seen.push(...arrayAt(page, "sessions") as JsonObject[]);
    assert(arrayAt(page, "sessions").length <= 2);
    if (typeof page.nextCursor !== "string") break;
    cursor = page.nextCursor;
  }
  const ids = seen.map(({ sessionId }) => String(sessionId)).filter((id) => id.startsWith("page-"));
  assertEquals(ids, ["page-4", "page-3", "page-2", "page-1", "page-0"]);
  const times = seen.map(({ createdAt }) => String(createdAt));
  assertEquals(times, times.toSorted().toReversed());
  await wire.refused("cursor_foreign", {
    type: "list_sessions",
    cursor: "pc1.x.list_sessions.1.0.0.aaaaaaaaaaaaaaaaaaaaaa",
  });
  await wire.close();
  wire.check();
});

onCluster("a message above the size of NATS crosses in both directions", async (all) => {
  const wire = await all.connect("g") as WsWire;
  await session(wire, "large", "b");
  const long = `large message ${"ö€x".repeat(320_000)}`;
  model.script("large message", text(["taken"]));
  await wire.ok({ type: "prompt", sessionId: "large", message: long, waitFor: "settled" }, 60_000);
  const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: "large" }, 60_000), "messages");
  const user = messages.find((message) => at(message, "role") === "user");
  assertEquals(JSON.stringify(user).includes(long), true);
  await wire.close();
  wire.check();
});

onCluster("a key holds over all nodes: the same command runs once, whichever node gets it", async (all) => {
  const [g, a] = [await all.connect("g"), await all.connect("a")];
  const create = { type: "create_session", idempotencyKey: "make-one", ...OPENAI };
  const first = await g.request(create, 60_000);
  const again = await a.request(create, 60_000);
  assertEquals(again.replayed, true);
  const sessionId = stringAt(first, "data", "sessionId");
  assertEquals(stringAt(again, "data", "sessionId"), sessionId);
  model.script("only once", text(["done"]));
  const prompt = {
    type: "prompt",
    sessionId,
    message: "only once",
    idempotencyKey: "p1",
    waitFor: "settled",
  };
  const answers = await Promise.all([g.request(prompt, 30_000), a.request(prompt, 30_000)]);
  assertEquals(answers.map(({ success }) => success), [true, true]);
  const messages = arrayAt(await a.ok({ type: "get_messages", sessionId }), "messages");
  assertEquals(messages.filter((message) => at(message, "role") === "user").length, 1);
  for (const wire of [g, a]) {
    await wire.close();
    wire.check();
  }
});

onCluster("a dialog of a session elsewhere is listed and answered through any node", async (all) => {
  // No extension is installed here, so the list is empty on all nodes, and an answer is refused by the owner.
  const wire = await all.connect("g") as WsWire;
  await session(wire, "asks", "b");
  assertEquals(await wire.ok({ type: "list_pending_ui" }), { requests: [] });
  assertEquals(await wire.ok({ type: "list_pending_ui", sessionId: "asks" }), { requests: [] });
  await wire.refused("ui_request_not_found", {
    type: "extension_ui_response",
    sessionId: "asks",
    requestId: "none",
    response: { method: "cancelled" },
  });
  await wire.close();
  wire.check();
});

onCluster(
  "a minted token opens every node, is for its sessions alone, and ends everywhere within a second",
  async (all) => {
    const admin = await all.connect("a");
    await session(admin as WsWire, "shown", "b");
    await session(admin as WsWire, "hidden", "b");
    const minted = await admin.ok({ type: "mint_token", role: "drive", sessions: ["shown"], ttlMs: 60_000 });
    const { url } = await all.server("g").endpoint();
    const wire = await WsWire.connect(url, stringAt(minted, "token"), "scoped");
    assertEquals(await listed(wire), ["shown"]);
    await wire.ok({ type: "get_state", sessionId: "shown" });
    await wire.refused("forbidden", { type: "get_state", sessionId: "hidden" });
    await wire.ok({ type: "subscribe", sessionId: "*" });
    const start = performance.now();
    await admin.ok({ type: "revoke_token", tokenId: stringAt(minted, "tokenId") });
    const { code } = await wire.closed;
    assertEquals(code, 1008);
    assert(performance.now() - start < 1_000, `${performance.now() - start} ms`);
    await admin.close();
  },
);

onCluster("a stopped command stops the run of a session elsewhere", async (all) => {
  const wire = await all.connect("g") as WsWire;
  await session(wire, "stopped", "b");
  await wire.ok({ type: "subscribe", sessionId: "stopped" });
  model.script("hang on", hang());
  await wire.ok({ type: "prompt", sessionId: "stopped", message: "hang on" });
  await wire.event("stopped", "message_update");
  await wire.ok({ type: "abort", sessionId: "stopped" });
  await wire.event("stopped", "agent_settled");
  await wire.close();
  wire.check();
});

onCluster(
  "list_nodes, metrics and health know all nodes; a node that is not there is refused",
  async (all) => {
    const wire = await all.connect("g") as WsWire;
    const found = await nodesOf(wire);
    assertEquals(found.map(({ node }) => node), ["g", "a", "b"]);
    assertEquals(found.map(({ gateway, self }) => [gateway, self]), [[true, true], [undefined, undefined], [
      undefined,
      undefined,
    ]]);
    const metrics = await wire.ok({ type: "get_metrics" });
    assertEquals(arrayAt(metrics, "nodes").length, 3);
    assertEquals(await wire.ok({ type: "health_check" }), { healthy: true, issues: [] });
    await wire.refused("node_not_found", { type: "create_session", node: "nowhere" });
    await wire.refused("node_not_found", { type: "drain_node", node: "nowhere" });
    await wire.refused("node_unavailable", { type: "create_session", node: "g" });
    await wire.refused("session_not_found", { type: "get_state", sessionId: "no-such" });
    await wire.close();
    wire.check();
  },
);

onCluster(
  "a drained node ends its turn, parks its sessions, leaves, and comes back with them",
  async (all) => {
    await all.start("d");
    const wire = await all.connect("g") as WsWire;
    await all.joined(wire, 4);
    await session(wire, "drained", "d");
    await wire.ok({ type: "subscribe", sessionId: "drained" });
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => finish = resolve);
    model.script("last turn", text(["the ", "end"], { hold: (index) => index === 1 ? held : undefined }));
    await wire.ok({ type: "prompt", sessionId: "drained", message: "last turn" });
    await wire.event("drained", "message_update");
    assertEquals(await wire.ok({ type: "drain_node", node: "d" }), { node: "d", draining: true });
    await until(
      async () => (await nodesOf(wire)).some(({ node, state }) => node === "d" && state === "draining"),
      5_000,
      () => "not draining",
    );
    const elsewhere = await wire.ok({ type: "create_session", ...OPENAI }, 60_000);
    assert(stringAt(elsewhere, "sessionInfo", "node") !== "d");
    finish();
    await wire.event("drained", "agent_settled");
    assertEquals(await all.server("d").exitCode(), 0);
    await wire.next(({ type, data }) => type === "sessions_unavailable" && at(data, "node") === "d", 6_000);
    await wire.refused("node_unavailable", { type: "get_state", sessionId: "drained" });
    await all.start("d");
    await wire.next(({ type, data }) => type === "sessions_available" && at(data, "node") === "d", 15_000);
    const state = await wire.ok({ type: "get_state", sessionId: "drained" }, 30_000);
    assertEquals(stringAt(state, "node"), "d");
    const messages = arrayAt(
      await wire.ok({ type: "get_messages", sessionId: "drained" }, 30_000),
      "messages",
    );
    assertEquals(JSON.stringify(messages.at(-1)).includes("the end"), true);
    await all.server("d").kill();
    await wire.close();
  },
);

conformance(
  "cluster: a node on Deno and one on Node lead to each other's sessions",
  async () => {
    await using all = await ClusterNodes.make(model);
    try {
      await Promise.all([
        all.start("deno", [], { target: "sources" }),
        all.start("node", [], { target: "node" }),
      ]);
      for (const [here, there] of [["deno", "node"], ["node", "deno"]] as const) {
        const wire = await all.connect(here) as WsWire;
        await all.joined(wire, 2);
        const sessionId = `on-${there}`;
        await session(wire, sessionId, there);
        await wire.ok({ type: "subscribe", sessionId });
        // Longer than one message of NATS, in both directions.
        const long = `${"ö€x".repeat(250_000)} to ${there}`;
        model.script(`to ${there}`, text([long, " and back"]));
        const message = { type: "prompt", sessionId, message: long, waitFor: "settled" };
        assertEquals((await wire.ok(message, 60_000)).text, `${long} and back`);
        await wire.event(sessionId, "agent_settled");
        const state = await wire.ok({ type: "get_state", sessionId });
        assertEquals([state.node, state.messageCount], [there, 2]);
        await wire.close();
        wire.check();
      }
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.stack : error}\n${all.report}`);
    }
  },
  WITHOUT_NATS ?? (TARGET === "node" ? undefined : "needs the Node build"),
);
