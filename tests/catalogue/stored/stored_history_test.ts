// The history in a file, read without pi: the same pages as of a loaded session, with bounded memory.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { STORED_LINE_BYTES } from "../../../src/governor/limits.ts";
import { common, files } from "../../../src/runtime/common.ts";
import { clock } from "../../../src/runtime/running_clock.ts";
import { pageOf } from "../../../src/worker/session/handlers/entry_page.ts";
import { linesBackwards } from "../../../src/catalogue/stored/backward_lines.ts";
import { StoredHistory, type StoredQuery } from "../../../src/catalogue/stored/stored_history.ts";
import { PLAIN_FORMAT } from "../../worker/support/fake_format.ts";

type Entry = Record<string, unknown> & { id: string; parentId: string | null };
type Query = Omit<StoredQuery, "type" | "sessionId">;

const FORMAT = {
  ...PLAIN_FORMAT,
  types: new Set(["message", "label", "compaction"]),
  roles: new Set(["user", "assistant", "toolResult"]),
};
const HEADER = JSON.stringify({ type: "session", version: 3, id: "s", timestamp: "t", cwd: "/" });

const reader = (): StoredHistory =>
  new StoredHistory({ files, content: common.content, clock, format: FORMAT });

async function withFile(lines: readonly string[], body: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "pi-server-stored-" });
  try {
    await Deno.writeTextFile(path, [HEADER, ...lines].map((line) => `${line}\n`).join(""));
    await body(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Entries from the parents' indexes, in pi's order of fields or in another one. */
function entriesOf(parents: readonly number[], chars = 20, order: "pi" | "last" = "pi"): Entry[] {
  return parents.map((parent, at) => {
    const place = { id: `e${at}`, parentId: parent < 0 ? null : `e${parent}`, timestamp: "t" };
    const message = { role: "user", content: `${at} ${"ü".repeat(chars)}` };
    return order === "pi" ? { type: "message", ...place, message } : { type: "message", message, ...place };
  });
}

async function page(of: StoredHistory, path: string, query: Query): Promise<Record<string, unknown>> {
  const found = await of.page(path, { type: "get_entries", sessionId: "s", ...query });
  return found.ok ? JSON.parse(found.value) : { code: found.failure.code, data: found.failure.data };
}

/** What a loaded session answers. */
function live(entries: readonly Entry[], { leaf, ...query }: Query, most: number): Record<string, unknown> {
  const leafId = leaf === undefined ? entries.at(-1)?.id ?? null : leaf;
  const placed = entries.map((entry) => ({ entry, parentId: entry.parentId }));
  const found = pageOf({ leafId, placed }, query, { most });
  if (!found.ok) return { code: found.failure.code, data: found.failure.data };
  const { entryCount: _count, ...rest } = JSON.parse(found.value.write());
  return { ...rest, unloaded: true };
}

Deno.test("stored history: every page is the one of a loaded session", async () => {
  const anyTree = fc.array(fc.nat(), { minLength: 1, maxLength: 25 }).map((all) =>
    all.map((n, at) => at === 0 ? -1 : n % at)
  );
  await fc.assert(
    fc.asyncProperty(
      anyTree,
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom("tree" as const, "branch" as const),
      fc.constantFrom("pi" as const, "last" as const),
      fc.option(fc.nat(), { nil: undefined }),
      fc.nat(),
      fc.nat(),
      async (parents, limit, scope, order, leafAt, sinceAt, beforeAt) => {
        const entries = entriesOf(parents, 20, order);
        const leaf = leafAt === undefined ? undefined : `e${leafAt % parents.length}`;
        const base: Query = { scope, limit, ...(leaf === undefined ? {} : { leaf }) };
        const since = `e${sinceAt % parents.length}`;
        const before = `e${beforeAt % parents.length}`;
        await withFile(entries.map((entry) => JSON.stringify(entry)), async (path) => {
          const one = reader();
          for (const more of [{}, { since }, { since: null }, { before }]) {
            const query = { ...base, ...more };
            assertEquals(await page(one, path, query), live(entries, query, 1e6), JSON.stringify(query));
          }
          // On from page to page, with what the reader remembers and without.
          for (const again of [() => one, reader]) {
            for (let next: Query | undefined = base; next !== undefined;) {
              const found: Record<string, unknown> = await page(again(), path, next);
              assertEquals(found, live(entries, next, 1e6));
              next = typeof found.nextBefore === "string" ? { ...base, before: found.nextBefore } : undefined;
            }
          }
        });
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("stored history: a page has at most the bytes that were asked for", async () => {
  const entries = entriesOf(Array.from({ length: 60 }, (_, at) => at - 1), 500);
  await withFile(entries.map((entry) => JSON.stringify(entry)), async (path) => {
    const found = await reader().page(path, { type: "get_entries", sessionId: "s", maxBytes: 16_384 });
    assert(found.ok);
    assert(new TextEncoder().encode(found.value).length <= 16_384);
    const { entries: some, nextBefore } = JSON.parse(found.value);
    assertEquals([some.at(-1).id, nextBefore], ["e59", some[0].id]);
    assert(some.length > 5);
  });
});

Deno.test("stored history: hidden and broken lines are left out, and what hangs below moves up", async () => {
  const lines = [
    { type: "message", id: "a", parentId: null, timestamp: "t", message: { role: "user", content: "x" } },
    {
      type: "message",
      id: "h",
      parentId: "a",
      timestamp: "t",
      message: { role: "system", content: "secret" },
    },
    { type: "context_edit", id: "c", parentId: "h", timestamp: "t" },
    { type: "message", id: "b", parentId: "c", timestamp: "t", message: { role: "user", content: "y" } },
    { type: "unheard_of", id: "u", parentId: "b", timestamp: "t" },
  ].map((line) => JSON.stringify(line));
  await withFile([...lines.slice(0, 3), '{"type":"mess', "", "null", ...lines.slice(3)], async (path) => {
    for (
      const query of [{}, { scope: "branch" }, { since: null }, { since: null, scope: "branch" }] as const
    ) {
      const found = await page(reader(), path, query);
      const entries = found.entries as { id: string; parentId: string | null }[];
      assertEquals(entries.map(({ id, parentId }) => [id, parentId]), [["a", null], ["b", "a"]]);
      assertEquals(found.leafId, "b");
    }
  });
});

Deno.test("stored history: contents come from the file, also for a reader that has named none", async () => {
  const long = "w".repeat(100_000);
  const entry = {
    type: "message",
    id: "a",
    parentId: null,
    timestamp: "t",
    message: { role: "user", content: [{ type: "text", text: long }] },
  };
  const more = entriesOf([-1]).map((one) => ({ ...one, id: "z", parentId: "a" }));
  await withFile([entry, ...more].map((line) => JSON.stringify(line)), async (path) => {
    const first = reader();
    const found = await page(first, path, { refs: true });
    const text = JSON.stringify(found.entries);
    assert(!text.includes(long));
    const hash = common.content.hash(long);
    assert(text.includes(hash));
    for (const one of [first, reader()]) {
      const piece = await one.content(path, {
        type: "get_content",
        sessionId: "s",
        ref: hash,
        offset: 99_990,
      });
      assert(piece.ok);
      assertEquals(JSON.parse(piece.value), {
        hash,
        kind: "text",
        size: 100_000,
        offset: 99_990,
        data: btoa("w".repeat(10)),
      });
    }
    const none = await first.content(path, { type: "get_content", sessionId: "s", ref: "0".repeat(64) });
    assertEquals(none.ok ? "" : none.failure.code, "content_not_found");
    const beyond = await first.content(path, {
      type: "get_content",
      sessionId: "s",
      ref: hash,
      offset: 100_001,
    });
    assertEquals(beyond.ok ? "" : beyond.failure.code, "invalid_params");
  });
});

Deno.test("stored history: a line above the bound is an entry without its content", async () => {
  const huge = "h".repeat(STORED_LINE_BYTES);
  const [first, second, third] = entriesOf([-1, 0, 1]);
  const big = { ...second, message: { role: "user", content: huge } };
  await withFile([first, big, third].map((line) => JSON.stringify(line)), async (path) => {
    const found = await page(reader(), path, { scope: "branch" });
    const entries = found.entries as Record<string, unknown>[];
    assertEquals(entries.map(({ id }) => id), ["e0", "e1", "e2"]);
    assertEquals(entries[1], {
      type: "message",
      id: "e1",
      parentId: "e0",
      oversized: true,
      lineBytes: JSON.stringify(big).length,
    });
  });
});

Deno.test("stored history: a file that grows or goes away is noticed", async () => {
  const entries = entriesOf([-1, 0, 1]);
  await withFile(entries.map((entry) => JSON.stringify(entry)), async (path) => {
    const one = reader();
    const found = await page(one, path, { limit: 1 });
    assertEquals(found.nextBefore, "e2");
    const [more] = entriesOf([-1]);
    await Deno.writeTextFile(path, `${JSON.stringify({ ...more, id: "new", parentId: "e2" })}\n`, {
      append: true,
    });
    const next = await page(one, path, { limit: 1, before: "e2" });
    assertEquals([(next.entries as Entry[])[0]?.id, next.leafId], ["e1", "new"]);
    assertEquals((await page(one, `${path}-gone`, {})).code, "path_not_found");
  });
});

Deno.test("backward lines: any lines in blocks of any size come back last first", async () => {
  // Larger than the blocks, around their sizes, and tiny.
  const anyLength = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 60_000, max: 70_000 }),
    fc.integer({ min: 100_000, max: 500_000 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyLength, { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      async (lengths, ended) => {
        const lines = lengths.map((length, at) => `${at % 10}ü`.repeat(length).slice(0, length));
        const bytes = new TextEncoder().encode(lines.join("\n") + (ended ? "\n" : ""));
        const part = (_path: string, offset: number, length: number): Promise<Uint8Array> =>
          Promise.resolve(bytes.subarray(offset, offset + length));
        const found: string[] = [];
        for await (const line of linesBackwards({ part }, "f", bytes.length, 1e9)) {
          assert(line.offset === 0 || bytes[line.offset - 1] === 10);
          assertEquals(line.bytes?.length, line.length);
          found.unshift(new TextDecoder().decode(line.bytes));
        }
        const expected = lines.filter((line) => line !== "");
        assertEquals(found.length, expected.length);
        assert(found.every((line, at) => line === expected[at]));
      },
    ),
    { numRuns: 40 },
  );
});
