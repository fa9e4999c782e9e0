// Budgets and silent runs over the wire, with what pi itself says of tokens, cost and tools.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { at, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { calls, hang, text } from "../../support/model/model_server.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { alone, settled, shared } from "../suite.ts";

const test = shared(["--turn-stall-ms=300"], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));
const bash = (command: string) => calls([{ name: "bash", args: { command } }]);

test("budget: used up, reported, refused, raised, and the next prompt runs", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const set = await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 2 });
  assertEquals(set, { budget: { maxTurns: 2, onExceed: "pause" }, usage: { usd: 0, turns: 0, wallMs: 0 } });
  await settled(wire, id, "one");
  assertEquals(wire.events(id).some(({ type }) => type === "budget_exceeded"), false);
  const { text: answer } = await settled(wire, id, "two");
  assertStringIncludes(String(answer), "two");
  const told = objectAt(await wire.event(id, "budget_exceeded"), "event");
  assertEquals([told.limit, numberAt(told, "usage", "turns")], ["maxTurns", 2]);
  for (const type of ["prompt", "steer", "follow_up"]) {
    const refused = await wire.refused("budget_exceeded", { type, sessionId: id, message: "three" });
    assertEquals([refused.retryable, at(refused, "data", "limit")], [false, "maxTurns"]);
  }
  const state = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals([at(state, "budget", "exceeded"), at(state, "usage", "turns")], ["maxTurns", 2]);
  const stats = await wire.ok({ type: "get_session_stats", sessionId: id });
  assertEquals(numberAt(state, "usage", "usd"), numberAt(stats, "cost"));
  await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 3 });
  await settled(wire, id, "three");
  await wire.refused("budget_exceeded", { type: "prompt", sessionId: id, message: "four" });
  await wire.ok({ type: "set_budget", sessionId: id });
  await settled(wire, id, "four");
  assertEquals(wire.events(id).filter(({ type }) => type === "budget_exceeded").length, 2);
});

test("budget: a run begins no turn beyond it, and with abort no tool either", async (bench) => {
  const wire = await bench.connect();
  for (const onExceed of ["abort", "pause"]) {
    const { id } = await bench.watched(wire);
    const marker = bench.name("turns");
    bench.model.script(marker, bash("echo 1"), bash("echo 2"), text(["done"]));
    await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 1, onExceed });
    const run = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
    const told = await wire.request(run);
    const commands = wire.events(id).filter(({ type }) => type === "tool_execution_end").length;
    assertEquals([told.code, commands], ["cancelled", 1], onExceed);
    const money = await bench.watched(wire);
    const dear = bench.name("dear");
    bench.model.script(dear, bash("echo 1"), bash("echo 2"), text(["done"]));
    await wire.ok({ type: "set_budget", sessionId: money.id, maxUsd: 0.0000001, onExceed });
    const spent = await wire.request({ ...run, sessionId: money.id, message: dear });
    const tools = wire.events(money.id).filter(({ type, isError }) =>
      type === "tool_execution_end" && !isError
    ).length;
    // The price is known when the answer is there, before its tools run.
    assertEquals([spent.code, tools], ["cancelled", onExceed === "abort" ? 0 : 1], onExceed);
    await wire.refused("budget_exceeded", { type: "prompt", sessionId: id, message: "more" });
  }
});

test("budget: money is what pi says, and time ends a turn that hangs", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "set_budget", sessionId: id, maxUsd: 0.0000001, onExceed: "abort" });
  const { stopReason } = await settled(wire, id, "cheap");
  assertEquals(stopReason, "stop", "the answer was complete when its price was known");
  assertEquals(at(await wire.event(id, "budget_exceeded"), "event", "limit"), "maxUsd");
  const slow = await bench.watched(wire);
  await wire.ok({ type: "set_budget", sessionId: slow.id, maxWallMs: 400, onExceed: "abort" });
  const marker = bench.name("hang");
  bench.model.script(marker, hang());
  await wire.refused("cancelled", {
    type: "prompt",
    sessionId: slow.id,
    message: marker,
    waitFor: "settled",
  });
  const told = objectAt(await wire.event(slow.id, "budget_exceeded"), "event");
  assertEquals(told.limit, "maxWallMs");
  assert(numberAt(told, "usage", "wallMs") >= 400);
  await (await bench.model.request(marker)).aborted;
});

alone("budget: the server's default applies to every session until a client sets one", async (bench) => {
  await bench.start(["--budget-turns=1", "--budget-usd=0.5", "--budget-on-exceed=abort"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const state = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals(state.budget, { maxUsd: 0.5, maxTurns: 1, onExceed: "abort" });
  await settled(wire, id, "one");
  await wire.refused("budget_exceeded", { type: "prompt", sessionId: id, message: "two" });
  await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 2 });
  await settled(wire, id, "two");
  const other = await bench.watched(wire);
  await settled(wire, other.id, "one");
});

test("stalled: a silent model, a silent tool and a person differ in phase, and none is aborted", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("stall");
  bench.model.script(marker, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  const model = objectAt(await wire.event(id, "turn_stalled"), "event");
  assertEquals(model.phase, "model");
  assert(numberAt(model, "silentMs") >= 300);
  await wire.ok({ type: "abort", sessionId: id });
  await wire.event(id, "agent_settled");

  const tool = await bench.watched(wire);
  const second = bench.name("stall");
  bench.model.script(second, bash("sleep 1"), text(["slept"]));
  const run = settled(wire, tool.id, second);
  const started = stringAt(await wire.event(tool.id, "tool_execution_start"), "event", "toolCallId");
  const silent = objectAt(
    await wire.event(tool.id, "turn_stalled", ({ phase }) => phase === "tool"),
    "event",
  );
  assertEquals(silent.toolCallId, started);
  assertEquals((await run).text, "slept");

  const asked = await bench.watched(wire);
  const third = bench.name("stall");
  bench.model.script(third, hang());
  await wire.ok({ type: "prompt", sessionId: asked.id, message: third });
  await bench.model.request(third);
  const dialog = uiPrompt("stall.json", [["confirm", "Sure?", "Yes?"]]);
  await wire.ok({ type: "prompt", sessionId: asked.id, message: dialog });
  await wire.event(asked.id, "extension_ui_request");
  await wire.event(asked.id, "turn_stalled", ({ phase }) => phase === "ui");
  assertEquals(at(await wire.ok({ type: "get_state", sessionId: asked.id }), "isStreaming"), true);
  await wire.ok({ type: "abort", sessionId: asked.id });
  await wire.event(asked.id, "agent_settled");
});

alone("budget: a session that is parked comes back with its budget and what it has spent", async (bench) => {
  await bench.start(["--max-sessions=1"]);
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 1 });
  await settled(wire, id, "one");
  await bench.session(wire);
  const parked = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals([parked.status, at(parked, "usage", "turns")], ["parked", 1]);
  await wire.refused("budget_exceeded", { type: "prompt", sessionId: id, message: "two" });
  await wire.ok({ type: "set_budget", sessionId: id, maxTurns: 2 });
  await settled(wire, id, "two");
});
