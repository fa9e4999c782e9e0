// What events say of tokens and money: the model's answers and the ends of turns, and nothing that is not an amount.
import { assertEquals } from "@std/assert";
import { usageOf } from "../../../../src/worker/session/guards/usage.ts";

const usage = { input: 10, output: 20, cacheRead: 3, cacheWrite: 4, totalTokens: 37, cost: { total: 0.25 } };
const end = (message: unknown) => usageOf({ type: "message_end", message });

Deno.test("usage: an answer of the model tells its tokens and its cost, an end of a turn the turn", () => {
  const spent = { turns: 0, input: 10, output: 20, cacheRead: 3, cacheWrite: 4, costUsd: 0.25 };
  assertEquals(end({ role: "assistant", usage }), spent);
  assertEquals(usageOf({ type: "turn_end" })?.turns, 1);
  // A newer pi reports what a tool and a summary have asked of a model.
  assertEquals(end({ role: "toolResult", usage }), spent);
  assertEquals(usageOf({ type: "compaction_end", result: { usage } }), spent);
});

Deno.test("usage: other messages and events cost nothing", () => {
  assertEquals([end({ role: "user", usage }), end({ role: "toolResult" }), end(null), end("x")], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(usageOf({ type: "compaction_end", result: undefined }), undefined);
  assertEquals(usageOf({ type: "message_update", message: { role: "assistant", usage } }), undefined);
  assertEquals(end({ role: "assistant" }), undefined);
});

Deno.test("usage: a value that is not an amount counts as nothing", () => {
  const odd = { input: NaN, output: -1, cacheRead: "3", cacheWrite: Infinity, cost: null };
  const nothing = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0 };
  assertEquals(end({ role: "assistant", usage: odd }), nothing);
});
