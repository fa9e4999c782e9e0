// Unfinished messages of all peers together: bounded in bytes and in time.
import { assertEquals } from "@std/assert";
import { type Holder, Unfinished } from "../../../src/runtime/websocket/unfinished_messages.ts";

const LONG_MS = 60_000;

class World {
  readonly gone: string[] = [];
  readonly unfinished: Unfinished;

  constructor(most: number, messageBytes = 10, forMs = LONG_MS) {
    this.unfinished = new Unfinished(messageBytes, most, forMs);
  }

  peer(name: string, then: () => void = () => {}): Holder {
    return {
      giveUp: (why) => {
        this.gone.push(`${name} ${why}`);
        then();
      },
    };
  }
}

Deno.test("unfinished: when there is too much, what has not grown for the longest time goes", () => {
  const world = new World(100);
  const { unfinished, gone } = world;
  const [a, b, c] = [world.peer("a"), world.peer("b"), world.peer("c")];
  for (const [peer, bytes] of [[a, 40], [b, 40], [a, 10]] as const) unfinished.grew(peer, bytes);
  assertEquals([unfinished.bytes, gone], [90, []]);
  unfinished.grew(c, 20);
  assertEquals([unfinished.bytes, gone], [70, ["b full"]]);
  unfinished.grew(c, 40);
  assertEquals([unfinished.bytes, gone], [60, ["b full", "a full"]]);
  unfinished.done(c);
  unfinished.done(c);
  assertEquals(unfinished.bytes, 0);
});

Deno.test("unfinished: two of the largest messages always have room", () => {
  const world = new World(10, 100);
  const [a, b] = [world.peer("a"), world.peer("b")];
  for (const peer of [a, b]) world.unfinished.grew(peer, 100);
  assertEquals([world.gone, world.unfinished.bytes], [[], 200]);
  for (const peer of [a, b]) world.unfinished.done(peer);
});

Deno.test("unfinished: control frames are not held, whatever comes first", () => {
  const world = new World(100);
  const peer = world.peer("a");
  world.unfinished.grew(peer, 6);
  world.unfinished.grew(peer, -6);
  world.unfinished.grew(peer, -6);
  assertEquals(world.unfinished.bytes, 0);
  // The sanitizers would find a timer.
});

Deno.test("unfinished: a message has its time, however it grows", async () => {
  const world = new World(100, 10, 20);
  const over = Promise.withResolvers<void>();
  const slow = world.peer("slow", over.resolve);
  world.unfinished.grew(slow, 1);
  world.unfinished.grew(slow, 1);
  await over.promise;
  assertEquals([world.gone, world.unfinished.bytes], [["slow late"], 0]);
});
