// One session with a fake agent: exactly one answer for each command, timeouts, versions, order, and the end.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Handler } from "../../../src/worker/session/session.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { MODEL } from "./fake_agent.ts";
import { at, NOBODY, SessionBench } from "../support/fakes.ts";
import { recordOf } from "../../server/manager/fakes.ts";

const QUICK = specOf("set_model").timeoutMs;
const LONG = specOf("bash").timeoutMs;
const SET_MODEL = { type: "set_model", provider: "p", modelId: "m" } as const;
const BASH_OK = {
  ok: true,
  value: { output: "o", exitCode: 0, cancelled: false, truncated: false },
} as const;
const WHY = { code: "cancelled", message: "The session was deleted" } as const;

Deno.test("session: a quick command is answered once, and leaves no timer", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit({ type: "get_available_models" });
  assertEquals(await bench.answer(ref), { models: [MODEL] });
  assertEquals(bench.clock.pending, 0);
  assert(bench.session.idle);
});

Deno.test("session: what came while it was built runs in order once it is, after session_start", async () => {
  const bench = new SessionBench();
  const refs = ["one", "two"].map((name) => bench.submit({ type: "set_session_name", name }));
  const read = bench.submit({ type: "get_state" }, 2);
  assertEquals([bench.session.live, bench.session.idle], [false, false]);
  await turn();
  assertEquals(bench.replies, []);
  bench.session.built(bench.agent);
  bench.session.open();
  await turn();
  assertEquals(bench.agent.calls, ["start"], "mailbox commands wait for session_start");
  assert(bench.replyTo(read) !== undefined, "another connection's read does not");
  bench.agent.starting.resolve();
  await turn();
  assertEquals(bench.agent.calls, ["start", "name one", "name two"]);
  assertEquals(refs.map((ref) => bench.replyTo(ref)?.ok), [true, true]);
});

Deno.test("session: session_start handlers that hang or throw hold the mailbox for 30 s at most", async () => {
  const hung = new SessionBench();
  hung.session.built(hung.agent);
  hung.session.open();
  const ref = hung.submit({ type: "set_session_name", name: "n" });
  await hung.clock.advance(29_999);
  assertEquals(hung.replyTo(ref), undefined);
  await hung.clock.advance(1);
  assertEquals(await hung.answer(ref), {});
  assertStringIncludes(hung.logs.join(), "warn session_start");
  const thrown = new SessionBench();
  thrown.session.built(thrown.agent);
  thrown.session.open();
  thrown.agent.starting.reject(new Error("bad extension"));
  assertEquals(await thrown.answer(thrown.submit({ type: "set_session_name", name: "n" })), {});
  assertStringIncludes(thrown.logs.join(), "error session_start failed: bad extension");
  assertEquals(thrown.clock.pending, 0);
});

Deno.test("session: a handler that throws answers internal, is logged, and the next one runs", async () => {
  const bench = await SessionBench.live();
  bench.agent.nameError = new Error("disk full");
  const failed = bench.submit({ type: "set_session_name", name: "n" });
  assertEquals(await bench.answer(failed), "internal");
  assertStringIncludes(bench.logs.join(), "disk full");
  bench.agent.nameError = undefined;
  assertEquals(await bench.answer(bench.submit({ type: "set_session_name", name: "n" })), {});
});

Deno.test("session: a command without a handler fails and blocks nothing", async () => {
  const bench = await SessionBench.live(NOBODY, { handlers: new Map() });
  assertEquals(await bench.answer(bench.submit({ type: "set_session_name", name: "n" })), "unknown_command");
  assertEquals(await bench.answer(bench.submit({ type: "set_session_name", name: "n" })), "unknown_command");
});

Deno.test("session: a quick command times out at its bound, and its late result is logged, never sent", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit(SET_MODEL);
  const behind = bench.submit({ type: "set_session_name", name: "n" });
  await bench.clock.advance(QUICK - 1);
  assertEquals(bench.replies, []);
  await bench.clock.advance(1);
  assertEquals(await bench.answer(ref), "timeout");
  assertEquals(await bench.answer(behind), {}, "the mailbox goes on");
  at(bench.agent.modelChanges, 0).resolve({ ok: true, value: MODEL });
  await bench.clock.advance(QUICK);
  assertEquals(await bench.answer(ref), "timeout");
  assertEquals(bench.replies.length, 2);
  assertStringIncludes(bench.logs.join(), "warn a timed-out command has ended");
});

Deno.test("session: the timeout starts when a command leaves the mailbox, not when it comes", async () => {
  const bench = await SessionBench.live();
  const bash = bench.submit({ type: "bash", command: "sleep" });
  const behind = bench.submit(SET_MODEL);
  await bench.clock.advance(QUICK * 3);
  assertEquals(bench.replies, []);
  at(bench.agent.bashes, 0).resolve(BASH_OK);
  await turn();
  await bench.clock.advance(QUICK - 1);
  assertEquals(bench.replyTo(behind), undefined);
  await bench.clock.advance(1);
  assertEquals([await bench.answer(behind), bench.replyTo(bash)?.ok], ["timeout", true]);
});

