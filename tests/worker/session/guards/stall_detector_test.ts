// Silence: reported after the threshold and at each multiple of it, with the phase; never outside a run.
import { assertEquals } from "@std/assert";
import { StallDetector } from "../../../../src/worker/session/guards/stall_detector.ts";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";

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

/** What the server hears, in words. */
function reported(stallMs = 1000) {
  const clock = new FakeClock();
  const told: string[] = [];
  const watch: StallDetector = new StallDetector({
    clock,
    stallMs,
    emit: (event) => watch.follow(event),
    report: (silence) => void told.push(silence === undefined ? "over" : Object.values(silence).join(" ")),
  });
  const follow = (type: string, more: Partial<SessionEvent> = {}): void => watch.follow({ ...more, type });
  return { clock, watch, told, follow };
}

Deno.test("stall detector: the server hears what a run waits for, and that it is over", async () => {
  const { clock, told, follow, watch } = reported();
  follow("agent_start");
  await clock.advance(2000);
  follow("tool_execution_start", { toolCallId: "a", toolName: "build" });
  await clock.advance(1000);
  follow("agent_settled");
  assertEquals(told, ["model 1000", "model 2000", "over", "tool build 1000", "over"]);
  follow("agent_start");
  await clock.advance(1000);
  watch.close();
  assertEquals([told.slice(5), clock.pending], [["model 1000", "over"], 0]);
});

Deno.test("stall detector: the server hears nothing while a person is asked", async () => {
  const { clock, told, follow, watch } = reported();
  follow("agent_start");
  watch.dialogs(1);
  await clock.advance(5000);
  assertEquals(told, []);
  watch.dialogs(0);
  follow("extension_ui_resolved");
  await clock.advance(1000);
  assertEquals(told, ["model 1000"]);
  watch.close();
});

Deno.test("stall detector: a command that does not end is reported to the server, and in no event", async () => {
  const { clock, told, follow, watch } = reported();
  const events: string[] = [];
  const ends = watch.begin("compact");
  await clock.advance(900);
  follow("compaction_start");
  await clock.advance(900);
  const endsBeside = watch.begin("bash");
  await clock.advance(100);
  assertEquals(told, ["command compact 1000"]);
  ends();
  assertEquals(told.slice(1), ["over"]);
  await clock.advance(899);
  assertEquals(told.length, 2, "the other one has its own time");
  await clock.advance(101);
  assertEquals(told.slice(2), ["command bash 1100"]);
  endsBeside();
  ends();
  assertEquals([told.slice(3), events, clock.pending], [["over"], [], 0]);
});

Deno.test("stall detector: a run inside a command is what is reported, and its end leaves the command", async () => {
  const { clock, told, follow, watch } = reported();
  const ends = watch.begin("prompt");
  follow("agent_start");
  await clock.advance(1000);
  follow("agent_settled");
  assertEquals([told, clock.pending], [["model 1000", "over"], 1]);
  await clock.advance(1000);
  assertEquals(told.slice(2), ["command prompt 1000"]);
  ends();
  assertEquals(clock.pending, 0);
});
