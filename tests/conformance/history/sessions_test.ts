// The registry (docs/PROTOCOL.md#sessions): creating with every field, listing, deleting, ids, working folders and roots,
// limits that are reserved atomically.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, hang, OPENAI, OTHER, text } from "../../support/model/model_server.ts";
import { deadline } from "../../support/base/wait.ts";
import { alone, listed, settled, shared } from "../suite.ts";

const test = shared();

test("create_session: defaults, and every field of SessionInfo", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, info } = await bench.session(wire);
  const session = objectAt(info, "sessionInfo");
  assertEquals(session.sessionId, id);
  assertEquals(session.cwd, cwd);
  assertEquals([at(session, "model", "provider"), at(session, "model", "id")], [
    OPENAI.provider,
    OPENAI.modelId,
  ]);
  assertEquals(session.thinkingLevel, "low");
  assertEquals([session.isStreaming, session.isCompacting], [false, false]);
  assertEquals([session.messageCount, session.pendingMessageCount, session.sessionVersion], [0, 0, 0]);
  assertEquals([session.status, session.subscribers], ["live", 0]);
  assert(["all", "one-at-a-time"].includes(stringAt(session, "steeringMode")));
  assert(["all", "one-at-a-time"].includes(stringAt(session, "followUpMode")));
  assertEquals(typeof session.autoCompactionEnabled, "boolean");
  assert(stringAt(session, "epoch").length > 0);
  assert(numberAt(session, "seq") >= 0);
  for (const field of ["createdAt", "lastActivityAt"]) {
    assert(Math.abs(Date.parse(stringAt(session, field)) - Date.now()) < 600_000, field);
  }
  assertEquals(session.untrusted, undefined);
  const { response, data } = await wire.request({ type: "get_state", sessionId: id })
    .then((response) => ({ response, data: objectAt(response, "data") }));
  assertEquals([response.sessionId, response.sessionVersion], [id, 0]);
  assertEquals([data.sessionId, data.epoch, data.createdAt], [id, session.epoch, session.createdAt]);
});

test("create_session: name, model, level, tools and inMemory are taken", async (bench) => {
  const wire = await bench.connect();
  const marker = bench.name("fields");
  bench.model.script(marker, text(["ok"]));
  const { id, info } = await bench.session(wire, {
    sessionName: "My session",
    provider: ANTHROPIC.provider,
    modelId: ANTHROPIC.modelId,
    thinkingLevel: "high",
    tools: ["read", "grep"],
    inMemory: true,
  });
  const session = objectAt(info, "sessionInfo");
  assertEquals(session.sessionName, "My session");
  assertEquals(at(session, "model", "provider"), ANTHROPIC.provider);
  assertEquals(session.thinkingLevel, "high");
  assertEquals(session.sessionFile, undefined);
  const model = objectAt(session, "model");
  const allowed = [
    "provider",
    "id",
    "name",
    "api",
    "reasoning",
    "input",
    "contextWindow",
    "maxTokens",
    "cost",
  ];
  assertEquals(Object.keys(model).filter((key) => !allowed.includes(key)), []);
  assertEquals([model.api, model.reasoning, model.contextWindow], ["anthropic-messages", true, 100_000]);
  await settled(wire, id, marker);
  const request = await bench.model.request(marker);
  assertEquals([request.api, request.model], ["anthropic", ANTHROPIC.modelId]);
  assertEquals(arrayAt(request.body, "tools").map((tool) => stringAt(tool, "name")).sort(), ["grep", "read"]);
  assert(numberAt(request.body, "thinking", "budget_tokens") > 0);
});

