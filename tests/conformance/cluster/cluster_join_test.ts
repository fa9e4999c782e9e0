// How a node joins (docs/CLUSTER.md): credentials, TLS, and every reason against it. A refusal is one sentence with the
// next step, and loses nothing: the node starts as before once the fault is gone.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect } from "@nats-io/transport-node";
import { Kvm } from "@nats-io/kv";
import type { TestCluster } from "../../support/cluster/cluster.ts";
import { NatsServer } from "../../support/cluster/nats_server.ts";
import { withCreds, withTls, withUser } from "../../support/cluster/nats_security.ts";
import { freePort } from "../../support/network/nginx.ts";
import { at, stringAt } from "../../support/base/json.ts";
import { clustered } from "./cluster_stage.ts";
import { listed } from "../suite.ts";

/** Starts a node that cannot join. Its last line is one sentence, and its exit code says that it did not start. */
async function refused(cluster: TestCluster, name: string): Promise<string> {
  const node = cluster.node(name);
  const server = await node.spawn();
  const code = await server.exitCode();
  assertEquals(code, 1, server.stderr);
  const line = await node.refusal();
  // No stack, and no word of a program's inside.
  assert(!/^\s+at |TypeError|undefined|\[object/m.test(server.stderr), server.stderr);
  return line;
}

clustered("cluster: a wrong address is refused by name, before and after NATS was asked", async (cluster) => {
  const port = freePort();
  await cluster.add("a", { nats: `nats://127.0.0.1:${port}` });
  assertMatch(
    await refused(cluster, "a"),
    new RegExp(`--cluster: NATS at nats://127.0.0.1:${port} cannot be reached`),
  );
  await cluster.add("b", { nats: "http://127.0.0.1:1" });
  const server = await cluster.node("b").spawn();
  assertEquals(await server.exitCode(), 2);
  assertMatch(server.stderr, /--cluster: expected nats:\/\/host:4222/);
});

clustered(
  "cluster: user and password come from the environment or a file, wrong ones are refused",
  async (cluster) => {
    const env = (password: string) => ({
      env: { PI_SERVER_CLUSTER_USER: "pi", PI_SERVER_CLUSTER_PASSWORD: password },
    });
    await cluster.add("wrong", env("no"));
    assertMatch(
      await refused(cluster, "wrong"),
      /--cluster: NATS at .* refuses the credentials; check --cluster-creds/,
    );
    await cluster.add("none");
    assertMatch(await refused(cluster, "none"), /refuses the credentials/);
    for (const node of ["wrong", "none"]) cluster.nodes.delete(node);
    const file = await cluster.add("file");
    await Deno.writeTextFile(`${file.home.dir}/login`, "pi:not secret\n");
    file.options = { ...file.options, args: ["--cluster-creds", `${file.home.dir}/login`] };
    assertMatch(
      await refused(cluster, "file"),
      /neither a credentials file of NATS nor a line with user:password/,
    );
    await Deno.writeTextFile(`${file.home.dir}/login`, "pi:secret\n");
    await file.start();
    await cluster.start({ a: env("secret") });
    const wire = await cluster.connect("a");
    await cluster.session(wire, "file");
    assert(!cluster.said().includes("secret\n"), "a log shows the password");
  },
  { nats: withUser("pi", "secret") },
);

const signed = withCreds();

clustered("cluster: signed credentials of NATS, in the files of each node", async (cluster) => {
  for (const name of ["a", "b", "stranger"]) {
    const { home, options } = await cluster.add(name);
    await Deno.writeTextFile(`${home.dir}/pi.creds`, name === "stranger" ? signed.foreign : signed.creds);
    cluster.node(name).options = { ...options, args: ["--cluster-creds", `${home.dir}/pi.creds`] };
  }
  assertMatch(await refused(cluster, "stranger"), /refuses the credentials/);
  cluster.nodes.delete("stranger");
  await Promise.all([...cluster.nodes.values()].map((node) => node.start()));
  await cluster.together();
  await cluster.session(await cluster.connect("a"), "b");
}, { nats: signed.options });

const folder = await Deno.makeTempDir({ prefix: "pi-server-tls-" });
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));
const tls = await withTls(folder).catch(() => undefined);

clustered(
  "cluster: TLS with an authority of one's own; without that authority NATS is refused",
  async (cluster) => {
    const nats = cluster.nats.url.replace("nats:", "tls:");
    await cluster.add("stranger", { nats });
    assertMatch(await refused(cluster, "stranger"), /--cluster: NATS at tls:\/\/\S+ /);
    cluster.nodes.delete("stranger");
    const options = { nats, args: ["--cluster-tls-ca", tls?.ca ?? ""] };
    await cluster.start({ a: options, b: options });
    await cluster.session(await cluster.connect("a"), "b");
  },
  { nats: tls?.options ?? {}, without: tls === undefined ? "needs openssl" : undefined },
);

