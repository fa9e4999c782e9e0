// A session on one node, its clients on others (docs/CLUSTER.md): ids, dialogs, cursors, tokens, slow readers. The
// checker of the wire holds every client to the contract of a single server.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { RawSocket } from "../../support/network/channel.ts";
import type { TestCluster } from "../../support/cluster/cluster.ts";
import { answer, installDialogs, recorded } from "../../support/extensions/dialog_extension.ts";
import { asks, endedBy, shownTo } from "../../support/extensions/dialog_steps.ts";
import { assertCaughtUp, messagesOf, summary } from "../../support/wire/delivery.ts";
import { Follower } from "../../support/wire/follower.ts";
import { arrayAt, at, numberAt, stringAt } from "../../support/base/json.ts";
import { Gate, text } from "../../support/model/model_server.ts";
import { deadline } from "../../support/base/wait.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { clustered } from "./cluster_stage.ts";
import { listed, settled } from "../suite.ts";

clustered("cluster: two creates of one id at two nodes have one winner", async (cluster) => {
  await cluster.start({ a: {}, b: {} });
  const wires = [await cluster.connect("a"), await cluster.connect("b")];
  for (let round = 0; round < 10; round++) {
    const sessionId = cluster.name("twin");
    const answers = await Promise.all(["a", "b"].map(async (node, index) => {
      const cwd = await cluster.node(node).home.folder(sessionId);
      const wire = wires[index];
      assert(wire !== undefined);
      return await wire.request({ type: "create_session", sessionId, cwd, node }, 30_000);
    }));
    const won = answers.filter(({ success }) => success === true);
    const lost = answers.filter(({ success }) => success !== true);
    assertEquals(
      [won.length, lost.map(({ code }) => code)],
      [1, ["session_exists"]],
      JSON.stringify(answers),
    );
  }
  for (const wire of wires) assertEquals((await listed(wire)).length, 10);
});

clustered("cluster: an id that was deleted on one node can be used on another", async (cluster) => {
  await cluster.start({ a: {}, b: {} });
  const [a, b] = [await cluster.connect("a"), await cluster.connect("b")];
  await cluster.session(a, "a", { sessionId: "moved" });
  await b.ok({ type: "delete_session", sessionId: "moved" });
  const { info } = await cluster.session(a, "b", { sessionId: "moved" });
  assertEquals(at(info, "sessionInfo", "node"), "b");
  assertEquals(await listed(a), ["moved"]);
});

clustered("cluster: dialogs cross: any client of any node answers, and all see who did", async (cluster) => {
  const b = await cluster.add("b");
  await installDialogs(`${b.home.agentDir}/extensions`);
  await Promise.all([
    b.start(),
    (await cluster.add("a")).start(),
    (await cluster.add("g", { gateway: true })).start(),
  ]);
  await cluster.together();
  const [first, second] = [await cluster.connect("g"), await cluster.connect("a")];
  const { id, cwd } = await cluster.session(first, "b");
  for (const wire of [first, second]) await wire.ok({ type: "subscribe", sessionId: id });
  await first.ok(asks(id, "out.json", [["confirm", "Sure?", "Really?"]]));
  const request = await shownTo(first, id);
  assertEquals(await shownTo(second, id), request);
  const pending = await second.ok({ type: "list_pending_ui" });
  assertEquals(arrayAt(pending, "requests").map((one) => at(one, "sessionId")), [id]);
  await second.ok(answer(id, request, { method: "confirm", confirmed: true }));
  assertEquals(await endedBy(first, id, request), await endedBy(second, id, request));
  assertEquals(await recorded(cwd, "out.json"), [true]);
  await first.refused(
    "ui_request_not_found",
    answer(id, { requestId: "none" }, { method: "confirm", confirmed: true }),
  );
  const late = await first.request(answer(id, request, { method: "confirm", confirmed: false }));
  assertEquals(late.success, false);
});

clustered(
  "cluster: a cursor of one node is good at another, for one session and for all",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const first = await follower(cluster, "g");
    const ids = await Promise.all(["a", "b"].map(async (node) => {
      const cwd = await cluster.node(node).home.folder("cursors");
      const { sessionId } = await first.ok({ type: "create_session", node, cwd });
      await first.subscribe(String(sessionId));
      return String(sessionId);
    }));
    const control = await follower(cluster, "b");
    await control.ok({ type: "subscribe", sessionId: "*", snapshot: true });
    const gate = new Gate();
    for (const id of ids) {
      cluster.model.script(id, text(["one ", "two ", "three"], { gate }));
      await first.ok({ type: "prompt", sessionId: id, message: id });
      await first.seen(id, "message_update");
    }
    first.channel.drop();
    gate.open();
    for (const id of ids) await control.seen(id, "agent_settled");
    // What the first client knows goes on at another node, one session after the other.
    const known = structuredClone(ids.map((id) => first.session(id).cursor));
    const second = new Follower((await follower(cluster, "a")).channel, first.sessions);
    for (const [index, id] of ids.entries()) {
      const data = await second.subscribe(id, { from: known[index] ?? {} });
      assertEquals(data.mode, "replay");
      await assertCaughtUp(second, control, id);
    }
    const third = await follower(cluster, "g");
    const sessions = Object.fromEntries(ids.map((id, index) => [id, known[index]]));
    const all = await third.ok({ type: "subscribe", sessionId: "*", from: { sessions } });
    assertEquals(ids.map((id) => at(all, "sessions", id, "mode")), ["replay", "replay"]);
    for (const id of ids) await third.seen(id, "agent_settled");
    const wrong = await third.subscribe(ids[0] ?? "", { from: { epoch: "none", seq: 5 } });
    assertEquals(wrong.mode, "snapshot");
    for (const one of [control, second, third]) one.channel.drop();
  },
);