Deno.test("session: a timed-out bash is aborted, and holds the mailbox at most 5 s more", async () => {
  for (const ends of [true, false]) {
    const bench = await SessionBench.live();
    const bash = bench.submit({ type: "bash", command: "sleep" });
    const behind = bench.submit({ type: "set_session_name", name: "n" });
    await bench.clock.advance(LONG);
    assertEquals(await bench.answer(bash), "timeout");
    assertEquals(bench.agent.calls.includes("abortBash"), true);
    assertEquals(bench.replyTo(behind), undefined, "until the bash is gone");
    if (ends) at(bench.agent.bashes, 0).resolve(BASH_OK);
    else await bench.clock.advance(4_999);
    if (!ends) assertEquals(bench.replyTo(behind), undefined);
    await bench.clock.advance(ends ? 0 : 1);
    assertEquals(await bench.answer(behind), {});
    assertEquals(bench.clock.pending, 0);
  }
});

Deno.test("session: bash tells its output as events with the command's id", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit({ id: "b1", type: "bash", command: "ls" });
  bench.agent.chunk("out");
  assertEquals(JSON.parse(at(bench.records, 0).text).event, {
    type: "bash_output",
    commandId: "b1",
    chunk: "out",
  });
  at(bench.agent.bashes, 0).resolve(BASH_OK);
  assertEquals(await bench.answer(ref), BASH_OK.value);
});

Deno.test("session: a read waits for its connection's set_model, not for a bash", async () => {
  const bench = await SessionBench.live();
  bench.submit(SET_MODEL, 1);
  const [mine, other] = [bench.submit({ type: "get_state" }, 1), bench.submit({ type: "get_state" }, 2)];
  await turn();
  assertEquals([bench.replyTo(mine) === undefined, bench.replyTo(other)?.ok], [true, true]);
  at(bench.agent.modelChanges, 0).resolve({ ok: true, value: MODEL });
  await turn();
  assertEquals(bench.replyTo(mine)?.ok, true);
  bench.submit({ type: "bash", command: "sleep" }, 1);
  const read = bench.submit({ type: "get_state" }, 1);
  assert(await bench.answer(read) !== undefined);
  const aborted = bench.submit({ type: "abort_bash" }, 1);
  assertEquals(await bench.answer(aborted), {});
});

Deno.test("session: sessionVersion grows with each mutating command that succeeded, and with nothing else", async () => {
  const bench = await SessionBench.live();
  const version = (ref: number): number | undefined => bench.replyTo(ref)?.sessionVersion;
  const refs = [bench.submit({ type: "set_session_name", name: "n" })];
  await turn();
  refs.push(bench.submit({ type: "get_messages" }));
  await turn();
  refs.push(bench.submit(SET_MODEL));
  const failure = { code: "model_not_found", message: "m" } as const;
  at(bench.agent.modelChanges, 0).resolve({ ok: false, failure });
  await turn();
  refs.push(bench.submit({ type: "set_session_name", name: "n" }));
  await turn();
  assertEquals(refs.map(version), [1, 1, 1, 2]);
});

Deno.test("session: a command for another version is version_conflict, and does not run", async () => {
  const bench = await SessionBench.live();
  const stale = bench.submit({ type: "set_session_name", name: "stale", ifSessionVersion: 1 });
  await turn();
  const reply = bench.replyTo(stale);
  assert(reply !== undefined && !reply.ok);
  assertEquals([reply.failure.code, reply.failure.data, reply.sessionVersion], [
    "version_conflict",
    { sessionVersion: 0 },
    0,
  ]);
  assertEquals(bench.agent.calls, ["start"]);
  const right = bench.submit({ type: "set_session_name", name: "right", ifSessionVersion: 0 });
  assertEquals(await bench.answer(right), {});
});

Deno.test("session: the version is compared when the command's turn has come", async () => {
  const bench = await SessionBench.live();
  bench.submit({ type: "set_session_name", name: "one" });
  const second = bench.submit({ type: "set_session_name", name: "two", ifSessionVersion: 0 });
  assertEquals(await bench.answer(second), "version_conflict");
});

Deno.test("session: a result that cannot be encoded answers internal, and others are unaffected", async () => {
  const bench = await SessionBench.live();
  bench.agent.transcript = [{ big: 1n }];
  assertEquals(await bench.answer(bench.submit({ type: "get_messages" })), "internal");
  bench.agent.transcript = [{ small: 1 }];
  const ref = bench.submit({ type: "get_messages" });
  assertEquals(await bench.answer(ref), { messages: [{ small: 1 }], messageCount: 1 });
});