test("create_session: a chosen id is used, an absent one is made, a taken one harms nothing", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { sessionId: "chosen.id_1-x" });
  assertEquals(id, "chosen.id_1-x");
  const made = stringAt(await wire.ok({ type: "create_session" }), "sessionId");
  assertMatch(made, /^[A-Za-z0-9_.-]{1,128}$/);
  const before = (await listed(wire)).length;
  const state = await wire.ok({ type: "get_state", sessionId: id });
  const refusal = await wire.refused("session_exists", { type: "create_session", sessionId: id });
  assertEquals(refusal.retryable, false);
  assertEquals((await listed(wire)).length, before);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).epoch, state.epoch);
  for (const tricky of ["constructor", "__proto__", "toString", "...", "-", "a..b"]) {
    assertEquals((await bench.session(wire, { sessionId: tricky, cwd: bench.home.root })).id, tricky);
    assertEquals((await wire.ok({ type: "get_state", sessionId: tricky })).sessionId, tricky);
  }
  assert((await listed(wire)).includes("__proto__"));
  for (const bad of [".", "..", "a/b", "", "a b", "*", "x".repeat(129)]) {
    await wire.refused("invalid_params", { type: "create_session", sessionId: bad });
  }
});

test("create_session: two at once with one id make one session", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const id = bench.name("race");
  const results = await Promise.all(
    [wire, other, wire, other].map((each) =>
      each.request({ type: "create_session", sessionId: id, cwd: bench.home.root })
    ),
  );
  assertEquals(results.filter((response) => response.success === true).length, 1);
  assertEquals(results.filter((response) => response.code === "session_exists").length, 3);
});

test("create_session: what cannot be is refused and leaves no session", async (bench) => {
  const wire = await bench.connect();
  const before = await listed(wire);
  const create = (fields: JsonObject) => ({ type: "create_session", sessionId: "never", ...fields });
  await wire.refused("model_not_found", create({ provider: "scripted-openai", modelId: "nope" }));
  await wire.refused("model_not_found", create({ provider: "constructor", modelId: "name" }));
  await wire.refused("invalid_params", create({ thinkingLevel: "ultra" }));
  await wire.refused("invalid_params", create({ provider: OPENAI.provider }));
  await wire.refused("invalid_params", create({ modelId: OPENAI.modelId }));
  await wire.refused("invalid_params", create({ tools: "read" }));
  await wire.refused("invalid_params", create({ inMemory: "yes" }));
  await wire.refused("invalid_params", create({ cwd: 7 }));
  await wire.refused("invalid_params", create({ fork: true }));
  assertEquals(await listed(wire), before);
  await wire.refused("session_not_found", { type: "get_state", sessionId: "never" });
});

test("roots: no cwd leaves them, by path, by .. or by symlink", async (bench) => {
  const wire = await bench.connect();
  const inside = await bench.home.folder("roots/inner");
  await Deno.mkdir(`${bench.home.dir}/outside`, { recursive: true });
  await Deno.mkdir(`${bench.home.root}-sibling`, { recursive: true });
  await Deno.symlink(`${bench.home.dir}/outside`, `${inside}/link`);
  await Deno.symlink(inside, `${bench.home.root}/roots/good`);
  await Deno.writeTextFile(`${inside}/file.txt`, "no folder");
  const forbidden = [
    "/",
    "/tmp",
    "/etc",
    `${bench.home.dir}/outside`,
    `${bench.home.root}-sibling`,
    `${inside}/link`,
    `${inside}/../../../outside`,
    "../outside",
    `${inside}/link/deeper`,
    "/no/such/folder",
  ];
  for (const cwd of forbidden) {
    const refusal = await wire.refused("path_forbidden", { type: "create_session", cwd });
    assertEquals(refusal.retryable, false);
  }
  for (const cwd of [`${inside}/missing`, "missing", "~", "~/x"]) {
    await wire.refused("path_not_found", { type: "create_session", cwd });
  }
  const file = await wire.request({ type: "create_session", cwd: `${inside}/file.txt` });
  assertEquals(file.success, false);
  assert(file.code !== "internal", JSON.stringify(file));
  const nul = await wire.request({ type: "create_session", cwd: `${inside}/a\u0000b` });
  assertEquals(nul.success, false);
  assert(nul.code !== "internal", JSON.stringify(nul));
  await wire.refused("invalid_params", { type: "create_session", cwd: "x".repeat(5000) });
  const good = await wire.ok({ type: "create_session", cwd: "roots/inner" });
  assertEquals(at(good, "sessionInfo", "cwd"), inside);
  await wire.ok({ type: "create_session", cwd: `${bench.home.root}/roots/good` });
});

