// Who gets which events: by id over `*`, filters, forms, what is held while a `*` answer is put together, what
// counts as demand, and nothing left behind.
import { assertEquals } from "@std/assert";
import type { EncodedEvent } from "../../../src/ipc/messages.ts";
import type { Connection, Wanted } from "../../../src/server/router/connection.ts";
import { Subscriptions } from "../../../src/server/router/subscriptions.ts";
import { connectionOver, FakePeer } from "./fakes.ts";

const DELTA: Wanted = { updates: "delta" };
const FULL: Wanted = { updates: "full" };
const NOBODY = { full: false, subscribers: 0 };
const NOTHING_TOLD: ReadonlyMap<string, number> = new Map();

/** Connections by name over one set of subscriptions. */
class Bench {
  readonly subscriptions = new Subscriptions();
  readonly peers = new Map<string, FakePeer>();

  connect(name: string): Connection {
    const peer = new FakePeer();
    this.peers.set(name, peer);
    return connectionOver(peer);
  }

  publish(sessionId: string, seq: number, more: Partial<EncodedEvent> = {}, worker = 0): void {
    const record = { seq, type: "t", text: `d${seq}`, full: `f${seq}`, ...more };
    this.subscriptions.publish({ sessionId, epoch: "e", records: [record] }, worker);
  }

  /** What that connection has got since the last look. */
  got(name: string): string[] {
    return this.peers.get(name)?.sent.splice(0) ?? [];
  }
}

Deno.test("subscriptions: events go to the subscribers of that session, in the form each wants", () => {
  const bench = new Bench();
  const [one, two, other] = ["one", "two", "other"].map((name) => bench.connect(name));
  if (one !== undefined) bench.subscriptions.add(one, "a", DELTA);
  if (two !== undefined) bench.subscriptions.add(two, "a", FULL);
  if (other !== undefined) bench.subscriptions.add(other, "b", DELTA);
  bench.publish("a", 1);
  assertEquals([bench.got("one"), bench.got("two"), bench.got("other")], [["d1"], ["f1"], []]);
});

Deno.test("subscriptions: an event of one form is given to those who want the other, too", () => {
  const bench = new Bench();
  bench.subscriptions.add(bench.connect("full"), "a", FULL);
  bench.subscriptions.add(bench.connect("delta"), "a", DELTA);
  const record = { seq: 1, type: "t", text: "only" };
  bench.subscriptions.publish({ sessionId: "a", epoch: "e", records: [record] }, 0);
  assertEquals([bench.got("full"), bench.got("delta")], [["only"], ["only"]]);
});

Deno.test("subscriptions: only the types that were asked for come", () => {
  const bench = new Bench();
  bench.subscriptions.add(bench.connect("one"), "a", { ...DELTA, events: new Set(["t", "constructor"]) });
  bench.publish("a", 1);
  bench.publish("a", 2, { type: "toString" });
  bench.publish("a", 3, { type: "constructor" });
  assertEquals(bench.got("one"), ["d1", "d3"]);
  bench.subscriptions.add(bench.connect("none"), "a", { ...DELTA, events: new Set() });
  bench.publish("a", 4);
  assertEquals(bench.got("none"), []);
});

Deno.test("subscriptions: one by id overrides * for that session, whichever came first", () => {
  for (const targets of [["*", "a"], ["a", "*"]] as const) {
    const bench = new Bench();
    const one = bench.connect("one");
    for (const target of targets) bench.subscriptions.add(one, target, target === "*" ? DELTA : FULL);
    bench.publish("a", 1);
    bench.publish("b", 1);
    assertEquals(bench.got("one"), ["f1", "d1"], "each once");
    bench.subscriptions.remove(one, "a");
    bench.publish("a", 2);
    assertEquals(bench.got("one"), ["d2"], "and * holds again");
  }
});

Deno.test("subscriptions: a filter by id is not widened by *", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  bench.subscriptions.add(one, "*", DELTA);
  bench.subscriptions.add(one, "a", { ...DELTA, events: new Set(["other"]) });
  bench.publish("a", 1);
  assertEquals(bench.got("one"), []);
});

Deno.test("subscriptions: subscribing again replaces", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  bench.subscriptions.add(one, "a", DELTA);
  bench.subscriptions.add(one, "a", FULL);
  bench.publish("a", 1);
  assertEquals(bench.got("one"), ["f1"]);
  assertEquals(bench.subscriptions.demand("a"), { full: true, subscribers: 1 });
});

