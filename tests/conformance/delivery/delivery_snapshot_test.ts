// What a snapshot says (docs/PROTOCOL.md#coming-back): the state exactly at `seq`. Idle it equals `get_messages`, whatever has
// been done to the history; in the middle of a turn, it and the events behind it add up to the whole.
import { assert, assertEquals } from "@std/assert";
import { follow, messagesOf, open, pieces, stream, turn } from "../../support/wire/delivery.ts";
import type { Follower } from "../../support/wire/follower.ts";
import {
  arrayAt,
  at,
  type JsonObject,
  messageText,
  numberAt,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { ANTHROPIC, calls, Gate, hang, OPENAI, status, text } from "../../support/model/model_server.ts";
import { withSummary } from "../../support/model/summaries.ts";
import { type Bench, shared } from "../suite.ts";

/** Changes the history without an event: by a command of its own, and a message without a client. */
const REWRITER = `export default function (pi) {
  pi.registerCommand("back", {
    description: "Goes back to before the last question",
    handler: async (_args, ctx) => {
      const asked = ctx.sessionManager.getBranch().filter((each) => each.message?.role === "user");
      await ctx.navigateTree(asked.at(-1).id);
      ctx.ui.notify("went back");
    },
  });
  pi.registerCommand("note", {
    description: "Leaves a note",
    // The clock is set between the message and its entry, as a millisecond may pass there.
    handler: async () => {
      const { now } = Date;
      Date.now = () => now() - 5;
      pi.sendMessage({ customType: "note", content: "a note", display: true });
      Date.now = now;
    },
  });
}`;

/** Keeps few tokens when compacting, so that short sessions have something to summarize. */
const test = shared([], async (bench) => {
  const path = `${bench.home.agentDir}/settings.json`;
  const settings: JsonObject = JSON.parse(await Deno.readTextFile(path));
  const compaction = { enabled: true, keepRecentTokens: 10, reserveTokens: 1000 };
  await Deno.writeTextFile(path, JSON.stringify({ ...settings, compaction }, null, 2));
  await bench.home.extension("rewriter", REWRITER);
});

async function snapshotOf(client: Follower, sessionId: string): Promise<JsonObject> {
  return objectAt(await client.subscribe(sessionId, { snapshot: true }), "snapshot");
}

/** Of an idle session the snapshot is what `get_messages` says, and nothing runs or waits. */
async function assertIdle(client: Follower, sessionId: string, what = ""): Promise<void> {
  const messages = await messagesOf(client, sessionId);
  const snapshot = await snapshotOf(client, sessionId);
  assertEquals(arrayAt(snapshot, "messages"), messages, what);
  const queue = { steering: [], followUp: [] };
  assertEquals(snapshot, { messages, messageCount: messages.length, runningTools: [], queue }, what);
}

/** An idle session of that many turns. */
async function talked(bench: Bench, turns = 2): Promise<{ client: Follower; id: string; asked: string[] }> {
  const client = await follow(bench);
  const id = await open(bench, client);
  const asked: string[] = [];
  for (let at = 0; at < turns; at++) asked.push(await turn(bench, client, id, [`answer ${at} `.repeat(20)]));
  return { client, id, asked };
}

test("snapshot: of an idle session it is what get_messages says, from the first moment on", async (bench) => {
  const { client, id } = await talked(bench, 0);
  await assertIdle(client, id, "new");
  for (const deltas of [["one"], pieces(20)]) {
    await turn(bench, client, id, deltas);
    await assertIdle(client, id);
  }
});

for (const model of [OPENAI, ANTHROPIC]) {
  test(`snapshot, ${model.provider}: mid-stream, it and the events behind it are the message`, async (bench) => {
    const control = await follow(bench);
    const id = await open(bench, control, model);
    await control.subscribe(id);
    const gate = new Gate();
    const deltas = pieces(40);
    await stream(bench, control, id, deltas, { gate, gateAfter: 25, thinking: "let me think" });
    const said = (client: Follower) => [...client.session(id).streaming?.values() ?? []].join("|");
    const half = `let me think|${deltas.slice(0, 25).join("")}`;
    await control.until(() => said(control) === half, "the first half");
    const late = await follow(bench);
    const snapshot = await snapshotOf(late, id);
    assertEquals(at(snapshot, "streamingMessage", "role"), "assistant");
    assertEquals(at(snapshot, "streamingMessage", "model"), model.modelId);
    assertEquals(said(late), half);
    assertEquals(arrayAt(snapshot, "messages").map((message) => at(message, "role")), ["user"]);
    assertEquals(snapshot.messageCount, 1);
    gate.open();
    await late.seen(id, "agent_settled");
    // The follower has summed up what the snapshot began.
    late.check();
    assertEquals(messageText(late.session(id).messages.at(-1)), deltas.join(""));
    await assertIdle(late, id);
  });
}

test("snapshot: a tool that runs is there with what it has printed, until it ends", async (bench) => {
  const client = await follow(bench);
  const id = await open(bench, client);
  await client.subscribe(id);
  const marker = bench.name("tool");
  const command = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two";
  bench.model.script(marker, calls([{ name: "bash", args: { command } }], ["I look. "]), text(["done"]));
  await client.ok({ type: "prompt", sessionId: id, message: marker });
  const printed = (tool: unknown) => JSON.stringify(at(tool, "partialResult") ?? "").includes("one");
  await client.until(() => [...client.session(id).tools.values()].some(printed), "what the tool prints");
  const late = await follow(bench);
  const snapshot = await snapshotOf(late, id);
  const [tool, ...more] = arrayAt(snapshot, "runningTools");
  assertEquals([at(tool, "toolName"), at(tool, "args", "command"), more.length], ["bash", command, 0]);
  assert(printed(tool), JSON.stringify(tool));
  assertEquals(Object.hasOwn(snapshot, "streamingMessage"), false);
  assertEquals(arrayAt(snapshot, "messages").map((message) => at(message, "role")), ["user", "assistant"]);
  const { cwd } = await client.ok({ type: "get_state", sessionId: id });
  await Deno.writeTextFile(`${cwd}/go`, "");
  await late.seen(id, "agent_settled");
  late.check();
  assertEquals([...late.session(id).tools.keys()], []);
  assertEquals(late.session(id).messages, await messagesOf(client, id));
  await assertIdle(late, id);
});

test("snapshot: messages that wait are in the queue, and gone once they are taken or cleared", async (bench) => {
  const client = await follow(bench);
  const id = await open(bench, client);
  await client.subscribe(id);
  const gate = new Gate();
  await stream(bench, client, id, pieces(10), { gate, gateAfter: 5 });
  await client.until(() => (client.session(id).streaming?.size ?? 0) > 0, "the stream");
  const [steer, later] = [bench.name("steer"), bench.name("later")];
  await client.ok({ type: "steer", sessionId: id, message: steer });
  await client.ok({ type: "follow_up", sessionId: id, message: later });
  const late = await follow(bench);
  assertEquals((await snapshotOf(late, id)).queue, { steering: [steer], followUp: [later] });
  gate.open();
  await late.seen(id, "agent_settled");
  assertEquals(late.session(id).queue, { steering: [], followUp: [] });
  await assertIdle(late, id);
  late.check();
});

test("snapshot: after an abort in the middle of a message", async (bench) => {
  const { client, id } = await talked(bench, 1);
  await client.subscribe(id);
  const marker = bench.name("hang");
  bench.model.script(marker, hang());
  await client.ok({ type: "prompt", sessionId: id, message: marker });
  await client.until(() => (client.session(id).streaming?.size ?? 0) > 0, "the stream");
  await client.ok({ type: "abort", sessionId: id });
  await client.seen(id, "agent_settled");
  await assertIdle(client, id);
});

test("snapshot: after a retry the failed answers are gone, and after the last one it stays", async (bench) => {
  const { client, id } = await talked(bench, 1);
  await client.subscribe(id);
  const marker = bench.name("retry");
  bench.model.script(marker, status(500, "boom"), status(500, "boom"), text(["recovered"]));
  await client.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
  assertEquals(client.session(id).types.filter((type) => type === "auto_retry_start").length, 2);
  await assertIdle(client, id, "recovered");
  const bad = bench.name("bad");
  bench.model.script(bad, ...Array.from({ length: 4 }, () => status(500, "boom")));
  await client.refused("agent_error", { type: "prompt", sessionId: id, message: bad, waitFor: "settled" });
  await assertIdle(client, id, "given up");
});

test("snapshot: after compact, and after a compaction that fails", async (bench) => {
  const { client, id } = await talked(bench);
  await withSummary(
    bench.model,
    () => text(["the gist"]),
    () => client.ok({ type: "compact", sessionId: id }),
  );
  await assertIdle(client, id, "compacted");
  await turn(bench, client, id);
  await assertIdle(client, id, "and on");
  await withSummary(bench.model, () => status(400, "no summaries today"), async () => {
    await client.refused("agent_error", { type: "compact", sessionId: id });
  });
  await assertIdle(client, id, "failed");
});

test("snapshot: after a context that was too long, was compacted, and was tried again", async (bench) => {
  const { client, id } = await talked(bench);
  await client.subscribe(id);
  const marker = bench.name("long");
  bench.model.script(marker, status(400, "prompt is too long"), text(["now it fits"]));
  await withSummary(bench.model, () => text(["the gist"]), async () => {
    await client.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
  });
  assert(client.session(id).types.includes("compaction_end"));
  assertEquals(messageText((await messagesOf(client, id)).at(-1)), "now it fits");
  await assertIdle(client, id);
});

test("snapshot: after navigate_tree, fork, clone and new_session", async (bench) => {
  const { client, id } = await talked(bench, 3);
  const forkable = arrayAt(await client.ok({ type: "get_fork_messages", sessionId: id }), "messages");
  const entry = (index: number) => stringAt(forkable.at(index), "entryId");
  await client.ok({ type: "navigate_tree", sessionId: id, targetId: entry(2) });
  await assertIdle(client, id, "navigate_tree");
  await turn(bench, client, id);
  await assertIdle(client, id, "a new branch");
  await client.ok({ type: "fork", sessionId: id, entryId: entry(1) });
  await assertIdle(client, id, "fork");
  await turn(bench, client, id);
  for (const type of ["clone", "new_session"]) {
    await client.ok({ type, sessionId: id });
    await assertIdle(client, id, type);
    await turn(bench, client, id);
    await assertIdle(client, id, `a turn after ${type}`);
  }
});

test("snapshot: after bash, idle and during a turn", async (bench) => {
  const { client, id } = await talked(bench, 1);
  await client.ok({ type: "bash", sessionId: id, command: "echo idle" });
  await assertIdle(client, id, "idle");
  assertEquals(numberAt(await snapshotOf(client, id), "messageCount"), 3);
  await client.subscribe(id);
  const gate = new Gate();
  await stream(bench, client, id, pieces(4), { gate });
  await client.until(() => (client.session(id).streaming?.size ?? 0) > 0, "the stream");
  await client.ok({ type: "bash", sessionId: id, command: "echo during" });
  gate.open();
  await client.seen(id, "agent_settled");
  await assertIdle(client, id, "the result waits for the next prompt");
  await turn(bench, client, id);
  await assertIdle(client, id, "it has joined");
});

test("snapshot: after an extension has left a message or moved in the tree", async (bench) => {
  const { client, id } = await talked(bench, 2);
  await client.subscribe(id);
  await client.ok({ type: "prompt", sessionId: id, message: "/note", waitFor: "settled" });
  assertEquals(at((await messagesOf(client, id)).at(-1), "customType"), "note");
  await assertIdle(client, id, "a message");
  await client.ok({ type: "prompt", sessionId: id, message: "/back", waitFor: "settled" });
  assertEquals((await messagesOf(client, id)).length, 2);
  await assertIdle(client, id, "another place in the tree");
});

test("snapshot: a queue that was left behind by an error is gone with a new session", async (bench) => {
  const client = await follow(bench);
  const id = await open(bench, client);
  await client.subscribe(id);
  const marker = bench.name("fails");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: "while [ ! -e go ]; do sleep 0.02; done" } }]),
  );
  bench.model.handler = ({ userText }) => userText.includes("left-behind") ? status(400, "no") : undefined;
  await client.ok({ type: "prompt", sessionId: id, message: marker });
  await client.until(() => client.session(id).tools.size > 0, "the tool");
  await client.ok({ type: "steer", sessionId: id, message: "left-behind" });
  await client.ok({ type: "follow_up", sessionId: id, message: "waits" });
  const { cwd } = await client.ok({ type: "get_state", sessionId: id });
  await Deno.writeTextFile(`${cwd}/go`, "");
  await client.seen(id, "agent_settled");
  bench.model.handler = undefined;
  const queued = await snapshotOf(client, id);
  assertEquals(queued.queue, { steering: [], followUp: ["waits"] });
  await client.ok({ type: "new_session", sessionId: id });
  const { pendingMessageCount } = await client.ok({ type: "get_state", sessionId: id });
  assertEquals(pendingMessageCount, 0);
  await assertIdle(client, id);
});

