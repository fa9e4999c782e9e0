// One session and the people it asks: time that stands still, what is slow and blocks no other command, what an abort
// cancels, and when a slash command's handler starts.
import { assert, assertEquals } from "@std/assert";
import type { Question } from "../../../src/worker/session/dialogs.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { at, SessionBench } from "../support/fakes.ts";

const QUICK = specOf("set_model").timeoutMs;
const SET_MODEL = { type: "set_model", provider: "p", modelId: "m" } as const;
const CONFIRM: Question = { method: "confirm", title: "Sure?", fields: { message: "m" } };
const HANDLED = { ok: true, disposition: "handled" } as const;
const WHY = { code: "cancelled", message: "The session was deleted" } as const;
const SLOW = [
  { type: "bash", command: "sleep" },
  { type: "compact" },
  { type: "navigate_tree", targetId: "e", options: { summarize: true } },
] as const;

for (const command of SLOW) {
  Deno.test(`session: a read does not wait for ${command.type}, nor for what is stuck behind it`, async () => {
    const bench = await SessionBench.live();
    const slow = bench.submit(command);
    const stuck = bench.submit(SET_MODEL);
    const reads = (["get_state", "get_tree", "steer", "follow_up"] as const).map((type) =>
      bench.submit({ type, message: "m" })
    );
    await turn();
    assertEquals(reads.map((ref) => bench.replyTo(ref)?.ok), [true, true, true, true]);
    assertEquals([bench.replyTo(slow), bench.replyTo(stuck)], [undefined, undefined]);
  });
}

for (const options of [undefined, {}, { summarize: false }, { label: "l" }]) {
  Deno.test(`session: a read waits for navigate_tree with ${JSON.stringify(options)}`, async () => {
    const bench = await SessionBench.live();
    bench.submit({ type: "navigate_tree", targetId: "e", ...(options === undefined ? {} : { options }) });
    const [mine, other] = [bench.submit({ type: "get_tree" }), bench.submit({ type: "get_tree" }, 2)];
    await turn();
    assertEquals([bench.replyTo(mine), bench.replyTo(other)?.ok], [undefined, true]);
    at(bench.agent.navigations, 0).resolve({ ok: true, value: { cancelled: false } });
    assertEquals(await bench.answer(mine), { currentLeafId: null, nodes: [] });
  });
}

Deno.test("session: a timed-out compaction or summary is stopped, and holds the mailbox at most 5 s more", async () => {
  for (const command of SLOW.slice(1)) {
    const bench = await SessionBench.live();
    const slow = bench.submit(command);
    const behind = bench.submit({ type: "set_session_name", name: "n" });
    await bench.clock.advance(300_000);
    assertEquals(await bench.answer(slow), "timeout", command.type);
    assertEquals(at(bench.agent.calls, -1), "abortCompaction");
    await bench.clock.advance(4_999);
    assertEquals(bench.replyTo(behind), undefined);
    await bench.clock.advance(1);
    assertEquals([await bench.answer(behind), bench.clock.pending], [{}, 0]);
  }
});

Deno.test("session: navigate_tree without a summary is a quick command", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit({ type: "navigate_tree", targetId: "e" });
  await bench.clock.advance(QUICK);
  assertEquals(
    await bench.answer(ref),
    "timeout",
    "docs/PROTOCOL.md#time: only with a summary it has five minutes",
  );
});

Deno.test("session: a command's time stands still while a dialog is open", async () => {
  const bench = await SessionBench.live();
  const ref = bench.submit(SET_MODEL);
  await bench.clock.advance(QUICK - 10);
  const answer = bench.session.dialogs.ask(CONFIRM);
  const second = bench.session.dialogs.ask(CONFIRM);
  await bench.clock.advance(QUICK * 100);
  assertEquals(bench.replies, [], "as long as a person thinks about it");
  bench.session.dialogs.respond("u1", { method: "confirm", confirmed: true });
  assertEquals(await answer, true);
  await bench.clock.advance(QUICK * 100);
  assertEquals(bench.replies, [], "the other one is still open");
  bench.session.dialogs.respond("u2", { method: "cancelled" });
  assertEquals(await second, undefined);
  await bench.clock.advance(9);
  assertEquals(bench.replies, []);
  await bench.clock.advance(1);
  assertEquals([await bench.answer(ref), bench.clock.pending], ["timeout", 0]);
});

Deno.test("session: a command that starts while a dialog is open has all its time behind it", async () => {
  const bench = await SessionBench.live();
  void bench.session.dialogs.ask({ ...CONFIRM, timeoutMs: 60_000 });
  const ref = bench.submit(SET_MODEL);
  await bench.clock.advance(60_000 + QUICK - 1);
  assertEquals(bench.replies, []);
  await bench.clock.advance(1);
  assertEquals(await bench.answer(ref), "timeout");
});

