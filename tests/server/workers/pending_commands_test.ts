// Pending commands: each gets one answer, the first one, and frees its slot in the mailbox once.
import { assertEquals } from "@std/assert";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { type PendingCommand, PendingCommands } from "../../../src/server/workers/pending_commands.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { FakeAsker } from "../manager/fakes.ts";

const OK = { ok: true, dataText: "{}" } as const;
const LIST_MS = specOf("list_stored_sessions").timeoutMs;

function bench() {
  const clock = new FakeClock();
  const pending = new PendingCommands(clock);
  const log: string[] = [];
  const replyTo = new FakeAsker();
  replyTo.then = (reply) => log.push(`answer ${reply.ok}`);
  const command = (worker: number): PendingCommand => ({
    worker,
    replyTo: replyTo,
    permit: { release: () => void log.push("release") },
    afterReply: (reply) => log.push(`settled ${reply.ok}`),
  });
  return { clock, pending, log, replyTo, command };
}

Deno.test("pending commands: an answer frees the place, is passed on, and is followed up, in that order, once", () => {
  const { pending, log, command } = bench();
  const ref = pending.expect(command(0));
  pending.answer(ref + 1, OK);
  assertEquals([log, pending.refs()], [[], [ref]]);
  pending.answer(ref, OK);
  pending.answer(ref, OK);
  assertEquals([log, pending.refs()], [["release", "answer true", "settled true"], []]);
});

Deno.test("pending commands: the receiver of an answer may send again at once, under the same number", () => {
  const { pending, replyTo, command } = bench();
  const ref = pending.expect(command(0));
  replyTo.then = () => {
    replyTo.then = () => {};
    pending.answer(ref, OK);
    pending.expect(command(1));
  };
  pending.answer(ref, OK);
  assertEquals([replyTo.told, pending.refs(0), pending.refs(1).length], [["ok"], [], 1]);
});

Deno.test("pending commands: an accepted command is still to be answered, one that was answered is not", () => {
  const { pending, log, replyTo, command } = bench();
  const ref = pending.expect(command(0));
  pending.onReleased(ref);
  assertEquals([log, replyTo.accepts, pending.refs()], [["release"], 1, [ref]]);
  pending.answer(ref, OK);
  pending.onReleased(ref);
  assertEquals([replyTo.accepts, replyTo.told], [1, ["ok"]]);
});

Deno.test("pending commands: those of one worker are separate from the others", () => {
  const { pending, command } = bench();
  const refs = [0, 1, 0].map((worker) => pending.expect(command(worker)));
  assertEquals([pending.refs(0), pending.refs(1), pending.refs()], [[refs[0], refs[2]], [refs[1]], refs]);
});

Deno.test("pending commands: one without another limit times out, and its late answer is ignored", async () => {
  const { clock, pending, replyTo } = bench();
  const late = pending.expectWithTimeout(0, replyTo, "list_stored_sessions");
  const timely = pending.expectWithTimeout(0, replyTo, "list_stored_sessions");
  pending.answer(timely, OK);
  assertEquals([replyTo.told, clock.pending], [["ok"], 1]);
  await clock.advance(LIST_MS - 1);
  assertEquals(replyTo.told.length, 1);
  await clock.advance(1);
  pending.answer(late, OK);
  assertEquals([replyTo.told, clock.pending], [["ok", "timeout"], 0]);
});

Deno.test("pending commands: one that is taken back gets no answer here, and leaves no timer", async () => {
  const { clock, pending, replyTo } = bench();
  const ref = pending.expectWithTimeout(0, replyTo, "load_session");
  assertEquals([pending.cancel(ref)?.worker, pending.cancel(ref), pending.refs(), clock.pending], [
    0,
    undefined,
    [],
    0,
  ]);
  pending.answer(ref, OK);
  await clock.advance(1_000_000);
  assertEquals(replyTo.told, []);
});
