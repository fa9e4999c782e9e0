// A network that splits (docs/CLUSTER.md#what-survives-what): NATS and node `a` are in a network namespace of the test's
// own, node `b` is outside, and the link between them is cut. No id lives twice, and each side serves its own.

import { assertEquals, assertMatch } from "@std/assert";
import { text } from "../../support/model/model_server.ts";
import { NetSpace, WITHOUT_NET_SPACE } from "../../support/network/net_space.ts";
import { TestCluster, told } from "../../support/cluster/cluster.ts";
import { WITHOUT_NATS } from "../../support/cluster/nats_server.ts";
import { commandOf } from "../../support/server/server_process.ts";
import { at } from "../../support/base/json.ts";
import { conformance, listed, settled } from "../suite.ts";

async function body(cluster: TestCluster, space: NetSpace): Promise<void> {
  const { program, args } = commandOf();
  const [ip = "", ...exec] = space.within;
  const a = await cluster.add("a", {
    nats: `nats://127.0.0.1:${cluster.nats.port}`,
    command: { program: ip, args: [...exec, program, ...args] },
    args: ["--host", space.clients],
  });
  const b = await cluster.add("b", { nats: `nats://${space.cuttable}:${cluster.nats.port}` });
  await Promise.all([a.start(), b.start()]);
  await cluster.together();
  const [inside, outside] = [await cluster.connect("a"), await cluster.connect("b")];
  await cluster.session(inside, "b", { sessionId: "of-b" });
  space.cut();
  await cluster.sees(inside, { b: "gone" });
  await inside.refused("node_unavailable", { type: "get_state", sessionId: "of-b" });
  // The side without NATS serves its own, and gives no id that the other side could give too.
  const marker = cluster.name("alone");
  cluster.model.script(marker, text(["still here"]));
  assertEquals((await settled(outside, "of-b", marker)).text, "still here");
  await cluster.sees(outside, { a: "gone" });
  const cwd = b.home.root;
  await outside.refused(
    "node_unavailable",
    { type: "create_session", sessionId: "twin", cwd, node: "b" },
    30_000,
  );
  assertMatch(JSON.stringify((await outside.ok({ type: "health_check" })).issues), /NATS is unreachable/);
  // The side with NATS keeps the ids of the other, and gives new ones. Its model is out of reach, and not needed.
  const taken = { type: "create_session", sessionId: "of-b", cwd: a.home.root, node: "a" };
  assertEquals((await inside.request(taken, 30_000)).success, false);
  const { info } = await cluster.session(inside, "a", { sessionId: "twin" });
  assertEquals(at(info, "sessionInfo", "node"), "a");
  space.mend();
  await cluster.sees(inside, { b: "running" }, 30_000);
  await cluster.sees(outside, { a: "running" }, 30_000);
  for (const wire of [inside, outside]) assertEquals((await listed(wire)).toSorted(), ["of-b", "twin"]);
}

conformance(
  "cluster: a split network: no id lives twice, each side serves its own, and all is back",
  async () => {
    using space = new NetSpace();
    const listens = async (port: number): Promise<boolean> =>
      await Deno.connect({ hostname: space.clients, port }).then((one) => (one.close(), true), () => false);
    await using cluster = await TestCluster.make({ within: space.within, hostname: "0.0.0.0", listens });
    await told(cluster, body(cluster, space), 120_000);
  },
  WITHOUT_NATS ?? WITHOUT_NET_SPACE,
);
