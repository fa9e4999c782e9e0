// The settler against scripted runs as pi 0.73.1 has them (docs/PI.md#runs): exactly one settled for each run, and
// never before everything that would start by itself has ended. Aborts and queues are in run_tracker_abort_test.ts.
import { assertEquals } from "@std/assert";
import { Bench, usage } from "./run_tracker_fixture.ts";
import { textOf } from "../../../src/worker/session/files/session_files.ts";

Deno.test("settle: a plain run settles once, a turn of the event loop after its end", async () => {
  const bench = new Bench();
  assertEquals(bench.settler.busy, false);
  bench.settler.accepted();
  assertEquals(bench.settler.busy, true, "from acceptance on");
  bench.start();
  bench.says("Hi");
  bench.end();
  assertEquals([bench.results.length, bench.settler.busy], [0, true], "not in the same tick");
  assertEquals(await bench.tick(), 1);
  assertEquals(bench.last, { text: "Hi", stopReason: "stop", usage: usage(1), aborted: false });
  assertEquals(bench.settler.last, bench.results[0]);
  bench.settler.returned(false);
  await bench.over(1);
});

Deno.test("settle: the prompt's return before agent_start or agent_end settles nothing", async () => {
  const bench = new Bench();
  bench.settler.accepted();
  bench.settler.returned(false);
  assertEquals(await bench.tick(), 0);
  bench.start();
  bench.settler.returned(false);
  assertEquals(await bench.tick(), 0, "agent_end is still to come");
  bench.says("x");
  bench.end();
  assertEquals(await bench.tick(), 1);
  await bench.over(1);
});

Deno.test("settle: it waits until the agent loop has ended, which happens without an event", async () => {
  const bench = new Bench();
  bench.start();
  bench.on("agent_end", { messages: [] });
  assertEquals(await bench.tick(), 0);
  bench.letGo();
  assertEquals(await bench.tick(), 1);
  await bench.over(1);
});

Deno.test("settle: turns with tools are one run; text is the last message's, usage the sum", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("Let me look", "toolUse");
  bench.on("message_end", { message: { role: "toolResult", content: "out", usage: usage(100) } });
  bench.on("turn_end");
  assertEquals(await bench.tick(), 0);
  bench.says("Done", "stop", { usage: usage(4) });
  bench.on("message_end", { message: { role: "user", content: "not mine" } });
  bench.end();
  await bench.tick();
  assertEquals(bench.last, { text: "Done", stopReason: "stop", usage: usage(5), aborted: false });
  await bench.over(1);
});

Deno.test("settle: the next run starts with an empty tally", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("first", "error", { errorMessage: "boom" });
  bench.end();
  await bench.tick();
  assertEquals([bench.last?.errorMessage, bench.last?.stopReason], ["boom", "error"]);
  bench.start();
  bench.end();
  await bench.tick();
  assertEquals(bench.last, { text: null, stopReason: null, usage: null, aborted: false });
  await bench.over(2);
});

Deno.test("settle: a retry that works settles after the retried run, and once", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("", "error", { errorMessage: "500" });
  bench.end();
  bench.on("auto_retry_start", { attempt: 1 });
  await bench.clock.advance(60_000);
  assertEquals([bench.results.length, bench.settler.busy], [0, true], "in the retry wait");
  bench.streaming = true;
  bench.on("agent_start");
  bench.says("Fine");
  bench.on("auto_retry_end", { success: true });
  assertEquals(await bench.tick(), 0);
  bench.end();
  assertEquals(await bench.tick(), 1);
  assertEquals([bench.last?.text, bench.last?.stopReason], ["Fine", "stop"]);
  assertEquals(bench.last?.errorMessage, undefined, "the first try's error is over");
  await bench.over(1);
});

Deno.test("settle: an exhausted retry settles with the error", async () => {
  const bench = new Bench();
  bench.start();
  for (const attempt of [1, 2]) {
    bench.says("", "error", { errorMessage: `500 of ${attempt}` });
    bench.end();
    bench.on("auto_retry_start", { attempt });
    assertEquals(await bench.tick(), 0);
    bench.streaming = true;
    bench.on("agent_start");
  }
  bench.says("", "error", { errorMessage: "500 at last" });
  bench.end();
  bench.on("auto_retry_end", { success: false });
  assertEquals(await bench.tick(), 1);
  assertEquals([bench.last?.stopReason, bench.last?.errorMessage], ["error", "500 at last"]);
  await bench.over(1);
});

Deno.test("settle: a retry that ends in another error has no auto_retry_end, and settles", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("", "error");
  bench.end();
  bench.on("auto_retry_start");
  bench.on("agent_start");
  bench.says("", "error", { errorMessage: "400" });
  bench.end();
  assertEquals(await bench.tick(), 1);
  await bench.over(1);
});

