// Parking alone, with a clock of the test's: who goes, who waits for a place, who is refused, and that no place is
// ever lost.
import { assertEquals } from "@std/assert";
import { Governor, isPermit } from "../../../src/governor/governor.ts";
import { withDefaults } from "../../../src/governor/limits.ts";
import { createContext } from "../../../src/server/manager/session_context.ts";
import { SessionEntry } from "../../../src/server/manager/session_entry.ts";
import { ParkingPolicy } from "../../../src/server/manager/parking/parking_policy.ts";
import { failure } from "../../../src/protocol/errors.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { CONFIG, keptLog, memoryLedger, recordOf, ScriptedWorkers } from "./fakes.ts";

const IDLE_MS = 1_000;
const STOPPED = failure("cancelled", "stopped");

function make(sessions = 2, parkedSessions = 10) {
  const clock = new FakeClock();
  const governor = new Governor(withDefaults({ sessions, parkedSessions, idleSessionMs: IDLE_MS }));
  const asked: string[] = [];
  const left: string[] = [];
  const built: string[] = [];
  const { log } = keptLog();
  const context = createContext({
    clock,
    governor,
    log,
    uuid: () => "uuid",
    config: CONFIG,
    workers: 1,
    starts: 1,
    start: new ScriptedWorkers().start,
    journal: memoryLedger(clock, log),
  });
  const { lifecycle, registry: { entries } } = context;
  lifecycle.detach = ({ sessionId }) => void left.push(sessionId);
  const parking = new ParkingPolicy(context, {
    park: ({ sessionId }) => void asked.push(sessionId),
    build: ({ sessionId }) => void built.push(sessionId),
  });
  const told: string[] = [];
  /** Takes a place for a new session, which lives once it has it. */
  const live = (id: string, over: Partial<SessionEntry> = {}, building = false): SessionEntry => {
    const entry = Object.assign(new SessionEntry(id, clock.monotonic(), over.inMemory ?? false), over);
    entries.set(id, entry);
    parking.acquireSlot((got) => {
      told.push(`${id}: ${isPermit(got) ? "place" : got.code}`);
      if (!isPermit(got)) return void entries.delete(id);
      Object.assign(entry, { liveSlot: got, record: recordOf(id) });
      lifecycle.to(entry, "building");
      if (!building) lifecycle.to(entry, "live");
    });
    return entry;
  };
  /** The worker's reply to a request to park. */
  const answer = (id: string, letsGo = true): void => {
    const entry = entries.get(id);
    if (entry !== undefined) parking.onParkResult(entry, letsGo ? recordOf(id) : undefined);
  };
  return { clock, governor, entries, parking, asked, left, built, told, live, answer, lifecycle };
}

Deno.test("parking: an idle session goes after its time, a used, watched, busy or in-memory one stays", async () => {
  const { live, clock, parking, asked, answer, left, governor } = make(10);
  const used = live("used");
  const idle = live("idle");
  live("watched", { watched: true });
  live("busy", { inFlight: 1 });
  live("memory", { inMemory: true });
  parking.start();
  await clock.advance(IDLE_MS - 100);
  assertEquals(asked, []);
  used.usedAt = clock.monotonic();
  await clock.advance(200);
  assertEquals(asked, ["idle"]);
  assertEquals([governor.sessions, governor.parkedSessions], [5, 1]);
  answer("idle");
  assertEquals([idle.state, left], ["parked", ["idle"]]);
  assertEquals([governor.sessions, governor.parkedSessions], [4, 1]);
  parking.stop(STOPPED);
  assertEquals(clock.pending, 0);
});

Deno.test("parking: a session that its worker refuses to park is not asked again until a client uses it", async () => {
  const { live, clock, parking, asked, answer, governor } = make();
  const entry = live("a");
  parking.start();
  await clock.advance(IDLE_MS * 1.2);
  answer("a", false);
  assertEquals([entry.state, governor.parkedSessions], ["live", 0]);
  await clock.advance(IDLE_MS * 5);
  assertEquals(asked, ["a"]);
  entry.usedAt = clock.monotonic();
  await clock.advance(IDLE_MS * 1.2);
  assertEquals(asked, ["a", "a"]);
  parking.stop(STOPPED);
});

