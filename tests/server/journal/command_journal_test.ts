// The journal over a disk that the test commands. Intents are on it before a command may pass, and many share one
// fsync. A disk that refuses is reported and tried again. A second journal finds what the first one left.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import type { Failure } from "../../../src/protocol/errors.ts";
import type { FsyncPolicy } from "../../../src/config/config.ts";
import { withDefaults } from "../../../src/governor/limits.ts";
import type { Reply } from "../../../src/ipc/messages.ts";
import type { SessionRecord } from "../../../src/ipc/session_record.ts";
import { CommandJournal } from "../../../src/server/journal/command_journal.ts";
import { JournalFile } from "../../../src/server/journal/journal_file.ts";
import type { ReplyTo } from "../../../src/server/journal/reply_to.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { FakeDisk } from "../manager/fake_disk.ts";
import { FakeAsker, keptLog } from "../manager/fakes.ts";

const OK: Reply = { ok: true, dataText: "{}" };
const JOURNAL = "/state/journal.jsonl";

/** What became of a command on its way: `passed`, `waits`, or the code. */
type Way = "passed" | "waits" | string;

class Bench {
  readonly clock = new FakeClock();
  readonly records: string[];
  readonly journal: CommandJournal;
  readonly disk: FakeDisk;
  #ref = 0;

  private constructor(disk: FakeDisk) {
    const { log, records } = keptLog();
    this.records = records;
    this.disk = disk;
    const limits = withDefaults({ keptMessageBytes: 1024 });
    this.journal = new CommandJournal({
      ...{ clock: this.clock, log, limits, sha256: (text: string) => text },
      mayBegin: () => this.lease,
    });
  }

  /** Why nothing may begin. */
  lease: Failure | undefined;

  static async open(disk = new FakeDisk(), policy: FsyncPolicy = "always"): Promise<Bench> {
    const bench = new Bench(disk);
    await bench.journal.open({ files: disk.port, folder: "/state", policy });
    return bench;
  }

  /** Sends a command on its way, as router and manager do. */
  send(command: Record<string, unknown>, durable = true) {
    const full = { sessionId: "a", ...command } as Command;
    const asked = new FakeAsker();
    const keyed = this.journal.keyed("admin", full, specOf(full.type));
    const found = keyed && this.journal.find(keyed, specOf(full.type));
    const sent = {
      asked,
      replyTo: asked as ReplyTo,
      way: "waits" as Way,
      ref: ++this.#ref,
      found: found?.kind,
    };
    if (found?.kind === "answer") asked.answer(found.reply);
    else if (found?.kind === "running") found.join((reply) => asked.answer(reply));
    else {
      if (found !== undefined) sent.replyTo = this.journal.reserve(found.command, asked);
      const passing = { ref: sent.ref, sessionId: "a", command: full, replyTo: sent.replyTo, durable };
      const pass = (failed?: Failure): void => {
        sent.way = failed === undefined ? "passed" : failed.message;
        if (failed !== undefined) {
          this.journal.onReply(sent.ref, { ok: false, failure: failed, unstarted: true });
          sent.replyTo.answer({ ok: false, failure: failed, unstarted: true });
        }
      };
      const ready = this.journal.recordIntent(passing);
      if (ready === undefined) pass();
      else void ready.then(pass);
    }
    return sent;
  }

  prompt(message: string, more: Record<string, unknown> = {}) {
    return this.send({ type: "prompt", message, ...more });
  }

  interrupted(): string[] {
    return this.journal.interrupted("a").map(({ kind, message, started }) => `${kind} ${message} ${started}`);
  }
}

Deno.test("command journal: an intent is on disk before its command passes, and its outcome before the answer", async () => {
  const bench = await Bench.open();
  const gate = Promise.withResolvers<void>();
  bench.disk.trouble = (operation) => operation === "sync" ? gate.promise : undefined;
  const sent = bench.send({ type: "bash", command: "x", idempotencyKey: "k" });
  await turn();
  assertEquals([sent.way, bench.disk.count("append")], ["waits", 1]);
  gate.resolve();
  await turn();
  assertEquals(sent.way, "passed");
  const written = Promise.withResolvers<void>();
  bench.disk.trouble = (operation) => operation === "append" ? written.promise : undefined;
  sent.replyTo.answer(OK);
  await turn();
  assertEquals(sent.asked.told, []);
  written.resolve();
  await turn();
  assertEquals(sent.asked.told, ["ok"]);
  assertStringIncludes(bench.disk.text(JOURNAL), '"k":"outcome"');
});

