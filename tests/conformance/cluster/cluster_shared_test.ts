// Nodes that share their folders take over the sessions of dead ones (docs/CLUSTER.md#shared-sessions): what clients
// see, what a node does that was only paused, and what stays as it is without the flag.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NodeOptions, TestCluster } from "../../support/cluster/cluster.ts";
import { arrayAt, at, type JsonObject, messageText, stringAt } from "../../support/base/json.ts";
import { Gate, hang, text, writeModels } from "../../support/model/model_server.ts";
import { delay, until } from "../../support/base/wait.ts";
import { deltaOf, type Wire } from "../../support/wire/wire_client.ts";
import { clustered } from "./cluster_stage.ts";
import { listed, settled } from "../suite.ts";

/** A lease, what others wait longer for less room, and a machine that is busy. */
const TAKEN_MS = 60_000;

/** The shared file system. */
async function shared(cluster: TestCluster): Promise<{ dir: string; node: NodeOptions }> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ dir: cluster.nats.dir, prefix: "shared-" }));
  for (const name of ["agent", "work"]) await Deno.mkdir(`${dir}/${name}`);
  await writeModels(`${dir}/agent`, cluster.model.url);
  const env = { PI_CODING_AGENT_DIR: `${dir}/agent` };
  return { dir, node: { args: ["--shared-sessions", "--root", dir], env } };
}

/** A session on a node, in the shared folder. */
async function session(
  cluster: TestCluster,
  wire: Wire,
  node: string,
  dir: string,
): Promise<{ id: string; file: string }> {
  const cwd = `${dir}/work`;
  const { id } = await cluster.session(wire, node, { cwd });
  const state = await wire.ok({ type: "get_state", sessionId: id });
  return { id, file: stringAt(state, "sessionFile") };
}

/** Waits until a client hears that sessions are on that node. */
function movedTo(wire: Wire, node: string, id: string): Promise<JsonObject> {
  return wire.next(
    (message) =>
      message.type === "sessions_available" && at(message, "data", "node") === node &&
      arrayAt(message, "data", "sessionIds").includes(id),
    TAKEN_MS,
    `${id} on ${node}`,
  );
}

/** Texts of the user's and the model's messages, as a client gets them. */
async function history(wire: Wire, id: string): Promise<string[]> {
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id }, 30_000);
  return arrayAt({ messages: messages ?? [] }, "messages").map((one) => messageText(one));
}

/** The session file: every line is whole, every entry is there once, and its parent stands before it. */
async function checkFile(file: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(file)).trimEnd().split("\n").map((line) => JSON.parse(line));
  const ids = lines.slice(1).map(({ id }) => String(id));
  assertEquals(new Set(ids).size, ids.length, "an entry is there twice");
  for (const [index, { parentId }] of lines.slice(1).entries()) {
    // One branch: nothing was written beside what the new owner wrote.
    assertEquals(parentId, index === 0 ? null : ids[index - 1], JSON.stringify(lines[index + 1]));
  }
  return lines.filter(({ type }) => type === "message").map((line) => messageText(line.message));
}

/** Texts of the messages that a crash has stopped. */
const interrupted = (state: JsonObject): string[] =>
  (state.interrupted === undefined ? [] : arrayAt(state, "interrupted")).map((one) =>
    stringAt(one, "message")
  );

