// The book of keys: what a key says of a command, how long it stands, and that it is full before it forgets.
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

function add(book: IdempotencyKeys, n: number, over: Partial<KeyedCommand> = {}, at = 0): KeyEntry {
  const entry: KeyEntry = { n, at, command: command(`k${n}`, over), state: { kind: "running", waiting: [] } };
  book.add(entry);
  return entry;
}

/** `new`, `known` or the code. */
function says(book: IdempotencyKeys, one: KeyedCommand, now = 0): string {
  const found = book.find(one, now);
  return found.kind === "refused" ? found.failure.code : found.kind;
}

Deno.test("keys: known for the same command, a conflict for another, new elsewhere", () => {
  const book = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  add(book, 1);
  assertEquals(says(book, command("k1")), "known");
  assertEquals(says(book, command("k1", { digest: "other" })), "idempotency_conflict");
  for (const over of [{ scope: "b" }, { sessionId: "b" }, { key: "k2" }, { scope: 'admin","a' }]) {
    assertEquals(says(book, command("k1", over)), "new");
  }
});

Deno.test("keys: one stands for a day, and longer while its command runs", () => {
  const book = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  const finished = add(book, 1);
  book.conclude(finished, { kind: "finished", reply: OK });
  add(book, 2);
  assertEquals(says(book, command("k1"), KEY_LIFE_MS - 1), "known");
  assertEquals([says(book, command("k1"), KEY_LIFE_MS), says(book, command("k2"), KEY_LIFE_MS)], [
    "new",
    "known",
  ]);
  assertEquals(book.size, 1);
});

Deno.test("keys: too many, or too many bytes, are overloaded until the oldest expires; known ones still answer", () => {
  const book = new IdempotencyKeys({ keys: 2, bytes: 5000 });
  const [one] = [add(book, 1, {}, 1000), add(book, 2, {}, 2000)];
  const found = book.find(command("k3"), 4000);
  assert(found.kind === "refused");
  assertEquals([found.failure.code, found.failure.retryAfterMs], ["overloaded", KEY_LIFE_MS - 3000]);
  assertEquals(says(book, command("k1"), 4000), "known");
  book.drop(one);
  assertEquals(says(book, command("k3"), 4000), "new");
  const big = add(book, 3);
  book.conclude(big, { kind: "finished", reply: { ok: true, dataText: "x".repeat(5000) } });
  book.drop(book.all[0]);
  assertEquals(says(book, command("k4"), 4000), "overloaded");
  book.drop(big);
  assertEquals([says(book, command("k4"), 4000), book.bytes], ["new", 0]);
});

Deno.test("keys: what was replaced or dropped concludes nothing", () => {
  const book = new IdempotencyKeys({ keys: 9, bytes: 9000 });
  const first = add(book, 1);
  const again: KeyEntry = { ...first, n: 2, state: { kind: "unknown" } };
  book.add(again);
  book.conclude(first, { kind: "finished", reply: OK });
  book.drop(first);
  assertEquals(book.all, [again]);
  book.drop(again);
  assertEquals([book.size, book.bytes], [0, 0]);
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
