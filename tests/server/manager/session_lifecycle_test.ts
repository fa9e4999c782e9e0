// The states of a session: every move of the table, no other, and the slots that end with a state.
import { assertEquals, assertThrows } from "@std/assert";
import { Governor, isPermit } from "../../../src/governor/governor.ts";
import { withDefaults } from "../../../src/governor/limits.ts";
import { createContext } from "../../../src/server/manager/session_context.ts";
import {
  NEXT_STATES,
  SessionEntry,
  type SessionEntryState,
  writeState,
} from "../../../src/server/manager/session_entry.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { CONFIG, keptLog, memoryLedger, ScriptedWorkers } from "./fakes.ts";

function make() {
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
