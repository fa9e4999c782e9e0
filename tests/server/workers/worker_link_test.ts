// The link to a worker in a thread: a thread that does not come up, or cannot be started, is reported and ended.
import { assertEquals } from "@std/assert";
import { type LinkEvents, startWorkerThread } from "../../../src/server/workers/worker_link.ts";
import type { Runtime, WorkerHandle } from "../../../src/runtime/runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { fakeRuntime } from "../../worker/support/fake_runtime.ts";
import { CONFIG } from "../manager/fakes.ts";

const UP_MS = 30_000;

class Thread implements WorkerHandle {
  readonly posted: unknown[] = [];
  ended = 0;
  onMessage: (message: unknown) => void = () => {};
  onExit: (reason: string) => void = () => {};

  post(message: unknown): void {
    this.posted.push(message);
  }

  terminate(): void {
    this.ended++;
  }
}

/** A link to a thread that the test speaks for. */
function bench(spawn?: Runtime["spawn"]) {
  const clock = new FakeClock();
  const thread = new Thread();
  const told: string[] = [];
  const start = startWorkerThread({
    runtime: fakeRuntime(clock, {
      pid: 7,
      spawn: spawn ?? (() => thread),
      nextTick: (fn) => queueMicrotask(fn),
    }),
    worker: new URL("file:///worker.ts"),
    permissions: undefined,
    heapBytes: 1,
    onExit: (mark) => told.push(`gone ${mark}`),
  });
  const events: LinkEvents = {
    onMessage: ({ kind }) => told.push(kind),
    onExit: (reason) => told.push(`exit ${reason}`),
  };
  return { clock, thread, told, link: start(CONFIG, events) };
}

Deno.test("worker link: a thread that does not come up in time is ended and reported", async () => {
  const { clock, thread, told } = bench();
  await clock.advance(UP_MS - 1);
  assertEquals([told, thread.ended], [[], 0]);
  await clock.advance(1);
  assertEquals(told, ["gone 7.1", "exit its thread did not start within 30 s"]);
  assertEquals([thread.ended, clock.pending], [1, 0]);
});

Deno.test("worker link: a thread that came up, died, or was ended has no time to keep", async () => {
  for (const end of ["up", "died", "terminated"] as const) {
    const { clock, thread, told, link } = bench();
    await clock.advance(0);
    if (end === "up") thread.onMessage({ messages: [{ kind: "online" }], bytes: 0 });
    if (end === "died") thread.onExit("it died");
    if (end === "terminated") link.terminate();
    const before = told.length;
    await clock.advance(UP_MS);
    assertEquals([told.length, clock.pending], [before, 0], end);
  }
});

Deno.test("worker link: a thread that the runtime refuses is reported at once", async () => {
  const { clock, told } = bench(() => {
    throw new Error("no more threads");
  });
  await clock.advance(0);
  assertEquals(told, ["gone 7.1", "exit its thread could not be started: no more threads"]);
  assertEquals(clock.pending, 0);
});
