// Fairness between clients (docs/PROTOCOL.md#commands-and-responses). Bounds are counts of messages and shares of one time,
// since times depend on the machine.
import { assert, assertEquals } from "@std/assert";
import { follow, Lead, open, pieces, stream, turn } from "../../support/wire/delivery.ts";
import type { Follower } from "../../support/wire/follower.ts";
import { greedy } from "../../support/wire/greedy_reader.ts";
import type { JsonObject } from "../../support/base/json.ts";
import { shared } from "../suite.ts";

const test = shared();
const PINGS = 50_000;
const PIECES = 6_000;
/** How far the stream may be ahead of its reader: a runtime takes all that is there in one turn of its loop. */
const AHEAD = 100;
const ANSWERS = 12;

test("fairness: one session at full speed and 50,000 pipelined pings do not hold up others", async (bench) => {
  const [busy, quiet, other] = await Promise.all([1, 2, 3].map(() => follow(bench)));
  assert(busy !== undefined && quiet !== undefined && other !== undefined);
  const [loud, still] = [await open(bench, busy), await open(bench, other)];
  await busy.subscribe(loud);
  const lead = new Lead(AHEAD);
  busy.onMessage = () => lead.read(busy.session(loud).seq);
  const streamed = () => busy.session(loud).seq;
  const { url } = await bench.server.endpoint();
  await stream(bench, busy, loud, pieces(PIECES), { hold: lead.hold });
  // In a process of its own: its answers must not stand in front of those that are measured here.
  const flood = greedy(url, await bench.server.token(), '{"type":"ping"}', PINGS);
  await flood.asked;
  let flooding = true;
  const ended = flood.answered.finally(() => flooding = false);
  /** Asks over and over, as long as the others have not had everything; how long each took, and what passed it by. */
  const asking = async (client: Follower, command: JsonObject) => {
    const passed: { ms: number; events: number }[] = [];
    while (flooding || streamed() < PIECES) {
      const before = { at: performance.now(), events: streamed() };
      await client.ok(command);
      passed.push({ ms: performance.now() - before.at, events: streamed() - before.events });
    }
    return passed;
  };
  const started = performance.now();
  const [pings, states] = await Promise.all([
    asking(quiet, { type: "ping" }),
    asking(other, { type: "get_state", sessionId: still }),
  ]);
  const all = performance.now() - started;
  assertEquals(await ended, 0);
  await busy.seen(loud, "agent_settled");
  busy.check();
  // A client that had to wait for the others would have asked once or twice.
  assert(pings.length >= 20 && states.length >= 20, `${pings.length} pings, ${states.length} states`);
  for (const { ms, events } of [...pings, ...states]) {
    assert(ms < all / 2, `an answer took ${ms} of the ${all} ms that everything took`);
    assert(events < PIECES / 2, `${events} events went first`);
  }
});

test("fairness: a huge answer for one client does not delay another client", async (bench) => {
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
