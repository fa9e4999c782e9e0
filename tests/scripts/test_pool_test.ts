// The test command's pool: places, keys, the order, and what a job ends.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Job, runPool } from "../../scripts/test/test_pool.ts";

/** Jobs that end on command, and which of them run. */
class Jobs {
  readonly running = new Set<string>();
  readonly #ends = new Map<string, (result: string) => void>();

  job(name: string, more: Partial<Job<string>> = {}): Job<string> {
    const run = () => {
      this.running.add(name);
      return new Promise<string>((resolve) => this.#ends.set(name, resolve));
    };
    return { name, run, ...more };
  }

  /** Ends a job; what runs afterwards. */
  async end(name: string, result = "done"): Promise<string> {
    this.running.delete(name);
    this.#ends.get(name)?.(result);
    return await this.now();
  }

  async now(): Promise<string> {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    return [...this.running].join(" ");
  }
}

Deno.test("pool: as many as there are places, the first in the list first", async () => {
  const jobs = new Jobs();
  const all = runPool(["a", "b", "c", "d"].map((name) => jobs.job(name)), 2);
  assertEquals(await jobs.now(), "a b");
  assertEquals(await jobs.end("b"), "a c");
  assertEquals(await jobs.end("a"), "c d");
  await jobs.end("c");
  await jobs.end("d", "last");
  const results = await all;
  assertEquals([...results].toSorted(), [["a", "done"], ["b", "done"], ["c", "done"], ["d", "last"]]);
});

Deno.test("pool: two of one key are never beside each other, and hold no other up", async () => {
  const jobs = new Jobs();
  const all = runPool(
    [jobs.job("a", { key: "k" }), jobs.job("b", { key: "k" }), jobs.job("c", { key: "l" }), jobs.job("d")],
    2,
  );
  assertEquals(await jobs.now(), "a c");
  assertEquals(await jobs.end("c"), "a d");
  assertEquals(await jobs.end("d"), "a");
  assertEquals(await jobs.end("a"), "b");
  await jobs.end("b");
  assertEquals((await all).size, 4);
});

Deno.test("pool: a job of several places waits for them, and one of too many takes all", async () => {
  const jobs = new Jobs();
  const all = runPool([jobs.job("a"), jobs.job("wide", { places: 9 }), jobs.job("b")], 2);
  assertEquals(await jobs.now(), "a b");
  assertEquals(await jobs.end("a"), "b");
  assertEquals(await jobs.end("b"), "wide");
  await jobs.end("wide");
  assertEquals((await all).size, 3);
});

Deno.test("pool: after a result that ends all nothing begins, and what runs ends", async () => {
  const jobs = new Jobs();
  const endsAll = (result: string) => result === "wrong";
  const all = runPool([jobs.job("a", { endsAll }), jobs.job("b"), jobs.job("c")], 2);
  assertEquals(await jobs.now(), "a b");
  assertEquals(await jobs.end("a", "wrong"), "b");
  assertEquals(await jobs.end("b"), "");
  assertEquals([...(await all).keys()], ["a", "b"]);
});

Deno.test("pool: a job that throws is not taken for one that passed", async () => {
  const wrong: Job<string> = { name: "a", run: () => Promise.reject(new Error("no report")) };
  const error = await assertRejects(() => runPool([wrong], 2));
  assert(error instanceof Error && error.message === "no report");
});
