// The fleet's view (docs/PROTOCOL.md#subscribing): `"*"` with cursors. Each session goes on from where it was, those that no client
// named live, new ones from their first event on; with one worker and with several, every event exactly once.
import { assert, assertEquals } from "@std/assert";
import {
  assertCaughtUp,
  assertHeard,
  comeBack,
  Ending,
  follow,
  open,
  pieces,
  stream,
  turn,
  UNMERGED,
} from "../../support/wire/delivery.ts";
import type { Follower } from "../../support/wire/follower.ts";
import { arrayAt, at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { Gate } from "../../support/model/model_server.ts";
import { alone, type Bench } from "../suite.ts";

/** Cursors of all sessions that a client knows. */
function cursors(client: Follower): JsonObject {
  return { sessions: Object.fromEntries([...client.sessions].map(([id, { cursor }]) => [id, cursor])) };
}

/** Sessions of which a witness has heard everything. */
async function witnessed(bench: Bench, count: number): Promise<{ witness: Follower; ids: string[] }> {
  const witness = await follow(bench);
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    const id = await open(bench, witness);
    await witness.subscribe(id);
    ids.push(id);
  }
  return { witness, ids };
}

/** Without threads there is nothing that Deno could hold to permissions. */
const workersFlags = (workers: number): string[] => [
  ...["--workers", String(workers)],
  ...(workers === 0 ? ["--sandbox", "off"] : []),
];

for (const workers of [0, 1, 2]) {
  alone(
    `"*", ${workers} workers: one replay, one snapshot, one live, one new, while all of them stream`,
    async (bench) => {
      await bench.start([...UNMERGED, ...workersFlags(workers)]);
      const { witness, ids: [a = "", b = "", c = ""] } = await witnessed(bench, 3);
      for (const id of [a, b, c]) await turn(bench, witness, id, pieces(20));
      const [gate, ending] = [new Gate(), new Ending(1_500)];
      for (const id of [a, b, c]) {
        await stream(bench, witness, id, pieces(1_500), { gate, gateAfter: 100, hold: ending.hold });
      }
      const started = (id: string) => (witness.session(id).streaming?.size ?? 0) > 0;
      await witness.until(() => [a, b, c].every(started), "three streams");
      const fleet = await follow(bench);
      const { epoch } = witness.session(a);
      const from = { sessions: { [a]: { epoch, seq: 7 }, [b]: { epoch: "another", seq: 7 } } };
      const asked = fleet.subscribe("*", { from });
      gate.open();
      const sessions = objectAt(await asked, "sessions");
      ending.open();
      const heard = (id: string) => [at(sessions, id, "mode"), at(sessions, id, "epoch")];
      const epochOf = (id: string) => witness.session(id).epoch;
      assertEquals(heard(a), ["replay", epochOf(a)]);
      assertEquals(heard(b), ["snapshot", epochOf(b)]);
      assertEquals(heard(c), ["live", epochOf(c)]);
      const holding = [a, b, c].filter((id) => at(sessions, id, "snapshot") !== undefined);
      assertEquals(holding, [b], "a snapshot only where it is needed");
      const d = await open(bench, witness);
      await turn(bench, witness, d, pieces(200));
      for (const id of [a, b, c]) await fleet.seen(id, "agent_settled");
      await fleet.seen(d, "agent_settled");
      fleet.check();
      await assertHeard(fleet, witness, a, 7);
      await assertHeard(fleet, witness, b, numberAt(sessions, b, "seq"));
      await assertHeard(fleet, witness, c, numberAt(sessions, c, "seq"));
      // The new one from its first event on, and nothing but it.
      const { seq } = await witness.ok({ type: "get_state", sessionId: d });
      assertEquals(fleet.session(d).types.length, seq);
    },
  );

  alone(
    `"*", ${workers} workers: a client that comes back again and again misses nothing of anyone`,
    async (bench) => {
      await bench.start([...UNMERGED, ...workersFlags(workers)]);
      const { witness, ids } = await witnessed(bench, 4);
      let fleet = await follow(bench);
      await fleet.subscribe("*");
      const gate = new Gate();
      for (const id of ids) await stream(bench, witness, id, pieces(1_200), { gate, gateAfter: 100 });
      for (let round = 1; round <= 5; round++) {
        const enough = round * 60;
        await fleet.until(() => ids.some((id) => fleet.session(id).seq >= enough), `event ${enough} of one`);
        fleet = await comeBack(bench, fleet);
        gate.open();
        const sessions = objectAt(await fleet.subscribe("*", { from: cursors(fleet) }), "sessions");
        for (const id of ids) assertEquals(at(sessions, id, "mode"), "replay", id);
        // A session that comes while one is away, and one that comes while one is there.
        const born = await open(bench, witness);
        await witness.subscribe(born);
        await turn(bench, witness, born);
        ids.push(born);
        await fleet.seen(born, "agent_settled");
        // An event names no epoch; a client asks for it.
        const { epoch } = await fleet.ok({ type: "get_state", sessionId: born });
        fleet.session(born).epoch = String(epoch);
      }
      for (const id of ids) {
        await fleet.seen(id, "agent_settled");
        await assertHeard(fleet, witness, id, 0);
      }
    },
  );
}