/** A session with these questions, each answered in a word. */
async function filled(bench: Bench, questions: string[]): Promise<{ client: Follower; id: string }> {
  const client = await follow(bench);
  const id = await open(bench, client, { inMemory: true });
  await client.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  bench.model.handler = () => text(["ok"]);
  for (const message of questions) {
    await client.ok({ type: "prompt", sessionId: id, message, waitFor: "settled" });
  }
  bench.model.handler = undefined;
  return { client, id };
}

const MOST_BYTES = 4 * 1024 * 1024;
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length;

/** The newest messages that fit, and no fewer. */
async function assertTruncated(client: Follower, id: string): Promise<void> {
  const all = await messagesOf(client, id);
  const snapshot = await snapshotOf(client, id);
  const kept = arrayAt(snapshot, "messages");
  assertEquals([snapshot.truncated, snapshot.messageCount], [true, all.length]);
  assert(kept.length > 0 && kept.length < all.length);
  assertEquals(kept, all.slice(-kept.length));
  assert(bytesOf(kept) <= MOST_BYTES, `${bytesOf(kept)} bytes of messages`);
  const oneMore = all.slice(-kept.length - 1);
  assert(bytesOf(oneMore) > MOST_BYTES, `${bytesOf(oneMore)} bytes would have fitted`);
}

test("snapshot: only the newest messages that fit 4 MiB, and it says so", async (bench) => {
  const { client, id } = await filled(bench, ["a", "b", "c", "d"].map((letter) => letter.repeat(999_000)));
  assertEquals((await snapshotOf(client, id)).truncated, undefined);
  await assertIdle(client, id);
  const fifth = { type: "prompt", sessionId: id, message: "e".repeat(999_000), waitFor: "settled" };
  bench.model.handler = () => text(["ok"]);
  await client.ok(fifth);
  bench.model.handler = undefined;
  await assertTruncated(client, id);
});

test("snapshot: 4 MiB are bytes, not characters", async (bench) => {
  const { client, id } = await filled(bench, ["語", "言", "字"].map((letter) => letter.repeat(600_000)));
  await assertTruncated(client, id);
});
