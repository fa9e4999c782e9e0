// What a cluster does when a node or NATS dies and comes back, and which starts it refuses, each with a sentence.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { nodesOf } from "../../support/cluster/cluster.ts";
import { ClusterNodes, reported, scriptedSession as session } from "../../support/cluster/cluster_nodes.ts";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import { hang, ModelServer, OPENAI, text } from "../../support/model/model_server.ts";
import { NatsServer, WITHOUT_NATS } from "../../support/cluster/nats_server.ts";
import { Home, ServerProcess } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { conformance, listed, settled } from "../suite.ts";

const model = new ModelServer();

Deno.test.afterAll(async () => await model[Symbol.asyncDispose]());

function faults(name: string, body: (all: ClusterNodes) => Promise<void>): void {
  conformance(`cluster: ${name}`, async () => {
    await using all = await ClusterNodes.make(model);
    await reported(all, body);
  }, WITHOUT_NATS);
}

/** The text of all answers that a client has put together from deltas. */
function heard(wire: Wire, sessionId: string): string {
  return wire.events(sessionId).map((event) => {
    const update = event.assistantMessageEvent;
    return at(update, "type") === "text_delta" ? String(at(update, "delta")) : "";
  }).join("");
}

faults(
  "a killed node: its sessions are unavailable within 5 s, all others go on, and they come back interrupted",
  async (all) => {
    await Promise.all([all.start("a"), all.start("b"), all.start("g", ["--workers", "none"])]);
    const wire = await all.connect("g");
    await all.joined(wire, 3);
    await session(wire, "stays", "a");
    await session(wire, "lost", "b");
    await wire.ok({ type: "subscribe", sessionId: "stays" });
    const { epoch } = await wire.ok({ type: "subscribe", sessionId: "lost" });
    model.script("never ends", hang());
    await wire.ok({ type: "prompt", sessionId: "lost", message: "never ends" });
    await wire.event("lost", "message_update");
    await wire.ok({ type: "set_session_name", sessionId: "lost", name: "n", idempotencyKey: "k" });
    const hanging = wire.request({ type: "bash", sessionId: "lost", command: "sleep 60" }, 20_000);
    const start = performance.now();
    await all.server("b").kill();
    const told = await wire.next(
      ({ type }) => type === "sessions_unavailable",
      5_000,
      "sessions_unavailable",
    );
    assert(performance.now() - start < 5_000);
    assertEquals(told.data, { node: "b", sessionIds: ["lost"] });
    assertEquals((await hanging).code, "outcome_unknown");
    const refused = await wire.refused("node_unavailable", { type: "get_state", sessionId: "lost" });
    assertEquals(refused.retryable, true);
    const list = await wire.ok({ type: "list_sessions" });
    assertEquals(list.unavailable, [{ sessionId: "lost", node: "b" }]);
    assertEquals(await listed(wire), ["stays"]);
    const health = await wire.ok({ type: "health_check" });
    assertMatch(String(arrayAt(health, "issues")[0]), /^Node b is gone, and 1 sessions with it/);
    model.script("still here", text(["yes"]));
    await settled(wire, "stays", "still here");
    await all.start("b");
    await wire.next(({ type }) => type === "sessions_available", 15_000, "sessions_available");
    // As on one server, a client learns that its numbers are over before it learns the new epoch.
    const lagged = await wire.next(({ type }) => type === "lagged", 60_000, "lagged");
    const last = wire.messages.findLast(({ type, sessionId }) => type === "event" && sessionId === "lost");
    assertEquals([lagged.sessionId, lagged.epoch, lagged.afterSeq], ["lost", epoch, last?.seq]);
    const resumed = await wire.next(({ type }) => type === "session_resumed", 5_000, "session_resumed");
    assert(wire.messages.indexOf(lagged) < wire.messages.indexOf(resumed));
    assertEquals(at(resumed, "data", "sessionId"), "lost");
    assert(at(resumed, "data", "epoch") !== epoch);
    const state = await wire.ok({ type: "get_state", sessionId: "lost" }, 60_000);
    const [interrupted] = arrayAt(state, "interrupted");
    assertEquals(at(interrupted, "message"), "never ends");
    assertEquals(stringAt(state, "sessionName"), "n");
    await wire.close();
  },
);

