// What the router counts in a minute, whom it charges, in which order it refuses, and when a socket is closed for it.
import { assertEquals } from "@std/assert";
import type { Limits } from "../../../src/governor/limits.ts";
import { FakePeer } from "./fakes.ts";
import { RouterBench as Bench } from "./router_fixture.ts";

type Message = Readonly<Record<string, unknown>>;

/** A connection of its own, and `id:code` of every answer since it was asked last. */
function connect(bench: Bench, waits = false) {
  const wire = new FakePeer(waits);
  const connection = bench.router.accept(wire);
  const answers = (): string[] =>
    wire.sent.splice(0).map((text) => JSON.parse(text)).filter(({ type }) => type === "response")
      .map(({ id, success, code }) => `${id}:${success ? "ok" : code}`);
  const sendText = (text: string) => bench.router.receive(connection, text);
  return {
    connection,
    wire,
    answers,
    sendText,
    send: (message: Message) => sendText(JSON.stringify(message)),
  };
}

/** A router with a session, whose making is a minute ago. */
async function make(limits: Partial<Limits>): Promise<Bench> {
  const bench = new Bench(limits);
  bench.live("a");
  await bench.made.clock.advance(60_000);
  return bench;
}

Deno.test("router: a session's commands are counted from all clients, and exempt ones never", async () => {
  const bench = await make({ commandsPerMinutePerSession: 2 });
  const [one, two] = [connect(bench), connect(bench)];
  one.send({ id: "1", type: "get_state", sessionId: "a" });
  two.send({ id: "2", type: "get_state", sessionId: "a" });
  one.send({ id: "3", type: "get_state", sessionId: "a" });
  two.send({ id: "4", type: "unsubscribe", sessionId: "a" });
  assertEquals([one.answers(), two.answers()], [["3:rate_limited"], ["4:rate_limited"]]);
  one.send({ id: "5", type: "ping" });
  one.send({ id: "6", type: "hello" });
  one.send({ id: "7", type: "list_sessions" });
  for (const type of ["abort", "abort_bash", "abort_retry", "abort_compaction"]) {
    one.send({ id: type, type, sessionId: "a" });
  }
  assertEquals(one.answers(), ["5:ok", "6:ok"], "what is not answered at once was passed on");
  assertEquals(bench.worker.of("command").length, 6);
});

Deno.test("router: after exactly the named time, a command passes", async () => {
  const bench = await make({ commandsPerMinutePerSession: 7 });
  const peer = connect(bench);
  for (let id = 0; id < 7; id++) peer.send({ id: `${id}`, type: "get_state", sessionId: "a" });
  peer.send({ id: "x", type: "get_state", sessionId: "a" });
  const { retryAfterMs, retryable } = JSON.parse(peer.wire.sent.at(-1) ?? "{}");
  assertEquals([peer.answers(), retryable], [["x:rate_limited"], true]);
  await bench.made.clock.advance(retryAfterMs - 1);
  peer.send({ id: "y", type: "get_state", sessionId: "a" });
  await bench.made.clock.advance(1);
  peer.send({ id: "z", type: "get_state", sessionId: "a" });
  assertEquals(peer.answers(), ["y:rate_limited"]);
});

Deno.test("router: commands to sessions that are not there charge the connection", async () => {
  const bench = await make({ commandsPerMinutePerSession: 2 });
  const [one, two] = [connect(bench), connect(bench)];
  for (const id of ["1", "2", "3"]) one.send({ id, type: "get_state", sessionId: `none-${id}` });
  assertEquals(one.answers(), ["1:session_not_found", "2:session_not_found", "3:rate_limited"]);
  two.send({ id: "4", type: "get_state", sessionId: "none-1" });
  assertEquals(two.answers(), ["4:session_not_found"]);
  one.send({ id: "5", type: "create_session", sessionId: "new" });
  assertEquals(one.answers(), [], "a session that is being made is not one that isn't there");
});

Deno.test("router: an invalid message does not count as a command, and a refused one costs nothing", async () => {
  const bench = await make({ commandsPerMinute: 2, commandsPerMinutePerSession: 1 });
  const peer = connect(bench);
  for (let n = 0; n < 5; n++) peer.send({ id: "i", type: "get_state" });
  peer.send({ id: "1", type: "get_state", sessionId: "a" });
  for (let n = 0; n < 5; n++) peer.send({ id: "r", type: "get_state", sessionId: "a" });
  peer.answers();
  peer.send({ id: "2", type: "get_schema" });
  peer.send({ id: "3", type: "get_schema" });
  assertEquals(peer.answers(), ["2:ok", "3:rate_limited"]);
});

