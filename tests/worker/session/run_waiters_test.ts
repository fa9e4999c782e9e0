// Those who wait for a run, through a session: how `waitFor` ends in each way that a run can end, and that
// nothing of it is left behind.
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RunResult } from "../../../src/worker/session/agent_port.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { at, DELTA, NOBODY, SessionBench } from "../support/fakes.ts";

const DONE: RunResult = { text: "t", stopReason: "stop", usage: null, aborted: false };
const PROMPT = { type: "prompt", message: "m", waitFor: "settled" } as const;

/** A prompt that waits for its run and has been accepted. */
async function waiting(fields: Record<string, unknown> = {}): Promise<{ bench: SessionBench; ref: number }> {
  const bench = await SessionBench.live(NOBODY);
  const ref = bench.submit({ ...PROMPT, ...fields });
  at(bench.agent.acceptances, 0).resolve({ ok: true, disposition: "started" });
  at(bench.agent.returns, 0).resolve();
  bench.agent.isBusy = true;
  await turn();
  return { bench, ref };
}

function settle(bench: SessionBench, run: RunResult): void {
  bench.agent.run = run;
  bench.agent.isBusy = false;
  bench.session.emit({ type: "agent_settled", stopReason: run.stopReason, aborted: run.aborted });
}

Deno.test("waitFor: a prompt that waits for acceptance is answered then", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit({ type: "prompt", message: "m" });
  await turn();
  assertEquals(bench.replies, []);
  at(bench.agent.acceptances, 0).resolve({ ok: true, disposition: "started" });
  assertEquals(await bench.answer(ref), { disposition: "started" });
  assertEquals(bench.accepted, []);
});

Deno.test("waitFor: a prompt that was refused answers the refusal and raises no version", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit(PROMPT);
  at(bench.agent.acceptances, 0).resolve({ ok: false, failure: { code: "agent_busy", message: "m" } });
  assertEquals(await bench.answer(ref), "agent_busy");
  assertEquals([bench.replyTo(ref)?.sessionVersion, bench.accepted], [0, []]);
});

Deno.test("waitFor: it leaves the mailbox when accepted, and is answered when the run has settled", async () => {
  const { bench, ref } = await waiting();
  assertEquals([bench.accepted, bench.replies], [[ref], []]);
  assertEquals(bench.session.idle, false);
  const next = bench.submit({ type: "set_session_name", name: "n" });
  assertEquals(await bench.answer(next), {}, "a turn blocks nothing");
  await bench.clock.advance(86_400_000);
  assertEquals(bench.replyTo(ref), undefined, "a turn has no time limit");
  settle(bench, DONE);
  const data = { disposition: "started", text: "t", stopReason: "stop", usage: null };
  assertEquals(await bench.answer(ref), data);
  assertEquals([bench.session.idle, bench.clock.pending], [true, 0]);
});

Deno.test("waitFor: the settled event leaves before the answer", async () => {
  const bench = await SessionBench.live(DELTA);
  const ref = bench.submit(PROMPT);
  at(bench.agent.acceptances, 0).resolve({ ok: true, disposition: "started" });
  await turn();
  settle(bench, DONE);
  assertEquals([at(bench.records, -1).type, bench.replyTo(ref)], ["agent_settled", undefined]);
  await turn();
  assertEquals(bench.replyTo(ref)?.ok, true);
});

Deno.test("waitFor: an aborted run is cancelled, a failed one agent_error, both with the data", async () => {
  const cases = [
    [{ ...DONE, aborted: true, stopReason: "aborted" }, "cancelled", "aborted"],
    [{ ...DONE, stopReason: "error", errorMessage: "429 slow down" }, "agent_error", "429 slow down"],
    [{ ...DONE, stopReason: "error" }, "agent_error", "without saying why"],
  ] as const;
  for (const [run, code, words] of cases) {
    const { bench, ref } = await waiting();
    settle(bench, run);
    assertEquals(await bench.answer(ref), code);
    const reply = bench.replyTo(ref);
    const failure = reply?.ok === false ? reply.failure : undefined;
    assertStringIncludes(failure?.message ?? "", words);
    assertEquals(failure?.data, {
      disposition: "started",
      text: "t",
      stopReason: run.stopReason,
      usage: null,
    });
  }
});