faults(
  "NATS dies and comes back: local sessions go on, remote ones come back, and a subscriber misses nothing",
  async (all) => {
    await Promise.all([all.start("a"), all.start("b")]);
    const wire = await all.connect("a");
    await all.joined(wire, 2);
    await session(wire, "near", "a");
    await session(wire, "far", "b");
    await wire.ok({ type: "subscribe", sessionId: "far" });
    const direct = await all.connect("b");
    let go = (): void => {};
    const held = new Promise<void>((resolve) => go = resolve);
    const pieces = ["one ", "two ", "three ", "four"];
    model.script("count", text(pieces, { hold: (index) => index === 2 ? held : undefined }));
    await wire.ok({ type: "prompt", sessionId: "far", message: "count" });
    await until(() => heard(wire, "far").includes("two"), 10_000, () => heard(wire, "far"));
    await all.nats.kill();
    await wire.next(({ type }) => type === "sessions_unavailable", 8_000, "sessions_unavailable");
    model.script("alone", text(["I go on"]));
    await settled(wire, "near", "alone");
    await wire.refused("node_unavailable", { type: "get_state", sessionId: "far" });
    await wire.refused("node_unavailable", { type: "create_session", sessionId: "named", ...OPENAI });
    // A random id cannot collide, so this session is made, and claimed later.
    const fresh = await wire.ok({ type: "create_session", ...OPENAI }, 60_000);
    // The run goes on while its subscriber hears nothing.
    go();
    await until(
      async () => (await direct.ok({ type: "get_state", sessionId: "far" })).isStreaming === false,
      10_000,
      () => "still running",
    );
    await all.nats.begin();
    await wire.next(({ type }) => type === "sessions_available", 15_000, "sessions_available");
    await wire.event("far", "agent_settled");
    assertEquals(heard(wire, "far"), pieces.join(""));
    const id = stringAt(fresh, "sessionId");
    await until(
      async () => (await direct.request({ type: "get_state", sessionId: id })).success === true,
      10_000,
      () => "not claimed",
    );
    await session(wire, "named", "b");
    await wire.close();
    wire.check();
    await direct.close();
  },
);

faults(
  "a client that reads nothing through a gateway slows no other, and costs the gateway one window",
  async (all) => {
    const small = [
      "--outbox-soft-bytes",
      "2MiB",
      "--outbox-hard-bytes",
      "4MiB",
      "--outbox-close-bytes",
      "64MiB",
    ];
    await Promise.all([all.start("b", small), all.start("g", ["--workers", "none", ...small])]);
    const wire = await all.connect("g");
    await all.joined(wire, 2);
    await session(wire, "busy", "b");
    await wire.ok({ type: "subscribe", sessionId: "busy" });
    const { url } = await all.server("g").endpoint();
    const slow = await stalledClient(url, await all.server("g").token(), "busy");
    const pieces = Array.from({ length: 30 }, () => "0123456789".repeat(2_000));
    for (let turn = 0; turn < 14; turn++) {
      model.script(`flood ${turn} end`, text(pieces));
      await settled(wire, "busy", `flood ${turn} end`);
      await wire.event("busy", "agent_settled");
    }
    assertEquals(heard(wire, "busy").length, 14 * 30 * 20_000);
    const metrics = await (await all.connect("b")).ok({ type: "get_metrics" });
    assert(Number(metrics.coalesced) > 0 || Number(metrics.lagged) > 0, JSON.stringify(metrics));
    const memory = await wire.ok({ type: "get_metrics" });
    assert(Number(memory.outboxBytes) < 2 * 1024 * 1024, JSON.stringify(memory.outboxBytes));
    slow.close();
    await wire.close();
  },
);

