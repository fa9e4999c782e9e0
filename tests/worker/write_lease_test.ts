// Where nodes share session files: a worker builds and writes only after the first word of its lease, until its end.
import { assertEquals, assertThrows } from "@std/assert";
import { checkFence, fenceWrites } from "../../src/worker/session/file_check/write_fence.ts";
import { WriteLease } from "../../src/worker/write_lease.ts";
import { FakeClock, turn } from "../support/base/fake_clock.ts";
import { fakeRuntime } from "./support/fake_runtime.ts";
import { CONFIG, WorkerBench } from "./support/session_worker_fixture.ts";

/** Milliseconds after which a build begins without a lease, so that its command gets an answer. */
const GRANT_MS = 10_000;

/** A lease that is shared, and the builds that have begun. */
class Bench {
  readonly clock = new FakeClock();
  readonly lease: WriteLease;
  readonly begun: string[] = [];

  constructor() {
    this.lease = new WriteLease(fakeRuntime(this.clock, { steady: () => this.clock.monotonic() }));
    this.lease.share();
  }

  async build(name: string): Promise<void> {
    await this.lease.granted();
    this.begun.push(name);
  }
}

/** The check of writes is one for the whole thread. */
async function fenced(test: (bench: Bench) => Promise<void>): Promise<void> {
  try {
    await test(new Bench());
  } finally {
    fenceWrites(() => true);
  }
}

Deno.test("write lease: nothing waits for it where no node shares its sessions", () => {
  const lease = new WriteLease(fakeRuntime(new FakeClock()));
  assertEquals([lease.granted(), lease.time], [undefined, {}]);
  checkFence();
});

Deno.test("write lease: builds wait for the first word of a lease that holds, and begin with it", () =>
  fenced(async (bench) => {
    const { clock, lease, begun } = bench;
    const all = ["a", "b"].map((name) => bench.build(name));
    await clock.advance(3_000);
    assertEquals([begun, lease.time], [[], { steady: 3_000 }]);
    assertThrows(checkFence);
    // A word that is over when it arrives is none.
    lease.extend(2_000);
    await turn();
    assertEquals(begun, []);
    lease.extend(8_000);
    await Promise.all(all);
    assertEquals([begun, lease.granted(), clock.pending], [["a", "b"], undefined, 0]);
    checkFence();
  }));

Deno.test("write lease: writes end with the lease, and the next build waits for the next word", () =>
  fenced(async (bench) => {
    const { clock, lease } = bench;
    lease.extend(5_000);
    await clock.advance(4_999);
    checkFence();
    await clock.advance(1);
    assertThrows(checkFence);
    const built = bench.build("a");
    lease.extend(6_000);
    await built;
    checkFence();
    // The steady clock of a machine that sleeps may stand still, and the wall clock does not.
    clock.setWall(60_000);
    assertThrows(checkFence);
    assertEquals(lease.granted() instanceof Promise, true);
    lease.extend(7_000);
    checkFence();
    await clock.advance(60_000);
  }));

Deno.test("write lease: without a word a build begins at last, and its writes are refused all the same", () =>
  fenced(async (bench) => {
    const built = bench.build("a");
    await bench.clock.advance(GRANT_MS - 1);
    assertEquals(bench.begun, []);
    await bench.clock.advance(1);
    await built;
    assertEquals(bench.begun, ["a"]);
    assertThrows(checkFence);
  }));

Deno.test("write lease: a worker builds a session when the first word of its lease has come", () =>
  fenced(async () => {
    const worker = new WorkerBench({ ...CONFIG, shared: true });
    worker.create("s");
    worker.load();
    await turn();
    assertEquals([worker.of("load_ended").length, worker.requests.length], [1, 0]);
    const ref = worker.ask((ref) => ({ kind: "ping", ref }));
    await turn();
    assertEquals(typeof worker.of("pong", ref)[0]?.steady, "number");
    worker.ask((ref) => ({ kind: "ping", ref, writesUntil: performance.now() + 60_000 }));
    await turn();
    assertEquals(worker.requests.length, 1);
  }));