test("list_sessions and delete_session", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const a = await bench.session(wire);
  const b = await bench.session(wire, { inMemory: true });
  const created = (message: JsonObject) =>
    message.type === "session_created" && at(message, "data", "sessionId") === b.id;
  await other.next(created, 5000, "session_created");
  const sessions = arrayAt(await other.ok({ type: "list_sessions" }), "sessions");
  const mine = sessions.filter((session) => [a.id, b.id].includes(stringAt(session, "sessionId")));
  assertEquals(mine.map((session) => at(session, "status")), ["live", "live"]);
  assertEquals(await wire.ok({ type: "delete_session", sessionId: b.id }), { deleted: true });
  const gone = (message: JsonObject) =>
    message.type === "session_deleted" && at(message, "data", "sessionId") === b.id;
  await other.next(gone, 5000, "session_deleted");
  await wire.next(gone, 5000, "session_deleted");
  assert(!(await listed(wire)).includes(b.id));
  await wire.refused("session_not_found", { type: "delete_session", sessionId: b.id });
  await wire.refused("session_not_found", { type: "get_state", sessionId: b.id });
  assert((await listed(wire)).includes(a.id));
});

test("delete_session while streaming: the turn is aborted, waiters are cancelled, the id is free", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const [first, second] = [bench.name("kept"), bench.name("cut")];
  bench.model.script(first, text(["saved"]));
  bench.model.script(second, hang(["half of it"]));
  await settled(wire, id, first);
  const before = await wire.ok({ type: "get_state", sessionId: id });
  const file = stringAt(before, "sessionFile");
  wire.send({ type: "prompt", id: "w", sessionId: id, message: second, waitFor: "settled" });
  // Its answer has begun: Deno's fetch forgets a connection that is given up while the answer's head comes in.
  await wire.event(id, "message_update", (event) => JSON.stringify(event).includes("half of it"));
  wire.send({ type: "bash", id: "b1", sessionId: id, command: "sleep 30" });
  wire.send({ type: "bash", id: "b2", sessionId: id, command: "echo never" });
  wire.send({ type: "delete_session", id: "d", sessionId: id });
  assertEquals((await wire.response("d")).data, { deleted: true });
  assertEquals((await wire.response("w")).code, "cancelled");
  assertEquals((await wire.response("b2")).code, "cancelled");
  const running = await wire.response("b1");
  assert(running.code === "cancelled" || at(running, "data", "cancelled") === true, JSON.stringify(running));
  const request = await bench.model.request(second);
  await deadline(request.aborted, 10_000, () => "the model's connection to be closed");
  await wire.refused("session_not_found", { type: "get_state", sessionId: id });
  assertStringIncludes(await Deno.readTextFile(file), "saved");
  const again = await bench.session(wire, { sessionId: id });
  assert(at(again.info, "sessionInfo", "epoch") !== before.epoch);
});

test("set_session_name, and pi's own file of a session", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const version =
    (await wire.request({ type: "set_session_name", sessionId: id, name: "Naïve 😀" })).sessionVersion;
  assertEquals(version, 1);
  await wire.event(id, "session_info_changed");
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).sessionName, "Naïve 😀");
  await wire.refused("invalid_params", { type: "set_session_name", sessionId: id });
  const marker = bench.name("file");
  bench.model.script(marker, text(["stored"]));
  await settled(wire, id, marker);
  const state = await wire.ok({ type: "get_state", sessionId: id });
  const lines = (await Deno.readTextFile(stringAt(state, "sessionFile"))).trim().split("\n");
  const header: unknown = JSON.parse(lines[0] ?? "");
  assertEquals([at(header, "type"), at(header, "cwd")], ["session", cwd]);
  assertStringIncludes(lines.join("\n"), "stored");
  const data = await wire.ok({ type: "get_messages", sessionId: id });
  assertEquals(numberAt(data, "messageCount"), 2);
  assertEquals(arrayAt(data, "messages").map((message) => at(message, "role")), ["user", "assistant"]);
});

