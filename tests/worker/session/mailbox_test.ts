// The order of jobs: one at a time in the mailbox, the lane beside it behind quick jobs of its own connection
// only, the gate before session_start is through, and the end.
import { assertEquals } from "@std/assert";
import { Mailbox, type MailboxJob } from "../../../src/worker/session/mailbox.ts";
import { turn } from "../../support/base/fake_clock.ts";

/** Jobs by name that end on command, and what has started and ended so far. */
class Bench {
  readonly mailbox = new Mailbox();
  readonly log: string[] = [];
  readonly #ends = new Map<string, () => void>();

  job(name: string, connection = 1, slow = false): MailboxJob {
    return {
      connection,
      slow,
      run: () => {
        this.log.push(name);
        return new Promise((resolve) => this.#ends.set(name, resolve));
      },
    };
  }

  push(name: string, connection = 1, slow = false): void {
    this.mailbox.push(this.job(name, connection, slow));
  }

  after(name: string, connection = 1): void {
    this.mailbox.pushAfter(this.job(name, connection));
  }

  /** Ends a running job and returns all that has started by then. */
  async end(name: string): Promise<string[]> {
    const end = this.#ends.get(name);
    if (end === undefined) throw new Error(`${name} does not run; started: ${this.log.join(" ")}`);
    this.#ends.delete(name);
    end();
    await turn();
    return this.log;
  }
}

function opened(): Bench {
  const bench = new Bench();
  bench.mailbox.open();
  return bench;
}

Deno.test("mailbox: jobs run one at a time in order of arrival, from all connections", async () => {
  const bench = opened();
  for (const [name, connection] of [["a", 1], ["b", 2], ["c", 1]] as const) bench.push(name, connection);
  assertEquals(bench.log, ["a"]);
  assertEquals(await bench.end("a"), ["a", "b"]);
  assertEquals(await bench.end("b"), ["a", "b", "c"]);
  assertEquals(bench.mailbox.size, 1);
  await bench.end("c");
  assertEquals(bench.mailbox.size, 0);
});

Deno.test("mailbox: a job that comes to an empty mailbox starts at once, also later", async () => {
  const bench = opened();
  bench.push("a");
  await bench.end("a");
  bench.push("b");
  assertEquals(bench.log, ["a", "b"]);
});

Deno.test("mailbox: nothing starts before the gate opens; then the order is that of arrival", async () => {
  const bench = new Bench();
  bench.push("a");
  bench.push("b");
  assertEquals(bench.log, []);
  assertEquals(bench.mailbox.size, 2);
  bench.mailbox.open();
  bench.mailbox.open();
  assertEquals(bench.log, ["a"]);
  assertEquals(await bench.end("a"), ["a", "b"]);
});

Deno.test("mailbox: the lane after passes the gate when nothing of its own connection is ahead", async () => {
  const bench = new Bench();
  bench.push("set_model", 1);
  bench.after("mine", 1);
  bench.after("other", 2);
  assertEquals(bench.log, ["other"]);
  bench.mailbox.open();
  assertEquals(bench.log, ["other", "set_model"]);
  assertEquals(await bench.end("set_model"), ["other", "set_model", "mine"]);
});

Deno.test("mailbox: the lane after waits for earlier quick jobs of its connection, running or queued", async () => {
  const bench = opened();
  bench.push("a", 1);
  bench.push("b", 1);
  bench.after("get", 1);
  assertEquals(await bench.end("a"), ["a", "b"]);
  assertEquals(await bench.end("b"), ["a", "b", "get"]);
});

Deno.test("mailbox: a job of the lane after starts before mailbox jobs that came later", async () => {
  const bench = opened();
  bench.push("a", 1);
  bench.after("get1", 1);
  bench.after("get2", 1);
  bench.push("b", 1);
  bench.after("get3", 1);
  assertEquals(await bench.end("a"), ["a", "get1", "b"]);
  assertEquals(await bench.end("get1"), ["a", "get1", "b", "get2"]);
  await bench.end("b");
  assertEquals(await bench.end("get2"), ["a", "get1", "b", "get2", "get3"]);
});

Deno.test("mailbox: the lane after does not wait for another connection's jobs", async () => {
  const bench = opened();
  bench.push("a", 1);
  bench.push("b", 2);
  bench.after("get", 2);
  assertEquals(bench.log, ["a"], "b is ahead of it, and behind a");
  assertEquals(await bench.end("a"), ["a", "b"]);
  assertEquals(await bench.end("b"), ["a", "b", "get"]);
  await bench.end("get");
  bench.push("c", 1);
  bench.after("get2", 2);
  assertEquals(bench.log, ["a", "b", "get", "c", "get2"]);
});

Deno.test("mailbox: the lane after does not wait for jobs that came later", async () => {
  const bench = opened();
  bench.push("a", 1);
  bench.after("get", 1);
  bench.push("b", 1);
  await bench.end("a");
  assertEquals(bench.log, ["a", "get", "b"]);
});

Deno.test("mailbox: the lane after never waits for a slow job, running or queued", async () => {
  const bench = opened();
  bench.push("bash", 1, true);
  bench.after("get", 1);
  assertEquals(bench.log, ["bash", "get"]);
  const queued = opened();
  queued.push("quick", 1);
  queued.push("bash", 1, true);
  queued.after("get", 1);
  assertEquals(await queued.end("quick"), ["quick", "get", "bash"]);
});

Deno.test("mailbox: the lane after never waits for a quick job that is stuck behind a slow one", () => {
  const bench = opened();
  bench.push("bash", 2, true);
  bench.push("set_model", 1);
  bench.after("get", 1);
  assertEquals(bench.log, ["bash", "get"]);
});

Deno.test("mailbox: jobs of the lane after keep their own order", async () => {
  const bench = opened();
  bench.after("steer1", 1);
  bench.after("steer2", 1);
  bench.after("other", 2);
  bench.after("get", 1);
  assertEquals(bench.log, ["steer1", "other"]);
  assertEquals(await bench.end("steer1"), ["steer1", "other", "steer2"]);
  assertEquals(await bench.end("steer2"), ["steer1", "other", "steer2", "get"]);
});

Deno.test("mailbox: a job of the lane after holds up no mailbox job", () => {
  const bench = opened();
  bench.after("get", 1);
  bench.push("a", 1);
  assertEquals(bench.log, ["get", "a"]);
});

Deno.test("mailbox: close drops what waits, lets what runs end, and starts nothing more", async () => {
  const bench = opened();
  bench.push("a");
  bench.push("b");
  bench.mailbox.close();
  assertEquals(await bench.end("a"), ["a"]);
  assertEquals(bench.mailbox.size, 0);
  bench.push("late");
  bench.mailbox.open();
  await turn();
  assertEquals(bench.log, ["a"], "a closed mailbox does not open again");
});

Deno.test("mailbox: close releases jobs of the lane after that waited for a dropped job", async () => {
  const gated = new Bench();
  gated.push("a", 1);
  gated.after("get", 1);
  gated.mailbox.close();
  await turn();
  assertEquals(gated.log, ["get"], "what it waited for will not run");
  assertEquals(gated.mailbox.size, 1);
});
