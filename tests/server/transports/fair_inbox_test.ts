// The share of one connection: what it may send in a turn, what waits, and how much of it may.
import { assertEquals } from "@std/assert";
import { Backlog, FairInbox } from "../../../src/server/transports/fair_inbox.ts";

const SHARE = 64;
const MIB = 1024 * 1024;

class World {
  readonly taken: string[] = [];
  readonly backlog: Backlog;
  readonly events: string[] = [];
  /** What to wait for before more is taken. */
  until: Promise<void> | undefined;
  readonly pace: FairInbox;
  #soon: (() => void)[] = [];

  constructor({ pauses = false, backlog = new Backlog() } = {}) {
    this.backlog = backlog;
    this.pace = new FairInbox({
      soon: (fn) => this.#soon.push(fn),
      take: (text) => this.taken.push(text),
      room: () => this.until,
      pause: () => {
        if (pauses) this.events.push("pause");
        return pauses;
      },
      resume: () => this.events.push(`resume at ${this.taken.length}`),
      full: () => this.events.push("full"),
      backlog,
    });
  }

  push(from: number, count: number): void {
    for (let n = from; n < from + count; n++) this.pace.push(String(n));
  }

  /** The next turn of the event loop; how much was asked for in it. */
  turn(): number {
    const now = this.#soon.splice(0);
    for (const fn of now) fn();
    return now.length;
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));

Deno.test("fair inbox: what comes slowly is taken at once and waits for no turn", () => {
  const world = new World();
  world.push(0, SHARE - 1);
  assertEquals([world.taken.length, world.turn()], [SHARE - 1, 0]);
});

Deno.test("fair inbox: a long message counts as several", () => {
  const world = new World();
  // Counts as 26.
  const long = "x".repeat(100 * 1024);
  for (let n = 0; n < 7; n++) world.pace.push(long);
  const taken = [world.taken.length];
  while (world.turn() > 0) taken.push(world.taken.length);
  assertEquals(taken, [3, 6, 7]);
});

Deno.test("fair inbox: a flood is taken a share a turn, in order", () => {
  const world = new World();
  world.push(0, 3 * SHARE + 8);
  const taken = [world.taken.length];
  while (world.turn() > 0) taken.push(world.taken.length);
  assertEquals(taken, [SHARE, 2 * SHARE, 3 * SHARE, 3 * SHARE + 8]);
  assertEquals([world.taken, world.backlog.bytes], [numbers(3 * SHARE + 8), 0]);
});

Deno.test("fair inbox: what comes while a flood waits lines up behind it, also a long one", () => {
  const world = new World();
  for (let n = 0; n < 200; n++) {
    world.push(n * 100, 100);
    world.turn();
  }
  while (world.turn() > 0);
  assertEquals([world.taken, world.backlog.bytes], [numbers(20_000), 0]);
});

Deno.test("fair inbox: nothing is taken once it is closed", () => {
  const world = new World();
  world.push(0, SHARE + 10);
  world.pace.close();
  world.turn();
  world.push(0, 10);
  assertEquals([world.taken.length, world.backlog.bytes], [SHARE, 0]);
});

Deno.test("fair inbox: where reading can stop it does, and goes on once half of it is taken", () => {
  const world = new World({ pauses: true });
  world.push(0, SHARE + 1024);
  assertEquals(world.events, []);
  world.push(SHARE + 1024, 10);
  assertEquals(world.events, ["pause"]);
  while (world.turn() > 0);
  assertEquals(world.events, ["pause", `resume at ${SHARE + 9 * SHARE}`]);
  const large = new World({ pauses: true });
  large.push(0, SHARE);
  for (let n = 0; n < 2; n++) large.pace.push("x".repeat(MIB));
  while (large.turn() > 0);
  assertEquals(large.events, ["pause", `resume at ${SHARE + 2}`]);
});

Deno.test("fair inbox: where it cannot, too many messages or bytes are reported once and dropped", () => {
  const world = new World();
  world.push(0, SHARE + 65_536);
  assertEquals(world.events, []);
  world.push(0, 10);
  world.turn();
  assertEquals([world.events, world.taken.length, world.backlog.bytes], [["full"], SHARE, 0]);
  const large = new World();
  large.push(0, SHARE);
  for (let n = 0; n < 40; n++) large.pace.push("x".repeat(MIB));
  assertEquals([large.events, large.backlog.bytes], [["full"], 0]);
});

Deno.test("fair inbox: what waits for all connections is bounded too", () => {
  const backlog = new Backlog();
  const worlds = Array.from({ length: 4 }, () => new World({ backlog }));
  for (const world of worlds) {
    world.push(0, SHARE);
    for (let n = 0; n < 14; n++) world.pace.push("x".repeat(MIB));
  }
  assertEquals(worlds.map(({ events }) => events), [[], [], [], ["full"]]);
  assertEquals(backlog.bytes > 40 * MIB && backlog.bytes < 48 * MIB, true);
});

Deno.test("fair inbox: a peer whose answers pile up waits until it has read some", async () => {
  const world = new World();
  const read = Promise.withResolvers<void>();
  world.until = read.promise;
  world.push(0, 3 * SHARE);
  assertEquals([world.taken.length, world.turn(), world.taken.length], [SHARE, 0, SHARE]);
  world.until = undefined;
  read.resolve();
  await read.promise;
  assertEquals([world.turn(), world.taken.length], [1, 2 * SHARE]);
  world.turn();
  assertEquals(world.taken.length, 3 * SHARE);
});
