// What a cluster survives (docs/CLUSTER.md#what-survives-what): a node dies, NATS dies, a node is drained, a gateway
// hangs. Each case says what clients of the other nodes learn, and what goes on.

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { statesOf, type TestCluster } from "../../support/cluster/cluster.ts";
import { arrayAt, at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { Gate, hang, text } from "../../support/model/model_server.ts";
import { StolenTime } from "../../support/base/stolen_time.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { deltaOf, type Wire } from "../../support/wire/wire_client.ts";
import { clustered } from "./cluster_stage.ts";
import { listed, settled } from "../suite.ts";

/** The contract: clients learn within five seconds that a node is gone. */
const TOLD_MS = 5_000;

/** The event about sessions of another node that come or go. */
function told(
  wire: Wire,
  type: "sessions_unavailable" | "sessions_available",
  node: string,
): Promise<JsonObject> {
  return wire.next((message) => message.type === type && at(message, "data", "node") === node, 20_000, type);
}

const said = (wire: Wire, id: string): string => wire.events(id).map(deltaOf).join("");

/** Texts of the messages that a crash has stopped. */
function interrupted(state: JsonObject): string[] {
  return state.interrupted === undefined
    ? []
    : arrayAt(state, "interrupted").map((one) => stringAt(one, "message"));
}

/** A session on a node with a turn that waits for a gate after its first word; a client of `through` watches. */
async function running(
  cluster: TestCluster,
  through: Wire,
  node: string,
): Promise<{ id: string; cwd: string; gate: Gate; marker: string }> {
  const { id, cwd } = await cluster.session(through, node);
  await through.ok({ type: "subscribe", sessionId: id });
  const [gate, marker] = [new Gate(), cluster.name("turn")];
  cluster.model.script(marker, text(["one ", "two ", "three"], { gate }));
  await through.ok({ type: "prompt", sessionId: id, message: marker });
  await through.event(id, "message_update", (event) => deltaOf(event) === "one ");
  return { id, cwd, gate, marker };
}

clustered(
  "cluster: a node is killed: clients learn it within 5 s, and may retry, back with interrupted",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const wire = await cluster.connect("g");
    const other = await running(cluster, wire, "a");
    const lost = await running(cluster, wire, "b");
    // One command without a key and one with are on their way when the node dies.
    const keyed = wire.request({
      ...{ type: "prompt", sessionId: lost.id, message: "later", streamingBehavior: "followUp" },
      ...{ waitFor: "settled", idempotencyKey: "k" },
    }, 60_000);
    await wire.event(lost.id, "queue_update");
    const bare = wire.request({ type: "bash", sessionId: lost.id, command: "touch begun; sleep 60" }, 60_000);
    for (const one of [keyed, bare]) one.catch(() => {});
    await until(
      () => Deno.stat(`${lost.cwd}/begun`).then(() => true, () => false),
      30_000,
      () => "the shell to begin",
    );
    const stolen = new StolenTime(cluster.node("g").server.pid).begin();
    const killedAt = performance.now();
    await cluster.node("b").kill();
    const event = await told(wire, "sessions_unavailable", "b");
    assertLess(performance.now() - killedAt - stolen(), TOLD_MS);
    assertEquals(arrayAt(event, "data", "sessionIds"), [lost.id]);
    const [ofBare, ofKeyed] = await Promise.all([bare, keyed]);
    assertEquals(ofBare.code, "outcome_unknown");
    // The same key may be sent again, so it is refused as what can be tried again.
    assertEquals([ofKeyed.code, ofKeyed.retryable], ["node_unavailable", true]);
    const refused = await wire.refused("node_unavailable", { type: "get_state", sessionId: lost.id });
    assertEquals(refused.retryable, true);
    assertMatch(stringAt(refused, "error"), /Node b cannot be reached/);
    assertEquals((await statesOf(wire)).b, "gone");
    const list = await wire.ok({ type: "list_sessions" });
    assertEquals(list.unavailable, [{ sessionId: lost.id, node: "b" }]);
    const health = await wire.ok({ type: "health_check" });
    assertEquals(health.healthy, false);
    assertMatch(JSON.stringify(health.issues), /Node b is gone, and 1 sessions with it/);
    // A new session of that id is refused, since the id is taken.
    const cwd = await cluster.node("a").home.folder("again");
    const twin = await wire.request({ type: "create_session", sessionId: lost.id, cwd, node: "a" });
    assertEquals(twin.success, false);
    // The others go on.
    other.gate.open();
    await wire.event(other.id, "agent_settled");
    assertEquals(said(wire, other.id), "one two three");

    await cluster.node("b").start();
    const back = await told(wire, "sessions_available", "b");
    assertEquals(arrayAt(back, "data", "sessionIds"), [lost.id]);
    const state = await wire.ok({ type: "get_state", sessionId: lost.id }, 30_000);
    assertEquals(interrupted(state).toSorted(), ["later", lost.marker].toSorted());
    // The prompt's key was accepted before the kill, and does not run again by itself.
    const again = await wire.request(
      {
        type: "prompt",
        sessionId: lost.id,
        message: "later",
        streamingBehavior: "followUp",
        waitFor: "settled",
        idempotencyKey: "k",
      },
    );
    assertEquals(again.code, "outcome_unknown");
    assertEquals((await wire.ok({ type: "list_sessions" })).unavailable, undefined);
  },
);

