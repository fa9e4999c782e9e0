// Answers that are still to come: each is taken once, in time or as too late, and none is left when a worker dies.
import { assertEquals } from "@std/assert";
import { PendingReplies } from "../../src/ipc/pending_replies.ts";
import { FakeClock } from "../support/base/fake_clock.ts";

function bench() {
  const clock = new FakeClock();
  const replies = new PendingReplies<string>();
  const taken: string[] = [];
  const expect = (worker: number, ms?: number): number => {
    const ref = replies.expect(
      { worker, onReply: (value) => taken.push(`${ref} ${value}`) },
      ms === undefined ? undefined : { clock, ms, value: "late" },
    );
    return ref;
  };
  return { clock, replies, taken, expect };
}

Deno.test("replies: an answer is taken at once, once, and its timer is gone", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(0, 100);
  expect(0);
  replies.resolve(2, "two");
  assertEquals(taken, ["2 two"], "synchronously: what follows it must not overtake it");
  replies.resolve(1, "one");
  replies.resolve(1, "again");
  replies.resolve(9, "unknown");
  assertEquals([taken, clock.pending], [["2 two", "1 one"], 0]);
  await clock.advance(1_000);
  assertEquals(taken.length, 2);
});

Deno.test("replies: a late reply gets the value of the timeout, and is then ignored", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(0, 100);
  await clock.advance(99);
  assertEquals(taken, []);
  await clock.advance(1);
  replies.resolve(1, "too late");
  assertEquals([taken, clock.pending], [["1 late"], 0]);
});

Deno.test("replies: the end of a worker ends the waits for it, and no others", async () => {
  const { clock, replies, taken, expect } = bench();
  expect(0, 100);
  expect(1, 100);
  expect(0);
  replies.resolveAllOf(0, "lost");
  assertEquals([taken, clock.pending], [["1 lost", "3 lost"], 1]);
  replies.resolveAllOf(0, "again");
  await clock.advance(100);
  assertEquals(taken, ["1 lost", "3 lost", "2 late"]);
});

Deno.test("replies: a callback may expect the next reply, also of the worker that was lost", () => {
  const replies = new PendingReplies<string>();
  const taken: string[] = [];
  replies.expect({
    worker: 0,
    onReply: (value) => {
      taken.push(value);
      replies.expect({ worker: 0, onReply: (next) => taken.push(next) });
    },
  });
  replies.resolveAllOf(0, "lost");
  assertEquals([taken, replies.refs(0)], [["lost"], [2]], "the new request waits for the new worker");
  replies.resolve(2, "two");
  assertEquals(taken, ["lost", "two"]);
});

Deno.test("replies: a request that is taken back leaves no timer, and its reply has no effect", () => {
  const { clock, replies, taken, expect } = bench();
  const ref = expect(0, 100);
  assertEquals([replies.cancel(ref)?.worker, replies.cancel(ref), clock.pending], [0, undefined, 0]);
  replies.resolve(ref, "too late");
  assertEquals(taken, []);
});
