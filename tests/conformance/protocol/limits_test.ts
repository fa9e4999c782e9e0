// Each limit over the wire (docs/PROTOCOL.md#limits): filled, one more, released, one more. Rates with their defaults, the others
// with small ones. Outbox and event log have cases of their own (delivery, replay), frames too (framing).

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { at, type JsonObject, numberAt } from "../../support/base/json.ts";
import { upgrade } from "../../support/network/raw_http.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

/** Ends when it is aborted. */
const LONG = "echo begun; sleep 60";

const state = (sessionId: string): JsonObject => ({ type: "get_state", sessionId });

/** What came of many commands that are sent in one go: how many succeeded, and the first refusal. */
async function volley(bench: Bench, name: string, commands: JsonObject[]) {
  const wire = await bench.connect(name);
  const answers = await Promise.all(commands.map((command) => wire.request(command, 30_000)));
  const refused = answers.filter(({ success }) => success !== true);
  return { wire, passed: answers.length - refused.length, refused };
}

alone(
  "limits: a session takes 100 commands a minute from all clients, and says when it takes more",
  async (bench) => {
    await bench.start([], { defaultRates: true });
    const wire = await bench.connect();
    await bench.session(wire, { sessionId: "a", inMemory: true });
    await bench.session(wire, { sessionId: "b", inMemory: true });
    const start = performance.now();
    let passed = 0;
    for (const name of ["one", "two"]) {
      const { refused, ...more } = await volley(bench, name, Array(60).fill(state("a")));
      passed += more.passed;
      for (const one of refused) assertEquals([one.code, one.retryable], ["rate_limited", true]);
    }
    // Another one comes in every 600 ms.
    const refilled = Math.ceil((performance.now() - start) / 600);
    assert(passed >= 100 && passed <= 100 + refilled, `${passed} passed within ${refilled} refills`);
    await wire.ok(state("b"));
    await wire.ok({ type: "list_sessions" });
    for (let n = 0; n < 150; n++) await wire.ok({ type: "abort", sessionId: "a" });
    for (let n = 0; n < 150; n++) await wire.ok({ type: "ping" });
    let refused = await wire.request(state("a"));
    while (refused.success === true) refused = await wire.request(state("a"));
    assertEquals([refused.code, at(refused, "data", "limit")], [
      "rate_limited",
      "commandsPerMinutePerSession",
    ]);
    await delay(numberAt(refused, "retryAfterMs"));
    await wire.ok(state("a"));
    await wire.refused("rate_limited", state("a"));
  },
);

alone(
  "limits: all commands together are counted, those to sessions that are not there too",
  async (bench) => {
    await bench.start(["--max-commands-per-minute=12", "--max-commands-per-minute-per-session=3"]);
    const [one, two] = [await bench.connect("one"), await bench.connect("two")];
    const start = performance.now();
    /** Sends until a limit refuses; gives the refusal and how many commands came before it. */
    const fill = async (wire: WsWire, command: (n: number) => JsonObject) => {
      for (let n = 0;; n++) {
        const answer = await wire.request(command(n));
        if (answer.code === "rate_limited") return { answer, accepted: n };
      }
    };
    /** Each bucket holds `most`, and one more for each whole part of a minute that went by. */
    const within = (accepted: number, most: number) => {
      const refilled = Math.ceil((performance.now() - start) * most / 60_000);
      assert(
        accepted >= most && accepted <= most + refilled,
        `${accepted} within ${refilled} refills of ${most}`,
      );
    };
    const unknown = await fill(one, (n) => state(`none-${n}`));
    within(unknown.accepted, 3);
    assertEquals(at(unknown.answer, "data", "limit"), "commandsPerMinutePerSession");
    await two.refused("session_not_found", state("none-9"));
    const all = await fill(two, () => ({ type: "list_sessions" }));
    within(unknown.accepted + 1 + all.accepted, 12);
    assertEquals(at(all.answer, "data", "limit"), "commandsPerMinute");
    await one.ok({ type: "hello" });
    await delay(numberAt(all.answer, "retryAfterMs"));
    await one.ok({ type: "list_sessions" });
  },
);