Deno.test("router: refusals come in the order message, rate, in-flight, mailbox, session", async () => {
  const limits = { commandsPerMinute: 7, inFlightPerConnection: 3, mailbox: 1 };
  const bench = await make(limits);
  const peer = connect(bench);
  for (const id of ["1", "2"]) peer.send({ id, type: "bash", sessionId: "a", command: "x" });
  peer.send({ id: "mailbox", type: "bash", sessionId: "a", command: "x" });
  peer.send({ id: "session", type: "bash", sessionId: "none", command: "x" });
  peer.send({ id: "3", type: "get_state", sessionId: "a" });
  peer.send({ id: "flight", type: "bash", sessionId: "a", command: "x" });
  peer.send({ id: "flight", type: "bash", sessionId: "none", command: "x" });
  peer.send({ id: "rate", type: "bash", sessionId: "none", command: "x" });
  peer.send({ id: "message", type: "bash", sessionId: "none" });
  assertEquals(peer.answers(), [
    "mailbox:overloaded",
    "session:session_not_found",
    "flight:overloaded",
    "flight:overloaded",
    "rate:rate_limited",
    "message:invalid_params",
  ]);
});

Deno.test("router: a command that waits for room is counted once", async () => {
  const bench = await make({ commandsPerMinute: 4, inFlightPerConnection: 1 });
  const peer = connect(bench, true);
  for (const id of ["1", "2", "3"]) peer.send({ id, type: "bash", sessionId: "a", command: "x" });
  for (let n = 0; n < 3; n++) bench.worker.reply(bench.worker.last("command").ref);
  assertEquals(peer.answers(), ["1:ok", "2:ok", "3:ok"]);
  peer.send({ id: "4", type: "get_schema" });
  peer.send({ id: "5", type: "get_schema" });
  assertEquals(peer.answers(), ["4:ok", "5:rate_limited"]);
});

Deno.test("router: while it shuts down, what is refused for that is not counted", async () => {
  const bench = await make({ commandsPerMinute: 1 });
  const peer = connect(bench);
  bench.router.refuse();
  for (let n = 0; n < 3; n++) peer.send({ id: "c", type: "create_session" });
  assertEquals(peer.answers(), Array(3).fill("c:shutting_down"));
});

Deno.test("router: one invalid message too many is rate_limited, and ends a socket", async () => {
  const bench = await make({ invalidPerMinutePerConnection: 3 });
  const [peer, other] = [connect(bench), connect(bench)];
  assertEquals(peer.sendText("{"), undefined);
  assertEquals(peer.send({ id: "u", type: "nope" }), undefined);
  assertEquals(peer.send({ id: "p", type: "bash" }), undefined);
  assertEquals(peer.send({ id: "x", type: "bash" })?.code, 1008);
  assertEquals(peer.answers(), [
    "undefined:invalid_json",
    "u:unknown_command",
    "p:invalid_params",
    "x:rate_limited",
  ]);
  assertEquals([other.sendText("{"), other.answers()], [undefined, ["undefined:invalid_json"]]);
  await bench.made.clock.advance(20_000);
  assertEquals(peer.sendText("{"), undefined, "what has a stream that goes on, as stdio, may go on");
});

Deno.test("router: neither a session nor a connection leaves a rate behind", async () => {
  const bench = await make({ commandsPerMinutePerSession: 2 });
  const peer = connect(bench);
  peer.send({ id: "1", type: "get_state", sessionId: "a" });
  connect(bench).send({ type: "delete_session", sessionId: "a" });
  bench.live("a");
  assertEquals(peer.answers(), []);
  peer.send({ id: "3", type: "get_state", sessionId: "a" });
  assertEquals(peer.answers(), [], "the new session of that name has a rate of its own");
});

Deno.test("router: a connection that is gone takes its rates along", async () => {
  const bench = await make({});
  const { governor } = bench.made;
  const gone: number[] = [];
  governor.connectionGone = (connection) => void gone.push(connection);
  const peer = connect(bench);
  bench.router.closed(peer.connection);
  bench.router.closed(peer.connection);
  assertEquals(gone, [peer.connection.id]);
});
