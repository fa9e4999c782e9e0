// Who hears what (docs/PROTOCOL.md#subscribing): by id, for all sessions, filtered, full, ended. That no event of a session
// reaches whom it doesn't belong to is judged by the checker behind every connection.

import { assert, assertEquals } from "@std/assert";
import { at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

/** Runs one turn and waits for it; the text is the marker's. */
async function turn(bench: Bench, wire: Wire, id: string): Promise<void> {
  const marker = bench.name(`turn-${id}`);
  bench.model.script(marker, text([marker, " is ", "done"]));
  assertEquals((await settled(wire, id, marker)).text, `${marker} is done`);
}

/** Everything sent before has arrived once this answers: messages leave in the order in which they arose. */
const barrier = (wire: Wire) => wire.ok({ type: "ping" });

test("subscribe: tells mode, epoch, seq and state, before the first event", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const data = await wire.ok({ type: "subscribe", sessionId: id });
  const info = objectAt(data, "sessionInfo");
  assertEquals([data.mode, info.sessionId, info.subscribers], ["live", id, 1]);
  assertEquals([info.epoch, info.seq], [stringAt(data, "epoch"), numberAt(data, "seq")]);
  await turn(bench, wire, id);
  const seqs = wire.messages.filter((message) => message.sessionId === id && message.type === "event")
    .map((message) => numberAt(message, "seq"));
  assertEquals(seqs[0], numberAt(data, "seq") + 1);
  const again = await wire.ok({ type: "subscribe", sessionId: id });
  assertEquals([again.epoch, again.seq], [data.epoch ?? "", seqs.at(-1) ?? -1]);
  assertEquals(at(again, "sessionInfo", "subscribers"), 1);
});

test("a connection hears a session only after subscribing; two subscribers hear the same", async (bench) => {
  const [a, b, c] = [await bench.connect("a"), await bench.connect("b"), await bench.connect("c")];
  const { id } = await bench.watched(a);
  await b.ok({ type: "subscribe", sessionId: id });
  await turn(bench, a, id);
  for (const wire of [b, c]) await barrier(wire);
  assertEquals(b.events(id), a.events(id));
  assertEquals(c.events(id), []);
});

test("events of one session never reach the subscriber of another", async (bench) => {
  const [a, b] = [await bench.connect("a"), await bench.connect("b")];
  const first = await bench.watched(a);
  const second = await bench.watched(b);
  await Promise.all([
    turn(bench, a, first.id),
    turn(bench, b, second.id),
    turn(bench, a, (await bench.watched(a)).id),
  ]);
  await Promise.all([barrier(a), barrier(b)]);
  assertEquals([a.events(second.id), b.events(first.id)], [[], []]);
});

test("unsubscribe ends it, for this connection alone", async (bench) => {
  const [a, b] = [await bench.connect("a"), await bench.connect("b")];
  const { id } = await bench.watched(a);
  await b.ok({ type: "subscribe", sessionId: id });
  await a.ok({ type: "unsubscribe", sessionId: id });
  assertEquals((await a.ok({ type: "get_state", sessionId: id })).subscribers, 1);
  await turn(bench, a, id);
  await Promise.all([barrier(a), barrier(b)]);
  assertEquals(a.events(id), []);
  assert(b.events(id).length > 5);
  await a.ok({ type: "unsubscribe", sessionId: id });
  await a.ok({ type: "subscribe", sessionId: id });
  await turn(bench, a, id);
  assert(a.events(id).length > 5);
});

test("a connection that closes stops counting as subscriber", async (bench) => {
  const [a, b] = [await bench.connect("a"), await bench.connect("b")];
  const { id } = await bench.watched(a);
  await b.ok({ type: "subscribe", sessionId: id });
  assertEquals((await a.ok({ type: "get_state", sessionId: id })).subscribers, 2);
  await b.close();
  for (let tries = 0; tries < 200; tries++) {
    if ((await a.ok({ type: "get_state", sessionId: id })).subscribers === 1) break;
  }
  assertEquals((await a.ok({ type: "get_state", sessionId: id })).subscribers, 1);
  await turn(bench, a, id);
});

