// Roles and scopes (docs/PROTOCOL.md#roles) at the router: each role with each command, and what a token for some sessions
// may not learn of the others, not even whether they exist.
import { assert, assertEquals } from "@std/assert";
import type { Access } from "../../../src/server/auth/access.ts";
import { type CommandName, COMMANDS, specOf } from "../../../src/protocol/schema/commands.ts";
import { ROLES } from "../../../src/protocol/schema/roles.ts";
import { MINIMAL } from "../../protocol/minimal.ts";
import { at } from "../../support/base/json.ts";
import { ADDED } from "../../support/server/roles.ts";
import { RouterBench } from "./router_fixture.ts";

/** Those that tell or change more than some sessions. */
const WIDE = [
  ..."list_stored_sessions load_session list_session_files switch_session_file".split(" "),
  ..."search archive_session unarchive_session rename_stored_session delete_stored_session".split(" "),
  ..."mint_token list_tokens revoke_token get_metrics health_check list_nodes drain_node".split(" "),
];

const names = [...COMMANDS.keys()] as CommandName[];

Deno.test("access: each command asks for the role of the table", () => {
  for (const name of names) {
    const role = ROLES.find((one) => ADDED[one].includes(name));
    assertEquals(specOf(name).role, role, `${name}: is its role in tests/support/server/roles.ts?`);
    assertEquals(specOf(name).scoped, !WIDE.includes(name), `${name}: scoped`);
  }
});

Deno.test("access: each role is let through to its own commands and those before, and to no others", () => {
  for (const [held, role] of ROLES.entries()) {
    for (const name of names) {
      const bench = new RouterBench({}, 0);
      const peer = bench.connect({ id: "t", role });
      const before = bench.worker.sent.length;
      peer.send({ id: "1", type: name, ...MINIMAL[name] });
      const may = ROLES.slice(0, held + 1).some((one) => ADDED[one].includes(name));
      const forbidden = peer.codes().includes("1:forbidden");
      assertEquals(forbidden, !may, `${role}: ${name}`);
      if (!may) assertEquals(bench.worker.sent.length, before, `${role}: ${name} reached a worker`);
    }
  }
});

Deno.test("access: an invalid message is refused before any role is checked", () => {
  const bench = new RouterBench();
  const peer = bench.connect({ id: "t", role: "observe" });
  peer.send({ id: "1", type: "bash", sessionId: "a", command: 7 });
  peer.send({ id: "2", type: "nope" });
  assertEquals(peer.codes(), ["1:invalid_params", "2:unknown_command"]);
});

const SCOPED: Access = { id: "t", role: "drive", sessions: new Set(["a"]) };

Deno.test("access: a token for some sessions gets the same answer for others whether they exist or not", () => {
  const bench = new RouterBench({}, 1);
  bench.live("a");
  bench.live("beta");
  const peer = bench.connect(SCOPED);
  const about = names.filter((name) => COMMANDS.get(name)?.schema.properties["sessionId"] !== undefined);
  const told = (sessionId: string): string[] =>
    about.map((name) => {
      peer.send({ id: "1", type: name, ...MINIMAL[name], sessionId });
      const [answer] = peer.take();
      assertEquals(at(answer, "code"), "forbidden", `${name} on ${sessionId}`);
      return JSON.stringify(answer).replaceAll(sessionId, "…");
    });
  assertEquals(told("beta"), told("no-such"));
  peer.send({ id: "c", type: "create_session" });
  assertEquals(peer.codes(), ["c:forbidden"], "an id of the server's choosing is none of its own");
});

Deno.test("access: list_sessions and list_pending_ui leave out what the token is not for", () => {
  const bench = new RouterBench();
  bench.live("a");
  bench.live("b");
  const peer = bench.connect({ ...SCOPED, role: "observe" });
  peer.send({ id: "1", type: "list_sessions" });
  bench.tellStates("a", "b");
  assertEquals(at(peer.take()[0], "data"), { sessions: [{ i: 1 }] });
  peer.send({ id: "2", type: "list_pending_ui" });
  bench.tellStates("a", "b");
  assertEquals(at(peer.take()[0], "data"), { requests: [{ of: "a" }] });
});

Deno.test("access: * means the token's own sessions: in the answer, in events, in who is counted as watching", () => {
  const bench = new RouterBench();
  bench.live("a");
  bench.live("b");
  const peer = bench.connect({ ...SCOPED, role: "observe" });
  peer.send({ id: "1", type: "subscribe", sessionId: "*" });
  bench.event("b", 1);
  bench.tellStates("a", "b");
  bench.event("a", 1);
  bench.event("b", 2);
  const [answer, ...events] = peer.take();
  assertEquals(Object.keys(JSON.parse(JSON.stringify(at(answer, "data", "sessions")))), ["a"]);
  assertEquals(events, [{ d: 1 }]);
  const demands = bench.worker.of("subscribers");
  assertEquals(demands.filter(({ sessionId }) => sessionId === "b").at(-1)?.demand.subscribers, 0);
  assertEquals(demands.filter(({ sessionId }) => sessionId === "a").at(-1)?.demand.subscribers, 1);
});

Deno.test("access: server events about other sessions are not sent, those about all are", () => {
  const bench = new RouterBench();
  const peer = bench.connect(SCOPED);
  bench.live("b");
  bench.router.announce("session_crashed", { sessionId: "b" });
  assertEquals(peer.take(), []);
  bench.live("a");
  bench.router.announce("server_shutdown", { reason: "r", timeoutMs: 1 });
  assertEquals(peer.take().map((one) => at(one, "type")), ["session_created", "server_shutdown"]);
});

Deno.test("access: expiry follows the wall clock, forwards after sleep and backwards when it is set", async () => {
  const bench = new RouterBench();
  const { clock } = bench.made;
  const slept = bench.connect({ id: "t", role: "observe", expiresAt: clock.now() + 60_000 });
  const kept = bench.connect({ id: "u", role: "observe", expiresAt: clock.now() + 90_000 });
  await clock.advance(10_000);
  clock.setWall(55_000);
  await clock.advance(1_000);
  assertEquals([slept.client.connection.open, kept.client.connection.open], [false, true]);
  clock.setWall(-55_000);
  await clock.advance(60_000);
  assert(kept.client.connection.open, "the token has not expired by the clock that it was made by");
  await clock.advance(20_000);
  assert(!kept.client.connection.open);
  bench.router.close();
});

Deno.test("access: a connection ends when its token expires, and only then", async () => {
  const bench = new RouterBench();
  const { clock } = bench.made;
  const peer = bench.connect({ id: "t", role: "observe", expiresAt: clock.now() + 1_000 });
  const other = bench.connect({ id: "u", role: "observe", expiresAt: clock.now() + 2_000 });
  await clock.advance(999);
  assert(peer.client.connection.open);
  await clock.advance(1);
  assertEquals([peer.client.connection.open, other.client.connection.open], [false, true]);
  peer.send({ id: "late", type: "ping" });
  assertEquals(peer.codes(), []);
  bench.router.close();
});

Deno.test("access: a token that is revoked ends its own connections alone", () => {
  const bench = new RouterBench();
  const [one, two, other] = ["t", "t", "u"].map((id) => bench.connect({ id, role: "drive" }));
  bench.router.revoked("t");
  assertEquals([one, two, other].map((peer) => peer?.client.connection.open), [false, false, true]);
});