Deno.test("waitFor: waitMs answers timeout while the run goes on, and nothing comes later", async () => {
  const { bench, ref } = await waiting({ waitMs: 1_000 });
  await bench.clock.advance(999);
  assertEquals(bench.replyTo(ref), undefined);
  await bench.clock.advance(1);
  assertEquals([await bench.answer(ref), bench.session.idle], ["timeout", false]);
  settle(bench, DONE);
  await bench.clock.advance(5_000);
  assertEquals([bench.replies.length, bench.agent.calls.includes("abort")], [1, false]);
});

Deno.test("waitFor: a run that settles in time clears its waitMs", async () => {
  const { bench, ref } = await waiting({ waitMs: 1_000 });
  settle(bench, DONE);
  assertEquals(typeof await bench.answer(ref), "object");
  assertEquals(bench.clock.pending, 0);
});

Deno.test("waitFor: several prompts share the settling of one run", async () => {
  const { bench, ref } = await waiting();
  const second = bench.submit({ ...PROMPT, streamingBehavior: "followUp" });
  const queued = { kind: "followUp", text: "m" } as const;
  at(bench.agent.acceptances, 1).resolve({ ok: true, disposition: "queued", queued });
  at(bench.agent.returns, 1).resolve();
  await turn();
  settle(bench, DONE);
  const answers = [await bench.answer(ref), await bench.answer(second)];
  assertEquals(answers.map((one) => Reflect.get(Object(one), "disposition")), ["started", "queued"]);
});

Deno.test("waitFor: a prompt that is taken from the queue is cancelled; one of the same text by another stays", async () => {
  const { bench, ref } = await waiting();
  const queue = async (kind: "steer" | "followUp", text: string): Promise<number> => {
    const queued = bench.submit({ ...PROMPT, message: text, streamingBehavior: kind });
    await turn();
    at(bench.agent.acceptances, -1).resolve({ ok: true, disposition: "queued", queued: { kind, text } });
    await turn();
    return queued;
  };
  const refs = [await queue("steer", "s"), await queue("followUp", "s"), await queue("followUp", "s")];
  bench.agent.queue_ = { steering: [], followUp: ["s", "unknown"] };
  assertEquals(await bench.answer(bench.submit({ type: "clear_queue" })), {
    steering: [],
    followUp: ["s", "unknown"],
  });
  const answered = [ref, ...refs].map((one) => bench.replyTo(one) !== undefined);
  assertEquals(answered, [false, false, true, false], "one text, one waiter, of that kind");
  assertEquals(await bench.answer(at(refs, 1)), "cancelled");
});

Deno.test("waitFor: a slash command settles when its handler returns, and keeps the session from idling", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit(PROMPT);
  at(bench.agent.acceptances, 0).resolve({ ok: true, disposition: "handled" });
  await turn();
  assertEquals([bench.accepted, bench.replies, bench.session.idle], [[ref], [], false]);
  at(bench.agent.returns, 0).resolve();
  const nothing = { disposition: "handled", text: null, stopReason: null, usage: null };
  assertEquals(await bench.answer(ref), nothing);
  assertEquals(bench.session.idle, true);
});

Deno.test("waitFor: close cancels who waits, and a run's late end changes nothing", async () => {
  const { bench, ref } = await waiting({ waitMs: 60_000 });
  bench.session.close({ code: "cancelled", message: "gone" });
  assertEquals([await bench.answer(ref), bench.clock.pending], ["cancelled", 0]);
  settle(bench, DONE);
  await bench.clock.advance(60_000);
  assertEquals(bench.replies.length, 1);
});

Deno.test("waitFor: a prompt that is accepted after its session was closed leaves no timer behind", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit({ ...PROMPT, waitMs: 86_400_000 });
  await turn();
  bench.session.close({ code: "cancelled", message: "gone" });
  at(bench.agent.acceptances, 0).resolve({ ok: true, disposition: "started" });
  assertEquals(await bench.answer(ref), "cancelled");
  assertEquals(bench.clock.pending, 0);
});

Deno.test("waitFor: a wait that is over is forgotten whole, its timer included", async () => {
  const { bench, ref } = await waiting({ waitMs: 60_000 });
  settle(bench, DONE);
  assertEquals(typeof await bench.answer(ref), "object");
  const before = bench.clock.clears;
  bench.session.close({ code: "cancelled", message: "gone" });
  assertEquals(bench.clock.clears - before, 0, "the session still held the timer");
});

Deno.test("waitFor: stop tells the run and the bash, and cancels queued prompts", async () => {
  const { bench, ref } = await waiting();
  bench.agent.calls.length = 0;
  bench.session.stop();
  assertEquals(bench.agent.calls, ["abort", "abortBash"]);
  assertEquals(bench.replyTo(ref), undefined, "the run ends by itself");
});
