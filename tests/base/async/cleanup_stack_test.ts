// What was built is undone in reverse order, each step once, whatever an earlier step does.
import { assertEquals, assertRejects } from "@std/assert";
import { CleanupStack } from "../../../src/base/async/cleanup_stack.ts";

Deno.test("cleanup: steps run newest first, one after the other, and once", async () => {
  const order: string[] = [];
  const cleanup = new CleanupStack();
  cleanup.defer(() => order.push("first"));
  cleanup.defer(async () => {
    await Promise.resolve();
    order.push("second");
  });
  cleanup.defer(() => order.push("third"));
  await cleanup.disposeAsync();
  await cleanup.disposeAsync();
  assertEquals(order, ["third", "second", "first"]);
});

Deno.test("cleanup: a step that fails keeps no other from running", async () => {
  const order: string[] = [];
  const cleanup = new CleanupStack();
  cleanup.defer(() => order.push("first"));
  cleanup.defer(() => Promise.reject(new Error("broken")));
  await assertRejects(() => cleanup.disposeAsync(), Error, "broken");
  assertEquals(order, ["first"]);
});
