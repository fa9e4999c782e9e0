// Silence: reported after the threshold and at each multiple of it, with the phase; never outside a run.
import { assertEquals } from "@std/assert";
import { StallDetector } from "../../../../src/worker/session/guards/stall_detector.ts";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

function make(stallMs: number | undefined = 1000) {
  const clock = new FakeClock();
  const told: string[] = [];
  const watch: StallDetector = new StallDetector({
    clock,
    ...(stallMs === undefined ? {} : { stallMs }),
    emit(event) {
      const { phase, silentMs, toolCallId = "" } = event;
      told.push(`${phase} ${silentMs} ${toolCallId}`.trim());
      watch.follow(event);
    },
  });
  const follow = (type: string, more: Partial<SessionEvent> = {}): void => watch.follow({ ...more, type });
  return { clock, watch, told, follow };
}

Deno.test("stall detector: a silent model is reported again and again, until an event arrives", async () => {
  const { clock, told, follow, watch } = make();
  follow("agent_start");
  await clock.advance(900);
  follow("message_update");
  await clock.advance(999);
  assertEquals(told, []);
  await clock.advance(1);
  await clock.advance(1999);
  assertEquals(told, ["model 1000", "model 2000"]);
  follow("message_update");
  await clock.advance(999);
  assertEquals(told.length, 2);
  watch.close();
  assertEquals(clock.pending, 0);
});

Deno.test("stall detector: each multiple is reported once, also when a timer comes a little early", async () => {
  const { clock, told, follow, watch } = make();
  let early = 0;
  const after = clock.after;
  Object.assign(clock, { after: (ms: number, fn: () => void) => after(Math.max(0, ms - early), fn) });
  follow("agent_start");
  early = 0.6;
  await clock.advance(10_000);
  const multiples = told.map((words) => Math.floor(Number(words.split(" ")[1]) / 1000));
  assertEquals(multiples, [...new Set(multiples)]);
  watch.close();
});

Deno.test("stall detector: it says which tool is silent, and that a person is asked", async () => {
  const { clock, told, follow, watch } = make();
  follow("agent_start");
  follow("tool_execution_start", { toolCallId: "a" });
  follow("tool_execution_start", { toolCallId: "b" });
  await clock.advance(1000);
  follow("tool_execution_end", { toolCallId: "a" });
  await clock.advance(1000);
  watch.dialogs(1);
  await clock.advance(1000);
  watch.dialogs(0);
  follow("tool_execution_end", { toolCallId: "b" });
  await clock.advance(1000);
  assertEquals(told, ["tool 1000 a", "tool 1000 b", "ui 2000", "model 1000"]);
});

Deno.test("stall detector: outside a run silence means nothing", async () => {
  const { clock, told, follow } = make();
  follow("bash_output");
  await clock.advance(10_000);
  follow("agent_start");
  follow("agent_settled");
  await clock.advance(10_000);
  assertEquals([told, clock.pending], [[], 0]);
});

Deno.test("stall detector: a tool of an earlier run is not waited for", async () => {
  const { clock, told, follow } = make();
  follow("agent_start");
  follow("tool_execution_start", { toolCallId: "a" });
  follow("agent_settled");
  follow("agent_start");
  await clock.advance(1000);
  assertEquals(told, ["model 1000"]);
});