alone("limits: rates hold on stdio too, where nothing waits for them", async (bench) => {
  const wire = await bench.startStdio(["--max-commands-per-minute=5"]);
  const answers = await Promise.all(Array.from({ length: 8 }, () => wire.request({ type: "list_sessions" })));
  assertEquals(answers.map(({ code }) => code ?? "ok").toSorted(), [
    ...Array(5).fill("ok"),
    ...Array(3).fill("rate_limited"),
  ]);
});

alone("limits: one invalid message too many ends a socket with 1008, and no other", async (bench) => {
  await bench.start([], { defaultRates: true });
  const [wire, other] = [await bench.connect(), await bench.connect("other")];
  // More than the default of 300 and what comes in meanwhile: five in a second.
  wire.mayLoseResponses = true;
  for (let n = 0; n < 600; n++) wire.sendRaw("{", [null]);
  const { code } = await wire.closed;
  assertEquals(code, 1008);
  const codes = wire.messages.slice(1).map((message) => message.code);
  assertEquals([...new Set(codes)], ["invalid_json", "rate_limited"]);
  assertEquals([codes.indexOf("rate_limited"), codes.length >= 301], [codes.length - 1, true]);
  await other.ok({ type: "list_sessions" });
  await (await bench.connect("next")).ok({ type: "list_sessions" });
});

alone("limits: stdio answers invalid lines beyond the limit as such, and goes on", async (bench) => {
  const wire = await bench.startStdio(["--max-invalid-per-minute-per-connection=3"]);
  for (let n = 0; n < 6; n++) wire.sendRaw("{", [null]);
  for (let n = 0; n < 6; n++) {
    const { code } = await wire.next(({ type }) => type === "response");
    assertEquals(code, n < 3 ? "invalid_json" : "rate_limited");
  }
  await wire.ok({ type: "list_sessions" });
});

alone("limits: one connection more than allowed gets 503 until another has gone", async (bench) => {
  const server = await bench.start(["--max-connections=2"]);
  const [one] = [await bench.connect("one"), await bench.connect("two")];
  const { url, port } = await server.endpoint();
  const tryMore = async (): Promise<"open" | "refused"> => {
    const wire = await WsWire.connect(url, await server.token(), "more").catch(() => undefined);
    if (wire !== undefined) bench.wires.push(wire);
    return wire === undefined ? "refused" : "open";
  };
  assertEquals(await tryMore(), "refused");
  const { status } = await upgrade(port, { Authorization: `Bearer ${await server.token()}` });
  assertEquals(status, 503);
  await one.close();
  while (await tryMore() === "refused") await delay(20);
  assertEquals(await tryMore(), "refused");
});

alone(
  "limits: of 200 concurrent creates at a limit of 100, 100 succeed; deleting one makes room for one",
  async (bench) => {
    await bench.start(["--max-sessions=100"]);
    const commands = (names: string[]): JsonObject[] =>
      names.map((sessionId) => ({ type: "create_session", sessionId, inMemory: true }));
    const names = Array.from({ length: 200 }, (_, n) => `s${n}`);
    const volleys = await Promise.all(
      [0, 50, 100, 150].map((from) => volley(bench, `w${from}`, commands(names.slice(from, from + 50)))),
    );
    assertEquals(volleys.reduce((sum, { passed }) => sum + passed, 0), 100);
    for (const { code, retryable } of volleys.flatMap(({ refused }) => refused)) {
      assertEquals([code, retryable], ["session_limit", true]);
    }
    const wire = await bench.connect();
    const { sessions } = await wire.ok({ type: "list_sessions" });
    assert(Array.isArray(sessions) && sessions.length === 100);
    await wire.ok({ type: "delete_session", sessionId: String(at(sessions, 0, "sessionId")) });
    await wire.ok({ type: "create_session", sessionId: "next", inMemory: true });
    await wire.refused("session_limit", { type: "create_session", sessionId: "more", inMemory: true });
  },
);

