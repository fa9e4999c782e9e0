// The queue of one connection: what is handed to the transport and when, what counts, what is merged once much is
// queued, when a session's events must stop, when the peer is given up, and what is freed.
import { assertEquals } from "@std/assert";
import { SOCKET_WINDOW_BYTES, STALL_MS } from "../../../src/governor/limits.ts";
import type { EncodedEvent } from "../../../src/ipc/messages.ts";
import { EventEncoder } from "../../../src/worker/session/events/event_encoder.ts";
import { Outbox, type OutboxLimits } from "../../../src/server/router/outbox.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { FakePeer, ROOMY } from "./fakes.ts";

function make(closeBytes = 1_000_000, over: Partial<OutboxLimits> = {}) {
  const [peer, clock] = [new FakePeer(), new FakeClock()];
  const state = { overflows: 0, reasons: "" };
  const giveUp = (reason: string): void => {
    state.overflows++;
    state.reasons += reason;
  };
  const limits = { ...ROOMY, outboxCloseBytes: closeBytes, ...over };
  const outbox = new Outbox({ peer, clock, limits, giveUp });
  return { peer, clock, state, outbox };
}

/** A piece of a message; its text is as long as that of every other one. */
function piece(seq: number, delta = "dd"): EncodedEvent {
  const assistantMessageEvent = { type: "text_delta", contentIndex: 0, delta };
  return new EventEncoder("a").encode(seq, { type: "message_update", assistantMessageEvent }, false);
}

const PIECE_BYTES = piece(1).text.length;

/** Queues a piece of session `a`; whether its events may go on. */
const push = (outbox: Outbox, seq: number): boolean => outbox.pushEvent("a", piece(seq), piece(seq).text);

/** What was sent, in short. */
function told(peer: FakePeer): string[] {
  return peer.sent.splice(0).map((text) => {
    const { seq, coalesced = 1, event } = JSON.parse(text);
    return `${seq - coalesced + 1}-${seq} ${event.assistantMessageEvent.delta}`;
  });
}

const big = "x".repeat(SOCKET_WINDOW_BYTES);

Deno.test("outbox: what the transport takes is not queued", () => {
  const { peer, outbox } = make();
  for (const text of ["a", "b", "c"]) outbox.push(text);
  assertEquals([peer.sent, outbox.bytes], [["a", "b", "c"], 0]);
});

Deno.test("outbox: every byte that is sent is counted, queued or not", () => {
  const { peer, outbox } = make();
  outbox.push("answer");
  push(outbox, 1);
  peer.stalled = true;
  outbox.push(big);
  push(outbox, 2);
  peer.drain();
  assertEquals(outbox.sent, peer.sent.reduce((sum, text) => sum + text.length, 0));
  assertEquals(peer.sent.length, 4);
});

Deno.test("outbox: no more is handed over once the window is full, and the rest follows in order", () => {
  const { peer, outbox } = make();
  peer.stalled = true;
  for (const text of [big.slice(1), "y", "later", "last"]) outbox.push(text);
  assertEquals([peer.sent.length, outbox.bytes], [2, 9], "one byte below the window there is room");
  peer.buffered = SOCKET_WINDOW_BYTES;
  peer.onDrain();
  assertEquals(peer.sent.length, 2, "a drain that leaves no room changes nothing");
  peer.drain();
  assertEquals([peer.sent.slice(2), outbox.bytes], [["later", "last"], 0]);
});