Deno.test("subscriptions: an end ends what it names, and says whether there was any", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  assertEquals(bench.subscriptions.remove(one, "a"), false);
  for (const target of ["a", "b", "*"]) bench.subscriptions.add(one, target, DELTA);
  assertEquals([bench.subscriptions.remove(one, "*"), bench.subscriptions.remove(one, "*")], [true, false]);
  bench.publish("c", 1);
  bench.publish("a", 1);
  assertEquals(bench.got("one"), ["d1"], "the ones by id stay");
});

Deno.test("subscriptions: sessions with names of JavaScript's own are sessions", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  for (const id of ["__proto__", "constructor", "toString"]) {
    assertEquals([bench.subscriptions.demand(id), bench.subscriptions.remove(one, id)], [NOBODY, false]);
    bench.subscriptions.add(one, id, DELTA);
    bench.publish(id, 1);
    assertEquals(bench.got("one"), ["d1"], id);
  }
});

Deno.test("subscriptions: a connection that goes away in the middle of an event gets no more, others do", () => {
  const bench = new Bench();
  const names = ["one", "two", "three"];
  const connections = names.map((name) => bench.connect(name));
  for (const connection of connections) bench.subscriptions.add(connection, "a", DELTA);
  const [first, second] = connections;
  const peer = bench.peers.get("one");
  if (peer !== undefined) {
    peer.onSend = () => {
      if (first !== undefined) bench.subscriptions.drop(first);
      if (second !== undefined) bench.subscriptions.drop(second);
    };
  }
  bench.publish("a", 1);
  bench.publish("a", 2);
  assertEquals(names.map((name) => bench.got(name)), [["d1"], [], ["d1", "d2"]]);
});

Deno.test("subscriptions: demand is which forms are wanted, and by how many connections", () => {
  const bench = new Bench();
  const { subscriptions } = bench;
  const [one, two] = [bench.connect("one"), bench.connect("two")];
  assertEquals(subscriptions.demand("a"), NOBODY);
  subscriptions.add(one, "*", DELTA);
  assertEquals(subscriptions.demand("a"), { full: false, subscribers: 1 });
  subscriptions.add(one, "a", FULL);
  assertEquals(subscriptions.demand("a"), { full: true, subscribers: 1 }, "by id overrides *");
  subscriptions.add(two, "a", DELTA);
  assertEquals(subscriptions.demand("a"), { full: true, subscribers: 2 });
  subscriptions.drop(one);
  subscriptions.remove(two, "a");
  assertEquals(subscriptions.demand("a"), NOBODY);
});

Deno.test("subscriptions: one that was asked for counts until it is settled, and delivers nothing", () => {
  const bench = new Bench();
  const { subscriptions } = bench;
  const one = bench.connect("one");
  const first = subscriptions.ask(one, "a", FULL);
  const second = subscriptions.ask(one, "*", DELTA);
  assertEquals(subscriptions.demand("a"), { full: true, subscribers: 1 });
  bench.publish("a", 1);
  assertEquals(bench.got("one"), []);
  first.settle();
  first.settle();
  assertEquals(subscriptions.demand("a"), { full: false, subscribers: 1 });
  second.settle();
  assertEquals(subscriptions.demand("a"), NOBODY);
  subscriptions.ask(one, "a", FULL);
  subscriptions.drop(one);
  assertEquals(subscriptions.demand("a"), NOBODY, "a peer that goes away wants nothing");
});

Deno.test("subscriptions: a session that is gone is forgotten, and its next namesake starts afresh", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  bench.subscriptions.add(one, "a", DELTA);
  bench.subscriptions.dropSession("a");
  bench.publish("a", 1);
  assertEquals([bench.got("one"), bench.subscriptions.demand("a")], [[], NOBODY]);
  assertEquals(bench.subscriptions.remove(one, "a"), false);
  bench.subscriptions.add(one, "*", DELTA);
  bench.subscriptions.dropSession("a");
  bench.publish("a", 2);
  assertEquals(bench.got("one"), ["d2"], "* is for all sessions, also later ones");
});

