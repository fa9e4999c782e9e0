// The session manager over scripted workers: ids and places are taken and freed in one step, every replyTo is
// answered once, and a worker that dies takes nothing with it that can be kept.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Command, type CommandOf, specOf } from "../../../src/protocol/schema/commands.ts";
import type { CatalogueAnswer, StoredRead } from "../../../src/ipc/catalogue_messages.ts";
import type { Reply } from "../../../src/ipc/messages.ts";
import type { Failure } from "../../../src/protocol/errors.ts";
import type { Limits } from "../../../src/governor/limits.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { FakeAsker, makeManager, recordOf, type ScriptedWorker } from "./fakes.ts";

/** An open manager with its reports to the router. */
class Bench {
  readonly server: string[] = [];
  readonly events: string[] = [];
  readonly made: ReturnType<typeof makeManager>;

  constructor(over: Partial<Limits> = {}, workers = 1) {
    this.made = makeManager(over, workers);
    this.made.manager.start({
      onEvents: ({ sessionId, records }, worker) =>
        this.events.push(...records.map(({ seq }) => `${worker} ${sessionId} ${seq}`)),
      onServerEvent: (type, data) => this.server.push(`${type} ${data["sessionId"]}`),
      demandFor: () => ({ full: false, subscribers: 7 }),
      isWatched: () => false,
    });
  }

  get worker(): ScriptedWorker {
    return this.made.workers.worker();
  }

  create(sessionId?: string, replyTo = new FakeAsker(), inMemory = false): FakeAsker {
    const id = sessionId === undefined ? {} : { sessionId };
    const command: CommandOf<"create_session"> = { type: "create_session", inMemory, ...id };
    this.made.manager.createSession(command, replyTo);
    return replyTo;
  }

  /** A session whose create has been answered. */
  live(sessionId: string): void {
    const replyTo = this.create(sessionId);
    for (const worker of this.made.workers.all) {
      const create = worker.of("create_session").findLast(({ command }) => command.sessionId === sessionId);
      if (create === undefined) continue;
      worker.says({ kind: "save_record", record: recordOf(sessionId) });
      worker.reply(create.ref);
    }
    assertEquals(replyTo.told, ["ok"]);
  }

  command(
    sessionId: string,
    type: Command["type"],
    replyTo = new FakeAsker(),
    fields: Record<string, unknown> = {},
  ): { replyTo: FakeAsker; refused: Failure | undefined } {
    const command = { type, sessionId, message: "m", ...fields } as Command;
    const refused = this.made.manager.forwardCommand(command, specOf(type), replyTo);
    return { replyTo, refused };
  }

  /** Whether that session exists, and how many places are taken. */
  state(sessionId: string): [boolean, number] {
    return [this.made.manager.has(sessionId), this.made.governor.sessions];
  }
}

/** The timers of the heartbeat and of parking, which are always there. */
const BEAT = 2;

Deno.test("manager: a create passes on with its id and the demand, and gets its answer when it is built", () => {
  const bench = new Bench();
  const replyTo = bench.create("a");
  const { command, demand, ref } = bench.worker.last("create_session");
  assertEquals([command.sessionId, demand.subscribers], ["a", 7]);
  assertEquals([replyTo.told, bench.server, bench.state("a")], [[], [], [true, 1]]);
  bench.worker.reply(ref);
  assertEquals([replyTo.told, bench.server], [["ok"], ["session_created a"]]);
  bench.worker.reply(ref);
  assertEquals([replyTo.told, bench.server.length], [["ok"], 1], "a second reply is ignored");
});

Deno.test("manager: an id is chosen where none is given", () => {
  const bench = new Bench();
  bench.create();
  assertEquals(bench.worker.last("create_session").command.sessionId, "uuid-1");
  assertEquals(bench.state("uuid-1"), [true, 1]);
});

Deno.test("manager: a taken id is session_exists, and harms neither that session nor the count", () => {
  const bench = new Bench();
  bench.live("a");
  assertEquals(bench.create("a").told, ["session_exists"]);
  bench.create("b");
  assertEquals(bench.create("b").told, ["session_exists"], "also while it is built");
  assertEquals([bench.state("a"), bench.worker.of("create_session").length], [[true, 2], 2]);
});

