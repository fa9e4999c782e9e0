import { assertEquals } from "@std/assert";
import { Pace } from "../../src/transports/pace.ts";

const SHARE = 64;

class Turns {
  readonly taken: string[] = [];
  readonly pace = new Pace((fn) => this.#soon.push(fn), (text) => this.taken.push(text));
  #soon: (() => void)[] = [];

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

Deno.test("pace: what comes slowly is taken at once and waits for no turn", () => {
  const world = new Turns();
  world.push(0, SHARE - 1);
  assertEquals(world.taken.length, SHARE - 1);
  assertEquals(world.turn(), 0);
});

Deno.test("pace: a flood is taken a share a turn, in order", () => {
  const world = new Turns();
  world.push(0, 3 * SHARE + 8);
  const taken = [world.taken.length];
  while (world.turn() > 0) taken.push(world.taken.length);
  assertEquals(taken, [SHARE, 2 * SHARE, 3 * SHARE, 3 * SHARE + 8]);
  assertEquals(world.taken, Array.from({ length: 3 * SHARE + 8 }, (_, n) => String(n)));
});

Deno.test("pace: what comes while a flood waits lines up behind it", () => {
  const world = new Turns();
  world.push(0, SHARE + 10);
  world.turn();
  world.push(SHARE + 10, SHARE);
  assertEquals(world.taken.length, 2 * SHARE);
  world.turn();
  assertEquals(world.taken, Array.from({ length: 2 * SHARE + 10 }, (_, n) => String(n)));
});

Deno.test("pace: nothing is taken once it is closed", () => {
  const world = new Turns();
  world.push(0, SHARE + 10);
  world.pace.close();
  world.turn();
  assertEquals(world.taken.length, SHARE);
});