Deno.test("settle: a stream that throws has its error in agent_end alone", async () => {
  const bench = new Bench();
  bench.start();
  bench.streaming = false;
  const message = { role: "assistant", content: [], stopReason: "error", errorMessage: "threw" };
  bench.on("agent_end", { messages: [{ role: "user" }, message] });
  await bench.tick();
  assertEquals([bench.last?.stopReason, bench.last?.errorMessage], ["error", "threw"]);
  await bench.over(1);
});

Deno.test("settle: compaction between two runs is part of the run when pi goes on by itself", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("long");
  bench.end();
  bench.on("compaction_start", { reason: "overflow" });
  await bench.clock.advance(30_000);
  assertEquals(bench.results.length, 0, "while it compacts");
  bench.on("compaction_end", { reason: "overflow", result: {}, willRetry: true });
  await bench.clock.advance(999);
  assertEquals(bench.results.length, 0, "pi continues 100 ms later");
  bench.streaming = true;
  bench.on("agent_start");
  await bench.clock.advance(5_000);
  assertEquals(bench.results.length, 0, "the bound on the wait is over with the new run");
  bench.says("after");
  bench.end();
  assertEquals(await bench.tick(), 1);
  assertEquals(bench.last?.text, "after");
  await bench.over(1);
});

Deno.test("settle: a continue that never comes is waited for one second", async () => {
  const bench = new Bench();
  bench.start();
  bench.end();
  bench.on("compaction_start", { reason: "threshold" });
  bench.on("compaction_end", { reason: "threshold", result: {}, willRetry: true });
  await bench.clock.advance(999);
  assertEquals(bench.results.length, 0);
  await bench.clock.advance(1);
  assertEquals(bench.results.length, 1);
  await bench.over(1);
});

Deno.test("settle: a compaction after which nothing goes on settles at once", async () => {
  for (const end of [{ result: {} }, { result: undefined, willRetry: true }, { errorMessage: "x" }]) {
    const bench = new Bench();
    bench.start();
    bench.end();
    bench.on("compaction_start", { reason: "threshold" });
    bench.on("compaction_end", { reason: "threshold", ...end });
    assertEquals(await bench.tick(), 1, JSON.stringify(end));
    await bench.over(1);
  }
});

Deno.test("settle: a manual compaction swallows the run's end, and the run settles after it", async () => {
  const bench = new Bench();
  bench.start();
  bench.streaming = false;
  bench.on("compaction_start", { reason: "manual" });
  assertEquals(await bench.tick(), 0);
  bench.on("compaction_end", { reason: "manual", result: {}, willRetry: true });
  assertEquals(await bench.tick(), 1, "and no continue is waited for");
  await bench.over(1);
});

Deno.test("settle: a summary that compacts without events holds the settling up", async () => {
  const bench = new Bench();
  bench.start();
  bench.compacting = true;
  bench.end();
  assertEquals(await bench.tick(), 0);
  bench.compacting = false;
  bench.settler.check();
  assertEquals(await bench.tick(), 1);
  await bench.over(1);
});

Deno.test("settle: a run that an extension starts settles like a prompt's", async () => {
  const bench = new Bench();
  bench.on("agent_start");
  assertEquals(bench.settler.busy, true);
  bench.says("by itself");
  bench.end();
  assertEquals(await bench.tick(), 1);
  await bench.over(1);
});

Deno.test("settle: a prompt that pi turned down leaves no busy session and settles nothing", async () => {
  const bench = new Bench();
  bench.settler.accepted();
  bench.settler.returned(true);
  assertEquals([await bench.tick(), bench.settler.busy], [0, false]);
  await bench.over(0);
});

Deno.test("settle: dispose leaves no timer, and nothing settles after it", async () => {
  const bench = new Bench();
  bench.start();
  bench.end();
  bench.on("compaction_end", { reason: "overflow", result: {}, willRetry: true });
  bench.settler.dispose();
  assertEquals([bench.clock.pending, bench.settler.busy], [0, false]);
  bench.letGo();
  bench.settler.check();
  await bench.over(0);
});

Deno.test("settle: usage that is missing or odd counts as nothing", async () => {
  const bench = new Bench();
  bench.start();
  bench.says("a", "stop", { usage: { input: NaN, output: "7", cost: null } });
  bench.says("b", "stop", { usage: undefined });
  bench.end();
  await bench.tick();
  assertEquals(bench.last?.usage, usage(0));
});

Deno.test("settle: textOf joins text blocks and reads plain strings", () => {
  const blocks = [{ type: "text", text: "a" }, { type: "thinking", thinking: "no" }, {
    type: "text",
    text: "b",
  }];
  assertEquals(textOf({ content: blocks }), "ab");
  assertEquals([textOf({ content: "plain" }), textOf({}), textOf({ content: [null, 5] })], ["plain", "", ""]);
});
