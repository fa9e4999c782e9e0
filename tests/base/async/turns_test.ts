// Turns: so many run at a time, the others wait in their order, and an owner gives up its place once.
import { assertEquals } from "@std/assert";
import { Turns } from "../../../src/base/async/turns.ts";

function bench(most: number) {
  const turns = new Turns<string>(most);
  const begun: string[] = [];
  const take = (...keys: readonly string[]): void => {
    for (const key of keys) turns.take(key, () => void begun.push(key));
  };
  return { turns, begun, take };
}

Deno.test("turns: so many begin at once, the others in their order as turns end", () => {
  const { turns, begun, take } = bench(2);
  take("a", "b", "c", "d");
  assertEquals(begun, ["a", "b"]);
  turns.end("b");
  assertEquals(begun, ["a", "b", "c"]);
  turns.end("b");
  assertEquals(begun.length, 3, "a turn ends once");
  turns.end("a");
  assertEquals(begun, ["a", "b", "c", "d"]);
});

Deno.test("turns: an owner that gives up while it waits never begins, and makes no room", () => {
  const { turns, begun, take } = bench(1);
  take("a", "b", "c");
  turns.end("b");
  assertEquals(begun, ["a"]);
  turns.end("a");
  assertEquals(begun, ["a", "c"]);
});

Deno.test("turns: after clear no owner that waits begins", () => {
  const { turns, begun, take } = bench(1);
  take("a", "b");
  turns.clear();
  turns.end("a");
  assertEquals(begun, ["a"]);
});

Deno.test("turns: an owner that ends as it begins lets the next one begin", () => {
  const turns = new Turns<number>(1);
  const begun: number[] = [];
  for (const key of [1, 2, 3]) {
    turns.take(key, () => {
      begun.push(key);
      turns.end(key);
    });
  }
  assertEquals([begun, bench(0).take("a")], [[1, 2, 3], undefined]);
});