test('"*": all sessions, those that come later too, until unsubscribed', async (bench) => {
  const [all, wire] = [await bench.connect("all"), await bench.connect("one")];
  const before = await bench.session(wire);
  const data = await all.ok({ type: "subscribe", sessionId: "*" });
  const entry = objectAt(data, "sessions", before.id);
  assertEquals([entry.mode, at(entry, "sessionInfo", "sessionId")], ["live", before.id]);
  assert(typeof entry.epoch === "string" && typeof entry.seq === "number");
  const later = await bench.watched(wire);
  await Promise.all([turn(bench, wire, before.id), turn(bench, wire, later.id)]);
  await barrier(all);
  assertEquals(all.events(later.id), wire.events(later.id));
  assert(all.events(before.id).length > 5);
  const seqs = all.messages.filter((message) => message.type === "event" && message.sessionId === later.id);
  assertEquals(numberAt(seqs[0], "seq"), 1);
  await all.ok({ type: "unsubscribe", sessionId: "*" });
  const count = all.events(before.id).length;
  await turn(bench, wire, before.id);
  await barrier(all);
  assertEquals(all.events(before.id).length, count);
});

test('"*": a subscription by id overrides it, and survives its end', async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const other = await bench.session(wire);
  await wire.ok({ type: "subscribe", sessionId: "*" });
  await wire.ok({ type: "subscribe", sessionId: id, events: ["agent_settled"] });
  await Promise.all([turn(bench, wire, id), turn(bench, wire, other.id)]);
  assertEquals(wire.events(id).map((event) => event.type), ["agent_settled"]);
  assert(wire.events(other.id).length > 5);
  await wire.ok({ type: "unsubscribe", sessionId: "*" });
  await turn(bench, wire, id);
  assertEquals(wire.events(id).map((event) => event.type), ["agent_settled", "agent_settled"]);
});

test("events: only the named types, each with its own seq", async (bench) => {
  const [few, all] = [await bench.connect("few"), await bench.connect("all")];
  const { id } = await bench.watched(all);
  await few.ok({ type: "subscribe", sessionId: id, events: ["message_end", "agent_settled"] });
  await turn(bench, all, id);
  await few.event(id, "agent_settled");
  assertEquals(few.events(id).map((event) => event.type), ["message_end", "message_end", "agent_settled"]);
  const seqs = (wire: Wire, keep: (event: JsonObject) => boolean) =>
    wire.messages.filter((message) => message.type === "event" && message.sessionId === id)
      .filter((message) => keep(objectAt(message, "event"))).map((message) => numberAt(message, "seq"));
  const named = (event: JsonObject) => event.type === "message_end" || event.type === "agent_settled";
  assertEquals(seqs(few, () => true), seqs(all, named));
  await few.ok({ type: "subscribe", sessionId: id, events: ["constructor", "nothing"] });
  await turn(bench, all, id);
  await barrier(few);
  assertEquals(few.events(id).length, 3);
});

test("switch_session subscribes with full updates", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const data = await wire.ok({ type: "switch_session", sessionId: id });
  assertEquals(at(data, "sessionInfo", "sessionId"), id);
  await turn(bench, wire, id);
  const updates = wire.events(id).filter((event) => event.type === "message_update");
  assert(updates.length >= 3 && updates.every((event) => typeof event.message === "object"));
  await wire.refused("session_not_found", { type: "switch_session", sessionId: "missing" });
});

test("subscribe: of an unknown session it is session_not_found", async (bench) => {
  const wire = await bench.connect();
  await wire.refused("session_not_found", { type: "subscribe", sessionId: "missing" });
  await wire.refused("invalid_params", { type: "subscribe" });
  await wire.refused("invalid_params", { type: "subscribe", sessionId: "*", events: "all" });
});

test("a deleted session's subscribers hear session_deleted; the next of that id starts at seq 1", async (bench) => {
  const [wire, all] = [await bench.connect(), await bench.connect("all")];
  await all.ok({ type: "subscribe", sessionId: "*" });
  const { id } = await bench.watched(wire);
  await turn(bench, wire, id);
  const epoch = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "epoch");
  await wire.ok({ type: "delete_session", sessionId: id });
  await bench.session(wire, { sessionId: id });
  const data = await wire.ok({ type: "subscribe", sessionId: id });
  assert(data.epoch !== epoch);
  await turn(bench, wire, id);
  await barrier(all);
});