Deno.test("outbox: thousands of queued messages keep their order", () => {
  const { peer, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  const texts = Array.from({ length: 5_000 }, (_, index) => `m${index}`);
  for (const text of texts) outbox.push(text);
  assertEquals(peer.sent, []);
  // Room for a few at a time, so that the queue is cut while it is read.
  peer.onSend = () => {
    if (peer.sent.length % 700 === 0) peer.buffered = SOCKET_WINDOW_BYTES;
  };
  while (peer.sent.length < texts.length) peer.drain();
  assertEquals([peer.sent, outbox.bytes], [texts, 0]);
});

Deno.test("outbox: at the limit it goes on, a byte beyond it overflows once and is freed", () => {
  const { peer, state, outbox } = make(10);
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("12345");
  outbox.push("67890");
  assertEquals([state.overflows, outbox.bytes], [0, 10]);
  outbox.push("x");
  assertEquals([state.overflows, outbox.bytes], [1, 0]);
  outbox.push("y");
  peer.drain();
  assertEquals([state.overflows, peer.sent], [1, []], "a closed outbox sends nothing more");
});

Deno.test("outbox: a message larger than the limit passes when the transport takes it at once", () => {
  const { peer, state, outbox } = make(10);
  outbox.push("x".repeat(1_000));
  assertEquals([state.overflows, peer.sent.length], [0, 1]);
});

Deno.test("outbox: flushed resolves when nothing is queued and the transport has got rid of it", async () => {
  const { peer, outbox } = make();
  let flushed = 0;
  await outbox.flushed();
  peer.stalled = true;
  outbox.push("a");
  void outbox.flushed().then(() => flushed++);
  void outbox.flushed().then(() => flushed++);
  await turn();
  assertEquals(flushed, 0, "the transport still holds it");
  peer.buffered = 1;
  peer.onDrain();
  await turn();
  assertEquals(flushed, 0);
  peer.drain();
  await turn();
  assertEquals(flushed, 2);
});

Deno.test("outbox: close drops the queue and resolves waits for the flush", async () => {
  const { peer, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("never");
  const flushed = outbox.flushed();
  outbox.close();
  await flushed;
  peer.drain();
  assertEquals([outbox.bytes, peer.sent], [0, []]);
});

Deno.test("outbox: a message that is pushed while one is sent comes behind it, once", () => {
  const { peer, outbox } = make();
  peer.onSend = () => {
    if (peer.sent.length === 1) outbox.push("echo");
  };
  outbox.push("first");
  outbox.push("second");
  assertEquals([peer.sent, outbox.bytes], [["first", "echo", "second"], 0]);
});

Deno.test("outbox: one that is closed while it sends stops", () => {
  const { peer, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  for (const text of ["a", "b", "c"]) outbox.push(text);
  peer.onSend = () => outbox.close();
  peer.drain();
  assertEquals([peer.sent, outbox.bytes], [["a"], 0]);
});

Deno.test("outbox: events that the transport takes at once are left as they are", () => {
  const { peer, outbox } = make(1_000, { outboxSoftBytes: 0, outboxHardBytes: 0 });
  assertEquals([push(outbox, 1), push(outbox, 2)], [true, true]);
  assertEquals([told(peer), outbox.bytes, outbox.coalesced], [["1-1 dd", "2-2 dd"], 0, 0]);
});

Deno.test("outbox: merges only while more than the soft limit is queued, messages included", () => {
  for (const first of [0, 500]) {
    const soft = first + 2 * PIECE_BYTES;
    const { peer, outbox } = make(1_000_000, { outboxSoftBytes: soft });
    peer.buffered = SOCKET_WINDOW_BYTES;
    if (first > 0) outbox.push("m".repeat(first));
    for (const seq of [1, 2, 3]) push(outbox, seq);
    assertEquals(outbox.bytes, first + 3 * PIECE_BYTES, "at the limit nothing is merged");
    for (const seq of [4, 5]) push(outbox, seq);
    assertEquals([outbox.bytes, outbox.coalesced], [first + 3 * PIECE_BYTES + 4, 2]);
    peer.drain();
    if (first > 0) peer.sent.shift();
    assertEquals([told(peer), outbox.bytes], [["1-1 dd", "2-2 dd", "3-5 dddddd"], 0]);
    push(outbox, 6);
    assertEquals(told(peer), ["6-6 dd"], "and not any more once it is empty");
  }
});

Deno.test("outbox: messages and events leave in the order in which they arose", () => {
  const { peer, outbox } = make(1_000_000, { outboxSoftBytes: 0 });
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("one");
  push(outbox, 1);
  outbox.push("two");
  push(outbox, 2);
  outbox.push("three");
  peer.drain();
  assertEquals(peer.sent.map((text) => text.length < 10 ? text : JSON.parse(text).seq), [
    "one",
    2,
    "two",
    "three",
  ]);
});

Deno.test("outbox: past the hard limit of events it says so, whatever else is queued", () => {
  const { peer, outbox } = make(1_000_000, { outboxHardBytes: 2 * PIECE_BYTES });
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("m".repeat(10 * PIECE_BYTES));
  assertEquals(
    [push(outbox, 1), push(outbox, 2)],
    [true, true],
    "answers do not count, and at exactly the limit the client is kept",
  );
  assertEquals(push(outbox, 3), false);
  peer.drain();
  peer.sent.shift();
  assertEquals(told(peer), ["1-1 dd", "2-2 dd", "3-3 dd"], "what is queued is still delivered");
  assertEquals(push(outbox, 4), true);
});

Deno.test("outbox: forget keeps what comes later apart from what is queued", () => {
  const { peer, outbox } = make(1_000_000, { outboxSoftBytes: 0 });
  peer.buffered = SOCKET_WINDOW_BYTES;
  for (const seq of [1, 2]) push(outbox, seq);
  outbox.forget("a");
  for (const seq of [3, 4]) push(outbox, seq);
  peer.drain();
  assertEquals([told(peer), outbox.bytes], [["1-2 dddd", "3-4 dddd"], 0]);
});

Deno.test("outbox: thousands of events, merged and taken at random, come out even and without a gap", () => {
  const { peer, outbox } = make(1_000_000, { outboxSoftBytes: 3 * PIECE_BYTES });
  let [last, dice] = [0, 7];
  for (let seq = 1; seq <= 5_000; seq++) {
    dice = (dice * 16_807) % 2_147_483_647;
    if (dice % 5 === 0) peer.drain();
    else peer.buffered = SOCKET_WINDOW_BYTES;
    push(outbox, seq);
  }
  peer.drain();
  for (const range of told(peer)) {
    const [first = 0, end = 0] = range.split(" ")[0]?.split("-").map(Number) ?? [];
    assertEquals(first, last + 1);
    last = end;
  }
  assertEquals([last, outbox.bytes], [5_000, 0]);
});

Deno.test("outbox: events do not close it, the message behind them does", () => {
  const { peer, state, outbox } = make(3 * PIECE_BYTES, { outboxHardBytes: 2 * PIECE_BYTES });
  peer.buffered = SOCKET_WINDOW_BYTES;
  assertEquals([1, 2, 3, 4].map((seq) => push(outbox, seq)), [true, true, false, false]);
  assertEquals(state.reasons, "");
  outbox.push("lagged");
  assertEquals([state.reasons, outbox.bytes], ["full", 0]);
});

Deno.test("outbox: a closed one takes events and counts nothing", () => {
  const { peer, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  push(outbox, 1);
  outbox.close();
  assertEquals([push(outbox, 2), outbox.bytes], [true, 0], "no peer must get lagged");
  peer.drain();
  assertEquals(peer.sent, []);
});

Deno.test("outbox: a peer that takes nothing for 30 s while something waits is given up, and freed", async () => {
  const { peer, clock, state, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("a");
  await clock.advance(STALL_MS - 1);
  assertEquals([STALL_MS, state.reasons, outbox.bytes], [30_000, "", 1]);
  await clock.advance(1);
  assertEquals([state.reasons, outbox.bytes, clock.pending], ["stalled", 0, 0]);
});

Deno.test("outbox: more queued output does not extend the time limit of a peer that reads nothing", async () => {
  const { peer, clock, state, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  for (let left = 29; left > 0; left--) {
    outbox.push("a");
    push(outbox, left);
    await clock.advance(1_000);
  }
  assertEquals(state.reasons, "");
  await clock.advance(1_000);
  assertEquals(state.reasons, "stalled");
});

Deno.test("outbox: what only the transport still holds is waited for just the same", async () => {
  const { peer, clock, state, outbox } = make();
  peer.stalled = true;
  outbox.push("held by the kernel");
  assertEquals(outbox.bytes, 0);
  await clock.advance(STALL_MS);
  assertEquals(state.reasons, "stalled");
});

Deno.test("outbox: a peer that takes a byte now and then is kept, with one timer", async () => {
  const { peer, clock, state, outbox } = make();
  outbox.push("taken");
  peer.buffered = SOCKET_WINDOW_BYTES * 2;
  outbox.push("a");
  for (let left = 9; left > 0; left--) {
    await clock.advance(STALL_MS - 1);
    peer.buffered -= 1;
    peer.onDrain();
    assertEquals(clock.pending, 1);
  }
  assertEquals(state.reasons, "");
  peer.drain();
  assertEquals(peer.sent, ["taken", "a"]);
  await clock.advance(10 * STALL_MS);
  assertEquals([state.reasons, clock.pending], ["", 0], "one with nothing to take is not timed");
});

Deno.test("outbox: a transport that takes without saying so is asked before the peer is given up", async () => {
  const { peer, clock, state, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("a");
  peer.buffered = 0;
  await clock.advance(STALL_MS);
  assertEquals([state.reasons, peer.sent], ["", ["a"]]);
  await clock.advance(10 * STALL_MS);
  assertEquals([state.reasons, clock.pending], ["", 0]);
});

Deno.test("outbox: closed, it leaves no timer", async () => {
  const { peer, clock, state, outbox } = make();
  peer.buffered = SOCKET_WINDOW_BYTES;
  outbox.push("a");
  outbox.close();
  await clock.advance(2 * STALL_MS);
  assertEquals([state.reasons, clock.pending], ["", 0]);
});

Deno.test("outbox: commands wait while answers fill a share of what closes the peer; large ones have turns", async () => {
  const { peer, outbox } = make(1_000_000);
  peer.stalled = true;
  outbox.push(big);
  let handed = 0;
  outbox.push("x".repeat(500_000), () => handed++);
  assertEquals([outbox.room(), handed], [undefined, 0]);
  outbox.push("x".repeat(251_000));
  let free = false;
  void outbox.room()?.then(() => free = true);
  peer.drain();
  await turn();
  assertEquals([free, handed], [false, 1]);
  peer.drain();
  await turn();
  assertEquals([free, outbox.bytes], [true, 0]);
});
