// The pages of a history, without a session: every way through them gives each entry once.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Entries, pageOf } from "../../../../src/worker/session/handlers/entry_page.ts";

type Query = Parameters<typeof pageOf>[1];

/** A tree from the parents of its entries, by index; -1 is the root's. The last entry is the leaf. */
function treeOf(parents: readonly number[], chars = 10): Entries {
  const id = (at: number): string | null => at < 0 ? null : `e${at}`;
  const placed = parents.map((parent, at) => ({
    entry: { id: `e${at}`, parentId: id(parent), text: "x".repeat(chars) },
    parentId: id(parent),
  }));
  return { leafId: id(parents.length - 1), placed };
}

interface Answer {
  readonly entries: readonly { id: string; parentId: string | null }[];
  readonly entryCount: number;
  readonly more?: true;
  readonly nextSince?: string;
  readonly nextBefore?: string;
}

function read(all: Entries, query: Query, most = 1_000_000): Answer {
  const page = pageOf(all, query, { most });
  assert(page.ok, JSON.stringify(page));
  return JSON.parse(page.value.write());
}

const codeOf = (all: Entries, query: Query): unknown => {
  const page = pageOf(all, query, { most: 1_000 });
  return page.ok ? "ok" : [page.failure.code, page.failure.data];
};

Deno.test("entry page: any limit and any bound give every entry exactly once, in both directions", () => {
  const anyTree = fc.array(fc.nat(), { minLength: 1, maxLength: 30 }).map((all) =>
    all.map((n, at) => n % (at + 1) - 1)
  );
  fc.assert(fc.property(
    anyTree,
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 200, max: 900 }),
    fc.constantFrom("tree" as const, "branch" as const),
    (parents, limit, most, scope) => {
      const all = treeOf(parents, 40);
      const whole = read(all, { scope }).entries.map(({ id }) => id);
      const forwards: string[] = [];
      for (let since: string | null | undefined = null; since !== undefined;) {
        const page: Answer = read(all, { scope, limit, since }, most);
        assert(page.entries.length > 0 || whole.length === 0);
        forwards.push(...page.entries.map(({ id }) => id));
        since = page.nextSince;
      }
      const backwards: string[] = [];
      for (let before: string | null | undefined = null; before !== undefined;) {
        const page: Answer = read(all, { scope, limit, ...(before === null ? {} : { before }) }, most);
        backwards.unshift(...page.entries.map(({ id }) => id));
        before = page.nextBefore;
      }
      assertEquals([forwards, backwards], [whole, whole]);
      assertEquals(read(all, { scope }).entryCount, whole.length);
    },
  ));
});

Deno.test("entry page: entries that came since change no page", () => {
  const early = treeOf([-1, 0, 1, 2]);
  const late = treeOf([-1, 0, 1, 2, 3, 4, 5]);
  assertEquals(read(late, { before: "e2" }).entries, read(early, { before: "e2" }).entries);
  assertEquals(read(late, { since: "e3" }).entries.map(({ id }) => id), ["e4", "e5", "e6"]);
  assertEquals(read(late, { since: "e6" }).entries, []);
});

Deno.test("entry page: an unknown id, a branch that was left, and nothing in common have their codes", () => {
  // e0 and e1 are common, e2 and e3 were left, e4 and e5 are the branch, e6 is another root.
  const all = { ...treeOf([-1, 0, 1, 2, 1, 4, -1]), leafId: "e5" };
  assertEquals(codeOf(all, { since: "nope" }), ["entry_not_found", undefined]);
  assertEquals(codeOf(all, { before: "nope", scope: "branch" }), ["entry_not_found", undefined]);
  const left = ["entry_not_on_branch", { leafId: "e5", commonEntryId: "e1" }];
  assertEquals(codeOf(all, { since: "e3", scope: "branch" }), left);
  assertEquals(codeOf(all, { before: "e2", scope: "branch" }), left);
  assertEquals(codeOf(all, { since: "e6", scope: "branch" }), [
    "entry_not_on_branch",
    { leafId: "e5", commonEntryId: null },
  ]);
  assertEquals(codeOf(all, { since: "e3" }), "ok");
  assertEquals(read(all, { scope: "branch" }).entries.map(({ id }) => id), ["e0", "e1", "e4", "e5"]);
  // A cursor behind the other one leaves nothing between them.
  assertEquals(read(all, { since: "e4", before: "e1" }).entries, []);
});

Deno.test("entry page: a circle ends, and an entry hangs below its visible parent", () => {
  const circle = treeOf([1, 0]);
  assertEquals(read(circle, { scope: "branch" }).entries.length, 2);
  const moved = { leafId: "b", placed: [{ entry: { id: "b", parentId: "hidden" }, parentId: null }] };
  assertEquals(read(moved, {}).entries, [{ id: "b", parentId: null }]);
});
