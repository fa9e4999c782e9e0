// kill -9 of nodes and of nats-server under load (docs/CLUSTER.md#what-survives-what). The suite kills a few times;
// PI_SERVER_CLUSTER_KILLS=100 is the long form, and PI_SERVER_CLUSTER_SEED repeats a run.

import { assert } from "@std/assert";
import { ClusterKills } from "../../support/cluster/cluster_kills.ts";
import { clustered } from "./cluster_stage.ts";

const KILLS = Number(Deno.env.get("PI_SERVER_CLUSTER_KILLS") ?? "4");
const SEED = Number(Deno.env.get("PI_SERVER_CLUSTER_SEED") ?? Math.floor(Math.random() * 2 ** 31));

clustered(
  `cluster: after ${KILLS} kills every command is answered, no prompt is lost or run twice, and all texts are whole`,
  async (cluster) => {
    const driver = new ClusterKills(cluster, SEED);
    try {
      await driver.run(KILLS);
    } catch (error) {
      throw new Error(`seed ${SEED}: ${error instanceof Error ? error.stack : error}`);
    } finally {
      console.log(`seed ${SEED}: ${JSON.stringify({ ...driver.tally, watched: driver.watched })}`);
    }
    assert(driver.tally.commands > KILLS, "the run was idle");
  },
  { ms: 120_000 + KILLS * 40_000 },
);
