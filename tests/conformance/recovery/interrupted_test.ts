// What a crash keeps from finishing (docs/PROTOCOL.md#interrupted-messages): the text of every accepted prompt, steer and follow-up is there after
// a kill, marked as started or not. It is not run again by itself, and stays until the client dismisses it.

import { assertEquals, assertMatch } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { Gate, hang, text } from "../../support/model/model_server.ts";
import { again, reborn, stateAfter } from "../../support/server/restart.ts";
import { alone } from "../suite.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const IMAGE = { type: "image", data: PNG, mimeType: "image/png" };

/** Each interrupted message in short. */
function brief(state: JsonObject): string[] {
  if (state.interrupted === undefined) return [];
  return arrayAt(state, "interrupted").map((one) =>
    ["kind", "message", "started", "idempotencyKey"].map((name) => String(at(one, name))).join(" ")
  );
}

alone(
  "interrupted: a kill loses no accepted message, and the next server lists them until they are dismissed",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("cut");
    bench.model.script(marker, hang());
    const began = Date.now();
    await wire.ok({ type: "prompt", sessionId: id, message: marker, images: [IMAGE], idempotencyKey: "k" });
    await wire.event(id, "message_update");
    await wire.ok({ type: "steer", sessionId: id, message: `${marker} steered` });
    await wire.ok({ type: "follow_up", sessionId: id, message: `${marker} followed`, images: [IMAGE] });
    await wire.ok({
      type: "prompt",
      sessionId: id,
      message: `${marker} queued`,
      streamingBehavior: "followUp",
    });
    await wire.refused("agent_busy", { type: "prompt", sessionId: id, message: "refused" });
    assertEquals(brief(await wire.ok({ type: "get_state", sessionId: id })), []);

    const expected = [
      `prompt ${marker} true k`,
      `steer ${marker} steered false undefined`,
      `follow_up ${marker} followed false undefined`,
      `prompt ${marker} queued false undefined`,
    ];
    const requests = bench.model.requests.length;
    const after = await reborn(bench);
    const state = await stateAfter(after, id);
    assertEquals(brief(state), expected);
    const [first] = arrayAt(state, "interrupted");
    assertEquals(at(first, "images"), [IMAGE]);
    assertMatch(stringAt(first, "at"), /^\d{4}-\d\d-\d\dT.*Z$/);
    const told = Date.parse(stringAt(first, "at"));
    assertEquals(told >= began - 1 && told <= Date.now(), true);
    const { sessions } = await after.ok({ type: "list_sessions" });
    assertEquals(brief(arrayAt({ sessions: sessions ?? [] }, "sessions")[0] as JsonObject), expected);
    const subscribed = await after.ok({ type: "subscribe", sessionId: id, snapshot: true });
    assertEquals(brief(at(subscribed, "snapshot") as JsonObject), expected);
    assertEquals(brief(at(subscribed, "sessionInfo") as JsonObject), expected);

    // Gentle or not, a restart changes nothing of it; and nothing runs by itself.
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0);
    const third = await again(bench);
    assertEquals(brief(await stateAfter(third, id)), expected);
    assertEquals(bench.model.requests.length, requests);
    await third.ok({ type: "dismiss_interrupted", sessionId: id });
    assertEquals(brief(await third.ok({ type: "get_state", sessionId: id })), []);
    const fourth = await reborn(bench);
    assertEquals(brief(await stateAfter(fourth, id)), []);
  },
);

alone("interrupted: what ended, was aborted, taken back or refused is not interrupted", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const [done, aborted] = [bench.name("done"), bench.name("aborted")];
  bench.model.script(done, text(["said"]));
  bench.model.script(aborted, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: done, waitFor: "settled" });
  await wire.ok({ type: "prompt", sessionId: id, message: aborted });
  await wire.event(
    id,
    "message_update",
    (event) => at(event, "assistantMessageEvent", "type") === "text_delta",
  );
  await wire.ok({ type: "follow_up", sessionId: id, message: "taken back" });
  await wire.ok({ type: "clear_queue", sessionId: id });
  await wire.ok({ type: "follow_up", sessionId: id, message: "dropped by abort" });
  await wire.ok({ type: "abort", sessionId: id });
  await wire.event(id, "agent_settled", (event) => event.aborted === true);
  await wire.refused("model_not_found", { type: "set_model", sessionId: id, provider: "x", modelId: "x" });
  // An event does not wait for the journal. The answer to a command with a key does, and what came before is written then.
  await wire.ok({ type: "set_session_name", sessionId: id, name: "named", idempotencyKey: "written" });
  assertEquals(brief(await stateAfter(await reborn(bench), id)), []);
});

alone("interrupted: a message that was queued and has begun counts as started", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const [first, second] = [bench.name("first"), bench.name("second")];
  const gate = new Gate();
  bench.model.script(first, text(["one ", "two"], { gate }));
  bench.model.script(second, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: first });
  await wire.ok({ type: "follow_up", sessionId: id, message: second });
  gate.open();
  await wire.event(id, "message_start", (event) => JSON.stringify(event).includes(second));
  await wire.event(id, "message_start", (event) => at(event, "message", "role") === "assistant");
  await wire.event(id, "message_update", (event) => JSON.stringify(event).includes("thinking about it"));
  // The run is one: what it began with has not come to its end either.
  assertEquals(brief(await stateAfter(await reborn(bench), id)), [
    `prompt ${first} true undefined`,
    `follow_up ${second} true undefined`,
  ]);
});

alone("interrupted: the next server lists messages that waited in the queue at the stop", async (bench) => {
  await bench.start(["--shutdown-timeout", "300"]);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("stopped");
  bench.model.script(marker, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await wire.event(id, "message_update");
  await wire.ok({ type: "steer", sessionId: id, message: "steered", idempotencyKey: "s" });
  await wire.ok({ type: "follow_up", sessionId: id, message: "followed", images: [IMAGE] });
  wire.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
  const state = await stateAfter(await again(bench), id);
  assertEquals(brief(state), ["steer steered false s", "follow_up followed false undefined"]);
});

alone("interrupted: a deleted session takes its messages along, another keeps its own", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const [gone, kept] = [await bench.watched(wire), await bench.watched(wire)];
  for (const { id } of [gone, kept]) {
    const marker = bench.name(id);
    bench.model.script(marker, hang());
    await wire.ok({ type: "prompt", sessionId: id, message: marker });
    await wire.event(id, "message_update");
  }
  await wire.ok({ type: "delete_session", sessionId: gone.id });
  const after = await reborn(bench);
  assertEquals(brief(await stateAfter(after, gone.id)), []);
  assertEquals(brief(await stateAfter(after, kept.id)).length, 1);
});
