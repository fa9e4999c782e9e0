// Counts: by outcome and by limit, and sums of what was spent.
import { assertEquals } from "@std/assert";
import { Counters } from "../../src/governor/counters.ts";
import { Governor } from "../../src/governor/governor.ts";
import { isLimitName, LIMIT_NAMES, withDefaults } from "../../src/governor/limits.ts";

Deno.test("counters: answers are counted by outcome, refusals by limit", () => {
  const counters = new Counters();
  for (const outcome of ["ok", "internal", "ok"]) counters.answered(outcome);
  counters.refused("mailbox");
  assertEquals(Object.fromEntries(counters.commands), { ok: 2, internal: 1 });
  assertEquals(Object.fromEntries(counters.refusals), { mailbox: 1 });
});

Deno.test("counters: what is spent adds up, each kind by itself", () => {
  const counters = new Counters();
  counters.spend({ turns: 1, input: 2, output: 3, cacheRead: 4, cacheWrite: 5, costUsd: 0.5 });
  counters.spend({ turns: 10, input: 20, output: 30, cacheRead: 40, cacheWrite: 50, costUsd: 0.25 });
  const spent = { turns: 11, input: 22, output: 33, cacheRead: 44, cacheWrite: 55, costUsd: 0.75 };
  assertEquals(counters.spent, spent);
});

Deno.test("counters: a connection that finds no room is a refusal", () => {
  const governor = new Governor(withDefaults({ connections: 1 }));
  governor.connection();
  assertEquals(governor.counters.refusals.size, 0);
  governor.connection();
  assertEquals(governor.counters.refusals.get("connections"), 1);
});

Deno.test("counters: only names of limits are names of limits", () => {
  assertEquals(LIMIT_NAMES.every(isLimitName), true);
  assertEquals(["constructor", "__proto__", "", 1, undefined].some(isLimitName), false);
});