clustered(
  "cluster: a dead node's session is taken over: nothing is lost, nothing is twice, and keys hold",
  async (cluster) => {
    const { dir, node } = await shared(cluster);
    await cluster.start({ a: node, g: { gateway: true, ...node } });
    const wire = await cluster.connect("g");
    const { id, file } = await session(cluster, wire, "a", dir);
    await wire.ok({ type: "subscribe", sessionId: id });
    const first = cluster.name("first");
    cluster.model.script(first, text(["the first answer"]));
    await settled(wire, id, first);
    const keyed = {
      type: "bash",
      sessionId: id,
      command: `echo once >> ${dir}/work/log`,
      idempotencyKey: "ran",
    };
    const ran = await wire.ok(keyed, 20_000);
    await wire.ok({ type: "set_session_name", sessionId: id, name: "kept" });
    const version = (await wire.ok({ type: "get_state", sessionId: id })).sessionVersion;
    // It names no node, and goes to the only one that takes sessions.
    const create = { type: "create_session", cwd: `${dir}/work`, idempotencyKey: "made" };
    const made = stringAt(await wire.ok(create, 30_000), "sessionId");
    const naming = { ...create, node: "a", idempotencyKey: "named" };
    const named = stringAt(await wire.ok(naming, 30_000), "sessionId");
    await cluster.start({ b: node });
    const [running, waiting] = [cluster.name("running"), cluster.name("waiting")];
    cluster.model.script(running, hang());
    const prompt = { type: "prompt", sessionId: id, message: running, idempotencyKey: "runs" };
    await wire.ok(prompt);
    await wire.event(id, "message_update", (event) => deltaOf(event) !== "");
    await wire.ok({ type: "follow_up", sessionId: id, message: waiting });
    const before = await history(wire, id);
    const cut = {
      type: "bash",
      sessionId: id,
      command: `touch ${dir}/work/begun; sleep 60`,
      idempotencyKey: "cut",
    };
    wire.request(cut, 60_000).catch(() => {});
    await until(
      () => Deno.stat(`${dir}/work/begun`).then(() => true, () => false),
      30_000,
      () => "the shell to begin",
    );

    await cluster.node("a").kill();
    await wire.refused("node_unavailable", { type: "get_state", sessionId: id });
    await movedTo(wire, "b", id);
    // A client that followed it hears the same as after the loss of a worker.
    const crashed = await wire.next(
      (message) => message.type === "session_crashed" && at(message, "data", "sessionId") === id,
      5_000,
      "session_crashed",
    );
    assertEquals(at(crashed, "data", "status"), "parked");
    const state = await wire.ok({ type: "get_state", sessionId: id }, 30_000);
    assertEquals([state.node, state.sessionName, state.sessionFile], ["b", "kept", file]);
    assert(Number(state.sessionVersion) >= Number(version), "the version went back");
    assertEquals(interrupted(state).toSorted(), [running, waiting].toSorted());
    assertEquals(await history(wire, id), before.slice(0, -1).concat(running).slice(0, before.length));
    // What has run is answered again, and what was running is unknown.
    const again = await wire.request(keyed, 20_000);
    assertEquals([again.replayed, again.data], [true, ran]);
    assertEquals((await wire.request(prompt, 20_000)).replayed, true);
    assertEquals((await wire.request(cut, 20_000)).code, "outcome_unknown");
    const repeated = await wire.request(create, 20_000);
    assertEquals([repeated.replayed, at(repeated, "data", "sessionId")], [true, made]);
    assertEquals(interrupted(await wire.ok({ type: "get_state", sessionId: made }, 30_000)), []);
    // So it is where the command names the dead node, but nothing new is created for that one.
    const there = await wire.request(naming, 20_000);
    assertEquals([there.replayed, at(there, "data", "sessionId")], [true, named]);
    await wire.refused("node_unavailable", { ...naming, idempotencyKey: "new" });
    await wire.refused("node_unavailable", { ...naming, sessionId: named, idempotencyKey: "other" });
    for (const sessionId of [made, named]) await wire.ok({ type: "delete_session", sessionId });
    await wire.ok({ type: "dismiss_interrupted", sessionId: id });
    await wire.ok({ type: "subscribe", sessionId: id }, 30_000);
    const next = cluster.name("next");
    cluster.model.script(next, text(["on the other node"]));
    assertEquals((await settled(wire, id, next)).text, "on the other node");
    assertEquals(await Deno.readTextFile(`${dir}/work/log`), "once\n");
    const said = await checkFile(file);
    assertEquals(said.filter((one) => one === first || one === "the first answer" || one === next).length, 3);
    const whole = await history(wire, id);

    // The dead node comes back, and has nothing to say about it.
    await cluster.node("a").start();
    await cluster.together();
    assertEquals([...Deno.readDirSync(`${cluster.node("a").home.stateDir}/sessions`)].length, 0);
    const { sessions } = await wire.ok({ type: "list_sessions" });
    const all = arrayAt({ sessions: sessions ?? [] }, "sessions");
    assertEquals(all.map((one) => `${at(one, "sessionId")} on ${at(one, "node")}`), [`${id} on b`]);
    const own = await cluster.connect("a");
    assertEquals(await history(own, id), whole);
    assertEquals((await wire.ok({ type: "health_check" })).issues, []);
    // And the way back, when the heir dies.
    await cluster.node("b").kill();
    await movedTo(wire, "a", id);
    assertEquals(await history(wire, id), whole);
  },
  { ms: 240_000 },
);

