// The persistence alone, over a store of the test's: what comes back and under which epoch, what is kept, and what an
// answer gets the reason when the disk takes nothing.
import { assertEquals, assertNotEquals } from "@std/assert";
import { deferred } from "../../../src/base/async/deferred.ts";
import { Governor } from "../../../src/governor/governor.ts";
import { withDefaults } from "../../../src/governor/limits.ts";
import type { SessionRecord } from "../../../src/ipc/session_record.ts";
import { SessionEntry, writeState } from "../../../src/server/manager/session_entry.ts";
import { SessionPersistence } from "../../../src/server/manager/session_persistence.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { recordOf } from "./fakes.ts";

function make(parkedSessions = 10) {
  const clock = new FakeClock();
  const puts: SessionRecord[] = [];
  const removed: string[] = [];
  const disk = {
    put: (): Promise<void> => Promise.resolve(),
    remove: (): Promise<void> => Promise.resolve(),
  };
  let uuids = 0;
  const governor = new Governor(withDefaults({ parkedSessions }));
  const persistence = new SessionPersistence({ clock, uuid: () => `new-${++uuids}`, governor });
  const store = {
    problem: undefined,
    put(record: SessionRecord) {
      puts.push(record);
      return disk.put();
    },
    remove(sessionId: string) {
      removed.push(sessionId);
      return disk.remove();
    },
  };
  return { persistence, clock, puts, removed, disk, store, governor };
}

function entryOf(id: string, over: Partial<SessionRecord["info"]> = {}): SessionEntry {
  const entry = new SessionEntry(id, 0, false);
  entry.record = recordOf(id, over);
  entry.epoch = "e";
  return entry;
}

Deno.test("session persistence: sessions come back parked; one that was live when the server died under a new epoch", () => {
  const { persistence, store, governor } = make();
  const records = [recordOf("parked", { status: "parked" }), recordOf("live", { status: "live" })];
  const [parked, live] = persistence.restore(store, records);
  assertEquals([parked?.state, parked?.epoch], ["parked", "e"]);
  assertEquals([live?.state, live?.epoch], ["parked", "new-1"]);
  assertEquals(parked?.file, "/sessions/parked.jsonl");
  assertEquals([parked?.info(0)?.seq, live?.info(0)?.seq], [5, 0]);
  assertEquals(governor.parkedSessions, 2);
});

Deno.test("session persistence: over the limit sessions come back all the same, in-memory ones never", () => {
  const { persistence, store } = make(1);
  const records = [recordOf("a"), recordOf("b"), { ...recordOf("c"), inMemory: true }];
  assertEquals(persistence.restore(store, records).map(({ sessionId }) => sessionId), ["a", "b"]);
});

Deno.test("session persistence: what is kept has the server thread's own numbers and file", async () => {
  const { persistence, store, puts } = make();
  persistence.restore(store, []);
  const entry = entryOf("a");
  entry.file = "/canonical/a.jsonl";
  assertEquals(await persistence.save(entry), undefined);
  assertEquals([puts[0]?.file, puts[0]?.info.epoch, puts[0]?.info.seq], ["/canonical/a.jsonl", "e", 5]);
  assertEquals(puts[0]?.info.status, "live");
  entry.file = "/canonical/of-the-old-one.jsonl";
  await persistence.save(entry);
  assertEquals(puts.pop()?.file, undefined, "it has another file by now");
  entry.epoch = "after a crash";
  writeState(entry, "parked");
  await persistence.save(entry);
  assertEquals([puts[1]?.info.epoch, puts[1]?.info.seq, puts[1]?.info.status], [
    "after a crash",
    0,
    "parked",
  ]);
});

Deno.test("session persistence: nothing is kept of a session in memory, of one without a record, or without a store", async () => {
  const { persistence, store, puts, removed } = make();
  const entry = entryOf("a");
  assertEquals(await persistence.save(entry), undefined);
  assertEquals(persistence.remove(entry), undefined);
  persistence.restore(store, []);
  entry.record = { ...recordOf("a"), inMemory: true };
  await persistence.save(entry);
  entry.record = undefined;
  await persistence.save(entry);
  assertEquals(persistence.remove(new SessionEntry("m", 0, true)), undefined);
  assertEquals([puts, removed], [[], []]);
});

Deno.test("session persistence: a disk that refuses is reported, one that takes nothing after a while, and no timer is left", async () => {
  const { persistence, store, disk, clock } = make();
  persistence.restore(store, []);
  disk.put = () => Promise.reject(new Error("no space left on device"));
  assertEquals(await persistence.save(entryOf("a")), "no space left on device");
  assertEquals(clock.pending, 0);
  const never = Promise.withResolvers<void>();
  disk.put = () => never.promise;
  const kept = persistence.save(entryOf("a"));
  let told: string | undefined = "not yet";
  void kept.then((reason) => told = reason);
  await clock.advance(4_999);
  assertEquals(told, "not yet");
  await clock.advance(1);
  await kept;
  assertEquals(told, "the disk has finished no write for 5000 ms");
  never.resolve();
  await turn();
  assertEquals(clock.pending, 0);
});

Deno.test("session persistence: a removal waits for the disk, not for ever, and a disk that refuses is reported", async () => {
  const { persistence, store, disk, removed, clock } = make();
  persistence.restore(store, []);
  disk.remove = () => Promise.reject(new Error("read-only"));
  assertEquals(await persistence.remove(entryOf("a")), "read-only");
  disk.remove = () => new Promise(() => {});
  const forgotten = persistence.remove(entryOf("b"));
  await clock.advance(5_000);
  assertEquals(await forgotten, "the disk has finished no write for 5000 ms");
  assertEquals([removed, clock.pending], [["a", "b"], 0]);
});

Deno.test("session persistence: a removal waits for the lease of its file, not for ever, and is done all the same", async () => {
  const { persistence, store, clock } = make();
  persistence.restore(store, []);
  const freed = deferred<void>();
  let done = false;
  const first = persistence.remove(entryOf("a"), freed.promise);
  void first?.then(() => done = true);
  await clock.advance(4_999);
  assertEquals(done, false);
  freed.resolve();
  assertEquals(await first, undefined);
  const stuck = persistence.remove(entryOf("b"), new Promise<void>(() => {}));
  await clock.advance(5_000);
  assertEquals([await stuck, clock.pending], [undefined, 0]);
});

Deno.test("session persistence: at the end every session is kept as parked, with the numbers that it had", async () => {
  const { persistence, store, puts } = make();
  persistence.restore(store, []);
  const blank = new SessionEntry("never built", 0, false);
  await persistence.close([entryOf("a"), entryOf("b", { epoch: "older" }), blank]);
  assertEquals(puts.map(({ info }) => [info.sessionId, info.status, info.seq]), [
    ["a", "parked", 5],
    ["b", "parked", 0],
  ]);
  assertNotEquals(blank.state, "live");
});
