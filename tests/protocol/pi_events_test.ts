// pi's own events as the protocol types them: none is missing, and what pi sends is assignable to each.
import { assertEquals } from "@std/assert";
import type { AgentSessionEvent as Newer } from "@earendil-works/pi-coding-agent";
import type { AgentSessionEvent } from "@mariozechner/pi-coding-agent";
import { PI_EVENTS } from "../../src/protocol/events.ts";
import type { PiEventMap } from "../../src/protocol/pi_events.ts";
import { isEvent } from "../../src/client/mod.ts";

type Older<N> = Extract<AgentSessionEvent, { type: N }>;
type PiEvent<N> = [Older<N>] extends [never] ? Extract<Newer, { type: N }> : Older<N>;
type Holds = { [N in keyof PiEventMap]: PiEvent<N> extends PiEventMap[N] ? true : N }[keyof PiEventMap];

// This line does not compile when a type of ours asks for more than pi sends.
const HOLDS: Holds = true;

const NAMES = {
  ...{ agent_start: 0, agent_end: 0, turn_start: 0, turn_end: 0 },
  ...{ message_start: 0, message_update: 0, message_end: 0 },
  ...{ tool_execution_start: 0, tool_execution_update: 0, tool_execution_end: 0 },
  ...{ queue_update: 0, compaction_start: 0, compaction_end: 0, auto_retry_start: 0, auto_retry_end: 0 },
  ...{ session_info_changed: 0, thinking_level_changed: 0, entry_appended: 0 },
  ...{ summarization_retry_scheduled: 0, summarization_retry_attempt_start: 0 },
  ...{ summarization_retry_finished: 0 },
} satisfies Record<keyof PiEventMap, 0>;

Deno.test("pi events: every event of pi's that reaches subscribers has a type", () => {
  assertEquals([...PI_EVENTS].sort(), Object.keys(NAMES).sort());
  assertEquals(HOLDS, true);
});

Deno.test("pi events: isEvent narrows pi's own events, so that a delta needs no cast", () => {
  const event = {
    type: "message_update",
    assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: "Hel" },
  };
  if (!isEvent(event, "message_update")) throw new Error("not narrowed");
  const update = event.assistantMessageEvent;
  const delta: string = update.type === "text_delta" ? update.delta : "";
  assertEquals(delta, "Hel");
  assertEquals(isEvent(event, "tool_execution_end"), false);
});