clustered(
  "cluster: a name that is taken is refused, and free again once its node is dead",
  async (cluster) => {
    await cluster.start({ a: {} });
    const wire = await cluster.connect("a");
    await cluster.session(wire, "a", { sessionId: "kept" });
    await cluster.add("twin", { node: "a" });
    assertMatch(
      await refused(cluster, "twin"),
      /--node: a node "a" is in the cluster already; give each node a name/,
    );
    assertEquals(await listed(wire), ["kept"]);
    // The name belongs to the sessions of its state folder.
    await cluster.node("a").kill();
    wire.mayLoseResponses = true;
    assertMatch(await refused(cluster, "twin"), /the sessions of node "a" are in another state folder/);
    await cluster.node("a").start();
    assertEquals(await listed(await cluster.connect("a", "again")), ["kept"]);
  },
);

clustered("cluster: an ephemeral node that was killed leaves no name and no id behind", async (cluster) => {
  await cluster.start({ a: { args: ["--ephemeral"] }, b: {} });
  const wire = await cluster.connect("b");
  await cluster.session(wire, "a", { sessionId: "gone" });
  await cluster.node("a").kill();
  await cluster.node("a").start();
  await cluster.sees(wire, { a: "running" });
  const { info } = await cluster.session(wire, "b", { sessionId: "gone" });
  assertEquals(at(info, "sessionInfo", "node"), "b");
});

clustered(
  "cluster: two sessions of one id, made before the two servers joined, are not mixed",
  async (cluster) => {
    await cluster.start({ a: {} });
    await cluster.session(await cluster.connect("a"), "a", { sessionId: "twin" });
    // The other server has one of that name, from a time before the cluster.
    const other = await NatsServer.start();
    try {
      const b = await cluster.add("b", { nats: other.url });
      await b.start();
      await cluster.session(await cluster.connect("b"), "b", { sessionId: "twin" });
      await cluster.judge();
      await b.kill();
      const { target } = b.options;
      b.options = target === undefined ? {} : { target };
      assertMatch(
        await refused(cluster, "b"),
        /session "twin" of this server lives on node a too; delete it at one/,
      );
      // Nothing is lost: it starts where it was.
      b.options = { ...b.options, nats: other.url };
      await b.start();
      assertEquals(await listed(await cluster.connect("b", "again")), ["twin"]);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  },
);

clustered("cluster: a bucket of another version is refused and left as it is", async (cluster) => {
  await cluster.start({ a: {} });
  await cluster.session(await cluster.connect("a"), "a", { sessionId: "kept" });
  await cluster.judge();
  await cluster.node("a").kill();
  const connection = await connect({ servers: cluster.nats.url });
  try {
    const bucket = await new Kvm(connection).open("pi-server-pi");
    const { format, ...more } = JSON.parse((await bucket.get("format"))?.string() ?? "{}");
    assertEquals(typeof format, "number");
    await bucket.put("format", JSON.stringify({ ...more, format: format + 1 }));
    const before = await entriesOf(bucket);
    assertMatch(
      await refused(cluster, "a"),
      /the bucket of cluster "pi" has the format 2, and this server reads 1; use one version of pi-server/,
    );
    assertEquals(await entriesOf(bucket), before);
    await bucket.put("format", JSON.stringify({ ...more, format }));
  } finally {
    await connection.close();
  }
  await cluster.node("a").start();
  assertEquals(await listed(await cluster.connect("a", "again")), ["kept"]);
});

async function entriesOf(bucket: Awaited<ReturnType<Kvm["open"]>>): Promise<Record<string, string>> {
  const entries: Record<string, string> = {};
  for await (const key of await bucket.keys()) entries[key] = (await bucket.get(key))?.string() ?? "";
  return entries;
}

clustered(
  "cluster: nats-server without JetStream is refused with the flag that it needs",
  async (cluster) => {
    const plain = await Deno.makeTempDir();
    const port = freePort();
    const child = new Deno.Command("/usr/sbin/nats-server", {
      args: ["-a", "127.0.0.1", "-p", String(port)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await cluster.add("a", { nats: `nats://127.0.0.1:${port}` });
      assertMatch(
        await refused(cluster, "a"),
        /NATS has no usable JetStream \(.*\); start nats-server with -js/,
      );
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await Deno.remove(plain, { recursive: true });
    }
  },
);

clustered(
  "cluster: flags of a cluster without --cluster, and a login in the address, are refused",
  async (cluster) => {
    await cluster.add("a", { nats: cluster.nats.url.replace("//", "//pi:secret@") });
    const server = await cluster.node("a").spawn();
    assertEquals(await server.exitCode(), 2);
    assertStringIncludes(server.stderr, "PI_SERVER_CLUSTER_USER and PI_SERVER_CLUSTER_PASSWORD");
    assert(!server.stderr.includes("secret"), "the error shows the password");
  },
);

clustered("cluster: the nodes say who they are: name, versions, room, address", async (cluster) => {
  await cluster.start({ a: {}, b: {}, g: { gateway: true } });
  const wire = await cluster.connect("g");
  const { nodes } = await wire.ok({ type: "list_nodes" });
  assert(Array.isArray(nodes));
  assertEquals(nodes.map((node) => stringAt(node, "node")), ["g", "a", "b"]);
  for (const node of nodes) {
    assertMatch(stringAt(node, "address"), /^ws:\/\/127\.0\.0\.1:\d+/);
    assertMatch(stringAt(node, "version"), /^\d+\.\d+\.\d+/);
  }
});
