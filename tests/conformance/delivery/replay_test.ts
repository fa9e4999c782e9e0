// Coming back (docs/PROTOCOL.md#coming-back): `subscribe` with `from` gives what was missed, without gap or repeat,
// while the session streams on; or the state, where the events are no longer there. Never a silent gap.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RawPipe } from "../../support/network/channel.ts";
import {
  assertCaughtUp,
  assertHeard,
  comeBack,
  Ending,
  follow,
  messagesOf,
  open,
  pieces,
  stream,
  turn,
  UNMERGED,
} from "../../support/wire/delivery.ts";
import { Follower } from "../../support/wire/follower.ts";
import {
  arrayAt,
  type Json,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { Gate } from "../../support/model/model_server.ts";
import { alone, shared } from "../suite.ts";

const test = shared(UNMERGED);
const PIECES = 4_000;

test("replay: a client that drops five times while the session streams misses nothing", async (bench) => {
  const control = await follow(bench);
  const id = await open(bench, control);
  let client = await follow(bench);
  await client.subscribe(id);
  const gate = new Gate();
  await stream(bench, control, id, pieces(PIECES), { gate, gateAfter: 1_000, thinking: "let me think" });
  for (let round = 1; round <= 5; round++) {
    const enough = round * 150;
    await client.until(() => client.session(id).seq >= enough, `event ${enough}`);
    client = await comeBack(bench, client);
    // From here on the session streams at full speed, also while the answer is put together.
    gate.open();
    const { epoch, seq } = client.session(id);
    const data = await client.subscribe(id, { from: { epoch, seq } });
    assertEquals([data.mode, data.epoch, "snapshot" in data], ["replay", epoch, false]);
    assert(numberAt(data, "seq") >= seq);
  }
  await client.seen(id, "agent_settled");
  await assertCaughtUp(client, control, id);
  assertEquals(client.session(id).types.filter((type) => type === "message_update").length, PIECES + 5);
});

test("replay: clients at every distance come back at once; an idle session gives all from seq 1", async (bench) => {
  const control = await follow(bench);
  const id = await open(bench, control);
  const witness = await follow(bench);
  const { epoch } = await witness.subscribe(id);
  const gate = new Gate();
  await stream(bench, control, id, pieces(PIECES), { gate, gateAfter: 300 });
  await witness.until(() => witness.session(id).seq >= 300, "event 300");
  const clients = await Promise.all([0, 1, 7, 100, 299, 300].map(async (seq) => {
    const client = await follow(bench);
    return { client, seq };
  }));
  gate.open();
  await Promise.all(clients.map(async ({ client, seq }) => {
    assertEquals((await client.subscribe(id, { from: { epoch: epoch ?? "", seq } })).mode, "replay");
    await client.seen(id, "agent_settled");
    await assertHeard(client, witness, id, seq);
  }));
  const late = await follow(bench);
  await late.subscribe(id, { from: { epoch: epoch ?? "", seq: 0 } });
  await assertCaughtUp(late, control, id);
  await assertHeard(late, witness, id, 0);
});

test("replay: from where the session stands is a replay of nothing, and the next event follows", async (bench) => {
  const client = await follow(bench);
  const id = await open(bench, client);
  const { epoch } = await client.subscribe(id);
  // Also of a session without any event.
  for (let round = 0; round < 2; round++) {
    const { seq } = client.session(id);
    const data = await client.subscribe(id, { from: { epoch: epoch ?? "", seq } });
    assertEquals([data.mode, data.seq, data.epoch], ["replay", seq, epoch ?? ""]);
    await turn(bench, client, id);
    client.check();
  }
  assertEquals(client.session(id).types.filter((type) => type === "agent_settled").length, 2);
  await assertCaughtUp(client, client, id);
});

test("replay: what is no longer one's own past gets the state instead", async (bench) => {
  const control = await follow(bench);
  const [id, other] = [await open(bench, control), await open(bench, control)];
  const { epoch } = await control.subscribe(id);
  const foreign = stringAt(await control.subscribe(other), "epoch");
  await turn(bench, control, id);
  const { seq } = control.session(id);
  const cases: [string, () => JsonObject][] = [
    ["another session's epoch", () => ({ from: { epoch: foreign, seq } })],
    ["an epoch that never was", () => ({ from: { epoch: "constructor", seq: 0 } })],
    ["the future", () => ({ from: { epoch: epoch ?? "", seq: control.session(id).seq + 1 } })],
    ["the far future", () => ({ from: { epoch: epoch ?? "", seq: Number.MAX_SAFE_INTEGER } })],
    ["full updates", () => ({ from: control.session(id).cursor, updates: "full" })],
    ["full updates from the start", () => ({ from: { epoch: epoch ?? "", seq: 0 }, updates: "full" })],
  ];
  for (const [what, more] of cases) {
    const client = await follow(bench);
    const data = await client.subscribe(id, more());
    const now = control.session(id).seq;
    assertEquals([data.mode, data.epoch, data.seq], ["snapshot", epoch ?? "", now], what);
    assertEquals(arrayAt(data, "snapshot", "messages"), await messagesOf(control, id), what);
    await turn(bench, control, id);
    await assertCaughtUp(client, control, id);
    await assertHeard(client, control, id, now);
  }
});

test("replay: while the session streams, full updates begin with the state and go on from there", async (bench) => {
  const control = await follow(bench);
  const id = await open(bench, control);
  const { epoch, seq } = await control.subscribe(id);
  const [gate, ending] = [new Gate(), new Ending(600)];
  await stream(bench, control, id, pieces(600), { gate, gateAfter: 200, hold: ending.hold });
  await control.until(() => control.session(id).seq >= 100, "event 100");
  const client = await follow(bench);
  const asked = client.subscribe(id, { from: { epoch: epoch ?? "", seq: seq ?? 0 }, updates: "full" });
  gate.open();
  assertEquals((await asked).mode, "snapshot");
  ending.open();
  await client.seen(id, "agent_settled");
  await assertCaughtUp(client, control, id);
});

test("replay: a wrong `from` is invalid_params, and what was subscribed before goes on", async (bench) => {
  const client = await follow(bench);
  const id = await open(bench, client);
  const epoch = stringAt(await client.subscribe(id), "epoch");
  const good = { epoch, seq: 0 };
  const wrong: Json[] = [
    null,
    0,
    "",
    [],
    {},
    { epoch },
    { seq: 0 },
    { epoch, seq: -1 },
    { epoch, seq: 0.5 },
    { epoch, seq: "0" },
    { epoch: 7, seq: 0 },
    { epoch: "", seq: 0 },
    { epoch: "x".repeat(129), seq: 0 },
    { ...good, more: 1 },
    { sessions: { [id]: good } },
    { sessions: {} },
  ];
  const wrongForAll: Json[] = [
    good,
    { sessions: [] },
    { sessions: null },
    { sessions: { [id]: { epoch } } },
    { sessions: { [id]: good }, more: 1 },
  ];
  for (const [sessionId, list] of [[id, wrong], ["*", wrongForAll]] as const) {
    for (const from of list) {
      // Sent by hand: the follower would take a wrong cursor for its own.
      const refused = client.response("w");
      client.channel.send(JSON.stringify({ id: "w", type: "subscribe", sessionId, from }));
      const { code, error } = await refused;
      assertEquals(code, "invalid_params", JSON.stringify(from));
      assertStringIncludes(String(error), "from");
      client.messages.splice(0);
    }
  }
  await turn(bench, client, id);
  await assertCaughtUp(client, client, id);
});

test("replay: a cursor for what can be no session's id is invalid_params", async (bench) => {
  const client = await follow(bench);
  for (const name of ["a/b", "..", "", "x".repeat(129)]) {
    const from = { sessions: { [name]: { epoch: "e", seq: 0 } } };
    await client.refused("invalid_params", { type: "subscribe", sessionId: "*", from });
  }
});

test("replay: of an unknown session it is session_not_found", async (bench) => {
  const client = await follow(bench);
  const from = { epoch: "e", seq: 3 };
  await client.refused("session_not_found", { type: "subscribe", sessionId: "missing", from });
  const { sessions } = await client.subscribe("*", { from: { sessions: { nobody: from } } });
  assertEquals(Object.hasOwn(objectAt({ sessions }, "sessions"), "missing"), false);
});

test("replay: snapshot:true adds the state in every mode, exactly at seq", async (bench) => {
  const control = await follow(bench);
  const id = await open(bench, control);
  const { epoch } = await control.subscribe(id);
  await turn(bench, control, id);
  const before = control.session(id).seq;
  const gate = new Gate();
  await stream(bench, control, id, pieces(900), { gate, gateAfter: 300 });
  await control.until(() => control.session(id).seq >= before + 200, "some pieces");
  const [live, replay] = [await follow(bench), await follow(bench)];
  const first = await live.subscribe(id, { snapshot: true });
  const second = await replay.subscribe(id, { snapshot: true, from: { epoch: epoch ?? "", seq: 0 } });
  gate.open();
  assertEquals([first.mode, second.mode], ["live", "replay"]);
  for (const data of [first, second]) objectAt(data, "snapshot", "streamingMessage");
  // The replay runs through the snapshot's seq, where the follower compares what both say.
  for (const client of [live, replay]) {
    await client.seen(id, "agent_settled");
    await assertCaughtUp(client, control, id);
  }
  await assertHeard(replay, control, id, 0);
});

test("replay: with `events` only those types come, also of what was missed", async (bench) => {
  const control = await follow(bench);
  const id = await open(bench, control);
  const { epoch } = await control.subscribe(id);
  await turn(bench, control, id);
  const client = await follow(bench);
  const events = ["message_end", "agent_settled"];
  const data = await client.subscribe(id, { from: { epoch: epoch ?? "", seq: 0 }, events });
  assertEquals([data.mode, data.seq], ["replay", control.session(id).seq]);
  await client.ok({ type: "ping" });
  const one = ["message_end", "message_end", "agent_settled"];
  assertEquals(client.session(id).types, one);
  await turn(bench, control, id);
  await client.seen(id, "agent_settled", 2);
  assertEquals(client.session(id).types, [...one, ...one]);
  client.check();
});

alone("replay: a small log reaches back as far as it holds; before that comes the state", async (bench) => {
  await bench.start([...UNMERGED, "--max-event-log-bytes", "8KiB"]);
  const control = await follow(bench);
  const id = await open(bench, control);
  const { epoch } = await control.subscribe(id);
  for (let round = 0; round < 3; round++) await turn(bench, control, id, pieces(30));
  const { seq: last } = control.session(id);
  const modes: string[] = [];
  for (let seq = 0; seq <= last; seq++) {
    const client = await follow(bench);
    const data = await client.subscribe(id, { from: { epoch: epoch ?? "", seq } });
    modes.push(String(data.mode));
    await client.ok({ type: "ping" });
    if (data.mode === "replay") await assertHeard(client, control, id, seq);
    else await assertCaughtUp(client, control, id);
    client.check();
    client.channel.drop();
  }
  const reach = modes.indexOf("replay");
  assert(reach > 10 && reach < last - 10, `the log reaches back to ${reach} of ${last}`);
  assertEquals(modes.lastIndexOf("snapshot"), reach - 1, "one border, no holes");
});

alone(
  "replay: a log that streams past a client's cursor gives the state, and nothing is missed",
  async (bench) => {
    await bench.start(["--max-event-log-bytes", "16KiB"]);
    const control = await follow(bench);
    const id = await open(bench, control);
    let client = await follow(bench);
    await client.subscribe(id);
    await control.subscribe(id);
    const ended = control.seen(id, "agent_settled");
    void stream(bench, control, id, pieces(PIECES));
    // However fast it streams: now the log reaches back to the cursor, now it does not.
    for (let round = 0; round < 12; round++) {
      const { seq } = client.session(id);
      // The whole stream may be over before a round, with a snapshot in place of its end.
      await Promise.race([client.until(() => client.session(id).seq > seq, "another event"), ended]);
      client = await comeBack(bench, client);
      await client.subscribe(id, { from: client.session(id).cursor });
    }
    // A snapshot may have stood in for the end itself: the number says that the client is there.
    await ended;
    await client.until(() => client.session(id).seq >= control.session(id).seq, "the last event");
    await assertCaughtUp(client, control, id);
  },
);

alone(
  "replay, stdio: unsubscribed in the middle of a stream and back again, nothing is missed",
  async (bench) => {
    const server = bench.spawn({ mode: "stdio", args: ["--no-ws", ...UNMERGED] });
    const client = new Follower(new RawPipe(server.child));
    const id = await open(bench, client);
    await client.subscribe(id);
    const gate = new Gate();
    await stream(bench, client, id, pieces(PIECES), { gate, gateAfter: 200 });
    for (let round = 1; round <= 5; round++) {
      const enough = client.session(id).seq + 20;
      await client.until(
        () => client.session(id).seq >= enough || client.session(id).types.includes("agent_settled"),
        `event ${enough} or the end`,
      );
      await client.ok({ type: "unsubscribe", sessionId: id });
      const { cursor } = client.session(id);
      if (round === 1) gate.open();
      await client.ok({ type: "get_state", sessionId: id });
      assertEquals((await client.subscribe(id, { from: cursor })).mode, "replay");
    }
    await client.seen(id, "agent_settled");
    await assertCaughtUp(client, client, id);
    client.channel.drop();
    assertEquals(await server.exitCode(), 0);
  },
);
