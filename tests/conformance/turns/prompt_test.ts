// Turns against pi's real providers (docs/PROTOCOL.md#prompts-and-when-a-run-is-over): streamed text, deltas and full updates, tools that do
// real work, retries, errors, images, and the answers of waiters.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  arrayAt,
  at,
  type JsonObject,
  messageText,
  numberAt,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { ANTHROPIC, calls, Gate, OPENAI, status, text } from "../../support/model/model_server.ts";
import { deltaOf, type Wire } from "../../support/wire/wire_client.ts";
import { alone, settled, shared } from "../suite.ts";

const test = shared();
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const types = (wire: Wire, id: string) => wire.events(id).map((event) => String(event.type));
const count = (wire: Wire, id: string, type: string) =>
  types(wire, id).filter((each) => each === type).length;

for (const which of [OPENAI, ANTHROPIC]) {
  test(`prompt, ${which.provider}: streams text, thinking and usage; the waiter gets the whole`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, which);
    const marker = bench.name("stream");
    bench.model.script(marker, text(["Hel", "lo ", "wörld ", "\u2028😀"], { thinking: "let me think" }));
    const data = await settled(wire, id, marker);
    assertEquals([data.disposition, data.text, data.stopReason], ["started", "Hello wörld \u2028😀", "stop"]);
    assertEquals(numberAt(data, "usage", "totalTokens"), 15);
    const seen = types(wire, id);
    for (const type of ["agent_start", "turn_start", "turn_end", "agent_end", "agent_settled"]) {
      assertEquals(seen.filter((each) => each === type).length, 1, type);
    }
    assertEquals(seen.at(-1), "agent_settled");
    const settledEvent = wire.events(id).at(-1);
    assertEquals(settledEvent, {
      type: "agent_settled",
      stopReason: "stop",
      aborted: false,
      pendingMessageCount: 0,
    });
    assertEquals(wire.events(id).map(deltaOf).join(""), "Hello wörld \u2028😀");
    const thinking = wire.events(id).filter((event) =>
      at(event, "assistantMessageEvent", "type") === "thinking_delta"
    );
    assertEquals(
      thinking.map((event) => at(event, "assistantMessageEvent", "delta")).join(""),
      "let me think",
    );
    // The answer to the waiter follows the run's agent_settled.
    const kinds = wire.messages.map((message) => String(at(message, "event", "type") ?? message.command));
    assert(kinds.lastIndexOf("prompt") > kinds.lastIndexOf("agent_settled"));
  });

  test(`prompt, ${which.provider}: tools edit a file and run bash in the session's cwd`, async (bench) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.watched(wire, which);
    const marker = bench.name("tools");
    await Deno.writeTextFile(`${cwd}/note.txt`, "alpha\n");
    const edit = { path: "note.txt", edits: [{ oldText: "alpha", newText: "beta" }] };
    bench.model.script(
      marker,
      calls([{ name: "edit", args: edit }], ["I edit. "]),
      calls([{ name: "bash", args: { command: "pwd; cat note.txt" } }]),
      calls([{ name: "write", args: { path: "sub/new.txt", content: "gamma" } }, {
        name: "read",
        args: { path: "note.txt" },
      }]),
      text(["All ", "done"]),
    );
    assertEquals((await settled(wire, id, marker)).text, "All done");
    assertEquals(await Deno.readTextFile(`${cwd}/note.txt`), "beta\n");
    assertEquals(await Deno.readTextFile(`${cwd}/sub/new.txt`), "gamma");
    assertEquals((await bench.model.request(marker, 2)).toolResults.at(-1), `${cwd}\nbeta\n`);
    const ends = wire.events(id).filter((event) => event.type === "tool_execution_end");
    assertEquals(ends.map((event) => stringAt(event, "toolName")).sort(), ["bash", "edit", "read", "write"]);
    assertEquals(ends.map((event) => event.isError), [false, false, false, false]);
    assertEquals(count(wire, id, "tool_execution_start"), 4);
    assertEquals(count(wire, id, "turn_start"), 4);
    assertEquals(count(wire, id, "agent_settled"), 1);
    const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
    assertEquals(
      messages.map((message) => stringAt(message, "role")).join(" "),
      "user assistant toolResult assistant toolResult assistant toolResult toolResult assistant",
    );
  });

  test(`prompt, ${which.provider}: an HTTP 500 is retried, one run settles once`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, which);
    const marker = bench.name("retry");
    bench.model.script(marker, status(500, "boom"), status(500, "boom"), text(["recovered"]));
    const data = await settled(wire, id, marker);
    assertEquals([data.text, data.stopReason], ["recovered", "stop"]);
    assertEquals(count(wire, id, "auto_retry_start"), 2);
    assertEquals(count(wire, id, "agent_settled"), 1);
    assertEquals((await bench.model.request(marker, 2)).userText, marker);
  });

  test(`prompt, ${which.provider}: an error that is not retried answers agent_error`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire, which);
    const marker = bench.name("bad");
    bench.model.script(marker, status(400, "no such parameter"), text(["alive"]));
    const response = await wire.refused("agent_error", {
      type: "prompt",
      sessionId: id,
      message: marker,
      waitFor: "settled",
    });
    assertStringIncludes(stringAt(response, "error"), "no such parameter");
    assertEquals(at(response, "data", "disposition"), "started");
    assertEquals(at(response, "data", "stopReason"), "error");
    assertEquals(count(wire, id, "agent_settled"), 1);
    assertEquals((await settled(wire, id, marker)).text, "alive");
  });
}

