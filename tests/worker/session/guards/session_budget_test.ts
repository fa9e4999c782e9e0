// A session's budget at work: when it is reported, when a run is stopped, and what is refused until it is raised.
import { assertEquals } from "@std/assert";
import type { BudgetLimits } from "../../../../src/governor/budget.ts";
import { SessionBudget } from "../../../../src/worker/session/guards/session_budget.ts";
import { usageOf } from "../../../../src/worker/session/guards/usage.ts";
import type { SessionEvent } from "../../../../src/protocol/events.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";

function make(limits?: BudgetLimits) {
  const clock = new FakeClock();
  const told: unknown[] = [];
  const made = { stops: 0 };
  const budget: SessionBudget = new SessionBudget({
    clock,
    default: limits,
    emit(event) {
      told.push(event.limit);
      budget.follow(event);
    },
    stop: () => made.stops++,
  });
  const take = (event: SessionEvent): void => {
    budget.follow(event);
    const usage = usageOf(event);
    if (usage !== undefined) budget.spend(usage);
  };
  const follow = (...types: string[]): void => {
    for (const type of types) take({ type });
  };
  const answer = (total: number): void =>
    take({ type: "message_end", message: { role: "assistant", usage: { cost: { total } } } });
  return { clock, budget, told, made, follow, answer };
}

Deno.test("session budget: it is reported once when it is used up, and messages are refused until it is raised", () => {
  const { budget, told, follow, answer } = make({ maxUsd: 1, onExceed: "pause" });
  follow("agent_start", "turn_start");
  answer(0.9);
  assertEquals([told, budget.refusal], [[], undefined]);
  answer(0.2);
  answer(0.2);
  follow("turn_end", "agent_end", "agent_settled");
  assertEquals([told, budget.refusal?.code], [["maxUsd"], "budget_exceeded"]);
  budget.set({ maxUsd: 5, onExceed: "pause" });
  assertEquals([budget.refusal, budget.state.usage.turns], [undefined, 1]);
  answer(10);
  assertEquals(told, ["maxUsd", "maxUsd"], "reported again, because it was raised meanwhile");
});

Deno.test("session budget: a run begins no turn beyond it, and nothing that is complete is stopped", () => {
  for (const onExceed of ["pause", "abort"] as const) {
    const { made, follow } = make({ maxTurns: 1, onExceed });
    follow("agent_start", "turn_start", "turn_end");
    assertEquals(made.stops, 0);
    follow("turn_start");
    assertEquals(made.stops, 1, onExceed);
    follow("agent_end", "agent_settled");
  }
  const { made, follow } = make({ maxTurns: 1, onExceed: "abort" });
  follow("agent_start", "turn_start", "turn_end", "agent_end", "agent_settled");
  assertEquals(made.stops, 0, "that turn was the last one anyway");
});

Deno.test("session budget: a tool does not start on money that is not there", () => {
  const { made, follow, answer } = make({ maxUsd: 1, onExceed: "abort" });
  follow("agent_start", "turn_start");
  answer(1);
  assertEquals(made.stops, 0);
  follow("tool_execution_start");
  assertEquals(made.stops, 1);
});

Deno.test("session budget: a run of an extension is stopped; a retry of an old one is not", () => {
  const { made, follow } = make({ maxTurns: 1, onExceed: "pause" });
  follow("agent_start", "turn_start", "turn_end", "agent_end", "agent_start");
  assertEquals(made.stops, 0);
  follow("agent_end", "agent_settled", "agent_start");
  assertEquals(made.stops, 1);
});

Deno.test("session budget: time runs out while the agent works, not while a person is asked", async () => {
  const { budget, clock, made, told, follow } = make({ maxWallMs: 1000, onExceed: "abort" });
  await clock.advance(5000);
  follow("agent_start");
  await clock.advance(600);
  budget.dialogs(1);
  await clock.advance(60_000);
  assertEquals(told, []);
  budget.dialogs(0);
  await clock.advance(399);
  assertEquals(told, []);
  await clock.advance(1);
  assertEquals([told, made.stops], [["maxWallMs"], 1]);
  follow("agent_settled");
  assertEquals([budget.state.usage.wallMs, clock.pending], [1000, 0]);
});

Deno.test("session budget: one that is set below what is spent holds at once", () => {
  const { budget, made, told, follow } = make();
  follow("agent_start", "turn_start", "turn_end", "turn_start");
  budget.set({ maxTurns: 1, onExceed: "abort" });
  assertEquals([told, made.stops, budget.state.budget?.exceeded], [["maxTurns"], 1, "maxTurns"]);
  budget.set(undefined);
  assertEquals([budget.refusal, budget.state.budget], [undefined, undefined]);
});

Deno.test("session budget: closing leaves no timer", () => {
  const { budget, clock, follow } = make({ maxWallMs: 1000, onExceed: "abort" });
  follow("agent_start");
  budget.close();
  assertEquals(clock.pending, 0);
});