Deno.test("command journal: commands that come together share one write and one fsync", async () => {
  const bench = await Bench.open();
  bench.prompt("first");
  await turn();
  bench.disk.asked.length = 0;
  const sent = Array.from({ length: 100 }, (_, n) => bench.prompt(`${n}`));
  await turn();
  assertEquals(new Set(sent.map(({ way }) => way)), new Set(["passed"]));
  assertEquals([bench.disk.count("append"), bench.disk.count("sync")], [1, 1]);
});

Deno.test("command journal: the policy says when the disk is forced; nothing waits with interval and never", async () => {
  for (const [policy, later] of [["interval", 1], ["never", 0]] as const) {
    const bench = await Bench.open(new FakeDisk(), policy);
    bench.prompt("opens the file");
    await turn();
    bench.disk.asked.length = 0;
    const sent = bench.prompt("x");
    await turn();
    assertEquals([sent.way, bench.disk.count("append"), bench.disk.count("sync")], ["passed", 1, 0], policy);
    await bench.clock.advance(5_000);
    assertEquals(bench.disk.count("sync"), later, policy);
  }
});

Deno.test("command journal: a second one finds answers, unknown outcomes and interrupted messages", async () => {
  const first = await Bench.open();
  const done = first.send({ type: "bash", command: "x", idempotencyKey: "done" });
  const cut = first.send({ type: "bash", command: "y", idempotencyKey: "cut" });
  const busy = first.send({ type: "compact", idempotencyKey: "busy" });
  const [over, running, queued, refused] = ["over", "running", "queued", "refused"].map((text) =>
    first.prompt(text)
  );
  await turn();
  done.replyTo.answer(OK);
  busy.replyTo.answer({ ok: false, failure: { code: "agent_busy", message: "m" } });
  assert(over && running && queued && refused);
  first.journal.onMessageProgress(over.ref, "began");
  first.journal.onMessageProgress(over.ref, "done");
  first.journal.onMessageProgress(running.ref, "began");
  first.journal.onMessageProgress(queued.ref, "accepted");
  first.journal.onReply(refused.ref, { ok: false, failure: { code: "no_model", message: "m" } });
  await turn();
  assertEquals(cut.way, "passed");
  assertEquals(first.interrupted(), []);
  for (let life = 0; life < 2; life++) {
    const second = await Bench.open(first.disk);
    assertEquals(second.interrupted(), ["prompt running true", "prompt queued false"]);
    const [again] = [second.send({ type: "bash", command: "x", idempotencyKey: "done" })];
    assertEquals([again.asked.told, again.asked.replies[0]?.replayed], [["ok"], true]);
    assertEquals(second.send({ type: "bash", command: "y", idempotencyKey: "cut" }).asked.told, [
      "outcome_unknown",
    ]);
    assertEquals(second.send({ type: "bash", command: "z", idempotencyKey: "cut" }).asked.told, [
      "idempotency_conflict",
    ]);
    const retried = second.send({ type: "compact", idempotencyKey: "busy" });
    assertEquals(retried.found, "new");
    await turn();
    retried.replyTo.answer({ ok: false, failure: { code: "agent_busy", message: "m" } });
    await turn();
  }
  const third = await Bench.open(first.disk);
  const asked = new FakeAsker();
  third.journal.acknowledgeAfterWrite({ type: "dismiss_interrupted", sessionId: "a" }, asked).answer(OK);
  assertEquals(asked.told, []);
  await turn();
  assertEquals(asked.told, ["ok"]);
  assertEquals((await Bench.open(first.disk)).interrupted(), []);
});