alone("limits: a failed create gives its place back", async (bench) => {
  await bench.start(["--max-sessions=1"]);
  const wire = await bench.connect();
  await wire.refused("path_not_found", { type: "create_session", cwd: `${bench.home.root}/missing` });
  await wire.ok({ type: "create_session", sessionId: "a", inMemory: true });
  await wire.refused("session_exists", { type: "create_session", sessionId: "a" });
  await wire.refused("session_limit", { type: "create_session", sessionId: "b" });
  await wire.ok({ type: "delete_session", sessionId: "a" });
  await wire.ok({ type: "create_session", sessionId: "b", inMemory: true });
});

alone("limits: one connection has so many unanswered commands, others have their own", async (bench) => {
  await bench.start(["--max-in-flight-per-connection=2"]);
  const [wire, other] = [await bench.connect(), await bench.connect("other")];
  const { id } = await bench.session(wire, { inMemory: true });
  await other.ok({ type: "subscribe", sessionId: id });
  const held = ["x", "y"].map((name) =>
    wire.request({ type: "bash", id: name, sessionId: id, command: LONG })
  );
  const refused = await wire.refused("overloaded", { type: "list_sessions" });
  assertEquals([at(refused, "data", "limit"), refused.retryable], ["inFlightPerConnection", true]);
  assert(numberAt(refused, "retryAfterMs") > 0);
  await other.ok({ type: "list_sessions" });
  await wire.ok({ type: "ping" });
  await other.event(id, "bash_output");
  await wire.ok({ type: "abort_bash", sessionId: id });
  await held[0];
  await wire.ok({ type: "list_sessions" });
  await other.ok({ type: "delete_session", sessionId: id });
  await held[1];
});

alone("limits: so many commands wait in one session, and another's have their own", async (bench) => {
  await bench.start(["--max-mailbox=2"]);
  const wire = await bench.connect();
  const [{ id }, other] = [
    await bench.session(wire, { inMemory: true }),
    await bench.session(wire, { inMemory: true }),
  ];
  await wire.ok({ type: "subscribe", sessionId: id });
  // One runs and two wait.
  const held = ["x", "y", "z"].map((name) =>
    wire.request({ type: "bash", id: name, sessionId: id, command: LONG })
  );
  const rename = { type: "set_session_name", sessionId: id, name: "n" };
  const refused = await wire.refused("overloaded", rename);
  assertEquals(at(refused, "data", "limit"), "mailbox");
  await wire.ok({ ...rename, sessionId: other.id });
  await wire.ok(state(id));
  await wire.event(id, "bash_output", ({ commandId }) => commandId === "x");
  await wire.ok({ type: "abort_bash", sessionId: id });
  await held[0];
  const waiting = wire.request(rename);
  await wire.refused("overloaded", rename);
  for (const name of ["y", "z"]) {
    await wire.event(id, "bash_output", ({ commandId }) => commandId === name);
    await wire.ok({ type: "abort_bash", sessionId: id });
  }
  await Promise.all(held);
  assertEquals((await waiting).success, true);
});

alone("limits: texts and paths have lengths", async (bench) => {
  await bench.start(["--max-message-chars=10", "--max-command-chars=10", "--max-path-chars=4096"]);
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { inMemory: true });
  const cases: [JsonObject, string][] = [
    [{ type: "prompt", sessionId: id, message: "x".repeat(11) }, "/message"],
    [{ type: "bash", sessionId: id, command: "x".repeat(11) }, "/command"],
    [{ type: "create_session", cwd: `/${"x".repeat(4096)}` }, "/cwd"],
  ];
  for (const [command, field] of cases) {
    const { error } = await wire.refused("invalid_params", command);
    assertStringIncludes(String(error), field);
  }
  await wire.ok({ type: "bash", sessionId: id, command: "true      " });
});
