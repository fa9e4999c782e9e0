// What health_check says of workers: one that is lost, slow to start or silent, and sessions that hear nothing.
import { assertEquals } from "@std/assert";
import { WorkerHealth } from "../../../src/server/health/worker_health.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

const HOST_SILENT_MS = 30_000;

function fixture(isolated = false) {
  const clock = new FakeClock();
  const ignore = (): void => {};
  const all = [0, 1];
  const silent = new Map<number, number>();
  const starting = new Map<number, number>();
  const health = new WorkerHealth({
    clock,
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    hostSilentMs: HOST_SILENT_MS,
    workers: { all, isolated, startingMs: (worker) => starting.get(worker) ?? 0 },
    heartbeat: { silentMs: (worker) => silent.get(worker) ?? 0 },
    registry: { running: (worker) => worker === 1 ? [{ sessionId: "own" }] : [] },
  });
  return { clock, health, all, silent, starting };
}

Deno.test("worker health: a lost worker is named until its successor has loaded pi, and no longer", () => {
  const { health, all } = fixture();
  health.onLost(0, "killed");
  assertEquals(health.issues, ["Worker 0 has died and is being replaced: killed"]);
  health.onLost(0, "killed again");
  assertEquals(health.issues, ["Worker 0 has died and is being replaced: killed again"]);
  health.onLoaded(0);
  assertEquals(health.issues, []);
  health.onLost(1, "killed");
  all.pop();
  assertEquals(health.issues, [], "a session's own worker has no successor");
});

Deno.test("worker health: a worker that does not load pi is named after ten seconds", () => {
  const { health, starting } = fixture(true);
  starting.set(0, 9_999);
  assertEquals(health.issues, []);
  starting.set(0, 10_000.4);
  assertEquals(health.issues, ["Worker 0 has not loaded pi for 10000 ms"]);
  starting.clear();
  assertEquals(health.issues, []);
});

Deno.test("worker health: a silent worker is named, with its session where it has one alone", () => {
  for (const isolated of [false, true]) {
    const { health, silent } = fixture(isolated);
    silent.set(1, 4_999);
    assertEquals(health.issues, []);
    silent.set(1, 5_000);
    assertEquals(health.issues, [
      isolated
        ? 'Session "own" may be stuck: its worker has not answered for 5000 ms'
        : "Worker 1 has not answered for 5000 ms: one of its sessions may be stuck",
    ]);
  }
});

Deno.test("worker health: a silent session is named with what it waits for, for as long as it waits", async () => {
  const { health, clock } = fixture();
  const report = health.handlers.silence_report;
  const kind = "silence_report";
  report({ kind, sessionId: "a", silence: { of: "model", ms: 60_000 } }, 0);
  report({ kind, sessionId: "b", silence: { of: "tool", name: "wait", ms: 60_000 } }, 0);
  report({ kind, sessionId: "c", silence: { of: "command", name: "compact", ms: 60_000 } }, 1);
  await clock.advance(500);
  assertEquals(health.issues, [
    'The run of session "a" has been silent for 60500 ms: it waits for its model, or for an extension; abort ends the wait',
    'The run of session "b" has been silent for 60500 ms: it waits for the tool wait; abort ends the wait',
    'Session "c" has been silent for 60500 ms: its command compact has not ended',
  ]);
  report({ kind, sessionId: "a" }, 0);
  // Another worker runs that session by now.
  report({ kind, sessionId: "c" }, 0);
  assertEquals(health.issues.map((issue) => /"(\w)"/.exec(issue)?.[1]), ["b", "c"]);
  health.onLost(0, "killed");
  health.onLoaded(0);
  assertEquals(health.issues.map((issue) => /"(\w)"/.exec(issue)?.[1]), ["c"]);
  health.forget(1);
  assertEquals(health.issues, []);
});
