// Readers that do not read (docs/PROTOCOL.md#reading-slowly): what waits for them is merged, then they get `lagged`,
// then they are closed. They come back to the right state, and no other client notices.
import { assert, assertEquals } from "@std/assert";
import { RawPipe } from "../../support/network/channel.ts";
import { installDialogs, recorded, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import {
  assertCaughtUp,
  follow,
  messagesOf,
  open,
  pieces,
  stream,
  summary,
  turn,
} from "../../support/wire/delivery.ts";
import { Follower } from "../../support/wire/follower.ts";
import { arrayAt, at, type JsonObject, numberAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { alone, type Bench, shared } from "../suite.ts";

/** One turn: less than the outbox takes before it merges, so that a reader gets every event by itself. */
const TURN = pieces(30, 20_000);
/** As many turns as fill the kernels' buffers, the socket's window and the outbox of one that does not read. */
const TURNS = 14;
const LOG = ["--max-event-log-bytes", "64MiB"];
const SOFT = ["--outbox-soft-bytes", "2MiB"];
const MERGES = [...SOFT, "--outbox-hard-bytes", "256MiB", "--outbox-close-bytes", "512MiB"];
const HARD = [...SOFT, "--outbox-hard-bytes", "4MiB"];
/** The contract's 30 s, and room for a machine that is busy. */
const STALL_MS = 60_000;
const LAGS = [...HARD, "--outbox-close-bytes", "256MiB"];

/** A session, a reader of it that sleeps, and one that is awake. */
async function asleep(
  bench: Bench,
  more: JsonObject = {},
): Promise<{ id: string; sleeper: Follower; awake: Follower }> {
  const [sleeper, awake] = [await follow(bench), await follow(bench)];
  const id = await open(bench, awake, { inMemory: true });
  await awake.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  await awake.subscribe(id);
  await sleeper.subscribe(id, more);
  sleeper.channel.pause();
  return { id, sleeper, awake };
}

/** Streams turns to every reader that is awake, which gets every event by itself. */
async function streamed(bench: Bench, awake: Follower, id: string, turns = TURNS): Promise<void> {
  for (let n = 0; n < turns; n++) {
    const before = awake.session(id).types.filter((type) => type === "agent_settled").length;
    await stream(bench, awake, id, TURN);
    await awake.seen(id, "agent_settled", before + 1);
  }
  awake.check();
  assertEquals([awake.session(id).merged, awake.session(id).lagged], [0, undefined]);
}

/**
 * Subscribes again from where it is, and again when what was missed is itself more than the outbox takes, until the
 * client is where the sessions are. The modes that were answered for the first one.
 */
async function caughtUp(
  client: Follower,
  awake: Follower,
  ids: string[],
  target = ids[0] ?? "",
): Promise<string[]> {
  const [first = ""] = ids;
  while (true) {
    const at = () => ids.map((id) => client.session(id).seq);
    const before = at();
    const cursors = Object.fromEntries(ids.map((id) => [id, client.session(id).cursor]));
    const from = target === "*" ? { sessions: cursors } : client.session(first).cursor;
    await client.subscribe(target, { from });
    const ends = ids.map((id) => awake.session(id).seq);
    const lags = () => ids.some((id) => client.session(id).lagged !== undefined);
    await client.until(() => lags() || at().join() === ends.join(), `${ends} of ${ids}`);
    client.check();
    if (!lags()) return client.session(first).modes;
    // The last event comes before `lagged`, of each session that lags.
    await client.ok({ type: "ping" });
    assert(at().some((seq, n) => seq > (before[n] ?? 0)), "every attempt gets further");
  }
}

/** A peer that takes nothing of much, and one that reads nothing while nothing comes. */
interface Stalled {
  readonly ended: Promise<number>;
  readonly still: Follower;
  readonly awake: Follower;
  readonly id: string;
}

/** Begun in the first case and looked at in the last: the thirty seconds pass meanwhile. */
let stalled: Promise<Stalled> | undefined;
// `still` answers no ping while it is paused, for as long as this file takes.
const lasting = shared(["--peer-silent-ms", "600000"]);

async function stall(bench: Bench): Promise<Stalled> {
  const [stuck, still, awake] = [await follow(bench), await follow(bench), await follow(bench)];
  const id = await open(bench, awake, { inMemory: true });
  for (let n = 0; n < 3; n++) await turn(bench, awake, id, pieces(40, 20_000));
  await still.subscribe(id, { events: ["nothing"] });
  for (const client of [stuck, still]) client.channel.pause();
  // More than kernels hold, less than what closes a connection by itself.
  for (let n = 0; n < 10; n++) stuck.channel.send(JSON.stringify({ type: "get_messages", sessionId: id }));
  const ended = endOf(bench, stuck);
  // The last case awaits it and reports a failure.
  ended.catch(() => {});
  return { ended, still, awake, id };
}

/** The code that a stuck peer hears. It reads again once it was given up: runtimes keep the code for a while only. */
async function endOf(bench: Bench, stuck: Follower): Promise<number> {
  const told = () => /closed because its client reads too slowly.*stalled/.test(bench.server.stderr);
  await until(told, STALL_MS, () => "the connection was not given up");
  stuck.channel.resume();
  return await deadline(stuck.channel.closed, 20_000, () => "the end of the connection");
}

lasting("slow: a peer may take its time", async (bench) => {
  const { awake } = await (stalled ??= stall(bench));
  await awake.ok({ type: "ping" });
});

alone(
  "slow: what waits is merged, of a running tool to its last state, and the numbers are all there",
  async (bench) => {
    await bench.start([...MERGES, ...LOG]);
    const { id, sleeper, awake } = await asleep(bench);
    await streamed(bench, awake, id);
    const marker = bench.name("tool");
    // Prints on until it has been seen to print a few times.
    const command = "n=0; while [ ! -e go ]; do n=$((n+1)); echo line $n; sleep 0.03; done";
    bench.model.script(marker, calls([{ name: "bash", args: { command } }]), text(["done"]));
    await awake.ok({ type: "prompt", sessionId: id, message: marker });
    await awake.seen(id, "tool_execution_update", 5);
    const { cwd } = await awake.ok({ type: "get_state", sessionId: id });
    await Deno.writeTextFile(`${cwd}/go`, "");
    await awake.seen(id, "agent_settled", TURNS + 1);
    sleeper.channel.resume();
    await assertCaughtUp(sleeper, awake, id);
    const { merged, types } = sleeper.session(id);
    assert(merged > 0 && types.length < awake.session(id).types.length, `${merged} merged`);
    assertEquals(sleeper.session(id).lagged, undefined);
    const counts = (client: Follower, wanted: string) =>
      client.session(id).types.filter((type) => type === wanted).length;
    const updates = (client: Follower) => counts(client, "tool_execution_update");
    assertEquals([updates(sleeper), updates(awake) >= 5], [1, true]);
    // The texts are merged as well, not the updates of the tool alone.
    assert(counts(sleeper, "message_update") < counts(awake, "message_update"));
    // Awake again, it gets every event by itself again.
    await turn(bench, awake, id, pieces(50));
    await assertCaughtUp(sleeper, awake, id);
    assertEquals(sleeper.session(id).merged, merged);
  },
);

alone("slow: of full updates the last one is kept", async (bench) => {
  await bench.start([...MERGES, ...LOG]);
  const { id, sleeper, awake } = await asleep(bench, { updates: "full" });
  const deltas = pieces(250, 500);
  await stream(bench, awake, id, deltas);
  await awake.seen(id, "agent_settled");
  sleeper.channel.resume();
  await assertCaughtUp(sleeper, awake, id);
  assert(sleeper.session(id).merged > 0);
  assertEquals(sleeper.session(id).lagged, undefined);
});

alone("slow: a reader that lags gets `lagged` once, and comes back with every event", async (bench) => {
  await bench.start([...LAGS, ...LOG]);
  await installDialogs(`${bench.home.agentDir}/extensions`);
  const { id, sleeper, awake } = await asleep(bench);
  const other = await open(bench, awake);
  await streamed(bench, awake, id);
  const asked = sleeper.send({ type: "ping" });
  sleeper.channel.resume();
  const { epoch, afterSeq } = await sleeper.lagged(id);
  assertEquals([epoch, afterSeq], [awake.session(id).epoch, sleeper.session(id).seq]);
  assert(numberAt({ afterSeq }, "afterSeq") < awake.session(id).seq);
  await sleeper.response(asked);
  // Nothing more of that session but its questions; responses and other sessions go on.
  await turn(bench, awake, id);
  await sleeper.subscribe(other);
  await turn(bench, awake, other, pieces(50));
  await assertCaughtUp(sleeper, awake, other);
  const { cwd } = await awake.ok({ type: "get_state", sessionId: id });
  await awake.ok({
    type: "prompt",
    sessionId: id,
    message: uiPrompt("lag.json", [["confirm", "Sure?", "Yes?"]]),
  });
  await sleeper.until(() => sleeper.session(id).afterLag.length > 0, "the question");
  const [request] = arrayAt(await sleeper.ok({ type: "list_pending_ui", sessionId: id }), "requests");
  const response = { method: "confirm", confirmed: true };
  const requestId = String(at(request, "requestId"));
  await sleeper.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
  assertEquals(await recorded(String(cwd), "lag.json"), [true]);
  assertEquals(sleeper.session(id).afterLag, ["extension_ui_request"]);
  assertEquals(sleeper.messages.filter(({ type }) => type === "lagged").length, 1);
  const modes = await caughtUp(sleeper, awake, [id]);
  assertEquals(new Set(modes.slice(1)), new Set(["replay"]));
  await turn(bench, awake, id);
  await assertCaughtUp(sleeper, awake, id);
});

alone("slow: a reader that lags beyond the log comes back to the state", async (bench) => {
  await bench.start([...LAGS, "--max-event-log-bytes", "64KiB"]);
  const { id, sleeper, awake } = await asleep(bench);
  await streamed(bench, awake, id);
  sleeper.channel.resume();
  await sleeper.lagged(id);
  const data = await sleeper.subscribe(id, { from: sleeper.session(id).cursor });
  const all = await messagesOf(awake, id);
  assertEquals([data.mode, at(data, "snapshot", "messageCount")], ["snapshot", all.length]);
  await turn(bench, awake, id);
  const now = await messagesOf(awake, id);
  await sleeper.seen(id, "agent_settled");
  sleeper.check();
  const kept = sleeper.session(id).messages;
  assertEquals(kept.map(summary), now.slice(-kept.length).map(summary));
});

alone('slow: subscribed to "*", sessions lag one by one, and come back together', async (bench) => {
  await bench.start([...LAGS, ...LOG, "--workers", "2"]);
  const [fleet, awake] = [await follow(bench), await follow(bench)];
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const id = await open(bench, awake, { inMemory: true });
    await awake.subscribe(id);
    ids.push(id);
  }
  const [a = "", b = "", c = ""] = ids;
  await fleet.subscribe("*");
  fleet.channel.pause();
  await streamed(bench, awake, a);
  await streamed(bench, awake, b, 1);
  fleet.channel.resume();
  for (const id of [a, b]) await fleet.lagged(id);
  // The third one has said nothing yet, so it has lost nothing.
  await turn(bench, awake, c);
  await assertCaughtUp(fleet, awake, c);
  await caughtUp(fleet, awake, ids, "*");
  for (const id of ids) {
    await turn(bench, awake, id);
    await assertCaughtUp(fleet, awake, id);
  }
});

alone("slow: past the last limit the connection is closed with 1013, and others go on", async (bench) => {
  await bench.start([...HARD, "--outbox-close-bytes", "8MiB"]);
  const { id, sleeper, awake } = await asleep(bench);
  await streamed(bench, awake, id);
  // Answers are never dropped, so they are what fills it up.
  for (let n = 0; n < 6; n++) sleeper.channel.send(JSON.stringify({ type: "get_messages", sessionId: id }));
  const told = /closed because its client reads too slowly/;
  await awake.until(() => told.test(bench.server.stderr) || (awake.send({ type: "ping" }), false), "the log");
  sleeper.channel.resume();
  assertEquals(await sleeper.channel.closed, 1013);
  await turn(bench, awake, id);
  await assertCaughtUp(awake, awake, id);
  const back = await follow(bench, sleeper);
  await back.subscribe(id, { from: back.session(id).cursor });
  await turn(bench, awake, id);
  await back.seen(id, "agent_settled");
  back.check();
});

alone("slow: it hears 1013 also when more commands were on their way by then", async (bench) => {
  await bench.start(["--outbox-hard-bytes", "512KiB", "--outbox-close-bytes", "1MiB"]);
  const { sleeper, awake } = await asleep(bench);
  // Far more than it takes: what comes after the last one that counted must not cost the code.
  for (let n = 0; n < 100; n++) sleeper.channel.send(JSON.stringify({ type: "get_schema" }));
  const told = /closed because its client reads too slowly/;
  await awake.until(() => told.test(bench.server.stderr) || (awake.send({ type: "ping" }), false), "the log");
  sleeper.channel.resume();
  assertEquals(await sleeper.channel.closed, 1013);
});

alone("slow, stdio: a parent that pauses gets merged events, and all the numbers", async (bench) => {
  const server = bench.spawn({ mode: "stdio", args: [...MERGES, ...LOG] });
  const sleeper = new Follower(new RawPipe(server.child));
  const awake = await follow(bench);
  const id = await open(bench, sleeper, { inMemory: true });
  for (const client of [sleeper, awake]) await client.subscribe(id);
  sleeper.channel.pause();
  await streamed(bench, awake, id);
  sleeper.channel.resume();
  await assertCaughtUp(sleeper, awake, id);
  assert(sleeper.session(id).merged > 0);
  sleeper.channel.drop();
  assertEquals(await server.exitCode(), 0);
});

alone("slow, stdio: a parent that pauses too long lags, and comes back with every event", async (bench) => {
  const server = bench.spawn({ mode: "stdio", args: [...LAGS, ...LOG] });
  const sleeper = new Follower(new RawPipe(server.child));
  const awake = await follow(bench);
  const id = await open(bench, sleeper, { inMemory: true });
  for (const client of [sleeper, awake]) await client.subscribe(id);
  sleeper.channel.pause();
  await streamed(bench, awake, id);
  const asked = sleeper.send({ type: "ping" });
  sleeper.channel.resume();
  await sleeper.response(asked);
  await sleeper.lagged(id);
  await caughtUp(sleeper, awake, [id]);
  await turn(bench, awake, id);
  await assertCaughtUp(sleeper, awake, id);
  sleeper.channel.drop();
  assertEquals(await server.exitCode(), 0);
});

alone("slow, stdio: past the last limit the parent is given up, and the server ends", async (bench) => {
  const args = [...HARD, "--outbox-close-bytes", "8MiB"];
  const server = bench.spawn({ mode: "stdio", args });
  const sleeper = new Follower(new RawPipe(server.child));
  const awake = await follow(bench);
  const id = await open(bench, sleeper, { inMemory: true });
  for (const client of [sleeper, awake]) await client.subscribe(id);
  sleeper.channel.pause();
  await streamed(bench, awake, id);
  for (let n = 0; n < 3; n++) sleeper.channel.send(JSON.stringify({ type: "get_messages", sessionId: id }));
  // A pipe carries no code. Its end means that nothing more will come.
  await awake.until(
    () => /too slowly/.test(server.stderr) || (awake.send({ type: "ping" }), false),
    "the log",
  );
  sleeper.channel.resume();
  await deadline(sleeper.channel.closed, 20_000, () => "the end of the output");
});

lasting(
  "slow: a peer that takes nothing for 30 s is closed with 1013; one for whom nothing waits is not",
  async (bench) => {
    const { ended, still, awake, id } = await (stalled ??= stall(bench));
    assertEquals(await ended, 1013);
    still.channel.resume();
    await still.ok({ type: "ping" });
    await turn(bench, awake, id);
  },
);