Deno.test("command journal: what was intact in a damaged file is on disk again before anything else happens", async () => {
  const bench = await Bench.open();
  const command = { type: "bash", command: "echo", idempotencyKey: "k" };
  bench.prompt("lost in part");
  const first = bench.send(command);
  await turn();
  first.replyTo.answer(OK);
  await turn();
  const text = bench.disk.text(JOURNAL).replace("lost in part", "lost in pact");
  bench.disk.files.set(JOURNAL, new TextEncoder().encode(text));
  // Each of them dies before anybody asks it for anything.
  for (let life = 0; life < 3; life++) {
    const { records } = await Bench.open(bench.disk);
    assertEquals(records.filter((one) => one.includes("set aside")).length, life === 0 ? 1 : 0);
  }
  const last = await Bench.open(bench.disk);
  assertEquals(last.send(command).asked.replies, [{ ...OK, replayed: true }]);
  const aside = [...bench.disk.files.keys()].filter((name) => name.includes("damaged"));
  assertEquals(aside.map((name) => bench.disk.text(name)), [text]);
});

Deno.test("command journal: a session's record is brought up to the version that a client saw last, until it is deleted", async () => {
  const first = await Bench.open();
  const record = (sessionId: string, sessionVersion: number) => ({
    info: { sessionId, sessionVersion },
  } as SessionRecord);
  for (const [id, version] of [["a", 3], ["a", 5], ["a", 4], ["b", 2], ["c", 7]] as const) {
    first.journal.recordVersion(id, version);
  }
  first.journal.recordVersion("a", undefined);
  first.journal.onSessionDeleted("c");
  await turn();
  const versions = ({ journal }: Bench, told: number) =>
    ["a", "b", "c", "d"].map((id) => journal.applyVersion(record(id, told)).info.sessionVersion);
  // Also from a file that was written anew: each life's first record makes one.
  for (let life = 0; life < 3; life++) {
    const next = await Bench.open(first.disk);
    assertEquals(versions(next, 1), [5, 2, 1, 1]);
    assertEquals(versions(next, 6), [6, 6, 6, 6]);
    next.prompt("more");
    await turn();
  }
  const last = await Bench.open(first.disk);
  last.journal.pruneOrphans((id) => id === "a");
  await turn();
  assertEquals(versions(await Bench.open(first.disk), 0), [5, 0, 0, 0]);
});

Deno.test("command journal: a slash command counts as begun, because its progress is unknown", async () => {
  const first = await Bench.open();
  first.prompt("/deploy now");
  first.send({ type: "follow_up", message: "/not a command here" });
  await turn();
  assertEquals((await Bench.open(first.disk)).interrupted(), [
    "prompt /deploy now true",
    "follow_up /not a command here false",
  ]);
});

Deno.test("command journal: a disk that refuses is reported; nothing passes, and all is well once it takes again", async () => {
  for (const operation of ["append", "sync", "rename", "newFile", "syncFolder"]) {
    const bench = await Bench.open();
    if (operation === "append" || operation === "sync") {
      bench.prompt("opens the file");
      await turn();
    }
    bench.disk.trouble = (asked) => {
      if (asked === operation) throw new Error("ENOSPC: no space left on device");
    };
    const refused = bench.send({ type: "bash", command: "x", idempotencyKey: "k" });
    const prompt = bench.prompt("lost?");
    await turn();
    assertStringIncludes(refused.way, "ENOSPC");
    assertStringIncludes(prompt.way, "check the disk");
    assertEquals(refused.asked.told, ["internal"]);
    assertStringIncludes(bench.journal.problem ?? "", "/state cannot be written");
    assertEquals(bench.records.filter((record) => record.startsWith("error")).length, 1);
    // An urgent command waits for no disk.
    assertEquals(bench.send({ type: "abort", idempotencyKey: "stop" }).way, "passed");
    bench.disk.trouble = () => {};
    await bench.clock.advance(5_000);
    assertEquals([bench.journal.problem, bench.records.at(-1)], [
      undefined,
      "info the journal can be written again",
    ]);
    const again = bench.send({ type: "bash", command: "x", idempotencyKey: "k" });
    await turn();
    assertEquals([again.found, again.way], ["new", "passed"]);
    const second = await Bench.open(bench.disk);
    assertEquals(second.send({ type: "bash", command: "x", idempotencyKey: "k" }).asked.told, [
      "outcome_unknown",
    ]);
    assertEquals(second.interrupted().filter((one) => one.includes("lost?")), [], operation);
  }
});

