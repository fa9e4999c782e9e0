// A process that was stopped and goes on (PROTOCOL, Timeouts): a paused container, a laptop that sleeps. The time in
// between counts for nothing: no worker is replaced, no deadline passes, no silence is reported. Tokens expire all the same.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, numberAt, stringAt } from "../../support/base/json.ts";
import { calls, hang, text } from "../../support/model/model_server.ts";
import { delay } from "../../support/base/wait.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

const FROZEN_MS = 8_000;
/** The time of a dialog, which is shorter than the standstill. */
const DIALOG_MS = 6_000;

const EXTENSION = `export default function (pi) {
  pi.registerCommand("busy", { description: "is busy for 0.9 s at a time", handler: async (turns) => {
    for (let turn = 0; turn < Number(turns); turn++) {
      const end = performance.now() + 900;
      while (performance.now() < end);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } });
}`;

async function freeze(bench: Bench): Promise<void> {
  bench.server.signal("SIGSTOP");
  await delay(FROZEN_MS);
  bench.server.signal("SIGCONT");
}

alone("frozen: no worker is replaced, busy or not, and what is in memory is there", async (bench) => {
  await bench.home.extension("busy", EXTENSION);
  await bench.start(["--host-silent-ms", "6000", "--peer-silent-ms", "6000"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const memory = await bench.session(wire, { inMemory: true });
  const busy = wire.ok({ type: "prompt", sessionId: id, message: "/busy 5", waitFor: "settled" }, 60_000);
  busy.catch(() => {});
  await delay(1_500);
  await freeze(bench);
  await busy;
  await freeze(bench);
  const health = await wire.ok({ type: "health_check" });
  assertEquals((await wire.ok({ type: "get_state", sessionId: memory.id })).sessionId, memory.id);
  assertEquals(wire.messages.filter(({ type }) => type === "session_crashed"), []);
  assert(!/has not answered/.test(JSON.stringify(health)), JSON.stringify(health));
});

alone("frozen: timeouts, silence and budgets wait, and a token expires by the wall clock", async (bench) => {
  await bench.start(["--turn-stall-ms", "3000"]);
  const wire = await bench.connect();
  const minted = await wire.ok({ type: "mint_token", role: "observe", ttlMs: 8_000 });
  const { port } = await bench.server.endpoint();
  const guest = await WsWire.connect(`ws://127.0.0.1:${port}/`, stringAt(minted, "token"), "guest");
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "set_budget", sessionId: id, maxWallMs: 6_000, onExceed: "abort" });
  const marker = bench.name("frozen");
  bench.model.script(marker, hang(), text(["never asked"]));
  const before = performance.now();
  const prompt = { type: "prompt", sessionId: id, message: marker, waitFor: "settled", waitMs: 5_000 };
  const late = wire.request(prompt, 60_000).then((answer) => ({ answer, ms: performance.now() - before }));
  await bench.model.request(marker);
  await delay(1_200);
  await freeze(bench);
  const resumed = performance.now();
  assertEquals(await guest.closed, { code: 1008, reason: "The token has expired" });
  assert(performance.now() - resumed < 4_000, "the token outlived its time");
  const { answer, ms } = await late;
  assertEquals([answer.success, answer.code], [false, "timeout"]);
  assert(ms > 5_000 + FROZEN_MS - 1_500, `the prompt timed out after ${Math.round(ms)} ms`);
  const settled = await wire.event(id, "agent_settled", () => true, 30_000);
  assertEquals(at(settled, "event", "aborted"), true);
  const told = wire.events(id).filter(({ type }) => type === "turn_stalled").map((event) =>
    Math.floor(numberAt(event, "silentMs") / 3_000)
  );
  assertEquals(told, [...new Set(told)], "silence is reported once for each multiple");
  assert(told.every((multiple) => multiple <= 2), `silence reported: ${told}`);
  const state = await wire.ok({ type: "get_state", sessionId: id });
  const used = numberAt(state, "usage", "wallMs");
  assert(used >= 5_500 && used < 6_000 + FROZEN_MS - 1_500, `the budget counts ${used} ms`);
});

const ASKS = `export default function (pi) {
  pi.registerTool({
    name: "ask", label: "ask", description: "Asks", parameters: { type: "object", properties: {} },
    execute: async (_id, _params, _signal, _update, ctx) => {
      const ask = (title) => ctx.ui.confirm(title, "Sure?", { timeout: ${DIALOG_MS} });
      const answers = await Promise.all([ask("answered"), ask("left alone")]);
      return { content: [{ type: "text", text: answers.join(" ") }], details: {} };
    },
  });
}`;

alone("frozen: open dialogs stay open and keep the rest of their time", async (bench) => {
  await bench.home.extension("asks", ASKS);
  await bench.start(["--turn-stall-ms", "7000", "--host-silent-ms", "6000", "--peer-silent-ms", "6000"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("ask");
  bench.model.script(marker, calls([{ name: "ask", args: {} }]), text(["done"]));
  const before = performance.now();
  const run = wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 60_000);
  run.catch(() => {});
  const asked = await wire.event(id, "extension_ui_request", ({ title }) => title === "answered");
  await wire.event(id, "extension_ui_request", ({ title }) => title === "left alone");
  await delay(1_200);
  // No dialog is older than the prompt.
  const age = performance.now() - before;
  await freeze(bench);
  const resumed = performance.now();
  const { requests } = await wire.ok({ type: "list_pending_ui", sessionId: id });
  assertEquals(Array.isArray(requests) && requests.map((one) => at(one, "title")), [
    "answered",
    "left alone",
  ]);
  const response = { method: "confirm", confirmed: true };
  const requestId = stringAt(asked, "event", "requestId");
  await wire.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
  await wire.event(id, "extension_ui_resolved", ({ by }) => by === "timeout");
  // Of the standstill a second may count.
  const rest = performance.now() - resumed;
  assert(rest > DIALOG_MS - age - 1_100, `it ended ${Math.round(rest)} ms after the standstill`);
  assertEquals((await run).text, "done");
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
  assertStringIncludes(JSON.stringify(messages), '"text":"true false"');
  assertEquals(wire.events(id).filter(({ type }) => type === "turn_stalled"), []);
  assertEquals(wire.messages.filter(({ type }) => type === "session_crashed"), []);
});