clustered(
  "cluster: NATS is killed and back: local clients go on, remote ones learn it, all resumes",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const [local, remote] = [await cluster.connect("b"), await cluster.connect("g")];
    const { id, gate } = await running(cluster, remote, "b");
    await local.ok({ type: "subscribe", sessionId: id });
    await cluster.nats.kill();
    const event = await told(remote, "sessions_unavailable", "b");
    assertEquals(arrayAt(event, "data", "sessionIds"), [id]);
    await remote.refused("node_unavailable", { type: "get_state", sessionId: id });
    // Local clients notice nothing.
    gate.open();
    await local.event(id, "agent_settled");
    const marker = cluster.name("without");
    cluster.model.script(marker, text(["still here"]));
    assertEquals((await settled(local, id, marker)).text, "still here");
    assertMatch(JSON.stringify((await local.ok({ type: "health_check" })).issues), /NATS is unreachable/);
    // A name that another node could give as well is refused; a random id is not.
    const cwd = await cluster.node("b").home.folder("new");
    const named = await local.refused("node_unavailable", {
      type: "create_session",
      sessionId: "chosen",
      cwd,
    });
    assertEquals(named.retryable, true);
    const { sessionId: random } = await local.ok({ type: "create_session", cwd }, 30_000);

    await cluster.nats.begin();
    await told(remote, "sessions_available", "b");
    await cluster.together();
    assertEquals((await listed(remote)).toSorted(), [id, String(random)].toSorted());
    // The client has seen all of it, or knows that it lags.
    await remote.next(
      (message) => message.type === "lagged" || at(message, "event", "type") === "agent_settled",
      15_000,
      "what was missed",
    );
    const state = await remote.ok({ type: "get_state", sessionId: id });
    assertEquals(state.isStreaming, false);
    await remote.ok({ type: "create_session", sessionId: "chosen", cwd, node: "b" }, 30_000);
    assertEquals((await remote.ok({ type: "health_check" })).issues, []);
  },
);

clustered(
  "cluster: what a client missed while NATS was away comes in order, and nothing twice",
  async (cluster) => {
    await cluster.start({ b: {}, g: { gateway: true } });
    const remote = await cluster.connect("g");
    const { id, gate } = await running(cluster, remote, "b");
    await cluster.nats.kill();
    gate.open();
    const local = await cluster.connect("b");
    await cluster.model.request("turn");
    await cluster.nats.begin();
    // The log of the owner reaches back: the client goes on where it was.
    await remote.event(id, "agent_settled", () => true, 30_000);
    assertEquals(said(remote, id), "one two three");
    assertEquals(numberAt(await local.ok({ type: "get_state", sessionId: id }), "messageCount"), 2);
  },
);

clustered(
  "cluster: a drained node takes nothing new, ends its turns, parks its sessions and leaves",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const wire = await cluster.connect("g");
    const { id, gate } = await running(cluster, wire, "b");
    const idle = (await cluster.session(wire, "b")).id;
    await wire.refused("node_not_found", { type: "drain_node", node: "missing" });
    await wire.ok({ type: "drain_node", node: "b" });
    await cluster.sees(wire, { b: "draining" });
    const cwd = await cluster.node("b").home.folder("late");
    const late = await wire.request({ type: "create_session", cwd, node: "b" });
    assertEquals([late.success, late.retryable], [false, true]);
    // A new session without a wish goes to the other node.
    const free = await wire.ok({ type: "create_session", cwd: cluster.node("a").home.root }, 30_000);
    assertEquals(at(free, "sessionInfo", "node"), "a");
    gate.open();
    await wire.event(id, "agent_settled");
    assertEquals(said(wire, id), "one two three");
    assertEquals(await cluster.node("b").server.exitCode(), 0);
    const event = await told(wire, "sessions_unavailable", "b");
    assertEquals(arrayAt(event, "data", "sessionIds").toSorted(), [id, idle].toSorted());
    await cluster.node("b").start();
    await told(wire, "sessions_available", "b");
    const { sessions } = await wire.ok({ type: "list_sessions" });
    const parked = arrayAt({ sessions: sessions ?? [] }, "sessions")
      .filter((one) => at(one, "node") === "b").map((one) => `${at(one, "sessionId")} ${at(one, "status")}`);
    assertEquals(parked.length, 2);
    assertEquals(interrupted(await wire.ok({ type: "get_state", sessionId: id }, 30_000)), []);
  },
);

