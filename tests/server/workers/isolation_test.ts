// Isolation `session`: each session gets a host of its own, a spare is kept, and a host ends when its session leaves.
// What one host does, hangs or dies of, concerns no other session.
import { assert, assertEquals } from "@std/assert";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { WorkerPool } from "../../../src/server/workers/worker_pool.ts";
import {
  anyKind,
  CONFIG,
  FakeAsker,
  Hosts as Started,
  makeManager,
  recordOf,
  type ScriptedHost,
} from "../manager/fakes.ts";

const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;
const HOST_SILENT_MS = 30_000;
const STATE_MS = 2_000;

/** A pool whose dead hosts are replaced. */
function pool() {
  const clock = new FakeClock();
  const started = new Started();
  const introduced: number[] = [];
  const hosts: WorkerPool = new WorkerPool({
    clock,
    config: CONFIG,
    isolation: "session",
    start: started.start,
  });
  hosts.handlers = anyKind(() => {});
  hosts.onExit = (host) => hosts.restart(host);
  hosts.onStarted = (host) => void introduced.push(host);
  hosts.startAll(4);
  return { clock, started, introduced, hosts };
}

Deno.test("pool: it starts with the spare alone, which serves commands without a session", () => {
  const { started, introduced, hosts } = pool();
  assertEquals([started.all.length, hosts.all, hosts.used, hosts.leastLoaded()], [1, [0], [], 0]);
  assertEquals(introduced, [0]);
});

Deno.test("pool: a session takes the spare, the next one a new host, and one spare is kept", () => {
  const { introduced, hosts } = pool();
  assertEquals([hosts.assign(), hosts.assign()], [0, 1]);
  assertEquals([hosts.all, hosts.used], [[0, 1], [0, 1]]);
  for (let n = 0; n < 3; n++) hosts.keepSpare();
  assertEquals([hosts.all, hosts.used, hosts.leastLoaded()], [[0, 1, 2], [0, 1], 2]);
  assertEquals([hosts.assign(), introduced], [2, [0, 1, 2]]);
});

Deno.test("pool: a retired host is removed without ending what its session started, and its number stays unused", () => {
  const { started, hosts } = pool();
  hosts.assign();
  assert(!hosts.isLeft(0));
  hosts.remove(0);
  assertEquals(hosts.all, [0], "a host with a session is not removed");
  hosts.addSessions(0, -1);
  assert(hosts.isLeft(0));
  hosts.retire(0);
  assert(!hosts.isLeft(0), "once is enough");
  assertEquals(hosts.used, [0], "a shutdown still waits for it");
  hosts.remove(0);
  assertEquals([started.host(0).dismissed, started.host(0).terminated, hosts.all], [1, 0, []]);
  assertEquals([hosts.send(0, { kind: "ping", ref: 1 }), hosts.sessions(0)], [false, 0]);
  hosts.addSessions(0, -1);
  assertEquals(hosts.assign(), 1);
});

Deno.test("pool: a session's dead host is not started again, a dead spare is", async () => {
  const { clock, started, hosts } = pool();
  hosts.assign();
  hosts.keepSpare();
  await clock.advance(YOUNG_MS);
  started.host(0).dies();
  assertEquals([hosts.all, started.all.length], [[1], 2]);
  started.host(1).dies();
  assertEquals([hosts.all, started.all.length], [[1], 3]);
  started.host(2).dies();
  assertEquals(started.all.length, 3, "it died young");
  assertEquals(hosts.assign(), 1, "a session may wait for its start");
  hosts.send(1, { kind: "count_busy", ref: 7, stop: false });
  await clock.advance(RESTART_MS);
  assertEquals([started.all.length, started.host().of("count_busy").length], [4, 1]);
});

Deno.test("pool: once it is stopped no spare is started", () => {
  const { started, hosts } = pool();
  hosts.assign();
  hosts.stop();
  hosts.keepSpare();
  assertEquals(started.all.length, 1);
});

/** A manager with isolated sessions, and what it tells. */
class Isolated {
  readonly made;
  readonly events: string[] = [];

  constructor(sessions = 100) {
    this.made = makeManager({ sessions, hostSilentMs: HOST_SILENT_MS }, 1, "session");
    this.made.manager.start({
      onEvents: () => {},
      onServerEvent: (type, data) => void this.events.push(`${type} ${data.sessionId}`),
      demandFor: () => ({ full: false, subscribers: 0 }),
      isWatched: () => false,
    });
  }

  get hosts(): readonly ScriptedHost[] {
    return this.made.hosts.all;
  }

  /** Creates a session, and has its host build it. */
  create(sessionId: string): ScriptedHost {
    this.made.manager.createSession({ type: "create_session", sessionId }, new FakeAsker());
    const host = this.hosts.find((one) => one.of("create_session").at(-1)?.command.sessionId === sessionId);
    if (host === undefined) throw new Error("no host was asked");
    host.says({ kind: "pi_loaded" });
    host.says({ kind: "save_record", record: recordOf(sessionId) });
    host.reply(host.last("create_session").ref);
    return host;
  }

  command(type: "delete_session" | "get_messages", sessionId: string): FakeAsker {
    const asker = new FakeAsker();
    this.made.manager.forwardCommand({ type, sessionId }, specOf(type), asker);
    return asker;
  }
}

