// The tree of a session file's entries: circles of every length are found, whatever the order of the lines, and what is
// lost is bridged by what its remains say, or by the line before.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { type Hole, join } from "../../../../src/worker/session/file_check/entry_chain.ts";
import type { Link } from "../../../../src/worker/session/file_check/entry_shape.ts";

/** Entries of the lines 2, 3, …, each written as `id<parent`. */
function links(...texts: string[]): Link[] {
  return texts.map((text, at) => {
    const [id = "", parent] = text.split("<");
    return { line: at + 2, id, parentId: parent ?? null, timestamp: "t" };
  });
}

function parents(of: readonly Link[], holes: readonly Hole[] = []): Record<number, string> | string {
  const joined = join(of, holes);
  return joined.ok ? Object.fromEntries(joined.parents) : joined.why;
}

Deno.test("chain: a whole tree is left as it is, branches and lines out of order too", () => {
  assertEquals(parents([]), {});
  assertEquals(parents(links("a", "b<a", "c<b", "d<a")), {});
  assertEquals(parents(links("b<a", "a")), {});
  assertEquals(parents(links("__proto__", "constructor<__proto__")), {});
});

Deno.test("chain: circles are found, on the branch and beside it", () => {
  for (
    const circle of [
      ["a<a"],
      ["a", "b<b"],
      ["a<b", "b<a"],
      ["a", "b<a", "c<e", "d<c", "e<d", "leaf<b"],
    ]
  ) {
    assertStringIncludes(String(parents(links(...circle))), "its own ancestor", circle.join());
  }
});

Deno.test("chain: two different entries of one id are refused, one that stands twice is not", () => {
  assertStringIncludes(String(parents(links("a", "b<a", "a<b"))), 'lines 2 and 4 have the same id "a"');
  assertEquals(parents([...links("a", "b<a"), { line: 9, id: "a", parentId: null, timestamp: "t" }]), {});
  const other: Link = { line: 9, id: "a", parentId: null, timestamp: "later" };
  assertStringIncludes(String(parents([...links("a", "b<a"), other])), "the same id");
});

Deno.test("chain: an entry without its parent hangs below what the lost line named, or the line before", () => {
  const around: Link[] = [
    { line: 2, id: "a", parentId: null, timestamp: "t" },
    { line: 3, id: "b", parentId: "a", timestamp: "t" },
    { line: 5, id: "d", parentId: "lost", timestamp: "t" },
    { line: 6, id: "e", parentId: "lost", timestamp: "t" },
  ];
  assertEquals(parents(around, [{ line: 4 }]), { 5: "b", 6: "b" });
  assertEquals(parents(around, [{ line: 4, id: "lost", parentId: "a" }]), { 5: "a", 6: "a" });
  const two = [{ line: 4, id: "lost", parentId: "gone" }, { line: 4, id: "gone", parentId: "a" }];
  assertEquals(parents(around, two), { 5: "a", 6: "a" });
  // A file of an old clone: the label in between was dropped, and no line of it is left.
  assertEquals(parents(around), { 5: "b", 6: "b" });
  const circle = [{ line: 4, id: "lost", parentId: "gone" }, { line: 4, id: "gone", parentId: "lost" }];
  assertEquals(parents(around, circle), { 5: "b", 6: "b" });
});

Deno.test("chain: the first entry may name a parent that is not there", () => {
  assertEquals(parents(links("a<nowhere", "b<a")), {});
});

Deno.test("chain: a compaction keeps from the hole on, where its first entry was lost", () => {
  const of: Link[] = [
    ...links("a", "b<a"),
    { line: 5, id: "d", parentId: "lost", timestamp: "t" },
    { line: 6, id: "k", parentId: "d", timestamp: "t", firstKept: "lost" },
  ];
  for (const hole of [{ line: 4 }, { line: 4, id: "lost", parentId: "b" }]) {
    const joined = join(of, [hole]);
    assertEquals(joined.ok ? [...joined.firstKept] : joined.why, [[6, "d"]]);
  }
  const untouched = join(of.map((link) => link.id === "d" ? { ...link, parentId: "b" } : link), []);
  assertEquals(untouched.ok ? [...untouched.firstKept] : untouched.why, []);
});

Deno.test("chain: after the joins every walk ends, whatever the parents are", () => {
  const id = fc.integer({ min: 0, max: 12 }).map(String);
  const entry = fc.record({ id, parentId: fc.option(id) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 14 }), fc.array(entry, { maxLength: 4 }), (all, lost) => {
      const of = all.map((one, at): Link => ({ ...one, line: at + 2, timestamp: "t" }));
      const joined = join(of, lost.map((one, at): Hole => ({ ...one, line: at + 1 })));
      if (!joined.ok) return;
      const byId = new Map(of.map((link) => [link.id, joined.parents.get(link.line) ?? link.parentId]));
      for (const start of byId.keys()) {
        let steps = 0;
        for (let at: string | null | undefined = start; typeof at === "string"; at = byId.get(at)) {
          assert(++steps <= of.length + 1, `a walk from ${start} does not end`);
        }
        assert(steps - 1 <= joined.depth || !byId.has(start), "the depth is that of the longest way");
      }
    }),
  );
});