clustered(
  "cluster: a node that is drained waits for the answers that its clients get from other nodes",
  async (cluster) => {
    await cluster.start({ a: {}, b: {} });
    const [direct, through] = [await cluster.connect("a"), await cluster.connect("b")];
    const { id } = await cluster.session(direct, "a");
    const [marker, gate] = [cluster.name("held"), new Gate()];
    cluster.model.script(
      marker,
      text(["one ", "two"], { hold: (index) => index === 1 ? gate.opened : undefined }),
    );
    await through.ok({ type: "subscribe", sessionId: id });
    const run = through.request(
      { type: "prompt", sessionId: id, message: marker, waitFor: "settled" },
      60_000,
    );
    await through.event(id, "message_update");
    await direct.ok({ type: "drain_node", node: "b" });
    await cluster.sees(direct, { b: "draining" });
    // A word that comes behind the drain shows that the connection is still there.
    await through.ok({ type: "ping" });
    gate.open();
    assertEquals(at(await run, "data", "text"), "one two");
    assertEquals(await cluster.node("b").server.exitCode(), 0);
  },
);

clustered(
  "cluster: a gateway that hangs slows no client, and its own one comes back to the right state",
  async (cluster) => {
    await cluster.start({ b: {}, g: { gateway: true } });
    const [direct, through] = [await cluster.connect("b"), await cluster.connect("g")];
    const { id } = await cluster.session(direct, "b");
    for (const wire of [direct, through]) await wire.ok({ type: "subscribe", sessionId: id });
    cluster.node("g").server.signal("SIGSTOP");
    try {
      for (let turn = 0; turn < 3; turn++) {
        const marker = cluster.name("turn");
        cluster.model.script(
          marker,
          text(Array.from({ length: 50 }, (_, n) => `${turn}.${n} ${".".repeat(2_000)}`)),
        );
        await settled(direct, id, marker);
      }
    } finally {
      cluster.node("g").server.signal("SIGCONT");
    }
    await cluster.sees(direct, { g: "running" });
    const marker = cluster.name("last");
    cluster.model.script(marker, text(["the end"]));
    // It is one of both: every event, or the word that some are missing.
    const whole = through.next(
      (message) => message.type === "lagged" || at(message, "event", "type") === "agent_settled",
      20_000,
      "events or lagged",
    );
    assertEquals((await settled(through, id, marker)).text, "the end");
    await whole;
    const [seen, right] = [through, direct].map((wire) => wire.ok({ type: "get_messages", sessionId: id }));
    assertEquals(await seen, await right);
  },
);

clustered(
  "cluster: a prompt that never ends does not keep a node from being lost and found",
  async (cluster) => {
    await cluster.start({ b: {}, g: { gateway: true } });
    const wire = await cluster.connect("g");
    const { id } = await cluster.session(wire, "b");
    await wire.ok({ type: "subscribe", sessionId: "*" });
    const marker = cluster.name("hang");
    cluster.model.script(marker, hang());
    await wire.ok({ type: "prompt", sessionId: id, message: marker });
    await wire.event(id, "message_update");
    for (let round = 0; round < 2; round++) {
      await cluster.node("b").kill();
      await cluster.node("b").start();
      await deadline(cluster.sees(wire, { b: "running" }), 20_000, () => "b to be back");
      const state = await wire.ok({ type: "get_state", sessionId: id }, 30_000);
      assertEquals(interrupted(state), [marker]);
    }
    assert(objectAt(await wire.ok({ type: "get_metrics" })).nodes !== undefined);
  },
);

clustered(
  "cluster: the ids of a lost disk are free once a client says that they are lost, and no id lives twice",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const wire = await cluster.connect("g");
    const [lost, kept] = [(await cluster.session(wire, "b")).id, (await cluster.session(wire, "b")).id];
    // While its node is there the word means nothing: the session is deleted as any other.
    const third = (await cluster.session(wire, "b")).id;
    await wire.ok({ type: "delete_session", sessionId: third, lost: true });
    assertEquals((await listed(wire)).toSorted(), [lost, kept].toSorted());
    await cluster.node("b").kill();
    await told(wire, "sessions_unavailable", "b");
    await wire.refused("node_unavailable", { type: "delete_session", sessionId: lost });
    await wire.refused("session_not_found", { type: "delete_session", sessionId: "never", lost: true });
    assertEquals(await wire.ok({ type: "delete_session", sessionId: lost, lost: true }), { deleted: true });
    await wire.next(
      (message) => message.type === "session_deleted" && at(message, "data", "sessionId") === lost,
      5_000,
      "session_deleted",
    );
    assertEquals((await wire.ok({ type: "list_sessions" })).unavailable, [{ sessionId: kept, node: "b" }]);
    const cwd = await cluster.node("a").home.folder("again");
    await wire.ok({ type: "create_session", sessionId: lost, cwd, node: "a" }, 30_000);
    // The disk was not lost after all. Its node does not start beside the other owner, and says which id it is.
    const server = await cluster.node("b").spawn();
    assertEquals(await server.exitCode(), 1);
    assertMatch(server.stderr, new RegExp(`session "${lost}" of this server lives on node a too; delete it`));
    await wire.ok({ type: "delete_session", sessionId: lost });
    await cluster.node("b").start();
    await told(wire, "sessions_available", "b");
    assertEquals((await listed(wire)).toSorted(), [lost, kept].toSorted());
    const { node } = await wire.ok({ type: "get_state", sessionId: lost }, 30_000);
    assertEquals(node, "b");
  },
);
