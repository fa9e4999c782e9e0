// Who lives in the cluster: by what each node says, by this node's own clock, and not by its own standstills.
import { assertEquals } from "@std/assert";
import type { NodeInfo } from "../../../src/protocol/schema/monitoring_commands.ts";
import { Members, SILENT_MS } from "../../../src/server/cluster/members.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { FakeBucket } from "./fake_bus.ts";

const infoOf = (node: string): NodeInfo => ({
  ...{ node, version: "1", protocolVersion: "1.0", pi: "1", state: "running" as const },
  ...{ sessions: { live: 0, parked: 0, limit: 100 }, memoryBytes: 0, machineBytes: 100, load: 0 },
});

/** The node `a`, whose own words come back to it, and what it hears. */
class Bench {
  readonly clock = new FakeClock();
  readonly told: string[] = [];
  readonly members: Members;
  /** Words that wait in the socket while the process stands still. */
  readonly #unread: string[] = [];
  #read: (text: string) => void = () => {};
  #skipped = 0;
  #still = false;

  constructor() {
    const { after, now } = this.clock;
    const bus = new FakeBucket().connect();
    bus.publish = (subject: string, text: Uint8Array | string) => {
      if (subject.endsWith(".beat")) this.#arrives(String(text));
    };
    bus.subscribe = (subject: string, each: (data: Uint8Array, subject: string) => void) => {
      if (subject.endsWith(".beat")) this.#read = (text) => each(new TextEncoder().encode(text), subject);
    };
    this.members = new Members({
      ...{ bus, prefix: "p", instance: "a1", self: () => infoOf("a") },
      clock: { now, after, monotonic: () => this.clock.monotonic() + this.#skipped },
    }, {
      onAlive: ({ info, instance }) => void this.told.push(`${info.node} ${instance} lives`),
      onGone: ({ info }, left) => void this.told.push(`${info.node} ${left ? "left" : "is silent"}`),
      onHeard: () => {},
    });
    this.members.listen();
    this.members.start();
  }

  #arrives(text: string): void {
    if (this.#still) this.#unread.push(text);
    else this.#read(text);
  }

  says(node: string, over: Record<string, unknown> = {}): void {
    this.#arrives(
      JSON.stringify({ instance: `${node}1`, at: this.clock.now(), left: false, ...over, ...infoOf(node) }),
    );
  }

  /** Seconds in which those nodes speak. */
  async pass(seconds: number, ...nodes: string[]): Promise<void> {
    for (let at = 0; at < seconds; at++) {
      for (const node of nodes) this.says(node);
      await this.clock.advance(1_000);
    }
  }

  /** The process stands still, and runs its timers before it reads what has come meanwhile. */
  async standStill(ms: number, ...nodes: string[]): Promise<void> {
    this.#still = true;
    for (const node of nodes) this.says(node);
    this.#skipped += ms;
    await this.clock.advance(1_000);
    this.#still = false;
    for (const text of this.#unread.splice(0)) this.#read(text);
  }
}

Deno.test("members: a node is gone when it leaves or is silent, and lives when it is back or was started again", async () => {
  const bench = new Bench();
  await bench.pass(10, "b", "c");
  assertEquals(bench.told.splice(0), ["b b1 lives", "c c1 lives"]);
  await bench.pass(2, "b");
  assertEquals(bench.told, []);
  await bench.pass(1, "b");
  assertEquals(bench.told.splice(0), ["c is silent"]);
  bench.says("b", { left: true });
  bench.says("c");
  assertEquals(bench.told.splice(0), ["b left", "c c1 lives"]);
  bench.says("c", { instance: "c2" });
  assertEquals(bench.told, ["c left", "c c2 lives"]);
  bench.members.stop();
});

Deno.test("members: this node's own standstill does not count as silence of others, however long or often", async () => {
  for (const ms of [1_500, SILENT_MS, 60_000]) {
    const bench = new Bench();
    await bench.pass(3, "b");
    bench.told.splice(0);
    for (let at = 0; at < 5; at++) {
      await bench.standStill(ms, "b");
      assertEquals([bench.told, bench.members.heardItself], [[], true], `${ms} ms`);
    }
    await bench.pass(5, "b");
    assertEquals(bench.told, []);
    bench.members.stop();
  }
});

Deno.test("members: a node that died during this one's standstill is gone as soon after it as at any time", async () => {
  const bench = new Bench();
  await bench.pass(3, "b", "c");
  bench.told.splice(0);
  await bench.standStill(60_000, "c");
  await bench.pass(1, "c");
  assertEquals(bench.told, []);
  await bench.pass(1, "c");
  assertEquals(bench.told, ["b is silent"]);
  bench.members.stop();
});

Deno.test("members: the time without NATS does not count as silence, but a node that died in it is gone after it", async () => {
  const bench = new Bench();
  await bench.pass(3, "b", "c");
  bench.told.splice(0);
  // Each outage takes the one word that the others say in its second.
  for (let at = 0; at < 3; at++) {
    await bench.clock.advance(200);
    bench.members.connection(false);
    await bench.clock.advance(700);
    bench.members.connection(true);
    await bench.clock.advance(100);
  }
  await bench.clock.advance(1_000);
  assertEquals(bench.told, [], "4 s of silence, of which 2.1 s were without NATS");
  await bench.pass(3, "b");
  assertEquals(bench.told, ["c is silent"]);
  bench.members.connection(false);
  await bench.pass(5);
  assertEquals(bench.told, ["c is silent", "b is silent"], "in a long outage no node can be reached");
  bench.members.stop();
});