test("set_model changes this session alone, and no file of the user", async (bench) => {
  const wire = await bench.connect();
  const settingsFile = `${bench.home.agentDir}/settings.json`;
  const before = await Deno.readTextFile(settingsFile);
  const a = await bench.watched(wire);
  const b = await bench.watched(wire, { thinkingLevel: "high" });
  wire.send({ type: "set_model", id: "m", sessionId: a.id, ...OTHER });
  wire.send({ type: "get_state", id: "g", sessionId: a.id });
  assertEquals(at(await wire.response("m"), "data", "model", "id"), OTHER.modelId);
  const state = await wire.response("g");
  assertEquals(at(state, "data", "model", "id"), OTHER.modelId, "get_state after set_model, pipelined");
  assertEquals(at(state, "data", "thinkingLevel"), "off");
  assertEquals(state.sessionVersion, 1);
  const changed = await wire.event(a.id, "model_changed");
  assertEquals(at(changed, "event", "model", "id"), OTHER.modelId);
  const untouched = await wire.ok({ type: "get_state", sessionId: b.id });
  assertEquals([at(untouched, "model", "id"), untouched.thinkingLevel], [OPENAI.modelId, "high"]);
  const fresh = await bench.session(wire);
  assertEquals(at(fresh.info, "sessionInfo", "model", "id"), OPENAI.modelId);
  assertEquals(at(fresh.info, "sessionInfo", "thinkingLevel"), "low");
  assertEquals(await Deno.readTextFile(settingsFile), before);
  await wire.refused("model_not_found", {
    type: "set_model",
    sessionId: a.id,
    provider: "nope",
    modelId: "x",
  });
  assertEquals((await wire.request({ type: "get_state", sessionId: a.id })).sessionVersion, 1);
});

test("get_available_models: shape, and no secret in it", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const models = arrayAt(await wire.ok({ type: "get_available_models", sessionId: id }), "models");
  const names = models.map((model) => `${stringAt(model, "provider")}/${stringAt(model, "id")}`);
  for (const { provider, modelId } of [OPENAI, OTHER, ANTHROPIC]) {
    assert(names.includes(`${provider}/${modelId}`));
  }
  for (const model of models) {
    const keys = Object.keys(objectAt(model));
    for (const secret of ["apiKey", "headers", "baseUrl"]) assert(!keys.includes(secret), secret);
    assertEquals(typeof at(model, "cost", "input"), "number");
  }
});

alone("limits: --max-sessions is reserved atomically", async (bench) => {
  await bench.start(["--max-sessions", "3"]);
  const wire = await bench.connect();
  const other = await bench.connect("other");
  assertEquals(at(wire.messages[0], "data", "limits", "sessions"), 3);
  const create = (n: number) =>
    (n % 2 ? wire : other).request({
      type: "create_session",
      sessionId: `s${n}`,
      cwd: bench.home.root,
      inMemory: true,
    }, 60_000);
  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => create(n)));
  assertEquals(results.filter((response) => response.success === true).length, 3);
  assertEquals(results.filter((response) => response.code === "session_limit").length, 7);
  const ids = await listed(wire);
  assertEquals(ids.length, 3);
  // A taken id and a bad folder leave the count alone.
  await wire.ok({ type: "delete_session", sessionId: ids[0] ?? "" });
  await wire.refused("session_exists", {
    type: "create_session",
    sessionId: ids[1] ?? "",
    cwd: bench.home.root,
  });
  await wire.refused("path_not_found", { type: "create_session", cwd: `${bench.home.root}/missing` });
  await wire.ok({ type: "create_session", sessionId: "again", cwd: bench.home.root, inMemory: true });
  await wire.refused("session_limit", { type: "create_session", cwd: bench.home.root, inMemory: true });
});

