// Compaction (docs/PROTOCOL.md#session-commands): compact with a scripted summary, what aborts it, what may happen meanwhile, and the
// automatic one.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import {
  arrayAt,
  at,
  type Json,
  type JsonObject,
  messageText,
  numberAt,
  stringAt,
} from "../../support/base/json.ts";
import { Gate, hang, type ModelRequest, status, text } from "../../support/model/model_server.ts";
import { withSummary } from "../../support/model/summaries.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

/** Keeps few tokens when compacting, so that short sessions have something to summarize. */
async function smallContext(bench: Bench): Promise<void> {
  const path = `${bench.home.agentDir}/settings.json`;
  const settings: JsonObject = JSON.parse(await Deno.readTextFile(path));
  const compaction = { enabled: true, keepRecentTokens: 10, reserveTokens: 1000 };
  await Deno.writeTextFile(path, JSON.stringify({ ...settings, compaction }, null, 2));
}

const test = shared([], smallContext);

const state = (wire: Wire, sessionId: string) => wire.ok({ type: "get_state", sessionId });

async function turn(bench: Bench, wire: Wire, id: string, said: string): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return marker;
}

/** A watched session of two turns. */
async function talked(bench: Bench, wire: Wire): Promise<{ id: string; first: string }> {
  const { id } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "a long answer ".repeat(20));
  await turn(bench, wire, id, "the recent answer ".repeat(20));
  return { id, first };
}

async function usage(wire: Wire, sessionId: string): Promise<Json | undefined> {
  return (await wire.request({ type: "get_context_usage", sessionId })).data;
}

test("compact: the model's summary replaces the old messages; usage is unknown until the next", async (bench) => {
  const wire = await bench.connect();
  const { id, first } = await talked(bench, wire);
  const before = numberAt(await state(wire, id), "sessionVersion");
  const asked: string[] = [];
  const response = await withSummary(bench.model, (request) => {
    asked.push(request.userText);
    return text(["the gist of it"]);
  }, () => wire.request({ type: "compact", sessionId: id, customInstructions: "Mind the gap" }));
  assertEquals(response.success, true, JSON.stringify(response));
  assertEquals(response.sessionVersion, before + 1);
  assertStringIncludes(stringAt(response, "data", "summary"), "the gist of it");
  assert(numberAt(response, "data", "tokensBefore") > 0);
  assertStringIncludes(asked.join(), first);
  assertStringIncludes(asked.join(), "Mind the gap");
  const end = await wire.event(id, "compaction_end");
  assertEquals([at(end, "event", "reason"), at(end, "event", "aborted")], ["manual", false]);
  const tree = arrayAt(await wire.ok({ type: "get_tree", sessionId: id }), "nodes");
  const kept = stringAt(response, "data", "firstKeptEntryId");
  assert(tree.some((node) => at(node, "entryId") === kept));
  assert(tree.some((node) => at(node, "entryType") === "compaction"));
  const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
  assert(!messages.map(messageText).includes(first), "the summarized message is still there");
  assertEquals([at(await usage(wire, id), "tokens"), at(await usage(wire, id), "percent")], [null, null]);
  const marker = await turn(bench, wire, id, "after it");
  assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "the gist of it");
  assert(numberAt(await usage(wire, id), "tokens") > 0);
  assertEquals((await state(wire, id)).isCompacting, false);
  assertEquals(wire.events(id).filter((event) => event.type === "agent_settled").length, 3);
});

test("compact: already compacted, a failing model: an error, and the session goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await talked(bench, wire);
  const failed = await withSummary(
    bench.model,
    () => status(400, "no summaries today"),
    () => wire.refused("agent_error", { type: "compact", sessionId: id }),
  );
  assertStringIncludes(stringAt(failed, "error"), "no summaries today");
  await turn(bench, wire, id, "goes on");
  await withSummary(bench.model, () => text(["short"]), () => wire.ok({ type: "compact", sessionId: id }));
  const again = await wire.refused("agent_error", { type: "compact", sessionId: id });
  assertStringIncludes(stringAt(again, "error"), "ompact");
  await turn(bench, wire, id, "goes on");
});

test("compact: abort_compaction and abort end it; meanwhile the session is busy, reads go on", async (bench) => {
  const wire = await bench.connect();
  const second = await bench.connect("second");
  const { id } = await talked(bench, wire);
  for (const stopper of ["abort_compaction", "abort"]) {
    const requests: ModelRequest[] = [];
    const head = new Gate();
    await withSummary(bench.model, (request) => {
      requests.push(request);
      return hang([], head);
    }, async () => {
      wire.send({ type: "compact", id: stopper, sessionId: id });
      await until(() => requests[0], 5000, () => "the request for a summary");
      // The summary never comes, so an answer that waited for it would not come either.
      assertEquals((await second.ok({ type: "get_state", sessionId: id })).isCompacting, true);
      await second.ok({ type: stopper, sessionId: id });
      const response = await wire.response(stopper);
      assertEquals([response.success, response.code], [false, "cancelled"], JSON.stringify(response));
    });
    head.open();
    for (const request of requests) await request.aborted;
    const end = await wire.event(id, "compaction_end");
    assertEquals(at(end, "event", "aborted"), true);
    assertEquals((await state(wire, id)).isCompacting, false);
    await turn(bench, wire, id, "goes on");
  }
  await wire.ok({ type: "abort_compaction", sessionId: id });
});

test("compact holds the mailbox: a prompt sent after it waits and is answered", async (bench) => {
  const wire = await bench.connect();
  const { id } = await talked(bench, wire);
  const marker = bench.name("after");
  bench.model.script(marker, text(["in order"]));
  await withSummary(bench.model, () => text(["the gist"]), async () => {
    wire.send({ type: "compact", id: "c", sessionId: id });
    wire.send({ type: "prompt", id: "p", sessionId: id, message: marker, waitFor: "settled" });
    assertEquals((await wire.response("c")).success, true);
    assertEquals(at(await wire.response("p"), "data", "text"), "in order");
  });
  assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "the gist");
});

alone("set_auto_compaction: off, a full context is left alone; on, it is compacted", async (bench) => {
  await smallContext(bench);
  const models = `${bench.home.agentDir}/models.json`;
  const small = (await Deno.readTextFile(models)).replaceAll(
    '"contextWindow": 100000',
    '"contextWindow": 1010',
  );
  await Deno.writeTextFile(models, small);
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  assertEquals((await state(wire, id)).autoCompactionEnabled, false);
  await turn(bench, wire, id, "one ".repeat(50));
  await turn(bench, wire, id, "two ".repeat(50));
  assertEquals(wire.events(id).filter((event) => event.type === "compaction_start"), []);
  await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: true });
  assertEquals((await state(wire, id)).autoCompactionEnabled, true);
  await withSummary(bench.model, () => text(["the gist"]), async () => {
    await turn(bench, wire, id, "three ".repeat(50));
    const start = await wire.event(id, "compaction_start");
    assertNotEquals(at(start, "event", "reason"), "manual");
    await wire.event(id, "compaction_end");
  });
  // Each run settles once, compaction included.
  for (let n = 0; n < 3; n++) await wire.event(id, "agent_settled");
  await turn(bench, wire, id, "four");
  assertEquals(wire.events(id).filter((event) => event.type === "agent_settled").length, 4);
});
