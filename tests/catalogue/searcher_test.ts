// The search: hits with snippets, bounded for each session, resumable at any point, and only where clients may look.
import { assert, assertEquals } from "@std/assert";
import type { CatalogueCall, ListPlace } from "../../src/ipc/catalogue_messages.ts";
import { CatalogueBench, header, message } from "./catalogue_bench.ts";

interface Hit {
  readonly sessionId: string;
  readonly role: string;
  readonly snippet: string;
  readonly matchAt: number;
  readonly matchLength: number;
}

interface Answer {
  readonly hits: readonly Hit[];
  readonly searched: number;
  readonly sessions: number;
  readonly unsearched: number;
  readonly next: ListPlace | undefined;
}

type Search = Extract<CatalogueCall, { type: "search" }>;

async function search(
  bench: CatalogueBench,
  from: Search["from"],
  over: Partial<Search> = {},
): Promise<Answer> {
  const bounds = { limit: 50, maxBytes: 100_000, withinMs: 10_000 };
  const answer = await bench.ask({ type: "search", from, ...bounds, ...over });
  assert(answer.ok === true, JSON.stringify(answer));
  return { ...JSON.parse(answer.dataText), next: answer.next };
}

/** `session role` of each hit. */
const where = ({ hits }: Answer): string[] => hits.map(({ sessionId, role }) => `${sessionId} ${role}`);

async function filled(): Promise<CatalogueBench> {
  const bench = await CatalogueBench.make();
  const { top } = bench;
  const head = (id: string): string => header(`${top}/root`, id);
  const result = message("toolResult", [{ type: "text", text: "a NEEDLE in the output" }]);
  await bench.write("sessions/one/1.jsonl", head("one") + message("user", "no") + result, 1_700_000_003);
  const many = Array.from({ length: 9 }, (_, n) => message("user", `needle ${n}`)).join("");
  await bench.write("sessions/one/2.jsonl", head("two") + many, 1_700_000_002);
  const answer = message("assistant", [{ type: "text", text: 'say "needle\\n"' }, {
    type: "image",
    data: "needle",
  }]);
  await bench.write("sessions/one/3.jsonl", head("three") + answer, 1_700_000_001);
  await bench.write("sessions/one/4.jsonl", header(`${top}/outside`, "secret") + message("user", "needle"));
  await bench.write("outside/5.jsonl", head("linked") + message("user", "needle"));
  await Deno.symlink(`${top}/outside/5.jsonl`, `${top}/sessions/one/5.jsonl`);
  return bench;
}

Deno.test("search: messages of all sessions, newest session first, a few of each, in any case", async () => {
  await using bench = await filled();
  const answer = await search(bench, { text: "Needle" });
  assertEquals(where(answer), ["one toolResult", "two user", "two user", "two user", "three assistant"]);
  for (const { snippet, matchAt, matchLength } of answer.hits) {
    assertEquals(snippet.slice(matchAt, matchAt + matchLength).toLowerCase(), "needle");
  }
  assertEquals([answer.next, answer.unsearched], [undefined, 0]);
  assertEquals((await search(bench, { text: "nothing like it" })).hits, []);
});

Deno.test("search: quotes, backslashes and characters that a file holds as escapes are found", async () => {
  await using bench = await filled();
  assertEquals(where(await search(bench, { text: '"needle\\n' })), ["three assistant"]);
  const escaped = message("user", "caf\u00e9").replace("\u00e9", "\\u00e9");
  await bench.write("sessions/one/6.jsonl", header(`${bench.top}/root`, "six") + escaped);
  assertEquals(where(await search(bench, { text: "CAF\u00c9" })), ["six user"]);
});

Deno.test("search: any small pages together are what one large page is, also within a session", async () => {
  await using bench = await filled();
  const files = [`${bench.top}/sessions/one/2.jsonl`, `${bench.top}/sessions/one/1.jsonl`];
  for (const from of [{ text: "needle" }, { text: "needle", files }]) {
    const all = where(await search(bench, from));
    for (const limit of [1, 2, 4]) {
      const found: string[] = [];
      let place: ListPlace | undefined;
      do {
        const page = await search(bench, place ?? from, { limit });
        found.push(...where(page));
        place = page.next;
      } while (place !== undefined);
      if ("files" in from) assertEquals(found, all, String(limit));
      else assertEquals(new Set(found), new Set(all), String(limit));
    }
    if ("files" in from) assertEquals(all.length, 10, "named sessions are searched to their end");
  }
});

Deno.test("search: an answer without time has a place where the next one goes on", async () => {
  await using bench = await filled();
  let place: ListPlace | undefined;
  const found: string[] = [];
  for (let pages = 0; pages < 1_000; pages++) {
    const page: Answer = await search(bench, place ?? { text: "needle" }, { withinMs: pages % 2 });
    found.push(...where(page));
    place = page.next;
    if (place === undefined) break;
  }
  assertEquals([place, new Set(found).size], [undefined, 3]);
});

Deno.test("search: lines that are too long are counted, and sessions outside the roots cannot be named", async () => {
  await using bench = await filled();
  const large = message("user", `needle ${"x".repeat(5_000_000)}`);
  await bench.write(
    "sessions/one/7.jsonl",
    header(`${bench.top}/root`, "seven") + large + message("user", "NEEDLE"),
  );
  const named = { text: "needle", files: [`${bench.top}/sessions/one/7.jsonl`] };
  const answer = await search(bench, named);
  assertEquals([where(answer), answer.unsearched], [["seven user"], 1]);
  for (const path of ["outside/5.jsonl", "sessions/one/4.jsonl", "sessions/one/none.jsonl"]) {
    const bounds = { limit: 1, maxBytes: 1, withinMs: 1 };
    const files = [`${bench.top}/${path}`];
    const refused = await bench.ask({ type: "search", from: { text: "needle", files }, ...bounds });
    assert(refused.ok === false && refused.failure.code.startsWith("path_"), path);
  }
});
