// Commands over all nodes: how their answers are joined, and what an heir does not carry out.
import { assertEquals } from "@std/assert";
import type { Reply } from "../../../src/ipc/messages.ts";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import { FanOut } from "../../../src/server/cluster/gateway/fan_out.ts";
import { MergedList } from "../../../src/server/cluster/gateway/merged_list.ts";
import { PageCursors } from "../../../src/server/lists/page_cursors.ts";
import { turn } from "../../support/base/fake_clock.ts";
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

/** The answer over all nodes, each of which has that part. */
async function joined(parts: Readonly<Record<string, string>>): Promise<unknown> {
  const { g = "", ...others } = parts;
  const bench = new GatewayBench(Object.fromEntries(Object.keys(parts).map((node) => [node, {}])));
  bench.answers = (node, { type, id }) =>
    `{"id":"${id}","type":"response","command":"${type}","success":true,"protocolVersion":"1.0","data":${
      others[node]
    }}`;
  const asker = new FakeAsker();
  const own = (to: { answer(reply: Reply): void }): void => to.answer({ ok: true, dataText: g });
  fanOutOf(bench).take(bench.connection, { type: "list_pending_ui" }, asker, own);
  await turn();
  await turn();
  await bench.end();
  const [reply] = asker.replies;
  return reply?.ok === true ? JSON.parse(reply.dataText) : reply;
}

Deno.test("fan out: the dialogs of all nodes are one list, and what one node leaves out empties no other", async () => {
  const [g, a] = [`{"requests":[{"requestId":"g1"}]}`, `{"requests":[]}`];
  const b = `{"requests":[{"requestId":"b1"},{"requestId":"b2"}]`;
  const requests = [{ requestId: "g1" }, { requestId: "b1" }, { requestId: "b2" }];
  assertEquals(await joined({ g, a, b: `${b}}` }), { requests });
  assertEquals(await joined({ g, a, b: `${b},"truncated":true}` }), { requests, truncated: true });
  assertEquals(await joined({ g: `${g.slice(0, -1)},"truncated":true}`, a, b: `${b}}` }), {
    ...{ requests, truncated: true },
  });
});

Deno.test("fan out: a loss amid the replay of a subscription to all goes on from where the client is", async () => {
  const bench = new GatewayBench({ g: {}, a: {} });
  const start = '{"sessions":{"s":{"mode":"replay","epoch":"e","seq":9,"sessionInfo":{},"pendingUi":[]}}}';
  bench.answers = (_node, { id }) =>
    `{"id":"${id}","type":"response","command":"subscribe","success":true,"protocolVersion":"1.0","data":${start}}`;
  bench.bucket.set("session.s", JSON.stringify({ node: "a", state: "s-a" }));
  const from = { sessions: { s: { epoch: "e", seq: 3 } } };
  const asker = new FakeAsker();
  fanOutOf(bench).take(
    bench.connection,
    { type: "subscribe", sessionId: "*", from },
    asker,
    (to) => to.answer({ ok: true, dataText: '{"sessions":{}}' }),
  );
  await turn();
  await turn();
  assertEquals(asker.told, ["ok"]);
  const asked: unknown[] = [];
  bench.gateway.link(bench.connection, "a").places.again((command) => asked.push(command["from"]));
  assertEquals(asked, [from]);
  await bench.end();
});

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
