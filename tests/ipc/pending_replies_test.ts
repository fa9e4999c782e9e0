// Answers that are still to come: each is taken once, in time or as too late, and none is left when a host dies.
import { assertEquals } from "@std/assert";
import { PendingReplies } from "../../src/ipc/pending_replies.ts";
import { FakeClock } from "../support/fake_clock.ts";

function bench() {
  const clock = new FakeClock();
  const replies = new PendingReplies<string>(clock);
  const taken: string[] = [];
  const expect = (ref: number, host: number, ms?: number): void =>
    replies.expect(
      ref,
      host,
      (value) => taken.push(`${ref} ${value}`),
      ms === undefined ? undefined : { ms, value: "late" },
    );
  return { clock, replies, taken, expect };
}

Deno.test("replies: an answer is taken at once, once, and its timer is gone", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(1, 0, 100);
  expect(2, 0);
  replies.resolve(2, "two");
  assertEquals(taken, ["2 two"], "synchronously: what follows it must not overtake it");
  replies.resolve(1, "one");
  replies.resolve(1, "again");
  replies.resolve(9, "nobody");
  assertEquals([taken, clock.pending], [["2 two", "1 one"], 0]);
  await clock.advance(1_000);
  assertEquals(taken.length, 2);
});

Deno.test("replies: what does not come in time is late, and then nobody's", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(1, 0, 100);
  await clock.advance(99);
  assertEquals(taken, []);
  await clock.advance(1);
  replies.resolve(1, "too late");
  assertEquals([taken, clock.pending], [["1 late"], 0]);
});

Deno.test("replies: a host that is gone lets go of those that wait for it, and of no other", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(1, 0, 100);
  expect(2, 1, 100);
  expect(3, 0);
  replies.resolveAllOf(0, "lost");
  assertEquals([taken, clock.pending], [["1 lost", "3 lost"], 1]);
  replies.resolveAllOf(0, "again");
  await clock.advance(100);
  assertEquals(taken, ["1 lost", "3 lost", "2 late"]);
});

Deno.test("replies: who takes an answer may expect the next, also of the host that was lost", () => {
  const clock = new FakeClock();
  const replies = new PendingReplies<string>(clock);
  const taken: string[] = [];
  replies.expect(1, 0, (value) => {
    taken.push(value);
    replies.expect(2, 0, (next) => taken.push(next));
  });
  replies.resolveAllOf(0, "lost");
  assertEquals(taken, ["lost"], "the new one waits for the new host");
  replies.resolve(2, "two");
  assertEquals(taken, ["lost", "two"]);
});