alone("limits: --max-in-flight-per-connection and --max-mailbox answer overloaded", async (bench) => {
  await bench.start(["--max-in-flight-per-connection", "4", "--max-mailbox", "2"]);
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const ids: string[] = [];
  while (ids.length < 5) ids.push((await bench.watched(other)).id);
  // Prompts stop counting when they are accepted: five that hang leave room.
  for (const id of ids) {
    bench.model.script(`hang-${id}`, hang());
    wire.send({ type: "prompt", id: `p-${id}`, sessionId: id, message: `hang-${id}`, waitFor: "settled" });
    await bench.model.request(`hang-${id}`);
  }
  await wire.ok({ type: "get_state", sessionId: ids[0] ?? "" });
  for (const id of ids) await wire.ok({ type: "abort", sessionId: id });
  for (const id of ids) assertEquals((await wire.response(`p-${id}`)).code, "cancelled");
  // Four commands that wait fill the connection; what is exempt goes on, other connections too.
  for (const [n, id] of ids.entries()) {
    if (n < 4) {
      wire.send({ type: "bash", id: `b-${id}`, sessionId: id, command: "echo started; sleep 60" });
      await other.event(id, "bash_output");
    }
  }
  const refusal = await wire.refused("overloaded", { type: "get_state", sessionId: ids[4] ?? "" });
  assertEquals(refusal.retryable, true);
  assert(numberAt(refusal, "retryAfterMs") > 0);
  await wire.ok({ type: "ping" });
  await other.ok({ type: "get_state", sessionId: ids[4] ?? "" });
  // A mailbox holds two that wait; the next is refused, and nothing of it runs.
  const full = ids[0] ?? "";
  for (const n of [1, 2, 3]) {
    other.send({ type: "bash", id: `q${n}`, sessionId: full, command: `touch q${n}` });
  }
  assertEquals((await other.response("q3")).code, "overloaded");
  for (const id of ids.slice(0, 4)) await wire.ok({ type: "abort_bash", sessionId: id });
  for (const id of ids.slice(0, 4)) {
    assertEquals(at(await wire.response(`b-${id}`), "data", "cancelled"), true);
  }
  assertEquals([(await other.response("q1")).success, (await other.response("q2")).success], [true, true]);
  await wire.ok({ type: "get_state", sessionId: full });
});

alone("limits: on stdio the server stops reading instead of refusing", async (bench) => {
  const wire = await bench.startStdio(["--max-in-flight-per-connection", "2"]);
  const { id } = await bench.session(wire);
  for (const n of [1, 2, 3, 4, 5, 6]) {
    wire.send({ type: "bash", id: `b${n}`, sessionId: id, command: `echo ${n}` });
  }
  for (const n of [1, 2, 3, 4, 5, 6]) {
    assertEquals(at(await wire.response(`b${n}`), "data", "output"), `${n}\n`);
  }
});

test("create and delete in one go: both answer, nothing is left", async (bench) => {
  const wire = await bench.connect();
  const id = bench.name("brief");
  wire.send({ type: "create_session", id: "c", sessionId: id });
  wire.send({ type: "bash", id: "b", sessionId: id, command: "echo quick" });
  wire.send({ type: "delete_session", id: "d", sessionId: id });
  assertEquals((await wire.response("c")).success, true);
  const bash = await wire.response("b");
  assert(bash.success === true || bash.code === "cancelled", JSON.stringify(bash));
  assertEquals((await wire.response("d")).data, { deleted: true });
  assert(!(await listed(wire)).includes(id));
  await bench.session(wire, { sessionId: id });
});
