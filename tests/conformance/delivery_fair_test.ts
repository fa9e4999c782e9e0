// Nobody waits long for somebody else (PROTOCOL §3, §6), and whoever leaves events out is told how far sessions
// have come. Bounds are counts of messages, since times depend on the machine.
import { assert, assertEquals } from "@std/assert";
import { follow, open, pieces, stream, turn } from "../support/delivery.ts";
import type { Follower } from "../support/follower.ts";
import { type JsonObject, numberAt } from "../support/json.ts";
import { deadline } from "../support/wait.ts";
import { type Bench, shared } from "./suite.ts";

const test = shared();
const PINGS = 10_000;
const PIECES = 6_000;
/** The contract's 10 s, and room for a machine that is busy. */
const CURSOR_MS = 20_000;

const isCursor = (message: JsonObject) => message.type === "cursor";

interface Watched {
  readonly bench: Bench;
  readonly few: Follower;
  readonly all: Follower;
  readonly plain: Follower;
  readonly ids: string[];
}

/** Subscribed in the first case, looked at in the last: the ten seconds pass meanwhile. */
let watched: Promise<Watched> | undefined;

async function watch(bench: Bench): Promise<Watched> {
  const [few, all, plain] = await Promise.all([follow(bench), follow(bench), follow(bench)]);
  const ids = [await open(bench, few), await open(bench, few), await open(bench, few)];
  const [a = "", b = ""] = ids;
  await few.subscribe(a, { events: ["agent_settled"] });
  await all.subscribe("*", { events: ["agent_settled"] });
  await plain.subscribe(a);
  for (const id of [a, b]) await turn(bench, few, id);
  return { bench, few, all, plain, ids };
}

test("cursor: a subscription that leaves events out begins like any other", async (bench) => {
  const { few } = await (watched ??= watch(bench));
  assertEquals(few.messages.filter(isCursor), [], "there is nothing to tell yet");
});

test("fairness: one session at full speed and 10,000 pipelined pings do not hold up others", async (bench) => {
  const [busy, flood, quiet, other] = await Promise.all([1, 2, 3, 4].map(() => follow(bench)));
  assert(busy !== undefined && flood !== undefined && quiet !== undefined && other !== undefined);
  const [loud, still] = [await open(bench, busy), await open(bench, other)];
  await busy.subscribe(loud);
  await stream(bench, busy, loud, pieces(PIECES));
  for (let n = 0; n < PINGS; n++) flood.channel.send('{"type":"ping"}');
  const answered = () => flood.messages.length;
  const streamed = () => busy.session(loud).seq;
  /** Asks over and over, as long as the others have not had everything; what passed them by at each answer. */
  const asking = async (client: Follower, command: JsonObject) => {
    const passed: { pings: number; events: number }[] = [];
    while (answered() < PINGS || streamed() < PIECES) {
      const before = { pings: answered(), events: streamed() };
      await client.ok(command);
      passed.push({ pings: answered() - before.pings, events: streamed() - before.events });
    }
    return passed;
  };
  const [pings, states] = await Promise.all([
    asking(quiet, { type: "ping" }),
    asking(other, { type: "get_state", sessionId: still }),
  ]);
  await busy.seen(loud, "agent_settled");
  busy.check();
  // Whoever had to wait for the end of what others want would have asked once or twice.
  assert(pings.length >= 20 && states.length >= 20, `${pings.length} pings, ${states.length} states`);
  for (const passed of [...pings, ...states]) {
    assert(passed.pings < PINGS / 2 && passed.events < PIECES / 2, `${JSON.stringify(passed)} went first`);
  }
});

test("fairness: a huge answer for one is no wait for another", async (bench) => {
  const [reader, quiet] = await Promise.all([follow(bench), follow(bench)]);
  const id = await open(bench, reader, { inMemory: true });
  for (let n = 0; n < 3; n++) await turn(bench, reader, id, pieces(40, 20_000));
  const ids = Array.from({ length: 12 }, () => reader.send({ type: "get_messages", sessionId: id }));
  let rounds = 0;
  const answered = () => reader.messages.filter((message) => ids.includes(String(message.id))).length;
  while (answered() < ids.length) {
    await quiet.ok({ type: "ping" });
    rounds++;
  }
  assert(rounds > ids.length / 2, `${rounds} pings while ${ids.length} answers of 2.4 MB were written`);
});

test("cursor: every ten seconds, for sessions that have gone on, and to come back from", async (bench) => {
  const { few, all, plain, ids } = await (watched ??= watch(bench));
  const [a = "", b = "", c = ""] = ids;
  const told = (client: Follower, id: string) =>
    client.messages.find((message) => isCursor(message) && message.sessionId === id);
  await deadline(
    Promise.all([
      few.until(() => told(few, a), "a cursor"),
      all.until(() => told(all, a) && told(all, b), "two cursors"),
    ]),
    CURSOR_MS,
    () => "cursors",
  );
  for (const [client, id] of [[few, a], [all, a], [all, b]] as const) {
    const { epoch, seq } = await few.ok({ type: "get_state", sessionId: id });
    assertEquals(told(client, id), { type: "cursor", sessionId: id, epoch, seq });
  }
  assertEquals([told(few, b), told(few, c), told(plain, a)], [undefined, undefined, undefined]);
  assertEquals(told(all, c), undefined, "it has not advanced");
  const cursor = told(few, a);
  const back = await follow(bench);
  const from = { epoch: cursor?.epoch ?? "", seq: numberAt(cursor, "seq") };
  assertEquals((await back.subscribe(a, { from, events: ["agent_settled"] })).mode, "replay");
  await turn(bench, few, a);
  await back.seen(a, "agent_settled");
  assertEquals(back.session(a).types, ["agent_settled"]);
  for (const client of [few, all, plain, back]) client.check();
});
