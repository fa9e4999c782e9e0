// How a case about a cluster is written: it gets a nats-server of its own and starts the nodes that it needs.

import { TestCluster, told } from "../../support/cluster/cluster.ts";
import { type NatsOptions, WITHOUT_NATS } from "../../support/cluster/nats_server.ts";
import { conformance } from "../suite.ts";

/** How a case differs from others. */
export interface Stage {
  /** The most milliseconds that it may take. */
  readonly ms?: number;
  /** Why it is left out here. */
  readonly without?: string | undefined;
  readonly nats?: NatsOptions;
}

const CASE_MS = 120_000;

/** A case with a cluster of its own. Without nats-server it is left out by name. */
export function clustered(
  name: string,
  body: (cluster: TestCluster) => Promise<void>,
  { ms = CASE_MS, without, nats }: Stage = {},
): void {
  conformance(name, async () => {
    await using cluster = await TestCluster.make(nats);
    await told(cluster, body(cluster), ms);
  }, WITHOUT_NATS ?? without);
}