test("prompt: without waitFor it answers on acceptance, and the run goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("accepted");
  const gate = new Gate();
  bench.model.script(marker, text(["one ", "two ", "three"], { gate }));
  assertEquals(await wire.ok({ type: "prompt", sessionId: id, message: marker }), { disposition: "started" });
  await wire.event(id, "message_update", (event) => deltaOf(event) === "one ");
  const state = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals(state.isStreaming, true);
  gate.open();
  await wire.event(id, "agent_settled");
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, false);
  assertEquals(count(wire, id, "agent_settled"), 1);
});

test("updates: delta carries pieces only, full carries the message, both add up", async (bench) => {
  const wire = await bench.connect();
  const full = await bench.connect("full");
  const { id, cwd } = await bench.watched(wire);
  await full.ok({ type: "subscribe", sessionId: id, updates: "full" });
  const marker = bench.name("both");
  const words = Array.from({ length: 30 }, (_, n) => `word${n} `);
  const call = { name: "bash", args: { command: "echo out" } };
  bench.model.script(marker, calls([call], ["first "]), text(words, { thinking: "hm" }));
  const whole = words.join("");
  assertEquals((await settled(wire, id, marker)).text, whole);
  await full.event(id, "agent_settled");
  assertEquals(types(full, id), types(wire, id));
  for (const event of wire.events(id).filter((event) => event.type === "message_update")) {
    assertEquals(event.message, undefined, "a delta update has no message");
    assertEquals(at(event, "assistantMessageEvent", "partial"), undefined, "a delta update has no partial");
    assertEquals(at(event, "assistantMessageEvent", "content"), undefined, "text_end repeats nothing");
    assertEquals(at(event, "assistantMessageEvent", "toolCall"), undefined, "toolcall_end repeats nothing");
  }
  for (const event of full.events(id).filter((event) => event.type === "message_update")) {
    assert(typeof event.message === "object", "a full update has its message");
  }
  assertEquals(
    messageText(full.events(id).findLast((event) => event.type === "message_update")?.message),
    whole,
  );
  for (const type of ["turn_end", "agent_end"]) {
    const [small, large] = [wire, full].map((each) =>
      each.events(id).findLast((event) => event.type === type)
    );
    assertEquals(
      [small?.message, small?.messages, small?.toolResults],
      [undefined, undefined, undefined],
      type,
    );
    assert(large?.message !== undefined || large?.messages !== undefined, type);
  }
  const ends = wire.events(id).filter((event) => event.type === "message_end");
  assertEquals(ends.map((event) => messageText(event.message)), [marker, "first ", "out\n", whole]);
  assertEquals(cwd.length > 0, true);
});

test("updates: a delta stream costs O(n)", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("long");
  const words = Array.from({ length: 1500 }, () => "0123456789 ");
  bench.model.script(marker, text(words));
  await settled(wire, id, marker);
  const bytes = wire.events(id).reduce((sum, event) => sum + JSON.stringify(event).length, 0);
  // About 120 bytes of envelope for each delta, and the whole text once; the full stream would be 12 MB.
  assert(bytes < 600_000, `${bytes} bytes for ${words.join("").length} characters`);
});

test("images reach the model; a wrong one is invalid_params", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("image");
  bench.model.script(marker, text(["a pixel"]));
  const image = { type: "image", data: PNG, mimeType: "image/png" };
  await wire.ok({
    type: "prompt",
    sessionId: id,
    message: marker,
    images: [image, image],
    waitFor: "settled",
  });
  assertEquals((await bench.model.request(marker)).images, 2);
  const start = wire.events(id).find((event) => at(event, "message", "role") === "user");
  assertEquals(arrayAt(start, "message", "content").length, 3);
  for (
    const images of [[{ type: "image", data: PNG }], [{ ...image, type: "file" }], "x", [{
      ...image,
      url: "x",
    }]]
  ) {
    await wire.refused("invalid_params", { type: "prompt", sessionId: id, message: marker, images });
  }
});