alone(
  '"*": subscribing again without cursors, in the middle of everything, goes on without a gap',
  async (bench) => {
    await bench.start([...UNMERGED, "--workers", "2"]);
    const { witness, ids } = await witnessed(bench, 4);
    const fleet = await follow(bench);
    await fleet.subscribe("*");
    for (const id of ids) await stream(bench, witness, id, pieces(1_000));
    // The older subscription delivers until the newer one's answer, which says where it goes on from.
    for (let round = 0; round < 10; round++) {
      const sessions = objectAt(await fleet.subscribe("*"), "sessions");
      assertEquals(Object.keys(sessions).sort(), [...ids].sort());
    }
    for (const id of ids) {
      for (const each of [fleet, witness]) await each.seen(id, "agent_settled");
      fleet.check();
      assertEquals(fleet.session(id).types, witness.session(id).types, id);
    }
  },
);

alone('"*": snapshot:true gives the state of every session, mid-stream too', async (bench) => {
  await bench.start([...UNMERGED, "--workers", "2"]);
  const { witness, ids } = await witnessed(bench, 3);
  const [gate, ending] = [new Gate(), new Ending(300)];
  const [a = ""] = ids;
  await stream(bench, witness, a, pieces(300), { gate, gateAfter: 100, hold: ending.hold });
  await witness.until(() => (witness.session(a).streaming?.size ?? 0) > 0, "the stream");
  const fleet = await follow(bench);
  const asked = fleet.subscribe("*", { snapshot: true });
  gate.open();
  const sessions = objectAt(await asked, "sessions");
  ending.open();
  for (const id of ids) {
    assertEquals(at(sessions, id, "mode"), "live");
    arrayAt(sessions, id, "snapshot", "messages");
  }
  await fleet.seen(a, "agent_settled");
  for (const id of ids) await assertCaughtUp(fleet, witness, id);
});

alone(
  '"*" with `events` and cursors: only those types, of what was missed and of what comes',
  async (bench) => {
    await bench.start([...UNMERGED, "--workers", "2"]);
    const { witness, ids: [a = "", b = ""] } = await witnessed(bench, 2);
    for (const id of [a, b]) await turn(bench, witness, id);
    const fleet = await follow(bench);
    const from = { sessions: { [a]: { epoch: witness.session(a).epoch, seq: 0 } } };
    await fleet.subscribe("*", { from, events: ["agent_start", "agent_settled"] });
    for (const id of [a, b]) await turn(bench, witness, id);
    await Promise.all([fleet.seen(a, "agent_settled", 2), fleet.seen(b, "agent_settled")]);
    fleet.check();
    const one = ["agent_start", "agent_settled"];
    assertEquals([fleet.session(a).types, fleet.session(b).types], [[...one, ...one], one]);
  },
);

alone(
  '"*" with a cursor for a session that is subscribed by id: that one goes on as it was',
  async (bench) => {
    await bench.start();
    const { witness, ids: [a = "", b = ""] } = await witnessed(bench, 2);
    for (const id of [a, b]) await turn(bench, witness, id);
    const fleet = await follow(bench);
    await fleet.subscribe(a);
    const from = { sessions: { [a]: { ...witness.session(a).cursor, seq: 0 }, [b]: { epoch: "x", seq: 0 } } };
    // The cursor of a session that has a subscription of its own is none of `*`'s business.
    fleet.onMessage = () => fleet.session(a).muted = false;
    await fleet.subscribe("*", { from });
    await turn(bench, witness, a);
    await fleet.seen(a, "agent_settled");
    fleet.check();
    assertEquals(fleet.session(a).types.filter((type) => type === "agent_settled").length, 1);
  },
);

alone('"*": a session that is deleted and made again starts at seq 1, in another epoch', async (bench) => {
  await bench.start([...UNMERGED, "--workers", "2"]);
  const { witness, ids: [a = ""] } = await witnessed(bench, 1);
  await turn(bench, witness, a);
  const old = { ...witness.session(a).cursor };
  let fleet = await follow(bench);
  await fleet.subscribe("*");
  await witness.ok({ type: "delete_session", sessionId: a });
  fleet.sessions.delete(a);
  await open(bench, witness, { sessionId: a });
  await turn(bench, witness, a);
  await fleet.seen(a, "agent_settled");
  fleet.check();
  // A cursor of its first life is a past that is not its own.
  fleet = await follow(bench);
  const sessions = objectAt(await fleet.subscribe("*", { from: { sessions: { [a]: old } } }), "sessions");
  assertEquals(at(sessions, a, "mode"), "snapshot");
  assert(stringAt(sessions, a, "epoch") !== old.epoch);
});
