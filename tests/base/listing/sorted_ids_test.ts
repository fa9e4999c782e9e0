// The order of ids: always sorted by the key of now, and a list that was handed out never changes.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { SortedIds, type SortKey } from "../../../src/base/listing/sorted_ids.ts";

Deno.test("sorted ids: after any changes the list is what sorting from scratch gives, and old lists stay", () => {
  const id = fc.constantFrom(..."abcdefghijklmnop");
  const change = fc.record({ id, key: fc.option(fc.integer({ min: 0, max: 9 })), look: fc.boolean() });
  fc.assert(fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
    const keys = new Map<string, SortKey>([["a", 5], ["q", 2]]);
    const sorted = new SortedIds((one) => keys.get(one), keys.keys());
    const seen: [readonly string[], string][] = [];
    for (const { id, key, look } of changes) {
      if (key === null) keys.delete(id);
      else keys.set(id, key);
      sorted.touch(id);
      if (!look) continue;
      const list = sorted.list();
      const wanted = [...keys].sort(([a, x], [b, y]) => Number(x) - Number(y) || (a < b ? -1 : 1));
      assertEquals(list, wanted.map(([one]) => one));
      seen.push([list, list.join()]);
    }
    for (const [list, text] of seen) assertEquals(list.join(), text);
  }));
});

Deno.test("sorted ids: the list is the same one until a key changes", () => {
  const keys = new Map<string, SortKey>([["a", "x"], ["b", "w"]]);
  const sorted = new SortedIds((one) => keys.get(one), keys.keys());
  const first = sorted.list();
  assertEquals(first, ["b", "a"]);
  sorted.touch("a");
  assertStrictEquals(sorted.list(), first);
  keys.set("a", "v");
  sorted.touch("a");
  assert(sorted.list() !== first);
  assertEquals([sorted.list(), first], [["a", "b"], ["b", "a"]]);
});