/** Lets promises go on. */
async function turn(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

Deno.test("isolation: each session has a host of its own, and the spare is started once a session stands", () => {
  const bench = new Isolated();
  bench.made.manager.createSession({ type: "create_session", sessionId: "a" }, new FakeAsker());
  assertEquals(bench.hosts.length, 1, "the spare takes it, and nothing competes with its start");
  bench.hosts[0]?.reply(bench.hosts[0].last("create_session").ref);
  assertEquals(bench.hosts.length, 2);
  bench.create("b");
  assertEquals(bench.hosts.map((host) => host.of("create_session").length), [1, 1, 0]);
  assertEquals(bench.made.manager.workers.length, 3, "get_metrics counts the spare");
});

Deno.test("isolation: the host of a deleted session ends once the deletion is answered and all is disposed", async () => {
  const bench = new Isolated();
  const host = bench.create("a");
  const asker = bench.command("delete_session", "a");
  await turn();
  assertEquals([asker.told, host.of("shutdown").length], [[], 0], "the deletion comes first");
  host.reply(host.last("command").ref);
  await turn();
  assertEquals([asker.told, host.of("shutdown").length, host.dismissed], [["ok"], 1, 0]);
  const { ref } = host.last("shutdown");
  host.says({ kind: "shutdown_done", ref, disposed: 0, failed: 0, saving: true });
  await turn();
  assertEquals(host.dismissed, 0, "a login is being saved");
  host.says({ kind: "shutdown_done", ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([host.dismissed, host.terminated, bench.made.manager.workers], [1, 0, [1]]);
});

Deno.test("isolation: a session that cannot be built takes its host with it", async () => {
  const bench = new Isolated();
  const asker = new FakeAsker();
  bench.made.manager.createSession({ type: "create_session", sessionId: "a" }, asker);
  const [host] = bench.hosts;
  host?.refuses("create_session");
  host?.says({ kind: "shutdown_done", ref: host.last("shutdown").ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([asker.told, host?.dismissed, bench.made.manager.workers], [["internal"], 1, [1]]);
});

Deno.test("isolation: a parked session gives its host back, and comes back on the spare", async () => {
  const bench = new Isolated(1);
  const host = bench.create("a");
  await bench.made.clock.advance(1);
  bench.made.manager.createSession({ type: "create_session", sessionId: "b" }, new FakeAsker());
  host.says({ kind: "park_result", ref: host.last("park_session").ref, record: recordOf("a") });
  const [, second] = bench.hosts;
  assertEquals(second?.last("create_session").command.sessionId, "b");
  host.says({ kind: "shutdown_done", ref: host.last("shutdown").ref, disposed: 0, failed: 0 });
  await turn();
  assertEquals([host.dismissed, bench.made.manager.workers.includes(0)], [1, false]);
  second?.says({ kind: "save_record", record: recordOf("b") });
  second?.reply(second.last("create_session").ref);
  const asker = bench.command("get_messages", "a");
  second?.says({ kind: "park_result", ref: second.last("park_session").ref, record: recordOf("b") });
  const third = bench.hosts[2];
  third?.reply(third.last("resume_session").ref);
  third?.reply(third.last("command").ref);
  assertEquals([asker.told, bench.events.includes("session_resumed a")], [["ok"], true]);
});

Deno.test("isolation: a dead host crashes its own session alone, and fails no list", async () => {
  const bench = new Isolated();
  const [first, second] = [bench.create("a"), bench.create("b")];
  const told: (readonly string[])[] = [];
  bench.made.manager.statesOfAll([], (sessions) => {
    told.push("code" in sessions ? [sessions.code] : sessions.map(({ sessionId }) => sessionId));
  });
  const lost = bench.command("get_messages", "a");
  const other = bench.command("get_messages", "b");
  await turn();
  first.dies();
  assertEquals([lost.told, other.told], [["internal"], []]);
  assertEquals(bench.events.filter((event) => event.startsWith("session_crashed")), ["session_crashed a"]);
  assertEquals(told, [["a"]], "as it was reported last");
  second.says({ kind: "states", ref: second.last("get_states").ref, sessions: [] });
  second.reply(second.last("command").ref);
  assertEquals([other.told, told], [["ok"], [["a"], []]]);
  assertEquals(bench.made.manager.workers, [1, 2]);
});

Deno.test("isolation: a host that hangs delays a list by two seconds, and is named by its session", async () => {
  const bench = new Isolated();
  const hung = bench.create("a");
  bench.create("b").silent = false;
  hung.silent = true;
  const told: (readonly string[])[] = [];
  bench.made.manager.statesOfAll([], (sessions) => {
    if (!("code" in sessions)) told.push(sessions.map(({ infoText }) => JSON.parse(infoText).status));
  });
  await bench.made.clock.advance(STATE_MS);
  assertEquals(told, [["live"], ["live"]]);
  assertEquals([bench.made.manager.sessionOf(0), bench.made.manager.sessionOf(2)], ["a", undefined]);
  await bench.made.clock.advance(HOST_SILENT_MS + 2_000);
  assertEquals([hung.terminated, bench.made.manager.workers], [1, [1, 2]]);
});

Deno.test("isolation: a shutdown does not wait for the spare", async () => {
  const bench = new Isolated();
  const host = bench.create("a");
  const disposing = bench.made.manager.disposeAll(1_000);
  host.says({ kind: "shutdown_done", ref: host.last("shutdown").ref, disposed: 1, failed: 0 });
  assertEquals(await disposing, { disposed: 1, failed: 0 });
  assertEquals(bench.hosts.map(({ terminated }) => terminated), [1, 1]);
  assertEquals(bench.hosts[1]?.of("shutdown"), []);
});
