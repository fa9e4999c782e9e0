// Where a new session goes.
import { assert, assertEquals } from "@std/assert";
import type { NodeInfo } from "../../../src/protocol/schema/monitoring_commands.ts";
import { byRoom, roomOf } from "../../../src/server/cluster/gateway/placement.ts";

const info = (node: string, over: Partial<NodeInfo> = {}): NodeInfo => ({
  ...{ node, version: "1", protocolVersion: "1.0", pi: "1", state: "running" as const },
  ...{ sessions: { live: 0, parked: 0, limit: 100 }, memoryBytes: 0, machineBytes: 100, load: 0 },
  ...over,
});

const order = (nodes: readonly NodeInfo[], placed: (node: string) => number = () => 0): string[] =>
  byRoom(nodes, placed).map(({ node }) => node);

/** Where a burst of new sessions goes, when the nodes speak after so many of them, and their load does not follow yet. */
function burst(nodes: readonly NodeInfo[], sessions: number, aWord: number): Record<string, number> {
  const all: Record<string, number> = Object.fromEntries(nodes.map(({ node }) => [node, 0]));
  const told: Record<string, number> = { ...all };
  for (let at = 1; at <= sessions; at++) {
    const now = nodes.map((info) => {
      // A node knows its own sessions at once.
      const more = (info.self === true ? all : told)[info.node] ?? 0;
      return { ...info, sessions: { ...info.sessions, live: info.sessions.live + more } };
    });
    const [first] = byRoom(now, (node) => (all[node] ?? 0) - (told[node] ?? 0));
    assert(first !== undefined);
    all[first.node] = (all[first.node] ?? 0) + 1;
    if (at % aWord === 0) Object.assign(told, all);
  }
  return all;
}

Deno.test("placement: a burst spreads evenly over nodes with about equal room, whatever is scarcest", () => {
  const scarce: Record<string, Partial<NodeInfo>[]> = {
    processors: [{ load: 0.3 }, { load: 0.35 }, { load: 0.32 }],
    "busy processors": [{ load: 2.1 }, { load: 2 }, { load: 2.05 }],
    memory: [{ memoryBytes: 80 }, { memoryBytes: 81 }, { memoryBytes: 80.5 }],
    slots: [50, 51, 52].map((live) => ({ sessions: { live, parked: 0, limit: 100 } })),
    nothing: [{ self: true }, {}, {}],
  };
  for (const [what, overs] of Object.entries(scarce)) {
    const nodes = overs.map((over, index) => info(String(index), over));
    for (const [sessions, aWord] of [[30, 30], [60, 6], [30, 1]] as const) {
      const counts = Object.values(burst(nodes, sessions, aWord));
      const even = sessions / nodes.length;
      const said = `${what}: ${sessions} with a word after ${aWord}: ${counts}`;
      assert(counts.every((count) => Math.abs(count - even) <= even / 2), said);
    }
  }
});

Deno.test("placement: of a burst a loaded node gets fewer, and a nearly full one none", () => {
  const full = info("full", { sessions: { live: 98, parked: 0, limit: 100 } });
  const nodes = [info("a", { load: 0.2 }), info("b", { load: 0.2 }), info("busy", { load: 1 }), full];
  for (const aWord of [60, 6]) {
    const { a = 0, b = 0, busy = 0, full = 0 } = burst(nodes, 60, aWord);
    assert(Math.abs(a - b) <= 1 && busy < a / 2, `${a} ${b} ${busy}`);
    assertEquals(full, 0);
  }
});

Deno.test("placement: the free parts of slots, memory and processors are multiplied", () => {
  assertEquals(roomOf(info("a")), 1);
  assertEquals(roomOf(info("a", { sessions: { live: 25, parked: 9, limit: 100 } })), 0.75);
  assertEquals(roomOf(info("a", { memoryBytes: 60 })), 0.4);
  assertEquals(roomOf(info("a", { load: 4 })), 0.2);
  assertEquals(roomOf(info("a", { memoryBytes: 50, load: 1 })), 0.25);
  assertEquals(roomOf(info("a", { sessions: { live: 0, parked: 0, limit: 0 } })), 0);
  assertEquals(roomOf(info("a", { memoryBytes: 101, sessions: { live: 101, parked: 0, limit: 100 } })), 0);
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