Deno.test("command journal: a disk that takes nothing for ten seconds counts as refusing, and what it takes late is void", async () => {
  const bench = await Bench.open();
  const gate = Promise.withResolvers<void>();
  bench.disk.trouble = (operation) => operation === "append" ? gate.promise : undefined;
  const sent = bench.send({ type: "prompt", message: "slow", idempotencyKey: "k" });
  await bench.clock.advance(9_999);
  assertEquals(sent.way, "waits");
  await bench.clock.advance(1);
  assertStringIncludes(sent.way, "10000 ms");
  gate.resolve();
  await turn();
  const second = await Bench.open(bench.disk);
  assertEquals([second.interrupted(), second.prompt("slow", { idempotencyKey: "k" }).found], [[], "new"]);
});

Deno.test("command journal: a file that has grown beyond its worth is written anew, and stands for the same", async () => {
  const bench = await Bench.open();
  bench.prompt("stays");
  for (let round = 0; round < 60; round++) {
    const sent = bench.send({ type: "follow_up", message: "x".repeat(900) }, true);
    const big = bench.send({ type: "bash", command: `${round}`.repeat(50_000), idempotencyKey: "same" });
    await turn();
    bench.journal.onMessageProgress(sent.ref, "began");
    bench.journal.onMessageProgress(sent.ref, "done");
    big.replyTo.answer({ ok: false, failure: { code: "agent_busy", message: "m" } });
    await turn();
  }
  const renamed = bench.disk.count("rename");
  assert(renamed > 1, `renamed ${renamed} times`);
  assert((bench.disk.files.get(JOURNAL)?.length ?? 0) < 5 * 1024 * 1024);
  assertEquals((await Bench.open(bench.disk)).interrupted(), ["prompt stays false"]);
});

Deno.test("command journal: too many messages are overloaded until some are dismissed", async () => {
  const bench = await Bench.open();
  bench.prompt("x".repeat(2000));
  const full = bench.prompt("more");
  await turn();
  assertStringIncludes(full.way, "dismiss_interrupted");
  bench.journal.onSessionDeleted("a");
  const after = bench.prompt("more");
  await turn();
  assertEquals(after.way, "passed");
});

Deno.test("command journal: a worker's crash interrupts its messages and leaves the outcome of its keys unknown", async () => {
  const bench = await Bench.open();
  const prompt = bench.prompt("cut", { idempotencyKey: "k" });
  await turn();
  bench.journal.onMessageProgress(prompt.ref, "began");
  bench.journal.onSessionLost("a");
  prompt.replyTo.answer({ ok: false, failure: { code: "internal", message: "died" }, lost: true });
  await turn();
  assertEquals([prompt.asked.told, bench.interrupted()], [["internal"], ["prompt cut true"]]);
  assertEquals(bench.prompt("cut", { idempotencyKey: "k" }).asked.told, ["outcome_unknown"]);
});

Deno.test("command journal: an answer that needed no worker is kept all the same", async () => {
  const bench = await Bench.open();
  const command = { type: "delete_session", sessionId: "a", idempotencyKey: "k" } as const;
  const [spec, asked] = [specOf(command.type), new FakeAsker()];
  const keyed = bench.journal.keyed("admin", command, spec);
  assert(keyed !== undefined);
  bench.journal.reserve(keyed, asked).answer(OK);
  await turn();
  assertEquals(asked.told, ["ok"]);
  const second = await Bench.open(bench.disk);
  assertEquals(second.journal.find(keyed, spec)?.kind, "answer");
});

Deno.test("command journal: messages of unknown sessions are kept for a month", async () => {
  const first = await Bench.open();
  first.prompt("cut");
  await turn();
  const lives = async (days: number, known: boolean): Promise<string[]> => {
    const bench = await Bench.open(first.disk);
    await bench.clock.advance(days * 24 * 3_600_000);
    bench.journal.pruneOrphans(() => known);
    await turn();
    return bench.interrupted();
  };
  assertEquals(await lives(29, false), ["prompt cut false"]);
  assertEquals(await lives(99, true), ["prompt cut false"]);
  assertEquals(await lives(31, false), []);
  assertEquals(await lives(0, true), []);
});

