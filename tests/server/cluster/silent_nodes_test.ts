// When the virtual connections to a silent node end: at once without NATS, later for one that is only busy.
import { assertEquals } from "@std/assert";
import { SILENT_MS } from "../../../src/server/cluster/members.ts";
import { SilentNodes } from "../../../src/server/cluster/silent_nodes.ts";
import { LOST_MS } from "../../../src/server/cluster/wire/channel.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";

class Bench {
  readonly clock = new FakeClock();
  readonly givenUp: string[] = [];
  readonly bus = { connected: true, ask: (_subject: string): Promise<boolean> => Promise.resolve(true) };
  readonly nodes = new SilentNodes({
    clock: this.clock,
    bus: this.bus,
    aliveSubject: (instance) => `alive.${instance}`,
    giveUp: (instance) => this.givenUp.push(instance),
  });
}

Deno.test("silent nodes: a node that has lost NATS, or that NATS cannot be asked about, is given up at once", async () => {
  const bench = new Bench();
  const asked: string[] = [];
  bench.bus.ask = (subject) => Promise.resolve(asked.push(subject) > 1);
  await bench.nodes.silent("a", "a1");
  assertEquals([bench.givenUp, asked], [["a1"], ["alive.a1"]]);
  bench.bus.ask = () => Promise.reject(new Error("disconnected"));
  await bench.nodes.silent("b", "b1");
  bench.bus.connected = false;
  bench.bus.ask = () => Promise.resolve(true);
  await bench.nodes.silent("c", "c1");
  assertEquals(bench.givenUp, ["a1", "b1", "c1"]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("silent nodes: a busy one keeps its virtual connections until LOST_MS of silence", async () => {
  const bench = new Bench();
  await bench.nodes.silent("a", "a1");
  await bench.clock.advance(LOST_MS - SILENT_MS - 1);
  assertEquals(bench.givenUp, []);
  await bench.clock.advance(1);
  assertEquals(bench.givenUp, ["a1"]);
});

Deno.test("silent nodes: one that speaks again is not given up, and one that was started again is", async () => {
  const bench = new Bench();
  await bench.nodes.silent("a", "a1");
  bench.nodes.heard("a", "a1");
  await bench.nodes.silent("b", "b1");
  bench.nodes.heard("b", "b2");
  await bench.clock.advance(LOST_MS);
  assertEquals(bench.givenUp, ["b1"]);
});

Deno.test("silent nodes: an answer about an earlier silence changes nothing", async () => {
  const bench = new Bench();
  let answer = (_lives: boolean): void => {};
  bench.bus.ask = () => new Promise((resolve) => answer = resolve);
  void bench.nodes.silent("a", "a1");
  bench.nodes.heard("a", "a1");
  answer(false);
  await turn();
  assertEquals(bench.givenUp, []);
  void bench.nodes.silent("a", "a1");
  bench.nodes.close();
  answer(false);
  await bench.clock.advance(LOST_MS);
  assertEquals(bench.givenUp, []);
});