test("waitMs: answers timeout while the turn goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("patience");
  const gate = new Gate();
  bench.model.script(marker, text(["a", "b"], { gate }));
  const wait = { waitFor: "settled", waitMs: 200 };
  const response = await wire.refused("timeout", { type: "prompt", sessionId: id, message: marker, ...wait });
  assertEquals(response.timedOut, true);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, true);
  gate.open();
  const event = await wire.event(id, "agent_settled");
  assertEquals(at(event, "event", "stopReason"), "stop");
  assertEquals(count(wire, id, "agent_settled"), 1);
});

test("a turn's error that retries cannot mend: one settle, agent_error", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("exhausted");
  bench.model.script(marker, ...Array.from({ length: 4 }, () => status(500, "still down")));
  const response = await wire.refused("agent_error", {
    type: "prompt",
    sessionId: id,
    message: marker,
    waitFor: "settled",
  });
  assertStringIncludes(stringAt(response, "error"), "still down");
  assertEquals(count(wire, id, "auto_retry_start"), 3);
  assertEquals(count(wire, id, "agent_settled"), 1);
});

test("pipelining: create, subscribe and prompt in one go", async (bench) => {
  const wire = await bench.connect();
  const [id, marker] = [bench.name("piped"), bench.name("pipe-marker")];
  bench.model.script(marker, text(["pi", "ped"]));
  const cwd = await bench.home.folder(id);
  wire.send({ type: "create_session", id: "1", sessionId: id, cwd });
  wire.send({ type: "subscribe", id: "2", sessionId: id });
  wire.send({ type: "set_session_name", id: "3", sessionId: id, name: "named" });
  wire.send({ type: "get_state", id: "4", sessionId: id });
  wire.send({ type: "prompt", id: "5", sessionId: id, message: marker, waitFor: "settled" });
  wire.send({ type: "get_messages", id: "6", sessionId: id });
  assertEquals(at(await wire.response("5"), "data", "text"), "piped");
  for (const n of [1, 2, 3, 4, 6]) {
    assertEquals((await wire.response(String(n))).success, true, `command ${n}`);
  }
  const order = wire.messages.filter((message) => message.type === "response").map((message) => message.id);
  assertEquals(order.slice(0, 4), ["1", "2", "3", "4"]);
  const state = wire.messages.find((message) => message.id === "4");
  assertEquals(at(state, "data", "sessionName"), "named");
  // get_messages waits for the acceptance of the prompt, not for the turn's end: it never fails for it.
  assert(numberAt(wire.messages.find((message) => message.id === "6"), "data", "messageCount") >= 0);
  const failing = { type: "create_session", id: "7", sessionId: bench.name("bad"), cwd: "/" };
  wire.send(failing);
  wire.send({ type: "prompt", id: "8", sessionId: stringAt(failing, "sessionId"), message: "x" });
  assertEquals((await wire.response("7")).code, "path_forbidden");
  assertEquals((await wire.response("8")).code, "session_not_found");
});

test("get_messages: limit, and one session's history is its own", async (bench) => {
  const wire = await bench.connect();
  const a = await bench.session(wire);
  const b = await bench.session(wire);
  for (const n of [1, 2]) {
    const marker = bench.name(`turn${n}`);
    bench.model.script(marker, text([`answer ${n}`]));
    await settled(wire, a.id, marker);
  }
  const all = await wire.ok({ type: "get_messages", sessionId: a.id });
  assertEquals([numberAt(all, "messageCount"), arrayAt(all, "messages").length], [4, 4]);
  const last = await wire.ok({ type: "get_messages", sessionId: a.id, limit: 1 });
  assertEquals([numberAt(last, "messageCount"), arrayAt(last, "messages").map(messageText)], [4, [
    "answer 2",
  ]]);
  assertEquals(arrayAt(await wire.ok({ type: "get_messages", sessionId: b.id }), "messages"), []);
  assertEquals((await wire.ok({ type: "get_state", sessionId: a.id })).messageCount, 4);
});

