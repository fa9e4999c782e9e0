// Commands over all nodes: how their answers are joined, and what an heir does not carry out.
import { assertEquals } from "@std/assert";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import { FanOut } from "../../../src/server/cluster/gateway/fan_out.ts";
import { MergedList } from "../../../src/server/cluster/gateway/merged_list.ts";
import { PageCursors } from "../../../src/server/lists/page_cursors.ts";
import { FakeAsker } from "../manager/fakes.ts";
import { GatewayBench } from "./gateway_bench.ts";

function fanOutOf({ gateway, claims }: GatewayBench): FanOut {
  const cursors = new PageCursors({
    ...{ serverId: () => "g", secret: "secret", sha256: (text) => text, equalTexts: (a, b) => a === b },
  });
  return new FanOut({
    ...{ node: "g", gateway, claims, answerBytes: 1_000_000, hasOwn: true, has: () => false },
    lists: new MergedList({ cursors, monotonic: () => 0, node: "g" }),
  });
}

Deno.test("fan out: an heir does not create what names the node before it", async () => {
  const bench = new GatewayBench({ g: {} });
  for (const node of ["a", "g", undefined]) {
    const asker = new FakeAsker();
    const command = { type: "create_session", ...(node === undefined ? {} : { node }) } as Command;
    const taken = fanOutOf(bench).take(bench.connection, command, asker, () => {});
    assertEquals([taken, asker.told], node === "a" ? [true, ["node_unavailable"]] : [false, []]);
  }
  await bench.end();
});
