// Nobody waits long for somebody else (PROTOCOL §3, §6), and whoever leaves events out is told how far sessions
// have come. Bounds are counts of messages and shares of one time, since times depend on the machine.
import { assert, assertEquals } from "@std/assert";
import { follow, Lead, open, pieces, stream, turn } from "../support/delivery.ts";
import type { Follower } from "../support/follower.ts";
import { greedy } from "../support/greedy_reader.ts";
import { type JsonObject, numberAt } from "../support/json.ts";
import { deadline } from "../support/wait.ts";
import { type Bench, shared } from "./suite.ts";

const test = shared();
const PINGS = 10_000;
const PIECES = 6_000;
/** How far the stream may be ahead of its reader: a runtime takes all that is there in one turn of its loop. */
const AHEAD = 100;
const ANSWERS = 12;
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
  const lead = new Lead(AHEAD);
  busy.onMessage = () => lead.read(busy.session(loud).seq);
  await stream(bench, busy, loud, pieces(PIECES), { hold: lead.hold });
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
  const quiet = await follow(bench);
  const id = await open(bench, quiet, { inMemory: true });
  for (let n = 0; n < 3; n++) await turn(bench, quiet, id, pieces(40, 20_000));
  const { url } = await bench.server.endpoint();
  // In a process of its own: what is measured is not how this one shares its time.
  const asking = JSON.stringify({ type: "get_messages", sessionId: id });
  const reader = greedy(url, await bench.server.token(), asking, ANSWERS);
  await reader.asked;
  let reading = true;
  const ended = reader.answered.finally(() => reading = false);
  const started = performance.now();
  const pings: number[] = [];
  while (reading) {
    const before = performance.now();
    await quiet.ok({ type: "ping" });
    pings.push(performance.now() - before);
  }
  const [all, longest] = [performance.now() - started, Math.max(...pings)];
  assertEquals(await ended, 0);
  assert(pings.length > ANSWERS, `${pings.length} pings while ${ANSWERS} answers of 2.4 MB were written`);
  assert(longest < all / 2, `a ping took ${longest} of the ${all} ms in which they were written`);
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
