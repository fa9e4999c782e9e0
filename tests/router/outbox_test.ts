// The queue of one connection: what is handed to the transport and when, what counts, and what is freed.
import { assertEquals } from "@std/assert";
import { SOCKET_WINDOW_BYTES } from "../../src/governor/limits.ts";
import { Outbox } from "../../src/router/outbox.ts";
import { FakeClock, turn } from "../support/fake_clock.ts";
import { FakeWire, ROOMY } from "./fakes.ts";

function make(closeBytes = 1_000_000) {
  const [wire, clock] = [new FakeWire(), new FakeClock()];
  const state = { overflows: 0, reasons: "" };
  const giveUp = (reason: string): void => {
    state.overflows++;
    state.reasons += reason;
  };
  const outbox = new Outbox({ wire, clock, limits: { ...ROOMY, outboxCloseBytes: closeBytes }, giveUp });
  return { wire, clock, state, outbox };
}

const big = "x".repeat(SOCKET_WINDOW_BYTES);

Deno.test("outbox: what the transport takes is not queued", () => {
  const { wire, outbox } = make();
  for (const text of ["a", "b", "c"]) outbox.push(text);
  assertEquals([wire.sent, outbox.bytes], [["a", "b", "c"], 0]);
});

Deno.test("outbox: no more is handed over once the window is full, and the rest follows in order", () => {
  const { wire, outbox } = make();
  wire.stalled = true;
  for (const text of [big.slice(1), "y", "later", "last"]) outbox.push(text);
  assertEquals([wire.sent.length, outbox.bytes], [2, 9], "one byte below the window there is room");
  wire.buffered = SOCKET_WINDOW_BYTES;
  wire.onDrain();
  assertEquals(wire.sent.length, 2, "a drain that leaves no room changes nothing");
  wire.drain();
  assertEquals([wire.sent.slice(2), outbox.bytes], [["later", "last"], 0]);
});

Deno.test("outbox: thousands of queued messages keep their order", () => {
  const { wire, outbox } = make();
  wire.buffered = SOCKET_WINDOW_BYTES;
  const texts = Array.from({ length: 5_000 }, (_, index) => `m${index}`);
  for (const text of texts) outbox.push(text);
  assertEquals(wire.sent, []);
  // Room for a few at a time, so that the queue is cut while it is read.
  wire.onSend = () => {
    if (wire.sent.length % 700 === 0) wire.buffered = SOCKET_WINDOW_BYTES;
  };
  while (wire.sent.length < texts.length) wire.drain();
  assertEquals([wire.sent, outbox.bytes], [texts, 0]);
});

Deno.test("outbox: at the limit it goes on, a byte beyond it overflows once and is freed", () => {
  const { wire, state, outbox } = make(10);
  wire.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("12345");
  outbox.push("67890");
  assertEquals([state.overflows, outbox.bytes], [0, 10]);
  outbox.push("x");
  assertEquals([state.overflows, outbox.bytes], [1, 0]);
  outbox.push("y");
  wire.drain();
  assertEquals([state.overflows, wire.sent], [1, []], "a closed outbox sends nothing more");
});

Deno.test("outbox: a message larger than the limit passes when the transport takes it at once", () => {
  const { wire, state, outbox } = make(10);
  outbox.push("x".repeat(1_000));
  assertEquals([state.overflows, wire.sent.length], [0, 1]);
});

Deno.test("outbox: flushed resolves when nothing is queued and the transport has got rid of it", async () => {
  const { wire, outbox } = make();
  let flushed = 0;
  await outbox.flushed();
  wire.stalled = true;
  outbox.push("a");
  void outbox.flushed().then(() => flushed++);
  void outbox.flushed().then(() => flushed++);
  await turn();
  assertEquals(flushed, 0, "the transport still holds it");
  wire.buffered = 1;
  wire.onDrain();
  await turn();
  assertEquals(flushed, 0);
  wire.drain();
  await turn();
  assertEquals(flushed, 2);
});

Deno.test("outbox: close drops what is queued and lets go of who waits for the flush", async () => {
  const { wire, outbox } = make();
  wire.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("never");
  const flushed = outbox.flushed();
  outbox.close();
  await flushed;
  wire.drain();
  assertEquals([outbox.bytes, wire.sent], [0, []]);
});

Deno.test("outbox: a message that is pushed while one is sent comes behind it, once", () => {
  const { wire, outbox } = make();
  wire.onSend = () => {
    if (wire.sent.length === 1) outbox.push("echo");
  };
  outbox.push("first");
  outbox.push("second");
  assertEquals([wire.sent, outbox.bytes], [["first", "echo", "second"], 0]);
});

Deno.test("outbox: one that is closed while it sends stops", () => {
  const { wire, outbox } = make();
  wire.buffered = SOCKET_WINDOW_BYTES;
  for (const text of ["a", "b", "c"]) outbox.push(text);
  wire.onSend = () => outbox.close();
  wire.drain();
  assertEquals([wire.sent, outbox.bytes], [["a"], 0]);
});

Deno.test("outbox: a peer that takes nothing for 30 s while something waits is given up, and freed", async () => {
  const { wire, clock, state, outbox } = make();
  wire.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("a");
  await clock.advance(29_999);
  assertEquals([state.reasons, outbox.bytes], ["", 1]);
  await clock.advance(1);
  assertEquals([state.reasons, outbox.bytes, clock.pending], ["stalled", 0, 0]);
});

Deno.test("outbox: a peer that takes a byte now and then is kept, and no timer outlives what waits", async () => {
  const { wire, clock, state, outbox } = make();
  wire.buffered = SOCKET_WINDOW_BYTES * 2;
  outbox.push("a");
  for (let left = 9; left > 0; left--) {
    await clock.advance(29_999);
    wire.buffered -= 1;
    wire.onDrain();
  }
  assertEquals([state.reasons, clock.pending], ["", 1]);
  wire.drain();
  await clock.advance(60_000);
  assertEquals([wire.sent, state.reasons, clock.pending], [["a"], "", 0]);
  for (let minute = 0; minute < 3; minute++) {
    outbox.push("taken at once");
    await clock.advance(60_000);
  }
  assertEquals([state.reasons, clock.pending], ["", 0], "a peer with nothing to take may be silent");
});

Deno.test("outbox: a peer that takes nothing is given up, also while small messages keep coming", async () => {
  const { wire, clock, state, outbox } = make();
  wire.stalled = true;
  for (let second = 0; second < 62; second++) {
    outbox.push("x");
    await clock.advance(1_000);
  }
  assertEquals(state.reasons, "stalled", "handing over to the transport is not taking");
});
