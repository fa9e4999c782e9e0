// One virtual connection: order, batches, parts, acknowledgements, and what a lost frame or a lost end does.
import { assert, assertEquals } from "@std/assert";
import { Channel, type ChannelEvents, isEndFrame } from "../../../src/server/cluster/wire/channel.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";

class End {
  readonly texts: string[] = [];
  readonly ends: (readonly [string, number | undefined])[] = [];
  readonly channel: Channel;
  readonly frames: Uint8Array[] = [];
  other: End | undefined;
  drains = 0;
  /** Which frames get lost: by their place among those that were sent. */
  loses: (index: number) => boolean = () => false;
  takes = true;

  constructor(clock: FakeClock, frameBytes = 1_000) {
    const events: ChannelEvents = {
      onText: (text) => {
        this.texts.push(text);
        if (this.takes) this.channel.taken();
      },
      onDrain: () => this.drains++,
      onEnd: (reason, code) => this.ends.push([reason, code]),
    };
    this.channel = new Channel({
      clock,
      frameBytes,
      soon: (fn) => queueMicrotask(fn),
      transmit: (frame) => {
        this.frames.push(frame);
        if (!this.loses(this.frames.length - 1)) this.other?.channel.receive(frame);
      },
    }, events);
  }
}

function pair(clock = new FakeClock()): { clock: FakeClock; a: End; b: End } {
  const [a, b] = [new End(clock), new End(clock)];
  a.other = b;
  b.other = a;
  return { clock, a, b };
}

Deno.test("channel: texts of one moment cross in one frame, in order, and long ones in parts", async () => {
  const { a, b } = pair();
  const long = "ö€".repeat(3_000);
  for (const text of ["one", "two", "with\na line end", "three", long, "four"]) a.channel.send(text);
  await turn();
  assertEquals(b.texts, ["one", "two", "with\na line end", "three", long, "four"]);
  const kinds = a.frames.map((frame) => String.fromCharCode(frame[0] ?? 0)).join("");
  assert(/^mddp+dd$/.test(kinds), kinds);
  a.channel.close(1000, "");
});

Deno.test("channel: what the other end has not taken is buffered, and an acknowledgement frees it", async () => {
  const { clock, a, b } = pair();
  b.takes = false;
  a.channel.send("x".repeat(500));
  assert(a.channel.buffered >= 500);
  await turn();
  assert(a.channel.buffered >= 500);
  assertEquals(a.drains, 0);
  b.channel.taken();
  await clock.advance(25);
  assertEquals([a.channel.buffered, a.drains], [0, 1]);
  a.channel.close(1000, "done");
  assertEquals(b.ends, [["done", 1000]]);
});

Deno.test("channel: a frame that is missing before another one ends both ends", async () => {
  const { a, b } = pair();
  a.loses = (index) => index === 1;
  for (const text of ["one", "two", "three"]) {
    a.channel.send(text);
    await turn();
  }
  assertEquals(b.texts, ["one"]);
  assertEquals(b.ends, [["a frame was lost", undefined]]);
  assertEquals(a.ends, [["a frame was lost", undefined]]);
  assert(isEndFrame(b.frames.at(-1) ?? new Uint8Array()));
});

Deno.test("channel: the last frame is missed too, since the sender asks", async () => {
  const { clock, a, b } = pair();
  a.loses = (index) => index === 0;
  a.channel.send("only");
  await turn();
  assertEquals([a.ends, b.ends], [[], []]);
  await clock.advance(1_000);
  assertEquals([a.ends.length, b.ends.length], [1, 1]);
});

Deno.test("channel: a slow end that answers questions lives, and one that answers none is lost", async () => {
  const { clock, a, b } = pair();
  b.takes = false;
  a.channel.send("wait");
  await turn();
  await clock.advance(60_000);
  assertEquals([a.ends, b.ends], [[], []]);
  a.loses = () => true;
  await clock.advance(10_000);
  assertEquals(a.ends, [["the other node does not answer", undefined]]);
  b.channel.close(1000, "");
  assertEquals(clock.pending, 0);
});
