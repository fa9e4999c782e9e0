// Unfinished messages on Deno: what has arrived for a connection, less what Deno has reported of it.
import { assert, assertEquals } from "@std/assert";
import {
  type HeldBytes,
  UnfinishedWatch,
  type WatchedHolder,
} from "../../../src/runtime/deno/unfinished_watch.ts";

const MIB = 1024 * 1024;

/** A client's frame has a head of 6 bytes, of 8, or of 14, before its payload. */
const framed = (bytes: number): number => bytes + (bytes < 126 ? 6 : bytes < 65_536 ? 8 : 14);

class Peer implements WatchedHolder {
  readonly gone: string[] = [];
  /** What the system was asked to keep. */
  readonly bounds: number[] = [];
  arrived = 0;
  waiting = 0;
  held: HeldBytes | undefined;

  giveUp(why: string): void {
    this.gone.push(why);
  }

  tooLarge(): void {
    this.gone.push("too large");
  }

  received(): number {
    return this.arrived;
  }

  unread(): number {
    return this.waiting;
  }

  bound(bytes: number): void {
    this.bounds.push(bytes);
  }

  message(bytes: number): void {
    this.arrived += framed(bytes);
    this.held?.message(bytes);
  }
}

class World implements Disposable {
  now = 0;
  processBytes = 100 * MIB;
  given = 0;
  readonly #peers: Peer[] = [];
  readonly watch: UnfinishedWatch = new UnfinishedWatch({
    messageBytes: 10 * MIB,
    processBytes: () => this.processBytes,
    now: () => this.now,
    giveBack: () => this.given++,
  });

  peer(): Peer {
    const peer = new Peer();
    peer.held = this.watch.add(peer, peer);
    this.#peers.push(peer);
    return peer;
  }

  /** A look that is due. */
  look(): void {
    this.now += 1_000;
    this.watch.tick();
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers) this.watch.remove(peer);
  }
}

Deno.test("unfinished watch: a message that never ends goes when it is larger than a message may be", () => {
  using world = new World();
  const peer = world.peer();
  peer.arrived = 10 * MIB;
  world.look();
  assertEquals(peer.gone, []);
  peer.arrived = 11 * MIB;
  world.look();
  world.look();
  assertEquals(peer.gone, ["too large"]);
});

Deno.test("unfinished watch: all together have 20 MiB, and the longest stalled goes", () => {
  using world = new World();
  const peers = [world.peer(), world.peer(), world.peer()];
  const [first, second, third] = peers;
  for (const peer of peers) {
    peer.arrived = 9 * MIB;
    world.look();
  }
  assertEquals([first?.gone, second?.gone, third?.gone], [["full"], [], []]);
});

Deno.test("unfinished watch: the next tick comes soon while the process grows", () => {
  using world = new World();
  world.peer();
  const usual = world.watch.tick();
  assertEquals(world.watch.tick(), usual);
  world.processBytes += MIB;
  const soon = world.watch.tick();
  assert(soon < usual / 4, `${soon} ms`);
  world.processBytes -= MIB;
  assertEquals(world.watch.tick(), usual);
});

Deno.test("unfinished watch: messages that are complete hold nothing, however many and whatever their size", () => {
  using world = new World();
  const peer = world.peer();
  for (const bytes of [15, 200, 9 * MIB, 70_000]) {
    for (let n = 0; n < 50; n++) peer.message(bytes);
    world.look();
  }
  // And the one that follows them is counted by itself.
  peer.arrived += 10 * MIB;
  world.look();
  assertEquals(peer.gone, []);
  peer.arrived += 2 * MIB;
  world.look();
  assertEquals(peer.gone, ["too large"]);
});

Deno.test("unfinished watch: what the program has not read is not in its memory", () => {
  using world = new World();
  const peer = world.peer();
  peer.arrived = 20 * MIB;
  peer.waiting = 15 * MIB;
  world.look();
  assertEquals(peer.gone, []);
});

Deno.test("unfinished watch: pings of a peer that says nothing else never count", () => {
  using world = new World();
  const peer = world.peer();
  // The largest ping every second for two days.
  for (let second = 0; second < 172_800; second++) {
    peer.arrived += framed(125);
    world.look();
  }
  assertEquals(peer.gone, []);
});

Deno.test("unfinished watch: it looks when the process grows, or once a second", () => {
  using world = new World();
  const peer = world.peer();
  world.look();
  peer.arrived = 20 * MIB;
  world.now += 50;
  world.watch.tick();
  assertEquals(peer.gone, []);
  world.processBytes += 5 * MIB;
  world.watch.tick();
  assertEquals(peer.gone, ["too large"]);
});

Deno.test("unfinished watch: memory of peers that went is given back once, and in quiet times none is", () => {
  using world = new World();
  const peer = world.peer();
  world.peer();
  world.look();
  peer.arrived = 5 * MIB;
  world.look();
  assertEquals(world.given, 0);
  world.watch.remove(peer);
  world.look();
  world.look();
  assertEquals(world.given, 1);
});

Deno.test("the system keeps much of a peer that sends large messages, and little of one that sends many small ones", () => {
  using world = new World();
  const peer = world.peer();
  for (let n = 0; n < 5_000; n++) peer.message(100);
  assertEquals(peer.bounds, []);
  peer.message(10_000);
  peer.message(100);
  assertEquals(peer.bounds, [64 * 1024]);
  for (let n = 0; n < 5_000; n++) peer.message(100);
  assertEquals(peer.bounds, [64 * 1024, 8 * 1024]);
});

Deno.test("the system keeps much of a peer whose message is large, before it is complete", () => {
  using world = new World();
  const peer = world.peer();
  peer.arrived = MIB;
  world.now = 2_000;
  world.watch.tick();
  assertEquals(peer.bounds, [64 * 1024]);
});

Deno.test("of peers that have all grown between two looks, the last one is not taken for one that stalls", () => {
  using world = new World();
  const peers = [world.peer(), world.peer(), world.peer(), world.peer()];
  const [first, second, third, last] = peers;
  const grow = (peer: Peer | undefined, mib: number): void => {
    if (peer !== undefined) peer.arrived += mib * MIB;
  };
  for (const peer of peers) grow(peer, 3);
  world.now += 2_000;
  world.watch.tick();
  for (const [peer, mib] of [[first, 6], [second, 6], [third, 1], [last, 1]] as const) grow(peer, mib);
  world.now += 2_000;
  world.watch.tick();
  assertEquals(peers.map(({ gone }) => gone), [["full"], [], [], []]);
});
