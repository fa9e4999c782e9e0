// Session files in the manager: load_session with and without an id, claims over all workers, and nothing left of
// sessions that are gone.
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Reply } from "../../../src/ipc/messages.ts";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { FakeAsker, makeManager, type ScriptedWorker } from "./fakes.ts";

const FILE = "/sessions/s.jsonl";

/** An open manager, and what it was asked to load. */
class Bench {
  readonly server: string[] = [];
  readonly named: string[] = [];
  readonly made: ReturnType<typeof makeManager>;

  constructor(workers = 1, sessions = 100) {
    this.made = makeManager({ sessions }, workers);
    this.made.manager.start({
      onEvents: () => {},
      onServerEvent: (type, data) => this.server.push(`${type} ${data["sessionId"]}`),
      demandFor: () => ({ full: false, subscribers: 7 }),
      isWatched: () => false,
    });
  }

  get worker(): ScriptedWorker {
    return this.made.workers.worker();
  }

  load(sessionId?: string, replyTo = new FakeAsker()): FakeAsker {
    const id = sessionId === undefined ? {} : { sessionId };
    const command = { type: "load_session", sessionPath: FILE, ...id } as const;
    this.made.manager.loadSession(command, replyTo, (name) => this.named.push(name));
    return replyTo;
  }

  /** The worker has looked into the file. */
  inspected(id: string, worker = this.worker): void {
    worker.says({ kind: "header", ref: worker.last("read_header").ref, id, file: FILE });
  }

  /** A worker claims a file; the owner in the reply. */
  claim(sessionId: string, file = FILE, worker = this.worker): string | undefined {
    worker.says({ kind: "claim_file", ref: 77, sessionId, file });
    const { ref, owner } = worker.last("claim_result");
    assertEquals(ref, 77);
    return typeof owner === "string" ? owner : undefined;
  }

  /** A live session that drives `file`. */
  live(sessionId: string, file = FILE, worker = this.worker): void {
    this.made.manager.createSession({ type: "create_session", sessionId }, new FakeAsker());
    worker.says({ kind: "session_file", sessionId, file });
    worker.reply(worker.last("create_session").ref);
  }

  command(sessionId: string, type: Command["type"], fields: Record<string, unknown> = {}): FakeAsker {
    const replyTo = new FakeAsker();
    const refused = this.made.manager.forwardCommand(
      { type, sessionId, ...fields } as Command,
      specOf(type),
      replyTo,
    );
    if (refused !== undefined) replyTo.answer({ ok: false, failure: refused });
    return replyTo;
  }
}

const dataOf = (reply: Reply | undefined): unknown => reply?.ok === false ? reply.failure.data : undefined;

Deno.test("manager: a load with an id is a create, and the answer has that id", () => {
  const bench = new Bench();
  const replyTo = bench.load("a");
  const { command, demand, ref } = bench.worker.last("create_session");
  assertEquals(command, { type: "load_session", sessionPath: FILE, sessionId: "a" });
  assertEquals([demand.subscribers, bench.named, bench.worker.of("read_header")], [7, ["a"], []]);
  bench.worker.reply(ref);
  assertEquals([replyTo.told, bench.server], [["ok"], ["session_created a"]]);
});

Deno.test("manager: a load without an id gets the file's, and takes no place before that is known", () => {
  const bench = new Bench();
  const replyTo = bench.load();
  const { manager, governor } = bench.made;
  assertEquals([manager.sessionIds, governor.sessions, bench.named], [[], 0, []]);
  assertEquals(bench.worker.last("read_header").sessionPath, FILE);
  bench.inspected("from-the-file");
  const { command, ref } = bench.worker.last("create_session");
  assertEquals(command, { type: "load_session", sessionPath: FILE, sessionId: "from-the-file" });
  assertEquals([bench.named, replyTo.told], [["from-the-file"], []]);
  bench.inspected("again");
  bench.worker.reply(ref);
  bench.worker.reply(bench.worker.last("read_header").ref);
  assertEquals([replyTo.told, manager.sessionIds], [["ok"], ["from-the-file"]], "answered once");
});

Deno.test("manager: a file that cannot be loaded says why, and nothing is left", () => {
  const bench = new Bench();
  const replyTo = bench.load();
  const failure = { code: "not_a_session_file", message: "m" } as const;
  bench.worker.reply(bench.worker.last("read_header").ref, { ok: false, failure });
  assertEquals([replyTo.told, bench.made.manager.sessionIds, bench.named], [["not_a_session_file"], [], []]);
  bench.inspected("late");
  assertEquals([replyTo.told.length, bench.worker.of("create_session")], [1, []]);
});

Deno.test("manager: a load of the file of a live session is session_in_use with that session's id", () => {
  const bench = new Bench();
  bench.live("driver");
  const replyTo = bench.load();
  bench.inspected("id-of-the-file");
  assertEquals([replyTo.told, dataOf(replyTo.replies[0])], [["session_in_use"], { sessionId: "driver" }]);
  assertEquals(bench.made.manager.sessionIds, ["driver"]);
});

