// The settler when a run is aborted at any of its stages, and when messages are queued too late for it.
import { assertEquals } from "@std/assert";
import { turn } from "../../support/base/fake_clock.ts";
import { Bench } from "./run_tracker_fixture.ts";

Deno.test("settle: an abort in mid-run settles as aborted, whatever the last message says", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("Let me", "toolUse");
  bench.settler.abort(false);
  assertEquals(await bench.tick(), 0, "it still runs");
  bench.end();
  assertEquals(await bench.tick(), 1);
  assertEquals([bench.last?.aborted, bench.last?.stopReason, bench.last?.text], [true, "aborted", "Let me"]);
  await bench.over(1);
});

Deno.test("settle: an abort in a retry wait settles once pi has let the retry go", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("", "error");
  bench.end();
  bench.on("auto_retry_start");
  bench.settler.abort(false);
  assertEquals(await bench.tick(), 0);
  bench.on("auto_retry_end", { success: false });
  assertEquals(await bench.tick(), 1);
  assertEquals(bench.last?.aborted, true);
  await bench.over(1);
});

Deno.test("settle: an abort before pi continues waits for the restarted run, stops it, and settles then", async () => {
  const bench = new Bench();
  bench.start();
  bench.end();
  bench.on("compaction_start", { reason: "overflow" });
  bench.on("compaction_end", { reason: "overflow", result: {}, willRetry: true });
  bench.settler.abort(false);
  await bench.clock.advance(100);
  assertEquals(bench.results.length, 0, "the continue cannot be called off");
  bench.streaming = true;
  bench.on("agent_start");
  assertEquals(bench.stops, 1);
  await bench.clock.advance(10_000);
  assertEquals(bench.results.length, 0, "the restarted run has not ended");
  bench.says("", "aborted");
  bench.end();
  assertEquals(await bench.tick(), 1);
  assertEquals(bench.last?.aborted, true);
  await bench.over(1);
});

Deno.test("settle: an abort between acceptance and agent_start stops the run as it starts", async () => {
  const bench = new Bench();
  bench.settler.accepted();
  bench.settler.abort(false);
  assertEquals(await bench.tick(), 0);
  bench.streaming = true;
  bench.on("agent_start");
  assertEquals(bench.stops, 1);
  bench.end();
  assertEquals(await bench.tick(), 1);
  assertEquals(bench.last?.aborted, true);
  await bench.over(1);
});

Deno.test("settle: an abort while a prompt is prepared stops its run, and is forgotten when none comes", async () => {
  const stopped = new Bench();
  stopped.settler.abort(true);
  stopped.start();
  assertEquals(stopped.stops, 1);
  const none = new Bench();
  none.settler.abort(true);
  none.settler.unprepared();
  none.start();
  assertEquals(none.stops, 0);
  none.end();
  await none.tick();
  assertEquals(none.last?.aborted, false);
});

Deno.test("settle: an abort of an idle session does not abort the next run", async () => {
  const bench = new Bench();
  bench.settler.abort(false);
  bench.start();
  assertEquals(bench.stops, 0);
  bench.end();
  await bench.tick();
  assertEquals(bench.last?.aborted, false);
});

Deno.test("settle: an abort is over with its run", async () => {
  const bench = new Bench();
  bench.start();
  bench.settler.abort(false);
  bench.end();
  await bench.tick();
  bench.start();
  assertEquals(bench.stops, 0);
  bench.says("ok");
  bench.end();
  await bench.tick();
  assertEquals(bench.results.map(({ aborted }) => aborted), [true, false]);
});

Deno.test("settle: an abort of a prompt that pi then turns down does not abort the next run", async () => {
  const bench = new Bench();
  bench.settler.accepted();
  bench.settler.abort(false);
  bench.settler.returned(true);
  assertEquals([await bench.tick(), bench.settler.busy], [0, false]);
  bench.start();
  assertEquals(bench.stops, 0, "the next prompt's run was stopped");
});

Deno.test("settle: messages that were queued too late are resumed, and share the run's settling", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("first");
  bench.queued = true;
  bench.end();
  assertEquals(await bench.tick(), 0);
  assertEquals(bench.resumes, 1);
  await bench.clock.advance(5_000);
  assertEquals([bench.resumes, bench.results.length], [1, 0], "resumed once");
  bench.queued = false;
  bench.on("agent_start");
  bench.says("second");
  bench.end();
  bench.resumeEnds();
  assertEquals(await bench.tick(), 1);
  assertEquals([bench.last?.text, bench.last?.usage?.input], ["second", 2]);
  await bench.over(1);
});

Deno.test("settle: after an error or an abort queued messages stay where they are", async () => {
  for (const stopReason of ["error", "aborted"]) {
    const bench = new Bench();
    bench.start();
    bench.says("", stopReason);
    bench.queued = true;
    bench.end();
    assertEquals([await bench.tick(), bench.resumes], [1, 0], stopReason);
    await bench.over(1);
  }
  const aborting = new Bench();
  aborting.start();
  aborting.queued = true;
  aborting.settler.abort(false);
  aborting.end();
  assertEquals([await aborting.tick(), aborting.resumes], [1, 0]);
});

Deno.test("settle: a resume that fails settles the run, once", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("first");
  bench.queued = true;
  bench.end();
  await bench.tick();
  bench.resumeEnds(new Error("nothing to continue from"));
  await turn();
  assertEquals([bench.results.length, bench.last?.text], [1, "first"]);
  await bench.over(1);
});

Deno.test("settle: a resume that fails after its run has settled settles nothing again", async () => {
  const bench = new Bench();
  bench.start();
  bench.queued = true;
  bench.end();
  await bench.tick();
  bench.queued = false;
  bench.on("agent_start");
  bench.end();
  assertEquals(await bench.tick(), 1);
  bench.resumeEnds(new Error("late"));
  await bench.over(1);
});