test("twenty sessions prompt at once over one WebSocket, each edits its own file", async (bench) => {
  const wire = await bench.connect();
  const names = Array.from({ length: 20 }, (_, n) => `twenty-${String(n).padStart(2, "0")}`);
  for (const [n, name] of names.entries()) {
    const cwd = await bench.home.folder(name);
    await Deno.writeTextFile(`${cwd}/own.txt`, `before ${name}\n`);
    const edit = { path: "own.txt", edits: [{ oldText: "before", newText: "after" }] };
    const words = Array.from({ length: 25 }, (_, word) => `${name}:${word} `);
    bench.model.script(name, calls([{ name: "edit", args: edit }], [`${name} edits. `]), text(words));
    const which = n % 2 ? OPENAI : ANTHROPIC;
    wire.send({ type: "create_session", id: `c-${name}`, sessionId: name, cwd, ...which });
    wire.send({ type: "subscribe", id: `s-${name}`, sessionId: name });
    wire.send({ type: "prompt", id: `p-${name}`, sessionId: name, message: name, waitFor: "settled" });
  }
  for (const name of names) {
    const response = await wire.response(`p-${name}`, 60_000);
    assertEquals(response.success, true, JSON.stringify(response));
    assertMatch(stringAt(response, "data", "text"), new RegExp(`^(${name}:\\d+ ){25}$`));
    assertEquals(await Deno.readTextFile(`${bench.home.root}/${name}/own.txt`), `after ${name}\n`);
  }
  for (const name of names) {
    assertEquals((await wire.response(`c-${name}`)).success, true);
    assertEquals((await wire.response(`s-${name}`)).success, true);
    judgeOwnEvents(wire, name, names);
  }
});

/** Every event of the session is there, in pi's order, and no word of another session is in it. */
function judgeOwnEvents(wire: Wire, name: string, names: string[]): void {
  const messages = wire.messages.filter((message) => message.type === "event" && message.sessionId === name);
  const seqs = messages.map((message) => numberAt(message, "seq"));
  const [first = 0] = seqs;
  assertEquals(seqs, Array.from(seqs, (_, n) => first + n), `seq of ${name}`);
  const all = JSON.stringify(messages);
  for (const other of names) if (other !== name) assert(!all.includes(other), `${other} in ${name}`);
  const kinds = types(wire, name).filter((type) => !type.startsWith("message_") && !type.endsWith("_update"));
  const turn = ["turn_start", "turn_end"];
  const [start, end] = turn as [string, string];
  assertEquals(
    kinds.filter((type) => /^(agent|turn|tool)_/.test(type)).join(" "),
    `agent_start ${start} tool_execution_start tool_execution_end ${end} ${start} ${end} agent_end agent_settled`,
  );
}

alone("stdio: several sessions stream at once, nothing is mixed up", async (bench) => {
  const wire = await bench.startStdio();
  const names = ["io-1", "io-2", "io-3", "io-4"];
  for (const name of names) {
    bench.model.script(name, text(Array.from({ length: 40 }, (_, word) => `${name}:${word} `)));
    const cwd = await bench.home.folder(name);
    wire.send({ type: "create_session", id: `c-${name}`, sessionId: name, cwd });
    wire.send({ type: "subscribe", id: `s-${name}`, sessionId: name });
    wire.send({ type: "prompt", id: `p-${name}`, sessionId: name, message: name, waitFor: "settled" });
  }
  for (const name of names) {
    const data: JsonObject = objectAt(await wire.response(`p-${name}`, 30_000), "data");
    assertEquals(data.stopReason, "stop");
    const own = wire.events(name).map(deltaOf).join("");
    assertEquals(own, data.text);
    assert(own.startsWith(`${name}:0 ${name}:1 `));
  }
});

test("prompt: an empty or endless message is invalid_params", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await wire.refused("invalid_params", { type: "prompt", sessionId: id, message: "" });
  await wire.refused("invalid_params", { type: "prompt", sessionId: id, message: "x".repeat(1_000_001) });
  await wire.ok({ type: "get_state", sessionId: id });
});

alone("no model at all: create works, prompt answers no_model", async (bench) => {
  await Deno.remove(`${bench.home.agentDir}/models.json`);
  await Deno.remove(`${bench.home.agentDir}/settings.json`);
  await bench.start();
  const wire = await bench.connect();
  const { id, info } = await bench.session(wire);
  assertEquals(at(info, "sessionInfo", "model"), undefined);
  const refused = await wire.refused("no_model", { type: "prompt", sessionId: id, message: "hello" });
  for (const way of ["set_model", "ANTHROPIC_API_KEY", "/login"]) {
    assertStringIncludes(String(refused.error), way);
  }
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isStreaming, false);
  assertEquals(await wire.ok({ type: "get_available_models", sessionId: id }), { models: [] });
});

alone("large messages pass in both directions, over stdio and WebSocket", async (bench) => {
  const wire = await bench.startStdio();
  const socket = await bench.connect();
  const { id } = await bench.watched(wire);
  const long = `${"0123456789é😀".repeat(60_000)} large-marker`;
  bench.model.script("large-marker", text([long.slice(0, 300_000), long.slice(300_000)]));
  assertEquals((await settled(wire, id, long)).text === long, true);
  for (const each of [wire, socket]) {
    const messages = arrayAt(await each.ok({ type: "get_messages", sessionId: id }), "messages");
    assertEquals(messages.map((message) => messageText(message) === long), [true, true]);
  }
});