Deno.test("manager: of 200 creates in memory at a limit of 100 exactly 100 are passed on", () => {
  const bench = new Bench({ sessions: 100 });
  const askers = Array.from({ length: 200 }, (_, index) => bench.create(`s${index}`, new FakeAsker(), true));
  assertEquals(bench.worker.of("create_session").length, 100);
  const told = askers.map((replyTo) => replyTo.told.join());
  assertEquals(told, [...Array(100).fill(""), ...Array(100).fill("session_limit")]);
  for (const { ref } of bench.worker.of("create_session")) bench.worker.reply(ref);
  assertEquals(askers.slice(0, 100).every((replyTo) => replyTo.told.join() === "ok"), true);
  assertEquals(bench.made.manager.sessionIds.length, 100);
});

Deno.test("manager: a create that fails frees its id and its place", () => {
  const bench = new Bench({ sessions: 1 });
  const replyTo = bench.create("a");
  bench.worker.refuses("create_session");
  assertEquals([replyTo.told, bench.state("a"), bench.server], [["internal"], [false, 0], []]);
  bench.live("a");
});

Deno.test("manager: a deletion frees id and place at once, and is announced when it is done", () => {
  const bench = new Bench({ sessions: 1 });
  bench.live("a");
  const { replyTo } = bench.command("a", "delete_session");
  const { ref } = bench.worker.last("command");
  assertEquals([bench.state("a"), replyTo.told, bench.server.length], [[false, 0], [], 1]);
  const second = bench.create("a");
  const deletedTwice = bench.command("nope", "delete_session");
  assertEquals(deletedTwice.refused?.code, "session_not_found");
  bench.worker.reply(ref);
  assertEquals([replyTo.told, bench.server.at(-1)], [["ok"], "session_deleted a"]);
  assertEquals(bench.state("a"), [true, 1], "the new session of that id stays");
  bench.worker.reply(bench.worker.last("create_session").ref);
  assertEquals(second.told, ["ok"]);
});

Deno.test("manager: a deletion that its worker refuses leaves the session as it was", () => {
  const bench = new Bench();
  bench.live("a");
  const { replyTo } = bench.command("a", "delete_session", new FakeAsker(), { ifSessionVersion: 7 });
  bench.worker.refuses("command", "version_conflict");
  assertEquals([replyTo.told, bench.server.length], [["version_conflict"], 1]);
  assertEquals(bench.state("a"), [true, 1]);
});

Deno.test("manager: a session that is deleted while it is built is gone when the worker says so", () => {
  const bench = new Bench();
  const created = bench.create("a");
  const { replyTo } = bench.command("a", "delete_session");
  assertEquals(bench.state("a"), [true, 1]);
  bench.worker.reply(bench.worker.last("create_session").ref);
  bench.worker.reply(bench.worker.last("command").ref);
  assertEquals([created.told, replyTo.told, bench.state("a")], [["ok"], ["ok"], [false, 0]]);
  assertEquals(bench.server, ["session_created a", "session_deleted a"]);
});

for (const id of ["__proto__", "constructor", "toString"]) {
  Deno.test(`manager: ${id} is an id like any other`, () => {
    const bench = new Bench();
    assertEquals(bench.state(id), [false, 0]);
    assertEquals(bench.command(id, "get_state").refused?.code, "session_not_found");
    bench.live(id);
    assertEquals([bench.create(id).told, bench.made.manager.sessionIds], [["session_exists"], [id]]);
    assertEquals(bench.command(id, "get_state").refused, undefined);
    bench.command(id, "delete_session");
    assertEquals(bench.state(id), [false, 0]);
  });
}

