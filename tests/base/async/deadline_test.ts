// A bounded wait: in time, late, and failed; the timer never outlives the result.
import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "../../../src/base/async/deadline.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

Deno.test("deadline: work that ends in time is the result, and its timer is cleared", async () => {
  const clock = new FakeClock();
  assertEquals(await deadline(clock, 100, Promise.resolve("done"), "late"), "done");
  assertEquals(clock.pending, 0);
});

Deno.test("deadline: the result is `late` after the time, whatever the work does then", async () => {
  const clock = new FakeClock();
  const work = Promise.withResolvers<string>();
  const result = deadline(clock, 100, work.promise, "late");
  await clock.advance(100);
  assertEquals([await result, clock.pending], ["late", 0]);
  work.reject(new Error("too late to matter"));
  await clock.advance(1);
});

Deno.test("deadline: a failure in time is the caller's, and its timer is cleared", async () => {
  const clock = new FakeClock();
  await assertRejects(
    () => deadline(clock, 100, Promise.reject(new Error("broken")), "late"),
    Error,
    "broken",
  );
  assertEquals(clock.pending, 0);
});