Deno.test("session: an open dialog blocks no command, and its answer comes past a full mailbox", async () => {
  const bench = await SessionBench.live();
  bench.submit(SET_MODEL);
  void bench.session.dialogs.ask(CONFIRM);
  const [wrong, right, late] = [
    { method: "select", value: "x" },
    { method: "confirm", confirmed: true },
    { method: "cancelled" },
  ].map((response) => bench.submit({ type: "extension_ui_response", requestId: "u1", response }));
  const unknown = bench.submit({
    type: "extension_ui_response",
    requestId: "u9",
    response: { method: "cancelled" },
  });
  assertEquals(await bench.answer(wrong ?? 0), "invalid_params");
  assertEquals(await bench.answer(right ?? 0), {});
  assertEquals(await bench.answer(late ?? 0), "ui_already_resolved");
  assertEquals(await bench.answer(unknown), "ui_request_not_found");
  at(bench.agent.modelChanges, 0).resolve({ ok: false, failure: { code: "model_not_found", message: "m" } });
  void bench.session.dialogs.ask(CONFIRM);
  assertEquals(await bench.answer(bench.submit({ type: "set_session_name", name: "n" })), {});
});

Deno.test("session: abort tells the agent to stop and cancels the open dialogs", async () => {
  const bench = await SessionBench.live();
  const asked = [bench.session.dialogs.ask(CONFIRM), bench.session.dialogs.ask(CONFIRM)];
  const ref = bench.submit({ type: "abort" });
  assertEquals(await bench.answer(ref), { steering: [], followUp: [] });
  assertEquals(await Promise.all(asked), [undefined, undefined]);
  const resolved = bench.records.slice(2).map(({ text }) => JSON.parse(text).event.by);
  assertEquals([resolved, at(bench.agent.calls, -1)], [["cancelled", "cancelled"], "abort"]);
  assertEquals(bench.session.dialogs.pending, []);
});

Deno.test("session: stop cancels the open dialogs as well as the run and the bash", async () => {
  const bench = await SessionBench.live();
  const asked = bench.session.dialogs.ask(CONFIRM);
  bench.session.stop();
  assertEquals([await asked, bench.agent.calls], [undefined, ["start", "abort", "abortBash"]]);
});

Deno.test("session: close ends the dialogs with an event, leaves no timer, and opens none later", async () => {
  const bench = await SessionBench.live();
  const asked = bench.session.dialogs.ask({ ...CONFIRM, timeoutMs: 60_000 });
  const ref = bench.submit(SET_MODEL);
  await turn();
  bench.session.close(WHY);
  assertEquals([await asked, await bench.answer(ref), bench.clock.pending], [undefined, "cancelled", 0]);
  assertEquals(JSON.parse(at(bench.records, -1).text).event, {
    type: "extension_ui_resolved",
    requestId: "u1",
    by: "session",
  });
  assertEquals([await bench.session.dialogs.ask(CONFIRM), bench.records.length], [undefined, 2]);
});

Deno.test("session: session_start with an open dialog may take longer than 30 s", async () => {
  const bench = new SessionBench();
  bench.session.built(bench.agent);
  bench.session.open();
  void bench.session.dialogs.ask({ ...CONFIRM, timeoutMs: 100_000 });
  const ref = bench.submit({ type: "set_session_name", name: "n" });
  await bench.clock.advance(100_000 + 29_999);
  assertEquals([bench.replyTo(ref), bench.logs], [undefined, []]);
  await bench.clock.advance(1);
  assertEquals(await bench.answer(ref), {});
});

for (const waitFor of ["accepted", "settled"] as const) {
  Deno.test(`session: a slash command starts once its answer (${waitFor}) has left`, async () => {
    const bench = await SessionBench.live();
    bench.agent.begin = () => bench.order.push("begin");
    const ref = bench.submit({ type: "prompt", message: "/spin", waitFor });
    await turn();
    at(bench.agent.acceptances, 0).resolve(HANDLED);
    await turn();
    const said = waitFor === "accepted" ? `reply ${ref}` : `accepted ${ref}`;
    assertEquals(bench.order, [said, "flush", "begin"]);
    at(bench.agent.returns, 0).resolve();
    await turn();
    assertEquals(bench.replyTo(ref)?.ok, true);
  });
}

Deno.test("session: a slash command that was turned down or came too late is never started", async () => {
  const bench = await SessionBench.live();
  bench.agent.begin = () => bench.order.push("begin");
  const refused = bench.submit({ type: "prompt", message: "/x" });
  await turn();
  at(bench.agent.acceptances, 0).resolve({ ok: false, failure: { code: "agent_busy", message: "m" } });
  assertEquals(await bench.answer(refused), "agent_busy");
  const late = bench.submit({ type: "prompt", message: "/x" });
  await bench.clock.advance(specOf("prompt").timeoutMs);
  assertEquals(await bench.answer(late), "timeout");
  at(bench.agent.acceptances, 1).resolve(HANDLED);
  await turn();
  assertEquals(bench.order.includes("begin"), false);
});

Deno.test("session: a slash command of a session that was deleted meanwhile is never started", async () => {
  const bench = await SessionBench.live();
  bench.agent.begin = () => bench.order.push("begin");
  const ref = bench.submit({ type: "prompt", message: "/x" });
  await turn();
  bench.session.close(WHY);
  at(bench.agent.acceptances, 0).resolve(HANDLED);
  assertEquals(await bench.answer(ref), "cancelled");
  assertEquals(bench.order.filter((what) => !what.startsWith("reply")), [], "its client got cancelled");
});

Deno.test("session: an open dialog alone does not keep a session from being idle", async () => {
  const bench = await SessionBench.live();
  void bench.session.dialogs.ask(CONFIRM);
  assert(bench.session.idle);
});
