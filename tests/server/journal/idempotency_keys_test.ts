// The idempotency keys: what a key says of a command, how long it stands, and that it is full before it forgets.
import { assert, assertEquals } from "@std/assert";
import type { Reply } from "../../../src/ipc/messages.ts";
import {
  hasRun,
  IdempotencyKeys,
  KEY_LIFE_MS,
  type KeyedCommand,
  type KeyEntry,
} from "../../../src/server/journal/idempotency_keys.ts";

const OK: Reply = { ok: true, dataText: "{}" };

function command(key: string, over: Partial<KeyedCommand> = {}): KeyedCommand {
  return { scope: "admin", sessionId: "a", key, digest: "d", type: "bash", ...over };
}

function add(keys: IdempotencyKeys, n: number, over: Partial<KeyedCommand> = {}, at = 0): KeyEntry {
  const entry: KeyEntry = { n, at, command: command(`k${n}`, over), state: { kind: "running", waiting: [] } };
  keys.add(entry);
  return entry;
}

/** `new`, `known` or the code. */
function says(keys: IdempotencyKeys, one: KeyedCommand, now = 0): string {
  const found = keys.find(one, now);
  return found.kind === "refused" ? found.failure.code : found.kind;
}

Deno.test("keys: known for the same command, a conflict for another, new elsewhere", () => {
  const keys = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  add(keys, 1);
  assertEquals(says(keys, command("k1")), "known");
  assertEquals(says(keys, command("k1", { digest: "other" })), "idempotency_conflict");
  for (const over of [{ scope: "b" }, { sessionId: "b" }, { key: "k2" }, { scope: 'admin","a' }]) {
    assertEquals(says(keys, command("k1", over)), "new");
  }
});

Deno.test("keys: one stands for a day, and longer while its command runs", () => {
  const keys = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  const finished = add(keys, 1);
  keys.conclude(finished, { kind: "finished", reply: OK });
  add(keys, 2);
  assertEquals(says(keys, command("k1"), KEY_LIFE_MS - 1), "known");
  assertEquals([says(keys, command("k1"), KEY_LIFE_MS), says(keys, command("k2"), KEY_LIFE_MS)], [
    "new",
    "known",
  ]);
  assertEquals(keys.size, 1);
});

Deno.test("keys: too many, or too many bytes, are overloaded until the oldest expires; known ones still answer", () => {
  const keys = new IdempotencyKeys({ keys: 2, bytes: 5000 });
  const [one] = [add(keys, 1, {}, 1000), add(keys, 2, {}, 2000)];
  const found = keys.find(command("k3"), 4000);
  assert(found.kind === "refused");
  assertEquals([found.failure.code, found.failure.retryAfterMs], ["overloaded", KEY_LIFE_MS - 3000]);
  assertEquals(says(keys, command("k1"), 4000), "known");
  keys.drop(one);
  assertEquals(says(keys, command("k3"), 4000), "new");
  const big = add(keys, 3);
  keys.conclude(big, { kind: "finished", reply: { ok: true, dataText: "x".repeat(5000) } });
  keys.drop(keys.all[0]);
  assertEquals(says(keys, command("k4"), 4000), "overloaded");
  keys.drop(big);
  assertEquals([says(keys, command("k4"), 4000), keys.bytes], ["new", 0]);
});

Deno.test("keys: what was replaced or dropped concludes nothing", () => {
  const keys = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  const first = add(keys, 1);
  const again: KeyEntry = { ...first, n: 2, state: { kind: "unknown" } };
  keys.add(again);
  keys.conclude(first, { kind: "finished", reply: OK });
  keys.drop(first);
  assertEquals(keys.all, [again]);
  keys.drop(again);
  assertEquals([keys.size, keys.bytes], [0, 0]);
});

Deno.test("keys: a refusal has not run; what failed on its way has, unless it had not begun", () => {
  const failed = (
    code: "agent_busy" | "version_conflict" | "timeout" | "cancelled" | "internal" | "no_model",
  ) => ({ ok: false, failure: { code, message: "m" } }) as const;
  assertEquals(hasRun(OK), true);
  for (const code of ["agent_busy", "version_conflict", "no_model"] as const) {
    assertEquals(hasRun(failed(code)), false);
  }
  for (const code of ["timeout", "cancelled", "internal"] as const) {
    assertEquals([hasRun(failed(code)), hasRun({ ...failed(code), unstarted: true })], [true, false]);
  }
});