Deno.test("manager: a command goes to its session's worker with its connection, and its answer to its replyTo", () => {
  const bench = new Bench();
  bench.live("a");
  const [one, two] = [new FakeAsker(1), new FakeAsker(2)];
  bench.command("a", "get_state", one);
  bench.command("a", "get_messages", two);
  const [first, second] = bench.worker.of("command");
  assertEquals([first?.connection, second?.connection], [1, 2]);
  bench.worker.reply(second?.ref ?? 0, { ok: true, dataText: '"two"' });
  bench.worker.reply(first?.ref ?? 0, { ok: true, dataText: '"one"' });
  assertEquals([one.replies, two.replies].map(([reply]) => reply?.ok === true ? reply.dataText : ""), [
    '"one"',
    '"two"',
  ]);
});

Deno.test("manager: a full mailbox is overloaded; reads pass it, and what left it makes room", () => {
  const bench = new Bench({ mailbox: 1 });
  bench.live("a");
  const [first] = [bench.command("a", "prompt"), bench.command("a", "prompt")];
  assertEquals(bench.command("a", "prompt").refused?.code, "overloaded");
  for (const type of ["get_state", "steer", "abort", "delete_session"] as const) {
    if (type !== "delete_session") assertEquals(bench.command("a", type).refused, undefined, type);
  }
  const [prompt] = bench.worker.of("command");
  bench.worker.says({ kind: "command_released", ref: prompt?.ref ?? 0 });
  assertEquals([first?.replyTo.accepts, first?.replyTo.told], [1, []]);
  assertEquals(bench.command("a", "prompt").refused, undefined, "an accepted prompt counts no longer");
  bench.worker.reply(prompt?.ref ?? 0);
  assertEquals(bench.command("a", "prompt").refused?.code, "overloaded", "and frees its place once");
});

Deno.test("manager: an unknown session leaves no entry behind", () => {
  const bench = new Bench({ mailbox: 1 });
  for (let time = 0; time < 5; time++) {
    assertEquals(bench.command("nope", "prompt").refused?.code, "session_not_found");
  }
  bench.live("nope");
  assertEquals(bench.command("nope", "prompt").refused, undefined);
});

Deno.test("manager: sessions go to the worker with the fewest, and events tell theirs", () => {
  const bench = new Bench({}, 3);
  for (const id of ["a", "b", "c", "d"]) bench.create(id);
  const counts = (): number[] => bench.made.workers.all.map((worker) => worker.of("create_session").length);
  assertEquals(counts(), [2, 1, 1]);
  const second = bench.made.workers.worker(1);
  second.refuses("create_session");
  bench.create("e");
  assertEquals(counts(), [2, 2, 1], "a failed create gave its place back");
  second.says({
    kind: "events",
    sessionId: "e",
    events: [1, 2].map((seq) => ({ seq, type: "x", text: "" })),
  });
  assertEquals(bench.events, ["1 e 1", "1 e 2"]);
});

Deno.test("manager: attach asks the session's worker and no other, and gives up after a while", async () => {
  const bench = new Bench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const told: unknown[] = [];
  bench.made.manager.stateOf("a", false, (sessions) => told.push(sessions));
  bench.made.manager.stateOf("nope", false, (sessions) => told.push(sessions));
  assertEquals(told, [[]], "of an unknown session there is nothing to tell");
  const [first, second] = bench.made.workers.all;
  assertEquals([first?.of("get_states").length, second?.of("get_states").length], [1, 0]);
  const sessions = [{ sessionId: "a", epoch: "e", seq: 0, sessionVersion: 0, infoText: "i", pendingUi: [] }];
  first?.says({ kind: "states", ref: first.last("get_states").ref, sessions });
  first?.says({ kind: "states", ref: first.last("get_states").ref, sessions });
  assertEquals([told.length, told.at(-1), bench.made.clock.pending], [2, sessions, BEAT]);
  bench.made.manager.statesOfAll([], (answer) => told.push("code" in answer ? answer.code : "list"));
  await bench.made.clock.advance(30_000);
  assertEquals(told.slice(2), ["timeout", "timeout"]);
  first?.says({ kind: "states", ref: first.last("get_states").ref, sessions: [] });
  assertEquals(told.length, 4, "a late reply is ignored");
});