clustered(
  "cluster: a minted token is good at every node, and its revocation ends it everywhere in a second",
  async (cluster) => {
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const [admin, other] = [await cluster.connect("a"), await cluster.connect("b")];
    const { id } = await cluster.session(admin, "b");
    await cluster.session(admin, "a", { sessionId: "hidden" });
    const minted = await admin.ok({ type: "mint_token", role: "drive", sessions: [id], ttlMs: 600_000 });
    const [token, tokenId] = [stringAt(minted, "token"), stringAt(minted, "tokenId")];
    const { url } = await cluster.node("g").server.endpoint();
    const admitted = async (): Promise<WsWire> => {
      const wire = await WsWire.connect(url, token, "minted");
      cluster.wires.push(wire);
      return wire;
    };
    const wire = await admitted();
    // The token sees its session alone, on whichever node that lives.
    assertEquals(await listed(wire), [id]);
    await wire.ok({ type: "subscribe", sessionId: id });
    await wire.refused("forbidden", { type: "get_state", sessionId: "hidden" });
    const marker = cluster.name("ok");
    cluster.model.script(marker, text(["yes"]));
    assertEquals((await settled(wire, id, marker)).text, "yes");
    // At another node than the one that has minted it.
    await other.ok({ type: "revoke_token", tokenId });
    const closed = await deadline(wire.closed, 1_000, () => "the revocation at the other node");
    assertEquals(closed.code, 1008);
    await deadline(
      admitted().then(() => Promise.reject(new Error("a revoked token was admitted")), (error) => {
        assertMatch(String(error), /closed with/);
      }),
      5_000,
      () => "the refusal",
    );
  },
);

clustered("cluster: health_check has the issues of all nodes, with their names", async (cluster) => {
  await cluster.start({ a: {}, b: {} });
  const wire = await cluster.connect("a");
  assertEquals(await wire.ok({ type: "health_check" }, 60_000), { healthy: true, issues: [] });
  await Deno.remove(cluster.node("b").home.root, { recursive: true });
  const { healthy, issues } = await wire.ok({ type: "health_check" });
  assertEquals(healthy, false);
  assertMatch(String(arrayAt({ issues: issues ?? [] }, "issues")), /^Node b: [^,]*folder/);
});

/** A client that may stop reading, of a node. */
async function follower(cluster: TestCluster, node: string): Promise<Follower> {
  const { server } = cluster.node(node);
  return new Follower(await RawSocket.connect((await server.endpoint()).url, await server.token()));
}

const HARD = [
  ...["--outbox-soft-bytes", "2MiB", "--outbox-hard-bytes", "4MiB", "--outbox-close-bytes", "256MiB"],
];

clustered(
  "cluster: a client that does not read lags across machines, and slows no other",
  async (cluster) => {
    await cluster.start({ b: { args: HARD }, g: { gateway: true, args: HARD } });
    const awake = await follower(cluster, "g");
    const { sessionId: id } = await awake.ok({
      ...{ type: "create_session", node: "b", inMemory: true },
      cwd: await cluster.node("b").home.folder("slow"),
    });
    assert(typeof id === "string");
    await awake.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
    const sleeper = await follower(cluster, "g");
    for (const one of [awake, sleeper]) await one.subscribe(id);
    sleeper.channel.pause();
    const marker = cluster.name("flood");
    cluster.model.script(
      marker,
      ...Array.from(
        { length: 12 },
        () => text(Array.from({ length: 40 }, (_, n) => `${n} `.padEnd(25_000, "."))),
      ),
    );
    for (let turn = 0; turn < 12; turn++) {
      await awake.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
      // A client that reads a little is slow, and one that reads nothing for half a minute would be closed.
      sleeper.channel.resume();
      sleeper.channel.pause();
    }
    assertEquals(awake.session(id).lagged, undefined);
    awake.check();
    const metrics = await awake.ok({ type: "get_metrics" });
    // The gateway holds a window, and the owner has dropped the rest.
    assert(numberAt(metrics, "outboxBytes") < 8 * 1024 * 1024, JSON.stringify(metrics.outboxBytes));
    sleeper.channel.resume();
    await sleeper.lagged(id);
    const { snapshot } = await sleeper.subscribe(id, { snapshot: true });
    // As on one server a snapshot has the newest messages, and says where the others end.
    const all = await messagesOf(awake, id);
    const missing = all.length - sleeper.session(id).messages.length;
    assert(missing > 0);
    assertEquals([at(snapshot, "truncated"), at(snapshot, "before")], [true, missing]);
    cluster.model.script("awake again", text(["yes"]));
    await awake.ok({ type: "prompt", sessionId: id, message: "awake again", waitFor: "settled" });
    await sleeper.seen(id, "agent_settled");
    sleeper.check();
    const now = await messagesOf(awake, id);
    assertEquals(now.length, all.length + 2);
    assertEquals(sleeper.session(id).messages.map(summary), now.slice(missing).map(summary));
    for (const one of [awake, sleeper]) one.channel.drop();
  },
);