Deno.test("session: get_messages cuts from the end, before an index", async () => {
  const bench = await SessionBench.live();
  bench.agent.transcript = [0, 1, 2, 3, 4];
  const cases: readonly (readonly [Record<string, number>, readonly number[]])[] = [
    [{}, [0, 1, 2, 3, 4]],
    [{ limit: 2 }, [3, 4]],
    [{ limit: 9 }, [0, 1, 2, 3, 4]],
    [{ before: 3 }, [0, 1, 2]],
    [{ before: 3, limit: 2 }, [1, 2]],
    [{ before: 0, limit: 2 }, []],
    [{ before: 99, limit: 1 }, [4]],
  ];
  for (const [fields, messages] of cases) {
    const ref = bench.submit({ type: "get_messages", ...fields });
    assertEquals(await bench.answer(ref), { messages, messageCount: 5 }, JSON.stringify(fields));
  }
});

Deno.test("session: several commands that fail in a row free their timers and places", async () => {
  const handlers = new Map<string, Handler>([["set_model", {
    run: () => Promise.reject(new Error("x")),
  }]]);
  const bench = await SessionBench.live(NOBODY, { handlers });
  const refs = [1, 2, 3].map(() => bench.submit(SET_MODEL));
  await turn();
  for (const ref of refs) assertEquals(await bench.answer(ref), "internal");
  assertEquals([bench.clock.pending, bench.session.idle], [0, true]);
});

Deno.test("session: close answers everything that waits or runs with the reason, once", async () => {
  const bench = await SessionBench.live();
  const refs = [
    bench.submit({ type: "bash", command: "sleep" }),
    bench.submit(SET_MODEL),
    bench.submit({ type: "prompt", message: "p", waitFor: "settled" }),
    bench.submit({ type: "get_state" }, 1),
  ];
  await turn();
  assertEquals(bench.replies.length, 1, "the read is answered at once");
  assertEquals(bench.session.close(WHY), bench.agent);
  assertEquals(bench.session.close(WHY), undefined, "twice gives nothing twice");
  assertEquals([bench.session.closed, bench.session.live, bench.clock.pending], [true, false, 0]);
  at(bench.agent.bashes, 0).resolve(BASH_OK);
  await bench.clock.advance(LONG * 2);
  for (const ref of refs.slice(0, 3)) assertEquals(await bench.answer(ref), "cancelled");
  assertEquals(bench.agent.calls, ["start", "bash sleep"], "nothing that waited has run");
});

Deno.test("session: a command to a closed session is session_not_found, and its events are dropped", async () => {
  const bench = await SessionBench.live();
  bench.session.close(WHY);
  assertEquals(await bench.answer(bench.submit({ type: "get_state" })), "session_not_found");
  bench.session.emit({ type: "agent_start" });
  assertEquals(bench.records, []);
});

Deno.test("session: a session that is closed while it is built answers those who waited, once", async () => {
  const bench = new SessionBench();
  const refs = [
    bench.submit({ type: "get_state" }),
    bench.submit({ type: "delete_session" }),
    bench.submit({ type: "prompt", message: "p" }),
  ];
  let built = 0;
  bench.session.whenBuilt(() => built++);
  assertEquals(bench.session.close(WHY), undefined);
  await turn();
  assertEquals(refs.map((ref) => bench.replyTo(ref)?.ok), [false, false, false]);
  assertEquals(built, 1);
});

Deno.test("session: a deletion answers itself and everyone else, and waits for nothing", async () => {
  const bench = await SessionBench.live();
  const [bash, queued] = [bench.submit({ type: "bash", command: "x" }), bench.submit(SET_MODEL)];
  const deleted = bench.submit({ type: "delete_session" });
  assertEquals(await bench.answer(deleted), { deleted: true });
  assertEquals([await bench.answer(bash), await bench.answer(queued)], ["cancelled", "cancelled"]);
  assertEquals([bench.removed, bench.clock.pending], [1, 0]);
});

Deno.test("session: two deletions that waited for the build are both answered", async () => {
  const bench = new SessionBench();
  const refs = [bench.submit({ type: "delete_session" }), bench.submit({ type: "delete_session" })];
  bench.session.built(bench.agent);
  bench.session.open();
  assertEquals(await bench.answer(at(refs, 0)), { deleted: true });
  assertEquals(await bench.answer(at(refs, 1)), "session_not_found");
});

Deno.test("session: one that is built again keeps its budget and what it has used", () => {
  const usage = { usd: 1, turns: 2, wallMs: 3 };
  const limits = { maxTurns: 5, onExceed: "abort" as const };
  const restoredFrom = { ...recordOf("a", { usage }), budget: { limits } };
  const { session } = new SessionBench(NOBODY, { restoredFrom });
  assertEquals(session.watch.budget.state, { usage, budget: limits });
});
