// Order in front of a session: at once where nothing waits, else behind what does; sessions do not wait for another.
import { assertEquals } from "@std/assert";
import { KeyedQueue } from "../../../src/base/async/keyed_queue.ts";
import { turn } from "../../support/base/fake_clock.ts";

Deno.test("keyed queue: what comes later waits for what waits, in its own session", async () => {
  const keyed = new KeyedQueue();
  const passed: string[] = [];
  const pass = (sessionId: string, name: string) => keyed.run(sessionId, () => passed.push(name));
  pass("a", "1");
  assertEquals(passed, ["1"]);
  const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  keyed.runAfter("a", first.promise, (value) => passed.push(value));
  pass("a", "3");
  keyed.runAfter("a", second.promise, (value) => passed.push(value));
  pass("a", "5");
  pass("b", "other");
  second.resolve("4");
  await turn();
  assertEquals(passed, ["1", "other"]);
  first.resolve("2");
  await turn();
  assertEquals(passed, ["1", "other", "2", "3", "4", "5"]);
  pass("a", "6");
  assertEquals(passed.at(-1), "6");
});

Deno.test("keyed queue: what is added while others pass keeps its place", async () => {
  const keyed = new KeyedQueue();
  const passed: string[] = [];
  keyed.runAfter("a", Promise.resolve(), () => {
    passed.push("1");
    keyed.run("a", () => passed.push("3"));
  });
  keyed.run("a", () => passed.push("2"));
  await turn();
  assertEquals(passed, ["1", "2", "3"]);
});

Deno.test("keyed queue: it is clear when nothing waits in any session", async () => {
  const keyed = new KeyedQueue();
  await keyed.idle();
  const [a, b] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const passed: string[] = [];
  keyed.runAfter("a", a.promise, () => passed.push("a"));
  keyed.runAfter("b", b.promise, () => passed.push("b"));
  const clear = keyed.idle().then(() => passed.push("clear"));
  a.resolve();
  await turn();
  assertEquals(passed, ["a"]);
  b.resolve();
  await clear;
  assertEquals(passed, ["a", "b", "clear"]);
});
