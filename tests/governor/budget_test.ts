// Budgets: what is spent adds up, the first limit that is reached is named, and only work takes time.
import { assertEquals } from "@std/assert";
import { Budget } from "../../src/governor/budget.ts";

Deno.test("budget: without limits nothing is ever exceeded", () => {
  const budget = new Budget();
  budget.spend(1e9, 1e9);
  budget.work(true, 0);
  assertEquals([budget.exceeded(1e12), budget.wallMsLeft(1e12)], [undefined, undefined]);
});

Deno.test("budget: a limit is reached when it is spent exactly, not before", () => {
  const budget = new Budget({ maxUsd: 1, maxTurns: 3, onExceed: "pause" });
  budget.spend(0.5, 2);
  assertEquals(budget.exceeded(0), undefined);
  budget.spend(0, 1);
  assertEquals(budget.exceeded(0), "maxTurns");
  budget.spend(0.5, 0);
  assertEquals(budget.exceeded(0), "maxUsd");
  assertEquals(new Budget({ maxTurns: 0, onExceed: "abort" }).exceeded(0), "maxTurns");
});

Deno.test("budget: only the time in which the agent works counts", () => {
  const budget = new Budget({ maxWallMs: 100, onExceed: "abort" });
  assertEquals(budget.wallMsLeft(0), undefined);
  budget.work(true, 1000);
  budget.work(true, 1010);
  assertEquals([budget.wallMsLeft(1040), budget.usage(1040).wallMs], [60, 40]);
  budget.work(false, 1050);
  budget.work(false, 1060);
  assertEquals([budget.usage(9999).wallMs, budget.exceeded(9999)], [50, undefined]);
  budget.work(true, 10_000);
  assertEquals([budget.exceeded(10_049), budget.exceeded(10_050)], [undefined, "maxWallMs"]);
  assertEquals(budget.wallMsLeft(20_000), 0);
});

Deno.test("budget: raising it continues from the usage so far, also of an earlier life", () => {
  const budget = new Budget({ maxTurns: 5, onExceed: "pause" }, { usd: 2, turns: 5, wallMs: 7 });
  assertEquals(budget.exceeded(0), "maxTurns");
  budget.set({ maxTurns: 6, maxUsd: 2.5, onExceed: "pause" });
  assertEquals(budget.exceeded(0), undefined);
  assertEquals(budget.usage(0), { usd: 2, turns: 5, wallMs: 7 });
  budget.set(undefined);
  budget.spend(100, 100);
  assertEquals(budget.exceeded(0), undefined);
});