Deno.test("subscriptions: while a * answer is put together, what follows a worker's part is held", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  const gathering = bench.subscriptions.beginWildcard(one, DELTA, [0, 1]);
  bench.publish("a", 1, {}, 0);
  gathering.unanswered.delete(0);
  bench.publish("a", 2, {}, 0);
  bench.publish("b", 9, { text: "b9" }, 1);
  gathering.unanswered.delete(1);
  bench.publish("b", 10, { text: "b10" }, 1);
  bench.publish("a", 3, {}, 0);
  assertEquals(bench.got("one"), [], "the answer comes first");
  bench.subscriptions.commitWildcard(one, gathering, NOTHING_TOLD);
  assertEquals(bench.got("one"), ["d2", "b10", "d3"], "each from its worker's part on, in order");
  bench.publish("a", 4, {}, 0);
  assertEquals(bench.got("one"), ["d4"]);
});

Deno.test("subscriptions: sessions with a subscription by id go on while * is put together", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  bench.subscriptions.add(one, "a", FULL);
  const gathering = bench.subscriptions.beginWildcard(one, DELTA, [0, 1]);
  gathering.unanswered.delete(0);
  bench.publish("a", 1);
  assertEquals(bench.got("one"), ["f1"]);
  bench.subscriptions.commitWildcard(one, gathering, NOTHING_TOLD);
  assertEquals(bench.got("one"), [], "and are not given twice");
});

Deno.test("subscriptions: an older * goes on until the newer one's answer, without a gap", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  bench.subscriptions.add(one, "*", FULL);
  const gathering = bench.subscriptions.beginWildcard(one, DELTA, [0, 1]);
  bench.publish("a", 1);
  assertEquals(bench.got("one"), ["f1"], "the worker has not answered: this one belongs to the older");
  gathering.unanswered.delete(0);
  bench.publish("a", 2);
  bench.subscriptions.commitWildcard(one, gathering, NOTHING_TOLD);
  assertEquals(bench.got("one"), ["d2"]);
});

Deno.test("subscriptions: of two * that overlap the last one holds, and a peer that left gets nothing", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  const first = bench.subscriptions.beginWildcard(one, FULL, [0, 1]);
  const second = bench.subscriptions.beginWildcard(one, DELTA, [0, 1]);
  for (const gathering of [first, second]) gathering.unanswered.delete(0);
  bench.subscriptions.commitWildcard(one, first, NOTHING_TOLD);
  bench.publish("a", 1);
  bench.subscriptions.commitWildcard(one, second, NOTHING_TOLD);
  assertEquals(bench.got("one"), ["d1"]);
  const third = bench.subscriptions.beginWildcard(one, FULL, [0, 1]);
  third.unanswered.delete(0);
  bench.publish("a", 2);
  bench.got("one");
  bench.subscriptions.drop(one);
  bench.subscriptions.commitWildcard(one, third, NOTHING_TOLD);
  bench.publish("a", 3);
  assertEquals([bench.got("one"), bench.subscriptions.demand("a")], [[], NOBODY]);
});

Deno.test("subscriptions: a held event that the answer contains is not sent again", () => {
  const bench = new Bench();
  const one = bench.connect("one");
  const gathering = bench.subscriptions.beginWildcard(one, DELTA, [0, 1]);
  gathering.unanswered.delete(0);
  for (const seq of [1, 2, 3]) bench.publish("a", seq);
  bench.publish("new", 1);
  bench.subscriptions.commitWildcard(one, gathering, new Map([["a", 2]]));
  assertEquals(bench.got("one"), ["d3", "d1"]);
});

Deno.test("subscriptions: a subscription that was asked for and ended again is no longer wanted", () => {
  const bench = new Bench();
  const { subscriptions } = bench;
  const one = bench.connect("one");
  for (const target of ["a", "*"]) {
    const [first, second] = [subscriptions.ask(one, target, FULL), subscriptions.ask(one, target, DELTA)];
    assertEquals(subscriptions.remove(one, target), true, "there was one");
    assertEquals([first.settle(), second.settle()], [false, false]);
    assertEquals([subscriptions.demand("a"), subscriptions.remove(one, target)], [NOBODY, false]);
    const later = subscriptions.ask(one, target, FULL);
    subscriptions.remove(one, target === "a" ? "*" : "a");
    assertEquals(later.settle(), true, "an end ends what it names, and nothing that comes later");
  }
  const gathering = subscriptions.beginWildcard(one, DELTA, [0, 1]);
  gathering.unanswered.delete(0);
  bench.publish("a", 1);
  subscriptions.ask(one, "*", DELTA);
  subscriptions.remove(one, "*");
  subscriptions.commitWildcard(one, gathering, NOTHING_TOLD);
  bench.publish("a", 2);
  assertEquals(bench.got("one"), []);
});
