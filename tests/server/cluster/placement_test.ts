// Where a new session goes.
import { assertEquals } from "@std/assert";
import type { NodeInfo } from "../../../src/protocol/schema/monitoring_commands.ts";
import { byRoom, roomOf } from "../../../src/server/cluster/gateway/placement.ts";

const info = (node: string, over: Partial<NodeInfo> = {}): NodeInfo => ({
  ...{ node, version: "1", protocolVersion: "1.0", pi: "1", state: "running" as const },
  ...{ sessions: { live: 0, parked: 0, limit: 100 }, memoryBytes: 0, machineBytes: 100, load: 0 },
  ...over,
});

const order = (nodes: readonly NodeInfo[], placed: (node: string) => number = () => 0): string[] =>
  byRoom(nodes, placed).map(({ node }) => node);

Deno.test("placement: the least of slots, memory and processors is a node's room", () => {
  assertEquals(roomOf(info("a")), 1);
  assertEquals(roomOf(info("a", { sessions: { live: 25, parked: 9, limit: 100 } })), 0.75);
  assertEquals(roomOf(info("a", { memoryBytes: 60 })), 0.4);
  assertEquals(roomOf(info("a", { load: 4 })), 0.2);
  assertEquals(roomOf(info("a", { sessions: { live: 0, parked: 0, limit: 0 } })), 0);
});

Deno.test("placement: the most room first; what was sent since a node's word counts; gateways and leavers take none", () => {
  const nodes = [
    info("a", { memoryBytes: 30 }),
    info("b"),
    info("g", { gateway: true }),
    info("d", { state: "draining" }),
  ];
  assertEquals(order(nodes), ["b", "a"]);
  assertEquals(order(nodes, (node) => node === "b" ? 50 : 0), ["a", "b"]);
});

Deno.test("placement: a session stays at its client's node unless another one has clearly more room", () => {
  assertEquals(order([info("b", { memoryBytes: 1 }), info("a", { memoryBytes: 4, self: true })]), ["a", "b"]);
  assertEquals(order([info("b", { memoryBytes: 1 }), info("a", { memoryBytes: 40, self: true })]), [
    "b",
    "a",
  ]);
});
