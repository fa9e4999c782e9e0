// Subscribers with a filter get a cursor every ten seconds (docs/PROTOCOL.md#coming-back).
import { assertEquals } from "@std/assert";
import { follow, open, turn } from "../../support/wire/delivery.ts";
import type { Follower } from "../../support/wire/follower.ts";
import { type JsonObject, numberAt } from "../../support/base/json.ts";
import { deadline } from "../../support/base/wait.ts";
import { type Bench, shared } from "../suite.ts";

const test = shared();
/** The contract's 10 s, and room for a machine that is busy. */
const CURSOR_MS = 20_000;

const isCursor = (message: JsonObject) => message.type === "cursor";

interface Watched {
  readonly bench: Bench;
  readonly few: Follower;
  readonly all: Follower;
  readonly plain: Follower;
  readonly ids: string[];
  /** What had come before anything happened in the sessions. */
  readonly early: JsonObject[];
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
  const early = [few, all, plain].flatMap((client) => client.messages.filter(isCursor));
  for (const id of [a, b]) await turn(bench, few, id);
  return { bench, few, all, plain, ids, early };
}

test("cursor: a subscription that leaves events out begins like any other", async (bench) => {
  const { early } = await (watched ??= watch(bench));
  assertEquals(early, [], "there is nothing to tell yet");
});

test("cursor: every ten seconds, for sessions that have gone on, and to come back from", async (bench) => {
  const { few, all, plain, ids } = await (watched ??= watch(bench));
  const [a = "", b = "", c = ""] = ids;
  const told = (client: Follower, id: string) =>
    client.messages.findLast((message) => isCursor(message) && message.sessionId === id);
  // Both turns are over, so this is the last event of each. A cursor of a slow start may name an earlier one.
  const last = new Map<string, JsonObject>();
  for (const id of [a, b]) last.set(id, await few.ok({ type: "get_state", sessionId: id }));
  const upToDate = (client: Follower, id: string) => told(client, id)?.seq === last.get(id)?.seq;
  await deadline(
    Promise.all([
      few.until(() => upToDate(few, a), "a cursor"),
      all.until(() => upToDate(all, a) && upToDate(all, b), "two cursors"),
    ]),
    CURSOR_MS,
    () => "cursors",
  );
  for (const [client, id] of [[few, a], [all, a], [all, b]] as const) {
    const { epoch, seq } = last.get(id) ?? {};
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
