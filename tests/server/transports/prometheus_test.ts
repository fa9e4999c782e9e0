// Prometheus's page of a cluster: one row a node for each metric, and none on a server that stands alone.
import { assert, assertEquals } from "@std/assert";
import type { Metrics, NodeInfo } from "../../../src/protocol/schema/monitoring_commands.ts";
import { prometheusPage } from "../../../src/server/transports/prometheus.ts";

const METRICS: Metrics = {
  ...{ uptimeMs: 1, sessions: { live: 1, parked: 2 }, hosts: 1, connections: 1, commands: {}, refusals: {} },
  ...{ refusedRequests: {}, providerFailures: {}, connectionsOpened: 1, sessionsCreated: 1, events: 1 },
  ...{ bytesIn: 1, bytesOut: 1, coalesced: 0, lagged: 0, evicted: 0, outboxBytes: 0 },
  ...{ loopDelayMs: { router: 0, hosts: [0] }, turns: 0, costUsd: 0 },
  tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  journal: { keys: 0, keyBytes: 0, messageBytes: 0 },
};

const node = (name: string, more: Partial<NodeInfo> = {}): NodeInfo => ({
  ...{ node: name, version: "0.1.0", protocolVersion: "1", pi: "0.73.1", state: "running" },
  ...{ sessions: { live: 3, parked: 4, limit: 5 }, memoryBytes: 6, machineBytes: 7, load: 0.5 },
  ...more,
});

async function samples(metrics: Metrics): Promise<string[]> {
  const { body } = await prometheusPage(metrics);
  assert(typeof body === "string");
  return body.split("\n").filter((line) => line.startsWith("pi_server_node"));
}

Deno.test("prometheus: a cluster's metrics have the node as label", async () => {
  const nodes = [node("a"), node("b", { state: "gone", sessions: { live: 0, parked: 9, limit: 5 } })];
  assertEquals(await samples({ ...METRICS, nodes }), [
    'pi_server_node_up{node="a"} 1',
    'pi_server_node_up{node="b"} 0',
    'pi_server_node_info{node="a",version="0.1.0",protocol="1",pi="0.73.1",state="running"} 1',
    'pi_server_node_info{node="b",version="0.1.0",protocol="1",pi="0.73.1",state="gone"} 1',
    'pi_server_node_sessions{node="a",status="live"} 3',
    'pi_server_node_sessions{node="a",status="parked"} 4',
    'pi_server_node_sessions{node="a",status="limit"} 5',
    'pi_server_node_sessions{node="b",status="live"} 0',
    'pi_server_node_sessions{node="b",status="parked"} 9',
    'pi_server_node_sessions{node="b",status="limit"} 5',
    'pi_server_node_memory_bytes{node="a"} 6',
    'pi_server_node_memory_bytes{node="b"} 6',
    'pi_server_node_machine_bytes{node="a"} 7',
    'pi_server_node_machine_bytes{node="b"} 7',
    'pi_server_node_load{node="a"} 0.5',
    'pi_server_node_load{node="b"} 0.5',
  ]);
});

Deno.test("prometheus: a server that stands alone has no metrics of nodes", async () => {
  assertEquals(await samples(METRICS), []);
});