Deno.test("parking: when all slots are taken, each waiting create parks the idlest session, in order of arrival", async () => {
  const { live, clock, asked, answer, told } = make(2);
  live("old");
  await clock.advance(10);
  live("newer");
  await clock.advance(10);
  live("third");
  live("fourth");
  assertEquals([asked, told], [["old", "newer"], ["old: place", "newer: place"]]);
  answer("newer");
  assertEquals(told.slice(2), ["third: place"]);
  answer("old");
  assertEquals(told.slice(3), ["fourth: place"]);
});

Deno.test("parking: when no session can ever be parked, a create is refused at once", () => {
  const { live, told } = make(2);
  live("memory", { inMemory: true });
  live("watched", { watched: true });
  live("third");
  assertEquals(told.slice(2), ["third: session_limit"]);
});

Deno.test("parking: a create waits for a session that is being built, because that one may free its slot", () => {
  const { live, told, parking, answer, asked, lifecycle } = make(1);
  const first = live("first", {}, true);
  live("second");
  assertEquals([told.length, asked], [1, []]);
  lifecycle.to(first, "live");
  parking.reevaluate();
  assertEquals(asked, ["first"]);
  answer("first");
  assertEquals(told.slice(1), ["second: place"]);
});

Deno.test("parking: the limit of parked sessions holds", () => {
  const { live, told, asked } = make(1, 0);
  live("first");
  live("second");
  assertEquals([asked, told.slice(1)], [[], ["second: session_limit"]]);
});

Deno.test("parking: a parked session that is needed waits for a slot, and calls its waiting callbacks", () => {
  const { live, parking, answer, built, governor, entries } = make(1);
  const first = live("first");
  live("second");
  answer("first");
  const released: (string | undefined)[] = [];
  first.onRunning((failed) => void released.push(failed?.code));
  parking.resume(first);
  assertEquals([first.state, built], ["resuming", []]);
  answer("second");
  assertEquals([built, governor.sessions], [["first"], 1]);
  parking.onResumed(first, undefined);
  assertEquals([first.state, released, governor.parkedSessions], ["live", [undefined], 1]);
  assertEquals(entries.get("second")?.state, "parked");
});

Deno.test("parking: a session that cannot be built again stays parked, and releases its slot", () => {
  const { live, parking, answer, governor } = make(1);
  const first = live("first");
  live("second");
  answer("first");
  const released: (string | undefined)[] = [];
  first.onRunning((failed) => void released.push(failed?.code));
  parking.resume(first);
  answer("second");
  parking.onResumed(first, failure("path_not_found", "gone"));
  assertEquals([first.state, released], ["parked", ["path_not_found"]]);
  assertEquals([governor.sessions, governor.parkedSessions], [0, 2]);
});

Deno.test("parking: a session that a command needs while its worker releases it is built again at once", () => {
  const { live, parking, answer, built } = make(1);
  const first = live("first");
  live("second");
  first.onRunning(() => {});
  answer("first");
  // The other one was there before.
  assertEquals([first.state, built], ["resuming", []]);
  answer("second");
  assertEquals(built, ["first"]);
  parking.stop(STOPPED);
});

Deno.test("parking: a session whose worker has died is parked over the limit rather than lost", () => {
  const { live, parking, governor, lifecycle } = make(1, 0);
  const first = live("first");
  lifecycle.to(first, "parking");
  parking.onWorkerLost(first);
  assertEquals([first.state, governor.sessions, governor.parkedSessions], ["parked", 0, 0]);
});

Deno.test("parking: at shutdown waiting creates are refused with the reason, and later ones too", () => {
  const { live, told, parking } = make(1);
  live("first", {}, true);
  live("second");
  parking.stop(STOPPED);
  live("third");
  assertEquals(told.slice(1), ["second: cancelled", "third: cancelled"]);
});
