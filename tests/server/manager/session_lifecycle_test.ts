// The states of a session: every move of the table, no other, and the slots that end with a state.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Governor, isPermit } from "../../../src/governor/governor.ts";
import { withDefaults } from "../../../src/governor/limits.ts";
import { createContext } from "../../../src/server/manager/session_context.ts";
import {
  NEXT_STATES,
  SessionEntry,
  type SessionEntryState,
  writeState,
} from "../../../src/server/manager/session_entry.ts";
import { deferred } from "../../../src/base/async/deferred.ts";
import type { FileLeases } from "../../../src/server/state/file_leases.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { CONFIG, keptLog, memoryLedger, ScriptedWorkers } from "./fakes.ts";

function make(leases?: Partial<FileLeases>) {
  const clock = new FakeClock();
  const governor = new Governor(withDefaults());
  const { log, records } = keptLog();
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
    // The claims use no more of them.
    ...(leases === undefined ? {} : { leases: leases as FileLeases }),
  });
  return { ...context, records };
}

const STATES = Object.keys(NEXT_STATES) as SessionEntryState[];

Deno.test("lifecycle: a session moves as the table says, and a move that it lacks throws", () => {
  const { lifecycle } = make();
  for (const from of STATES) {
    for (const to of STATES) {
      const entry = new SessionEntry("a", 0, false);
      writeState(entry, from);
      const move = (): void => lifecycle.to(entry, to);
      if (from === to || NEXT_STATES[from].includes(to)) move();
      else assertEquals(String(assertThrows(move)), `Error: Session a: ${from} → ${to}`);
    }
  }
});

Deno.test("lifecycle: parked ends the live slot, live ends the parked slot, and each move is in the log", () => {
  const { lifecycle, governor, records } = make();
  const entry = new SessionEntry("a", 0, false);
  const [live, parked] = [governor.session(), governor.parked()];
  if (isPermit(live) && isPermit(parked)) Object.assign(entry, { liveSlot: live, parkedSlot: parked });
  for (const state of ["building", "live"] as const) lifecycle.to(entry, state);
  assertEquals([governor.sessions, governor.parkedSessions], [1, 0]);
  for (const state of ["parking", "parked"] as const) lifecycle.to(entry, state);
  assertEquals([governor.sessions, governor.parkedSessions], [0, 0]);
  assertEquals(records.filter((record) => record === "debug session state").length, 4);
});

Deno.test("lifecycle: a session is removed once other servers may have its file", async () => {
  const release = deferred<void>();
  const { lifecycle, registry, files } = make({
    acquire: () => Promise.resolve(undefined),
    release: () => release.promise,
  });
  const entry = new SessionEntry("a", 0, false);
  registry.add(entry);
  files.setFile("a", "/f");
  lifecycle.remove(entry);
  assertEquals([files.owner("/f"), registry.has("a")], [undefined, false]);
  assert(entry.removed !== undefined);
  let removed = false;
  void entry.removed.then(() => removed = true);
  // Longer than everything else that a removal waits for.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(removed, false);
  release.resolve();
  assertEquals(await entry.removed, undefined);
});
