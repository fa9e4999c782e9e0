// Leases alone, over files in memory: who gets one, from whom it is taken over, and what happens where none can be
// written.
import { assertEquals } from "@std/assert";
import { FileLeases } from "../../../src/server/state/file_leases.ts";
import type { Files } from "../../../src/runtime/runtime.ts";
import { EVERYWHERE } from "../../worker/support/fake_runtime.ts";
import { keptLog } from "../manager/fakes.ts";

const FILE = "/sessions/a.jsonl";

/** Machines' files and processes: what several servers share. */
class World {
  readonly files = new Map<string, string>();
  readonly alive = new Map<number, string>();
  refuses: string | undefined;
  /** Called when a file was read, before anybody acts on it. */
  read: (path: string) => void = () => {};

  readonly port: Files = {
    ...EVERYWHERE,
    read: (path) => {
      const text = this.files.get(String(path));
      this.read(String(path));
      return Promise.resolve(text);
    },
    createPrivate: (path, text) => {
      if (this.refuses !== undefined) return Promise.reject(new Error(this.refuses));
      if (this.files.has(path)) return Promise.resolve(false);
      this.files.set(path, text);
      return Promise.resolve(true);
    },
    writePrivate: (path, text) => {
      this.files.set(path, text);
      return Promise.resolve();
    },
    remove: (path) => {
      this.files.delete(path);
      return Promise.resolve();
    },
  };

  /** A server: its process lives from now on. */
  server(pid: number, { stateId = `state-${pid}`, host = "here", start = `start-${pid}` } = {}) {
    if (host === "here") this.alive.set(pid, start);
    const { log, records } = keptLog();
    const leases = new FileLeases({
      processes: {
        pid,
        files: this.port,
        alive: (other) => this.alive.has(other),
        processStartId: (other) => other === pid ? start : this.alive.get(other),
      },
      log,
      host,
      stateId,
      endpoint: () => `ws://${host}:${pid}/`,
    });
    return { leases, records };
  }
}

Deno.test("leases: one server drives a file; the other learns which, until the first releases it", async () => {
  const world = new World();
  const [one, two] = [world.server(1).leases, world.server(2).leases];
  assertEquals(await one.acquire(FILE), undefined);
  assertEquals(await one.acquire(FILE), undefined, "it has it already");
  assertEquals(await two.acquire(FILE), { pid: 1, host: "here", endpoint: "ws://here:1/" });
  assertEquals(await two.acquire("/sessions/b.jsonl"), undefined);
  await two.release(FILE);
  assertEquals((await two.acquire(FILE))?.pid, 1, "no server releases another's lease");
  await one.release(FILE);
  assertEquals(await two.acquire(FILE), undefined);
  await two.releaseAll();
  assertEquals([...world.files], []);
});

Deno.test("leases: a dead process's is taken over, also when its number lives on as another's", async () => {
  for (const now of [undefined, "another start"]) {
    const world = new World();
    assertEquals(await world.server(1).leases.acquire(FILE), undefined);
    if (now === undefined) world.alive.delete(1);
    else world.alive.set(1, now);
    const { leases, records } = world.server(2);
    assertEquals(await leases.acquire(FILE), undefined);
    assertEquals(records, ["info the lease of a dead server was taken over"]);
    assertEquals([...world.files.keys()], [`${FILE}.lease`]);
  }
});

Deno.test("leases: one of an earlier owner of the same state folder is stale, wherever that lived", async () => {
  const world = new World();
  await world.server(1, { stateId: "same", host: "old-container" }).leases.acquire(FILE);
  assertEquals(await world.server(1, { stateId: "same", start: "later" }).leases.acquire(FILE), undefined);
});

Deno.test("leases: of a process on another machine nothing is known, so its lease stands", async () => {
  const world = new World();
  await world.server(7, { host: "there" }).leases.acquire(FILE);
  const holder = await world.server(2).leases.acquire(FILE);
  assertEquals(holder, { pid: 7, host: "there", endpoint: "ws://there:7/" });
});

Deno.test("leases: of two that take over from a dead one, one gets it", async () => {
  const world = new World();
  await world.server(1).leases.acquire(FILE);
  world.alive.delete(1);
  const [two, three] = [world.server(2).leases, world.server(3).leases];
  const got = await Promise.all([two.acquire(FILE), three.acquire(FILE)]);
  assertEquals(got.filter((holder) => holder === undefined).length, 1);
});

Deno.test("leases: a file that is not a lease is taken over; where none can be written no session is refused", async () => {
  const world = new World();
  for (const text of ["", "{", '{"pid":"1"}', "null"]) {
    world.files.set(`${FILE}.lease`, text);
    const { leases } = world.server(2);
    assertEquals(await leases.acquire(FILE), undefined, JSON.stringify(text));
    await leases.release(FILE);
  }
  world.refuses = "read-only file system";
  const { leases, records } = world.server(2);
  assertEquals(await leases.acquire(FILE), undefined);
  assertEquals(records, ["warn no lease could be written: read-only file system"]);
  await leases.releaseAll();
});

Deno.test("leases: what is asked of one file happens in that order, however long each takes", async () => {
  const world = new World();
  const { leases } = world.server(1);
  const all = [leases.acquire(FILE), leases.release(FILE), leases.acquire(FILE), leases.release(FILE)];
  await Promise.all(all);
  assertEquals([...world.files], []);
});

Deno.test("leases: what an earlier owner of the folder has left is cleared, nothing of another's, nothing held", async () => {
  const world = new World();
  await world.server(1, { stateId: "same" }).leases.acquire(FILE);
  await world.server(2).leases.acquire("/sessions/b.jsonl");
  const { leases } = world.server(3, { stateId: "same" });
  await leases.acquire("/sessions/c.jsonl");
  for (const file of [FILE, "/sessions/b.jsonl", "/sessions/c.jsonl", "/sessions/d.jsonl"]) {
    await leases.reclaim(file);
  }
  assertEquals([...world.files.keys()], ["/sessions/b.jsonl.lease", "/sessions/c.jsonl.lease"]);
});

Deno.test("leases: what a dead node has left elsewhere is inherited by its folder, and by that alone", async () => {
  const world = new World();
  const [old, heir] = [world.server(7, { host: "there" }).leases, world.server(2).leases];
  await old.acquire(FILE);
  await heir.inherit(FILE, "state-8");
  assertEquals((await heir.acquire(FILE))?.pid, 7);
  // The file is asked for at once, and waits.
  const [, holder] = await Promise.all([heir.inherit(FILE, "state-7"), heir.acquire(FILE)]);
  assertEquals(holder, undefined);
  // The old one was only paused.
  await old.release(FILE);
  assertEquals(JSON.parse(world.files.get(`${FILE}.lease`) ?? "{}").stateId, "state-2");
});
