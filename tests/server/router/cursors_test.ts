// Cursors of sessions at an interval: only after new events, and for each connection by itself.
import { assertEquals } from "@std/assert";
import { CURSOR_MS } from "../../../src/governor/limits.ts";
import { Cursors } from "../../../src/server/router/cursors.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

function make() {
  const clock = new FakeClock();
  const state = { ticks: 0 };
  const cursors = new Cursors(clock, () => state.ticks++);
  return { clock, state, cursors };
}

const [ONE, TWO] = [{}, {}];

Deno.test("cursors: it ticks every ten seconds, once it has been started, until it is stopped", async () => {
  const { clock, state, cursors } = make();
  await clock.advance(CURSOR_MS);
  assertEquals([state.ticks, clock.pending], [0, 0]);
  cursors.start();
  cursors.start();
  assertEquals([CURSOR_MS, clock.pending], [10_000, 1]);
  await clock.advance(CURSOR_MS - 1);
  assertEquals(state.ticks, 0);
  await clock.advance(1);
  assertEquals(state.ticks, 1);
  await clock.advance(3 * CURSOR_MS);
  assertEquals([state.ticks, clock.pending], [4, 1]);
  cursors.stop();
  cursors.stop();
  await clock.advance(CURSOR_MS);
  assertEquals([state.ticks, clock.pending], [4, 0]);
});

Deno.test("cursors: one that stops at a tick stays stopped, and may be started again", async () => {
  const clock = new FakeClock();
  let ticks = 0;
  const cursors: Cursors = new Cursors(clock, () => {
    ticks++;
    cursors.stop();
  });
  cursors.start();
  await clock.advance(3 * CURSOR_MS);
  assertEquals([ticks, clock.pending], [1, 0]);
  cursors.start();
  await clock.advance(CURSOR_MS);
  assertEquals(ticks, 2);
});

Deno.test("cursors: a tick that fails does not end the ticking", async () => {
  const clock = new FakeClock();
  const cursors = new Cursors(clock, () => {
    throw new Error("defect");
  });
  cursors.start();
  await clock.advance(CURSOR_MS).catch(() => {});
  assertEquals(clock.pending, 1);
  cursors.stop();
});

Deno.test("cursors: each connection gets a cursor when a session has advanced", () => {
  const { cursors } = make();
  const told = JSON.stringify({ type: "cursor", sessionId: "a", epoch: "e", seq: 3 });
  assertEquals(cursors.next(ONE, "a", "e", 3), told);
  assertEquals(cursors.next(ONE, "a", "e", 3), undefined);
  assertEquals(cursors.next(TWO, "a", "e", 3), told);
  assertEquals(JSON.parse(cursors.next(ONE, "a", "e", 4) ?? "{}").seq, 4);
  assertEquals(cursors.next(TWO, "a", "e", 3), undefined);
});

Deno.test("cursors: sessions and epochs differ; one without events has no cursor", () => {
  const { cursors } = make();
  assertEquals(cursors.next(ONE, "a", "e", 0), undefined);
  for (
    const [sessionId, epoch] of [["a", "e"], ["b", "e"], ["a", "f"], ["__proto__", "e"], ["constructor", "e"]]
  ) {
    const text = cursors.next(ONE, sessionId ?? "", epoch ?? "", 3) ?? "{}";
    assertEquals(JSON.parse(text).epoch, epoch, sessionId);
    assertEquals(cursors.next(ONE, sessionId ?? "", epoch ?? "", 3), undefined, sessionId);
  }
});
