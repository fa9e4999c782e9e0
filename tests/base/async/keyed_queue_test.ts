// Order in front of a session: at once where nothing waits, else behind what does; sessions do not wait for another.
import { assertEquals } from "@std/assert";
import { KeyedQueue } from "../../../src/base/async/keyed_queue.ts";
import { turn } from "../../support/fake_clock.ts";

Deno.test("turnstile: what comes later waits for what waits, in its own session", async () => {
  const turnstile = new KeyedQueue();
  const passed: string[] = [];
  const pass = (sessionId: string, name: string) => turnstile.run(sessionId, () => passed.push(name));
  pass("a", "1");
  assertEquals(passed, ["1"]);
  const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  turnstile.runAfter("a", first.promise, (value) => passed.push(value));
  pass("a", "3");
  turnstile.runAfter("a", second.promise, (value) => passed.push(value));
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

Deno.test("turnstile: what is added while others pass keeps its place", async () => {
  const turnstile = new KeyedQueue();
  const passed: string[] = [];
  turnstile.runAfter("a", Promise.resolve(), () => {
    passed.push("1");
    turnstile.run("a", () => passed.push("3"));
  });
  turnstile.run("a", () => passed.push("2"));
  await turn();
  assertEquals(passed, ["1", "2", "3"]);
});

Deno.test("turnstile: it is clear when nothing waits in any session", async () => {
  const turnstile = new KeyedQueue();
  await turnstile.idle();
  const [a, b] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const passed: string[] = [];
  turnstile.runAfter("a", a.promise, () => passed.push("a"));
  turnstile.runAfter("b", b.promise, () => passed.push("b"));
  const clear = turnstile.idle().then(() => passed.push("clear"));
  a.resolve();
  await turn();
  assertEquals(passed, ["a"]);
  b.resolve();
  await clear;
  assertEquals(passed, ["a", "b", "clear"]);
});