Deno.test("manager: a file's id that another session has is session_exists; a full house is session_limit", () => {
  const bench = new Bench(1, 1);
  bench.live("a", "/another/file");
  const [taken, full] = [bench.load(), new FakeAsker()];
  bench.inspected("a");
  bench.load(undefined, full);
  bench.inspected("b");
  assertEquals([taken.told, full.told], [["session_exists"], ["session_limit"]]);
  assertEquals(bench.made.manager.sessionIds, ["a"]);
});

Deno.test("manager: a file has one session over all workers, and all workers learn which", () => {
  const bench = new Bench(2);
  const [first, second] = [bench.made.workers.worker(0), bench.made.workers.worker(1)];
  bench.live("a", "/old", first);
  bench.live("b", "/other", second);
  assertEquals(bench.claim("a", FILE, first), undefined);
  assertEquals([bench.claim("b", FILE, second), bench.claim("a", FILE, first)], ["a", undefined]);
  first.says({ kind: "session_file", sessionId: "a", file: FILE });
  for (const worker of [first, second]) {
    const told = worker.of("file_owner").map(({ file, sessionId }) => `${file}=${sessionId ?? ""}`);
    assertEquals(told, ["/old=a", "/other=b", `${FILE}=a`, "/old="]);
  }
  first.says({ kind: "session_file", sessionId: "a" });
  assertEquals(bench.claim("b", FILE, second), undefined, "a session without a file holds none");
});

Deno.test("manager: the files of a session are free when it is deleted, fails, or its worker dies", () => {
  const bench = new Bench();
  bench.live("a");
  bench.command("a", "delete_session");
  assertEquals(bench.claim("b"), undefined);
  const failing = new Bench();
  failing.load("a");
  assertEquals([failing.claim("a"), failing.claim("b")], [undefined, "a"]);
  failing.worker.refuses("create_session");
  assertEquals(failing.claim("b"), undefined);
  const dying = new Bench(2);
  dying.live("a", FILE, dying.made.workers.worker(0));
  dying.made.workers.worker(0).dies();
  assertEquals(dying.claim("b", FILE, dying.made.workers.worker(1)), undefined);
});

Deno.test("manager: what a worker says of a session that is gone changes nothing", () => {
  const bench = new Bench();
  bench.live("a");
  bench.command("a", "delete_session");
  bench.worker.says({ kind: "session_file", sessionId: "a", file: FILE });
  const replyTo = bench.load();
  bench.inspected("id-of-the-file");
  assertEquals([replyTo.told, bench.made.manager.sessionIds], [[], ["id-of-the-file"]]);
});

Deno.test("manager: a claim that comes after its session was deleted keeps the file from no session", () => {
  const bench = new Bench();
  bench.live("a", "/old");
  // switch_session_file is under way in the worker, and looks at the file, when the deletion is passed on.
  bench.command("a", "switch_session_file", { sessionPath: FILE });
  bench.command("a", "delete_session");
  bench.claim("a");
  for (const { ref } of bench.worker.of("command")) bench.worker.reply(ref);
  const replyTo = bench.load();
  bench.inspected("id-of-the-file");
  assertEquals([replyTo.told, bench.made.manager.sessionIds], [[], ["id-of-the-file"]]);
});

Deno.test("manager: a worker that is started again learns which files are live on the others", async () => {
  const bench = new Bench(2);
  await bench.made.clock.advance(60_000);
  bench.live("a", "/a", bench.made.workers.worker(0));
  bench.live("b", "/b", bench.made.workers.worker(1));
  bench.made.workers.worker(0).dies();
  const told = bench.worker.of("file_owner").map(({ file, sessionId }) => `${file}=${sessionId ?? ""}`);
  assertEquals(told, ["/b=b"], "or list_stored_sessions no longer says what is live");
});

Deno.test("manager: a worker that dies while it looks into a file answers the load, once", () => {
  const bench = new Bench();
  const replyTo = bench.load();
  const { ref } = bench.worker.last("read_header");
  const dead = bench.worker;
  dead.dies();
  assertEquals([replyTo.told, bench.server], [["internal"], []]);
  dead.says({ kind: "header", ref, id: "x", file: FILE });
  assertEquals([replyTo.told.length, bench.made.manager.sessionIds], [1, []]);
});

Deno.test("manager: a worker that hangs while it looks into a file makes the load a timeout", async () => {
  const bench = new Bench();
  const replyTo = bench.load();
  await bench.made.clock.advance(specOf("load_session").timeoutMs);
  bench.inspected("late");
  // The timers that are left are those of the heartbeat and of parking.
  assertEquals([replyTo.told, bench.made.manager.sessionIds, bench.made.clock.pending], [["timeout"], [], 2]);
});

Deno.test("manager: a question about no live session is answered by a worker, and by its death", () => {
  const bench = new Bench(2);
  const [one, two] = [new FakeAsker(5), new FakeAsker()];
  bench.made.manager.askAnyWorker({ type: "get_available_models", id: "3" }, one);
  const { command, connection, ref } = bench.made.workers.worker(0).last("command");
  assertEquals([command, connection], [{ type: "get_available_models", id: "3" }, 5]);
  bench.made.workers.worker(0).reply(ref, { ok: true, dataText: '{"models":[]}' });
  bench.made.manager.askAnyWorker({ type: "get_available_models" }, two);
  bench.made.workers.worker(0).dies();
  assertEquals([one.told, two.told], [["ok"], ["internal"]]);
  assertStringIncludes(bench.made.records.join(), "a worker died");
});