/** A client that subscribes and then never reads from its socket. */
async function stalledClient(url: string, token: string, sessionId: string): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  const socket = await Deno.connect({ hostname, port: Number(port) });
  const encoder = new TextEncoder();
  await socket.write(encoder.encode(
    `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  ));
  await socket.read(new Uint8Array(4096));
  const body = encoder.encode(JSON.stringify({ type: "subscribe", sessionId }));
  // Masked with zeros, as a client's frame must be masked.
  await socket.write(new Uint8Array([0x81, 0x80 | body.length, 0, 0, 0, 0, ...body]));
  return socket;
}

/** Starts a server that must not start. Its sentence. */
async function refusal(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const home = await Home.make();
  try {
    await using server = ServerProcess.spawn(home, { args: [...args], env });
    const code = await server.exitCode();
    assert(code === 1 || code === 2, String(code));
    return server.stderr.trim().split("\n").at(-1) ?? "";
  } finally {
    await home.remove();
  }
}

conformance("cluster: bad flags are refused with a sentence, before anything is touched", async () => {
  const sentences: readonly (readonly [string[], RegExp])[] = [
    [["--cluster", "10.0.0.1:4222"], /^pi-server: --cluster: expected nats:\/\/host:4222 or tls/],
    [
      ["--cluster", "nats://me:secret@127.0.0.1:1"],
      /^pi-server: --cluster: other users see the command line/,
    ],
    [["--node", "a"], /^pi-server: --node: means nothing without --cluster/],
    [["--cluster", "nats://127.0.0.1:1", "--node", "a.b"], /^pi-server: --node: expected 1 to 64 letters/],
    [["--workers", "none"], /^pi-server: --workers none: a server without sessions/],
    [["--shared-sessions"], /^pi-server: --shared-sessions: means nothing without --cluster/],
    [
      ["--cluster", "nats://127.0.0.1:1", "--shared-sessions", "--ephemeral"],
      /^pi-server: --shared-sessions: a server with --ephemeral keeps no session/,
    ],
    [
      ["--cluster", "nats://127.0.0.1:1", "--shared-sessions", "--workers", "0", "--sandbox", "off"],
      /^pi-server: --shared-sessions: needs --workers 1 or more/,
    ],
    [
      ["--cluster", "nats://127.0.0.1:1", "--cluster-creds", "/nowhere"],
      /^pi-server: --cluster-creds: \/nowhere cannot be read/,
    ],
    [
      ["--cluster", "nats://127.0.0.1:1"],
      /^pi-server: --cluster: NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached/,
    ],
  ];
  for (const [args, sentence] of sentences) assertMatch(await refusal(args), sentence);
  assert(!(await refusal(["--cluster", "nats://me:secret@127.0.0.1:1"])).includes("secret"));
});

faults(
  "two nodes of one name, another's sessions, and a bucket of another version are refused",
  async (all) => {
    await all.start("a");
    const wire = await all.connect("a");
    await session(wire, "main", "a");
    const join = ["--cluster", all.nats.url];
    assertMatch(
      await refusal([...join, "--node", "a"]),
      /^pi-server: --node: a node "a" is in the cluster already/,
    );
    await wire.close();
    await all.server("a").kill();
    // Another state folder under the name of the dead node has none of its sessions.
    assertMatch(
      await refusal([...join, "--node", "a"]),
      /^pi-server: --node: the sessions of node "a" are in another state folder/,
    );
    await all.start("a");
    // A server that stood alone may have an id of its own that the cluster has as well.
    const home = await Home.make(model.url);
    await using alone = await ServerProcess.start(home);
    const own = await alone.connect();
    await own.ok({ type: "create_session", sessionId: "main", ...OPENAI }, 60_000);
    await own.close();
    alone.signal("SIGTERM");
    await alone.exitCode();
    await using refused = ServerProcess.spawn(home, { args: [...join, "--node", "late"] });
    assertEquals(await refused.exitCode(), 1);
    assertMatch(
      refused.stderr,
      /session "main" of this server lives on node a too; delete it at one of the two/,
    );
    // Nothing is lost by the refusal.
    await using again = await ServerProcess.start(home);
    const back = await again.connect();
    assertEquals(await listed(back), ["main"]);
    await back.close();
    await home.remove();
  },
);

conformance(
  "cluster: NATS with users: the credentials from the environment or a file, and a sentence without",
  async () => {
    const dir = await Deno.makeTempDir();
    const conf = `${dir}/nats.conf`;
    await Deno.writeTextFile(conf, "authorization { users = [ { user: pi, password: s3cret } ] }\n");
    await Deno.writeTextFile(`${dir}/login`, "pi:s3cret\n");
    await Deno.writeTextFile(`${dir}/nonsense`, "what\n");
    await using nats = await NatsServer.start(["-c", conf]);
    const refused = /^pi-server: --cluster: NATS at nats:\/\/127\.0\.0\.1:\d+ refuses the credentials/;
    const join = ["--cluster", nats.url];
    assertMatch(await refusal(join), refused);
    const wrong = { PI_SERVER_CLUSTER_USER: "pi", PI_SERVER_CLUSTER_PASSWORD: "wrong" };
    const sentence = await refusal(join, wrong);
    assertMatch(sentence, refused);
    assert(!sentence.includes("wrong"));
    assertMatch(
      await refusal([...join, "--cluster-creds", `${dir}/nonsense`]),
      /is neither a credentials file of NATS/,
    );
    const home = await Home.make(model.url);
    const env = { PI_SERVER_CLUSTER_USER: "pi", PI_SERVER_CLUSTER_PASSWORD: "s3cret" };
    for (const options of [{ args: join, env }, { args: [...join, "--cluster-creds", `${dir}/login`] }]) {
      await using server = await ServerProcess.start(home, options);
      const wire = await server.connect();
      assertEquals((await nodesOf(wire)).length, 1);
      await session(wire, "sees", String((await nodesOf(wire))[0]?.node));
      // A session's shell does not see the password.
      const { output } = await wire.ok({
        type: "bash",
        sessionId: "sees",
        command: "env | grep CLUSTER; echo end",
      }, 20_000);
      assertEquals(String(output).trim(), "end");
      await wire.ok({ type: "delete_session", sessionId: "sees" });
      await wire.close();
      server.signal("SIGTERM");
      await server.exitCode();
    }
    await home.remove();
    await Deno.remove(dir, { recursive: true });
  },
  WITHOUT_NATS,
);

conformance("cluster: a bucket of another version is refused, and stays as it is", async () => {
  await using nats = await NatsServer.start();
  const { connectNats } = await import("../../../src/server/cluster/nats_bus.ts");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const bus = await connectNats({ servers: [nats.url], cluster: "pi", client: "test", log });
  const later = JSON.stringify({ format: 99, id: "x" });
  await bus.create("format", later);
  const sentence = await refusal(["--cluster", nats.url]);
  assertMatch(sentence, /the bucket of cluster "pi" has the format 99, and this server reads 1/);
  assertEquals((await bus.get("format"))?.value, later);
  await bus.close();
  // Other clusters share the nats-server.
  const home = await Home.make();
  await using server = await ServerProcess.start(home, {
    args: ["--cluster", nats.url, "--cluster-name", "other"],
  });
  await server.kill();
  await home.remove();
}, WITHOUT_NATS);

conformance("cluster: marks of removed entries leave the bucket, and no entry in use does", async () => {
  await using nats = await NatsServer.start();
  const { connectNats } = await import("../../../src/server/cluster/nats_bus.ts");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const connect = () => connectNats({ servers: [nats.url], cluster: "pi", client: "test", log });
  const [one, two] = [await connect(), await connect()];
  let last = "";
  await one.watch({ changed: (key) => last = key, synced: () => {} });
  const removed = [...Array.from({ length: 50 }, (_, n) => `session.${n}`), "session.again"];
  for (const key of ["session.stays", ...removed]) await two.put(key, "{}");
  for (const key of removed) await two.remove(key);
  await until(() => last === "session.again", 5_000, () => `the watch is at ${last}`);
  assertEquals(await one.dropMarks(Date.now() - 60_000), 0);
  // Another node claims the last id again, while the marks before it are dropped.
  const later = Date.now() + 60_000;
  const dropping = one.dropMarks(later);
  await two.create("session.again", "in use");
  await dropping;
  assertEquals((await two.get("session.again"))?.value, "in use");
  await until(
    async () => {
      await one.dropMarks(later);
      return await messagesOf(nats) === 2;
    },
    5_000,
    () => "marks are left",
  );
  assertEquals((await two.get("session.stays"))?.value, "{}");
  await one.close();
  await two.close();
}, WITHOUT_NATS);

conformance("cluster: nodes that join make no other node miss an entry", async () => {
  await using nats = await NatsServer.start();
  const { connectNats } = await import("../../../src/server/cluster/nats_bus.ts");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const connect = () => connectNats({ servers: [nats.url], cluster: "pi", client: "test", log });
  const [watcher, writer, ...joining] = await Promise.all(Array.from({ length: 6 }, connect));
  assert(watcher !== undefined && writer !== undefined);
  const seen = new Set<string>();
  await watcher.watch({ changed: (key) => seen.add(key), synced: () => {} });
  let writing = true;
  const joins = joining.map(async (bus) => {
    while (writing) {
      await bus.clock();
      await bus.watch({ changed() {}, synced() {} });
    }
  });
  const keys = Array.from({ length: 2_000 }, (_, n) => `session.${n}`);
  for (let n = 0; n < keys.length; n += 20) {
    await Promise.all(keys.slice(n, n + 20).map((key) => writer.put(key, "{}")));
  }
  writing = false;
  await Promise.all(joins);
  await until(
    () => keys.every((key) => seen.has(key)),
    5_000,
    () => `${seen.size} of ${keys.length} entries`,
  );
  for (const bus of [watcher, writer, ...joining]) await bus.close();
}, WITHOUT_NATS);

/** How many messages the bucket holds: entries and marks, by NATS's own count. */
async function messagesOf(nats: NatsServer): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${nats.monitorPort}/jsz?streams=true`);
  const { account_details: accounts } = await response.json();
  const streams: { name: string; state: { messages: number } }[] = accounts[0].stream_detail;
  return streams.find(({ name }) => name === "KV_pi-server-pi")?.state.messages ?? -1;
}
