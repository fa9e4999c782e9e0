// A turn of Deno's event loop, asked for: in order, never at once, and with the network looked at in between.
import { assert, assertEquals } from "@std/assert";
import { NextTick } from "../../../src/runtime/deno/next_tick.ts";

const turns = new NextTick();
const turn = () => new Promise<void>((resolve) => turns.nextTick(resolve));

/** Leaves nothing open at its end, which is what the sanitizers look at. */
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test(name, async () => {
    try {
      await fn();
    } finally {
      turns.dispose();
      // The read that was under way has ended, and a connection that was being opened is closed.
      for (let n = 0; n < 20; n++) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });

test("turns: a rest ends what waits, and the next one who asks has a turn again", async () => {
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < round; n++) await turn();
    const waiting = turn();
    turns.dispose();
    await waiting;
  }
});

test("turns: in order, and what a turn asks for comes in a later one", async () => {
  // The first ones are made of timers, while the socket is opened.
  for (let n = 0; n < 50; n++) {
    const order: string[] = [];
    turns.nextTick(() => {
      order.push("a");
      turns.nextTick(() => order.push("c"));
    });
    turns.nextTick(() => order.push("b"));
    assertEquals(order, [], "nothing is done at once");
    await turn();
    assertEquals(order, ["a", "b"]);
    await turn();
    assertEquals(order, ["a", "b", "c"]);
  }
});

test("turns: peers and timers are served between them", async () => {
  for (let n = 0; n < 50; n++) await turn();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using served = await listener.accept();
  const byte = new Uint8Array(1);
  // Larger than what comes: a full one would be read again without looking at the network.
  const room = new Uint8Array(8);
  let echoed = 0;
  let timers = 0;
  let over = false;
  const echoing = (async () => {
    while (!over) {
      await peer.write(byte);
      await served.read(room);
      echoed++;
    }
  })();
  const timer = setInterval(() => timers++, 1);
  const row = 500;
  for (let n = 0; n < row; n++) {
    const until = performance.now() + 0.2;
    while (performance.now() < until);
    await turn();
  }
  over = true;
  await echoing;
  clearInterval(timer);
  // Of setImmediate, or of messages to oneself, one turn in sixty sees the network.
  assert(echoed > row / 10, `${echoed} of ${row} turns saw a peer`);
  assert(timers > row / 100, `${timers} timers in ${row} turns`);
});