Deno.test("manager: only workers with a session are asked for all states", () => {
  const bench = new Bench({}, 2);
  bench.made.manager.statesOfAll([], () => {});
  assertEquals([
    bench.made.manager.asked,
    bench.made.workers.all.flatMap((worker) => worker.of("get_states")),
  ], [
    [],
    [],
  ]);
  bench.create("a");
  assertEquals(bench.made.manager.asked.length, 1, "one that builds a session is asked");
  bench.live("b");
  assertEquals(bench.made.manager.asked.length, 2);
});

Deno.test("manager: a worker that dies answers everything, its sessions are parked, and it is replaced", async () => {
  const bench = new Bench({ mailbox: 1 }, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const building = bench.create("c");
  const running = bench.command("a", "prompt").replyTo;
  const elsewhere = bench.command("b", "prompt").replyTo;
  let attached: unknown;
  bench.made.manager.stateOf("a", false, (sessions) => attached = sessions);
  const idle = bench.made.manager.whenIdle(["a"]);
  bench.made.workers.worker(1).says({
    kind: "idle",
    ref: bench.made.workers.worker(1).last("await_idle").ref,
  });
  // Old enough to be started again at once.
  await bench.made.clock.advance(10_000);
  bench.made.workers.worker(0).dies("out of memory");
  assertEquals([building.told, running.told, elsewhere.told], [["internal"], ["internal"], []]);
  assertEquals(Reflect.get(Object(attached), "code"), "internal");
  await idle;
  assertEquals(bench.server.slice(2), ["session_crashed a"]);
  assertEquals([bench.made.manager.sessionIds, bench.made.governor.sessions], [["b"], 1]);
  assertEquals(bench.made.workers.all.length, 3);
  assertStringIncludes(bench.made.records.join(), "error a worker died: out of memory");
  bench.live("d");
  assertEquals(bench.worker.of("create_session").length, 1, "the new worker gets the next session");
  assertEquals([bench.command("a", "prompt").refused, bench.made.clock.pending], [undefined, BEAT]);
  assertEquals(
    bench.worker.last("resume_session").record.info.sessionId,
    "a",
    "and those that are asked for again",
  );
});

Deno.test("manager: a lost worker and a refused session file are issues for as long as they last", async () => {
  const bench = new Bench();
  const { manager, clock } = bench.made;
  bench.worker.says({ kind: "load_ended" });
  bench.live("a");
  await clock.advance(10_000);
  bench.worker.dies("out of memory");
  assertEquals(manager.health.issues, ["Worker 0 has died and is being replaced: out of memory"]);
  bench.worker.says({ kind: "load_ended" });
  assertEquals(manager.health.issues, []);
  const answer = (reply: Reply) => bench.worker.reply(bench.worker.last("resume_session").ref, reply);
  const refused = bench.command("a", "prompt").replyTo;
  answer({ ok: false, failure: { code: "session_file_damaged", message: "a circle" } });
  assertEquals([refused.told, [...manager.persistence.refusals]], [["session_file_damaged"], [[
    "a",
    "a circle",
  ]]]);
  bench.command("a", "prompt");
  answer({ ok: false, failure: { code: "timeout", message: "late" } });
  assertEquals(manager.persistence.refusals.size, 1, "the file was not mended");
  bench.command("a", "prompt");
  answer({ ok: true, dataText: "{}" });
  assertEquals(manager.persistence.refusals.size, 0);
});

Deno.test("manager: the catalogue reads the file of a parked session, and no worker is asked", async () => {
  const bench = new Bench({}, 2);
  bench.live("a");
  const read: StoredRead[] = [];
  const answers: CatalogueAnswer[] = [
    { ok: true, dataText: `{"entries":[]}` },
    { ok: false, failure: { code: "path_forbidden", message: "m" } },
  ];
  bench.made.manager.askCatalogue = (one) => {
    read.push(one);
    return Promise.resolve(answers.shift() ?? { ok: "expired" });
  };
  await bench.made.clock.advance(10_000);
  bench.made.workers.worker(0).dies();
  const sent = bench.made.workers.all.map((worker) => worker.of("command").length);
  const entries = bench.command("a", "get_entries").replyTo;
  await turn();
  const content = bench.command("a", "get_content").replyTo;
  await turn();
  assertEquals([entries.told, content.told], [["ok"], ["path_forbidden"]]);
  const last = bench.command("a", "get_entries").replyTo;
  await turn();
  assertEquals(last.told, ["internal"], "whatever the catalogue says, it is an answer");
  const { sessionFile = "" } = recordOf("a").info;
  assertEquals(read.map(({ command, ...rest }) => [command.type, rest]), [
    ["get_entries", { type: "read", sessionFile }],
    ["get_content", { type: "read", sessionFile }],
    ["get_entries", { type: "read", sessionFile }],
  ]);
  assertEquals(bench.made.workers.all.map((worker) => worker.of("command").length), sent);
  assertEquals(bench.made.workers.all.flatMap((worker) => worker.of("resume_session")), []);
});

Deno.test("manager: a command that is sent in answer to a crash is answered too", () => {
  const bench = new Bench();
  bench.live("a");
  const { replyTo } = bench.command("a", "prompt");
  const next = new FakeAsker();
  let refused: Failure | undefined;
  // So does the router with the commands that a stdio connection has read ahead.
  replyTo.then = () => refused = bench.command("a", "get_state", next).refused;
  bench.worker.dies();
  const ended = refused !== undefined || next.told.length === 1 || bench.worker.of("command").length === 1;
  assert(ended, "it went to the dead worker, and no reply will follow");
});

Deno.test("manager: busy adds up its workers, and one that hangs counts as none", async () => {
  const bench = new Bench({}, 2);
  const counting = bench.made.manager.countBusy(true, 1_000);
  const [first, second] = bench.made.workers.all;
  first?.says({ kind: "busy_count", ref: first.last("count_busy").ref, busy: 3 });
  await bench.made.clock.advance(1_000);
  assertEquals([await counting, second?.last("count_busy").stop, bench.made.clock.pending], [3, true, BEAT]);
});

Deno.test("manager: whenIdle waits for every worker, and asks each about its own sessions", async () => {
  const bench = new Bench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  let idle = false;
  const waiting = bench.made.manager.whenIdle(["a", "b", "gone"]).then(() => idle = true);
  const [first, second] = bench.made.workers.all;
  assertEquals([first?.last("await_idle").sessionIds, second?.last("await_idle").sessionIds], [["a"], ["b"]]);
  first?.says({ kind: "idle", ref: first.last("await_idle").ref });
  await turn();
  assertEquals(idle, false);
  second?.says({ kind: "idle", ref: second.last("await_idle").ref });
  await waiting;
});

Deno.test("manager: dispose ends the workers, answers who was left, and starts no worker again", async () => {
  const bench = new Bench({}, 2);
  for (const id of ["a", "b"]) bench.live(id);
  const left = bench.command("b", "prompt").replyTo;
  const disposing = bench.made.manager.disposeAll(6_000);
  const [first, second] = bench.made.workers.all;
  first?.says({ kind: "shutdown_done", ref: first.last("shutdown").ref, disposed: 1, failed: 0 });
  await bench.made.clock.advance(6_000);
  assertEquals(await disposing, { disposed: 1, failed: 1 });
  assertEquals([first?.terminated, second?.terminated, left.told], [1, 1, ["cancelled"]]);
  first?.dies();
  assertEquals([bench.made.workers.all.length, bench.made.clock.pending], [2, 0]);
});

Deno.test("manager: with --workers 0 there is still one worker, in this thread", () => {
  assertEquals([new Bench({}, 0).made.manager.workers.length, new Bench({}, 4).made.manager.workers.length], [
    1,
    4,
  ]);
});

Deno.test("manager: a worker's log records are kept with their level", () => {
  const bench = new Bench();
  bench.worker.says({ kind: "log", level: "warn", message: "hm", fields: {} });
  assertEquals(bench.made.records, ["warn hm"]);
});