clustered(
  "cluster: a node that was paused longer than its lease drops its sessions, and writes nothing any more",
  async (cluster) => {
    const { dir, node } = await shared(cluster);
    await cluster.start({ a: node, b: node });
    const [local, other] = [await cluster.connect("a"), await cluster.connect("b")];
    const { id, file } = await session(cluster, other, "a", dir);
    const stays = await session(cluster, other, "b", dir);
    await local.ok({ type: "subscribe", sessionId: id });
    const first = cluster.name("first");
    cluster.model.script(first, text(["before"]));
    await settled(local, id, first);
    // The answer of this turn comes while the node stands still: it would be written at the first moment after.
    const [gate, late] = [new Gate(), cluster.name("late")];
    cluster.model.script(late, text(["one ", "two"], { gate }));
    await local.ok({ type: "prompt", sessionId: id, message: late });
    await local.event(id, "message_update", (event) => deltaOf(event) === "one ");
    const paused = cluster.node("a").server;
    paused.signal("SIGSTOP");
    try {
      gate.open();
      // So does a command of a client of its own.
      const begun = `${dir}/work/begun`;
      const meanwhile = local.request({ type: "bash", sessionId: id, command: `touch ${begun}` }, 120_000);
      meanwhile.catch(() => {});
      await movedTo(other, "b", id);
      assertEquals(interrupted(await other.ok({ type: "get_state", sessionId: id }, 30_000)), [late]);
      await other.ok({ type: "dismiss_interrupted", sessionId: id });
      const next = cluster.name("next");
      cluster.model.script(next, text(["after"]));
      await settled(other, id, next);
      const bytes = (await Deno.stat(file)).size;

      paused.signal("SIGCONT");
      await movedTo(local, "b", id);
      const answer = await meanwhile;
      assert(answer.success !== true, JSON.stringify(answer));
      assertEquals(await Deno.stat(begun).catch(() => undefined), undefined);
      assertEquals((await Deno.stat(file)).size, bytes);
      assertEquals((await checkFile(file)).filter((one) => one === late).length, 1);
    } finally {
      paused.signal("SIGCONT");
    }
    await cluster.together();
    assertEquals((await local.ok({ type: "get_state", sessionId: id }, 30_000)).node, "b");
    const both = [id, stays.id].toSorted();
    for (const wire of [local, other]) {
      await until(
        async () => JSON.stringify((await listed(wire)).toSorted()) === JSON.stringify(both),
        15_000,
        () => `${wire.name}: not the list`,
      );
    }
    // It takes part as before.
    const again = await session(cluster, local, "a", dir);
    const last = cluster.name("last");
    cluster.model.script(last, text(["whole"]));
    assertEquals((await settled(local, again.id, last)).text, "whole");
    const end = cluster.name("end");
    cluster.model.script(end, text(["still mine"]));
    assertEquals((await settled(other, id, end)).text, "still mine");
    assertMatch(paused.stderr, /this node has lost its lease/);
    assertMatch(paused.stderr, /was taken over by another one, and is dropped here/);
    await checkFile(file);
  },
  { ms: 240_000 },
);

clustered(
  "cluster: without the flag a dead node's session stays unavailable, and without NATS a sharing node stops its own",
  async (cluster) => {
    const { dir, node } = await shared(cluster);
    const plain = { ...node, args: ["--root", dir] };
    await cluster.start({ a: node, c: plain, d: plain });
    const wire = await cluster.connect("d");
    const [ofA, ofC] = [await session(cluster, wire, "a", dir), await session(cluster, wire, "c", dir)];
    await cluster.node("c").kill();
    // The node with the flag takes nothing of one without.
    await cluster.sees(wire, { c: "gone" });
    await delay(25_000);
    await wire.refused("node_unavailable", { type: "get_state", sessionId: ofC.id });
    await wire.ok({ type: "get_state", sessionId: ofA.id });

    // Without NATS another node could not be kept from taking over, if there was one.
    const local = await cluster.connect("a");
    await local.ok({ type: "subscribe", sessionId: ofA.id });
    const marker = cluster.name("cut");
    cluster.model.script(marker, hang());
    await local.ok({ type: "prompt", sessionId: ofA.id, message: marker });
    await local.event(ofA.id, "message_update");
    await cluster.nats.kill();
    await local.next(({ type }) => type === "session_crashed", 30_000, "session_crashed");
    await local.refused("node_unavailable", { type: "get_state", sessionId: ofA.id });
    const cwd = `${dir}/work`;
    await local.refused("node_unavailable", { type: "create_session", cwd, node: "a" });
    await cluster.nats.begin();
    await local.next(
      (message) => message.type === "sessions_available" && at(message, "data", "node") === "a",
      30_000,
      "its own sessions",
    );
    const state = await local.ok({ type: "get_state", sessionId: ofA.id }, 30_000);
    assertEquals([state.node, ...interrupted(state)], ["a", marker]);

    // The node with the flag dies, and those without it take nothing.
    await cluster.node("a").kill();
    await cluster.sees(wire, { a: "gone" });
    await delay(25_000);
    await wire.refused("node_unavailable", { type: "get_state", sessionId: ofA.id });
    // A start without the flag ends the sharing, and has its session.
    cluster.node("a").options = { ...cluster.node("a").options, args: plain.args };
    await cluster.node("a").start();
    await cluster.sees(wire, { a: "running" });
    assertEquals((await wire.ok({ type: "get_state", sessionId: ofA.id }, 30_000)).node, "a");
  },
  { ms: 240_000 },
);