Deno.test("command journal: a command that still waits for its session is not in a new file, and is whole once it passes", async () => {
  const bench = await Bench.open();
  const command = { type: "prompt", sessionId: "a", message: "late", idempotencyKey: "k" } as const;
  const [spec, asked] = [specOf(command.type), new FakeAsker()];
  const keyed = bench.journal.keyed("admin", command, spec);
  assert(keyed !== undefined);
  const replyTo = bench.journal.reserve(keyed, asked);
  // Opens the file, so that all that counts is written.
  bench.prompt("other");
  await turn();
  assertEquals((await Bench.open(bench.disk)).journal.find(keyed, spec)?.kind, "new");
  const passed = bench.journal.recordIntent({ ref: 99, sessionId: "a", command, replyTo, durable: true });
  await turn();
  assertEquals(await passed, undefined);
  bench.journal.onMessageProgress(99, "began");
  replyTo.answer(OK);
  await turn();
  const second = await Bench.open(bench.disk);
  assertEquals(second.journal.find(keyed, spec)?.kind, "answer");
  assertEquals(second.interrupted(), ["prompt late true", "prompt other false"]);
});

Deno.test("command journal: an intent that is on disk too late for the node's lease runs nothing, and frees its key", async () => {
  const bench = await Bench.open();
  const gate = Promise.withResolvers<void>();
  bench.disk.trouble = (operation) => operation === "sync" ? gate.promise : undefined;
  const command = { type: "prompt", message: "late", idempotencyKey: "k" };
  const sent = bench.send(command);
  await turn();
  bench.lease = { code: "node_unavailable", message: "over" };
  gate.resolve();
  await turn();
  assertEquals([sent.way, sent.asked.told], ["over", ["node_unavailable"]]);
  bench.lease = undefined;
  assertEquals(bench.send(command).found, "new");
  await turn();
  assertEquals((await Bench.open(bench.disk)).journal.interrupted("a").length, 1, "the second one alone");
});

Deno.test("command journal: sessions of another journal are adopted with their messages, keys and versions", async () => {
  const theirs = await Bench.open();
  const ran = theirs.send({ type: "bash", command: "x", idempotencyKey: "ran" });
  theirs.send({ type: "bash", command: "y", idempotencyKey: "cut" });
  const running = theirs.prompt("running", { idempotencyKey: "both" });
  theirs.prompt("queued");
  await turn();
  ran.replyTo.answer(OK);
  theirs.journal.onMessageProgress(running.ref, "began");
  theirs.journal.recordVersion("a", 7);
  await turn();
  const { folded } = await JournalFile.read({ files: theirs.disk.port, folder: "/state" }, {
    ...{ keys: 100, bytes: 1_000_000 },
  });
  const ours = await Bench.open();
  const own = ours.send({ type: "bash", command: "own", idempotencyKey: "own" });
  await turn();
  own.replyTo.answer(OK);
  assertEquals(await ours.journal.adopt(folded, new Set(["a"])), undefined);
  // A later server over this folder finds the same.
  for (
    const { send, interrupted, journal } of [ours, await Bench.open(ours.disk)].map((bench) => ({
      send: bench.send.bind(bench),
      interrupted: bench.interrupted.bind(bench),
      journal: bench.journal,
    }))
  ) {
    assertEquals(interrupted(), ["prompt running true", "prompt queued false"]);
    for (const key of ["ran", "own"]) {
      const again = send({ type: "bash", command: key === "ran" ? "x" : "own", idempotencyKey: key });
      assertEquals([again.asked.told, again.asked.replies[0]?.replayed], [["ok"], true], key);
    }
    const cut = send({ type: "bash", command: "y", idempotencyKey: "cut" });
    const both = send({ type: "prompt", message: "running", idempotencyKey: "both" });
    assertEquals([cut.asked.told, both.asked.told], [["outcome_unknown"], ["outcome_unknown"]]);
    const record = { info: { sessionId: "a", sessionVersion: 3 } } as SessionRecord;
    assertEquals(journal.applyVersion(record).info.sessionVersion, 7);
  }
});
