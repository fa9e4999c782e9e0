// What one version of pi does otherwise than another, and clients must not notice: its own settling, its system
// prompt among the messages, its cache of extensions, its queue after an error and after a compaction.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, messageText } from "../../support/base/json.ts";
import { calls, Gate, status, text } from "../../support/model/model_server.ts";
import { withSummary } from "../../support/model/summaries.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

async function turn(bench: Bench, wire: Wire, id: string, said: string): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return marker;
}

/** A trusted, watched session with one extension. */
async function extended(bench: Bench, wire: Wire, cwd: string, source: string): Promise<string> {
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(`${cwd}/.pi/extensions/e.ts`, source);
  return (await bench.watched(wire, { sessionId: bench.name("ext"), cwd, trustProject: true })).id;
}

const texts = async (wire: Wire, sessionId: string): Promise<string[]> =>
  arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);

const settles = (wire: Wire, id: string): number =>
  wire.events(id).filter((event) => event.type === "agent_settled").length;

test("the system prompt is not a message: not in events, messages, snapshot, tree or counts", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await wire.ok({ type: "subscribe", sessionId: id, updates: "full" });
  const marker = await turn(bench, wire, id, "the answer");
  const told = wire.events(id).filter(({ type }) => type === "message_start" || type === "message_end");
  assertEquals(told.map((event) => at(event, "message", "role")), ["user", "user", "assistant", "assistant"]);
  const end = wire.events(id).find(({ type }) => type === "agent_end");
  assertEquals(arrayAt(end, "messages").map((each) => at(each, "role")), ["user", "assistant"]);
  assertEquals(await texts(wire, id), [marker, "the answer"]);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).messageCount, 2);
  assertEquals((await wire.ok({ type: "get_session_stats", sessionId: id })).totalMessages, 2);
  const { snapshot } = await wire.ok({ type: "subscribe", sessionId: id, snapshot: true });
  assertEquals(arrayAt(snapshot, "messages").map(messageText), [marker, "the answer"]);
  const nodes = arrayAt(await wire.ok({ type: "get_tree", sessionId: id }), "nodes");
  const roles = nodes.map((node) => at(node, "role")).filter((role) => role !== undefined);
  assertEquals(roles, ["user", "assistant"]);
  const ids = new Set(nodes.map((node) => at(node, "entryId")));
  for (const node of nodes) {
    assert(at(node, "parentId") === null || ids.has(at(node, "parentId")), "an orphan");
  }
});

test("an extension's module belongs to one session, though two share a folder", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("module"));
  const source = `let count = 0;
    export default function (pi) {
      pi.registerCommand("count", { handler: async (_, ctx) => ctx.ui.notify("count " + ++count) });
    }`;
  for (const _ of ["first", "second"]) {
    const id = await extended(bench, wire, cwd, source);
    await wire.ok({ type: "prompt", sessionId: id, message: "/count" });
    const notice = await wire.event(id, "extension_ui_request");
    assertEquals(at(notice, "event", "message"), "count 1");
  }
});

for (const kind of ["steer", "follow_up"]) {
  test(`${kind} while pi compacts: it runs when that is over, retries and one settle included`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    await turn(bench, wire, id, "a long answer ".repeat(20));
    await turn(bench, wire, id, "the recent answer ".repeat(20));
    const marker = bench.name("queued");
    bench.model.script(marker, status(500, "try again"), text(["after the compaction"]));
    const gate = new Gate();
    const before = settles(wire, id);
    let asked = false;
    await withSummary(bench.model, () => {
      asked = true;
      return text(["the gist"], { gate, gateAfter: 0 });
    }, async () => {
      wire.send({ type: "compact", id: "c", sessionId: id });
      await until(() => asked, 5000, () => "the request for a summary");
      assertEquals(await wire.ok({ type: kind, sessionId: id, message: marker }), { disposition: "queued" });
      gate.open();
      assertEquals((await wire.response("c")).success, true);
      await until(() => settles(wire, id) > before, 5000, () => "the run over the queue");
    });
    assertEquals((await texts(wire, id)).slice(-2), [marker, "after the compaction"]);
    assertEquals(settles(wire, id), before + 1);
    assertEquals(wire.events(id).filter(({ type }) => type === "auto_retry_start").length, 1);
    assertEquals((await wire.ok({ type: "get_state", sessionId: id })).pendingMessageCount, 0);
  });
}

test("after an error what was queued stays, until the next prompt takes it along", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const [marker, queued, next] = [bench.name("fails"), bench.name("queued"), bench.name("next")];
  const command = "until [ -e go ]; do sleep 0.02; done";
  bench.model.script(marker, calls([{ name: "bash", args: { command } }]), status(400, "no more of this"));
  bench.model.script(queued, text(["the queued one"]));
  bench.model.script(next, text(["the next one"]));
  wire.send({ type: "prompt", id: "p", sessionId: id, message: marker, waitFor: "settled" });
  await wire.event(id, "tool_execution_start");
  assertEquals(await wire.ok({ type: "follow_up", sessionId: id, message: queued }), {
    disposition: "queued",
  });
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals((await wire.response("p")).code, "agent_error");
  const settle = await wire.event(id, "agent_settled");
  assertEquals([at(settle, "event", "stopReason"), at(settle, "event", "pendingMessageCount")], ["error", 1]);
  assertEquals(await settled(wire, id, next).then((data) => data.text), "the queued one");
  assertEquals((await texts(wire, id)).slice(-4), [next, "the next one", queued, "the queued one"]);
  assertEquals(settles(wire, id), 2);
});

test("a slow agent_settled handler of an extension: a prompt meanwhile runs after it", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("slow"));
  const id = await extended(
    bench,
    wire,
    cwd,
    `export default function (pi) {
      pi.on("agent_settled", () => new Promise((resolve) => setTimeout(resolve, 300)));
    }`,
  );
  const [first, second, third] = [bench.name("first"), bench.name("second"), bench.name("third")];
  bench.model.script(first, text(["one"]));
  bench.model.script(second, text(["two"]));
  bench.model.script(third, text(["three"]));
  // Settled means that pi takes a prompt.
  assertEquals((await settled(wire, id, first)).text, "one");
  await wire.event(id, "agent_end");
  wire.send({ type: "prompt", id: "2", sessionId: id, message: second, waitFor: "settled" });
  await wire.event(id, "agent_end");
  const command = { type: "prompt", sessionId: id, message: third, streamingBehavior: "followUp" };
  wire.send({ ...command, id: "3", waitFor: "settled" });
  // The third has joined the second's run or has its own; all are served.
  for (const waiter of ["2", "3"]) assertEquals((await wire.response(waiter)).success, true, waiter);
  assertEquals(await texts(wire, id), [first, "one", second, "two", third, "three"]);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, false);
});
