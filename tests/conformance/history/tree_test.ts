// The tree of a session (docs/PROTOCOL.md#commands-on-history-and-discovery): get_tree, navigate_tree with and without a summary, export_html, and a session
// of 200 entries, whose fork and navigation must give the tree that pi itself loads from the resulting file.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, messageText, stringAt } from "../../support/base/json.ts";
import { Gate, hang, text } from "../../support/model/model_server.ts";
import {
  longHistory,
  piBranch,
  piTree,
  wireTree,
  withoutLabelEntries,
  writeSession,
} from "../../support/model/session_file.ts";
import { withSummary } from "../../support/model/summaries.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const args: string[] = [];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
});

const tree = async (wire: Wire, sessionId: string) => await wire.ok({ type: "get_tree", sessionId });
const plainTree = async (wire: Wire, sessionId: string) => wireTree(await tree(wire, sessionId));
const byId = <T extends { entryId: string }>(nodes: readonly T[]) =>
  [...nodes].sort((a, b) => a.entryId < b.entryId ? -1 : 1);

async function turn(bench: Bench, wire: Wire, id: string, said: string): Promise<string> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return marker;
}

async function fileOf(wire: Wire, sessionId: string): Promise<string> {
  return stringAt(await wire.ok({ type: "get_state", sessionId }), "sessionFile");
}

/** The node of the message that says that. */
function nodeOf(data: JsonObject, words: string): JsonObject & { entryId: string } {
  const found = arrayAt(data, "nodes").find((node) => at(node, "text") === words);
  return { ...(found as JsonObject), entryId: stringAt(found, "entryId") };
}

test("get_tree: every entry, flat, with roles and texts; the same as pi loads", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const empty = await tree(wire, id);
  for (const node of arrayAt(empty, "nodes")) assert(at(node, "entryType") !== "message");
  const first = await turn(bench, wire, id, "answer one");
  const data = await tree(wire, id);
  const asked = nodeOf(data, first);
  const answered = nodeOf(data, "answer one");
  assertEquals([asked.role, asked.entryType, answered.role], ["user", "message", "assistant"]);
  assertEquals([answered.parentId, data.currentLeafId], [asked.entryId, answered.entryId]);
  assertEquals(Number.isNaN(Date.parse(stringAt(asked, "timestamp"))), false);
  const { leaf, nodes } = await piTree(await fileOf(wire, id));
  assertEquals(wireTree(data), { leaf, nodes });
});

test("navigate_tree: the leaf moves, the text comes back, the next turn branches there", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const first = await turn(bench, wire, id, "answer one");
  const second = await turn(bench, wire, id, "answer two");
  const data = await tree(wire, id);
  const target = nodeOf(data, second);
  const moved = await wire.ok({ type: "navigate_tree", sessionId: id, targetId: target.entryId });
  assertEquals(moved, { editorText: second, cancelled: false });
  assertEquals((await tree(wire, id)).currentLeafId, nodeOf(data, "answer one").entryId);
  const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
  assertEquals(messages.map(messageText), [first, "answer one"]);
  const third = await turn(bench, wire, id, "answer three");
  const request = await bench.model.request(third);
  assert(!JSON.stringify(request.body).includes("answer two"), "the model saw the branch that was left");
  const after = await tree(wire, id);
  assertEquals(nodeOf(after, third).parentId, nodeOf(data, "answer one").entryId);
  assertEquals(nodeOf(after, second).parentId, nodeOf(data, "answer one").entryId);
  const { leaf, nodes } = await piTree(await fileOf(wire, id));
  assertEquals(wireTree(after), { leaf, nodes });
  // To an answer: the leaf is that entry, and there is no text to edit.
  const back = nodeOf(data, "answer two").entryId;
  const there = await wire.ok({ type: "navigate_tree", sessionId: id, targetId: back });
  assertEquals(there, { cancelled: false });
  assertEquals((await tree(wire, id)).currentLeafId, back);
  const root = nodeOf(data, first).entryId;
  assertEquals(
    await wire.ok({ type: "navigate_tree", sessionId: id, targetId: root }),
    { editorText: first, cancelled: false },
  );
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).messageCount, 0);
});

test("navigate_tree: with a label, and refusals", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await turn(bench, wire, id, "answer one");
  await turn(bench, wire, id, "answer two");
  const targetId = nodeOf(await tree(wire, id), "answer one").entryId;
  const navigate = (options: JsonObject) => ({ type: "navigate_tree", sessionId: id, targetId, options });
  await wire.ok(navigate({ label: "here 😀" }));
  const after = await tree(wire, id);
  assertEquals(nodeOf(after, "answer one").label, "here 😀");
  await turn(bench, wire, id, "answer three");
  const { leaf, nodes } = await piTree(await fileOf(wire, id));
  assertEquals(await plainTree(wire, id), { leaf, nodes });
  const before = await plainTree(wire, id);
  for (const entryId of ["nope", "__proto__", "constructor"]) {
    await wire.refused("entry_not_found", { type: "navigate_tree", sessionId: id, targetId: entryId });
  }
  await wire.refused("invalid_params", navigate({ label: "" }));
  await wire.refused("invalid_params", navigate({ summarise: true }));
  await wire.refused("invalid_params", navigate({ summarize: "yes" }));
  assertEquals(await plainTree(wire, id), before);
});

test("navigate_tree: with a summary, which the model writes and the next turn sees", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await turn(bench, wire, id, "answer one");
  const second = await turn(bench, wire, id, "answer two");
  const targetId = nodeOf(await tree(wire, id), "answer one").entryId;
  let asked = "";
  const data = await withSummary(bench.model, (request) => {
    asked = request.userText;
    return text(["what happened there"]);
  }, () =>
    wire.ok({
      type: "navigate_tree",
      sessionId: id,
      targetId,
      options: { summarize: true, customInstructions: "Mind the gap", label: "left behind" },
    }));
  assertEquals(data.cancelled, false);
  assertStringIncludes(asked, second);
  assertStringIncludes(asked, "Mind the gap");
  const after = await tree(wire, id);
  const summary = arrayAt(after, "nodes").find((node) => at(node, "entryType") === "branch_summary");
  assertEquals([at(summary, "parentId"), at(summary, "label")], [targetId, "left behind"]);
  const marker = await turn(bench, wire, id, "answer three");
  assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "what happened there");
  const { leaf, nodes } = await piTree(await fileOf(wire, id));
  assertEquals(await plainTree(wire, id), { leaf, nodes });
});

test("navigate_tree: abort_compaction stops its summary; reads and busy go on meanwhile", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await turn(bench, wire, id, "answer one");
  await turn(bench, wire, id, "answer two");
  const targetId = nodeOf(await tree(wire, id), "answer one").entryId;
  const before = await plainTree(wire, id);
  const requests = bench.model.requests.length;
  const head = new Gate();
  await withSummary(bench.model, () => hang([], head), async () => {
    const options = { summarize: true };
    wire.send({ type: "navigate_tree", id: "n", sessionId: id, targetId, options });
    const hung = await until(() => bench.model.requests[requests], 5000, () => "the request for a summary");
    const second = await bench.connect("second");
    const state = await second.ok({ type: "get_state", sessionId: id });
    assertEquals(state.isCompacting, true);
    await second.ok({ type: "abort_compaction", sessionId: id });
    const response = await wire.response("n");
    assertEquals(response.data, { cancelled: true, aborted: true }, JSON.stringify(response));
    head.open();
    await hung.aborted;
  });
  assertEquals(await plainTree(wire, id), before);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).isCompacting, false);
  await turn(bench, wire, id, "goes on");
});

test("export_html: in the session's folder by default, nowhere outside the roots", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const unwritten = await wire.request({ type: "export_html", sessionId: id });
  assertEquals([unwritten.success, unwritten.code], [false, "agent_error"], JSON.stringify(unwritten));
  await turn(bench, wire, id, "words to export");
  const { path } = await wire.ok({ type: "export_html", sessionId: id });
  assert(String(path).startsWith(`${cwd}/`), `${path} is not in ${cwd}`);
  const html = await Deno.readTextFile(String(path));
  assertStringIncludes(html.slice(0, 200).toLowerCase(), "<!doctype html");
  const own = await wire.ok({ type: "export_html", sessionId: id, outputPath: "sub-name.html" });
  assertEquals(own, { path: `${cwd}/sub-name.html` });
  assertEquals((await Deno.stat(`${cwd}/sub-name.html`)).isFile, true);
  await Deno.mkdir(`${bench.home.dir}/elsewhere`, { recursive: true });
  await Deno.symlink(`${bench.home.dir}/elsewhere`, `${cwd}/link`);
  await Deno.symlink(`${bench.home.dir}/elsewhere/file.html`, `${cwd}/dangling.html`);
  await Deno.writeTextFile(`${bench.home.dir}/kept.html`, "kept");
  await Deno.symlink(`${bench.home.dir}/kept.html`, `${cwd}/file-link.html`);
  const forbidden = [
    "/tmp/x.html",
    "../../../x.html",
    "link/x.html",
    "file-link.html",
    "dangling.html",
    `${bench.home.dir}/elsewhere/x.html`,
  ];
  for (const outputPath of forbidden) {
    await wire.refused("path_forbidden", { type: "export_html", sessionId: id, outputPath });
  }
  await wire.refused("path_not_found", { type: "export_html", sessionId: id, outputPath: "missing/x.html" });
  assertEquals([...Deno.readDirSync(`${bench.home.dir}/elsewhere`)], []);
  const memory = await bench.watched(wire, { inMemory: true });
  await turn(bench, wire, memory.id, "not on disk");
  const response = await wire.request({ type: "export_html", sessionId: memory.id });
  assertEquals([response.success, response.code], [false, "agent_error"], JSON.stringify(response));
});

/** Loads a session of 200 entries. */
async function loaded(bench: Bench, wire: Wire) {
  const id = bench.name("long");
  const cwd = await bench.home.folder(id);
  const made = await writeSession(`${cwd}/long.jsonl`, "0197-long", cwd, longHistory(200).all);
  const bytes = await Deno.readTextFile(made.path);
  const data = await wire.ok({ type: "load_session", sessionId: id, sessionPath: made.path });
  assertEquals(stringAt(data, "sessionId"), id);
  assertEquals(await Deno.readTextFile(made.path), bytes, "loading changed the file");
  await wire.ok({ type: "subscribe", sessionId: id });
  return { id, cwd, path: made.path, entries: made.entries };
}

test("200 entries: get_tree and the messages are what pi loads", async (bench) => {
  const wire = await bench.connect();
  const { id, path, entries } = await loaded(bench, wire);
  const data = await tree(wire, id);
  assertEquals(arrayAt(data, "nodes").length, entries.length);
  const { leaf, nodes, messages } = await piTree(path);
  assertEquals(wireTree(data), { leaf, nodes });
  const own = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
  assertEquals(own.map(messageText), messages.map(messageText));
  const forkable = arrayAt(await wire.ok({ type: "get_fork_messages", sessionId: id }), "messages");
  const users = entries.filter((entry) => at(entry, "message", "role") === "user");
  assertEquals(
    forkable.map((each) => [at(each, "entryId"), at(each, "text")]),
    users.map((entry) => [entry.id, messageText(entry.message)]),
  );
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).sessionName, "A long session");
});

for (const [name, pick] of [["early", 8], ["middle", 30], ["last", -1]] as const) {
  test(`200 entries: a fork (${name}) gives the branch that pi loads, whole`, async (bench) => {
    const wire = await bench.connect();
    const { id, path, cwd } = await loaded(bench, wire);
    const data = await wire.ok({ type: "get_fork_messages", sessionId: id });
    const entryId = stringAt(arrayAt(data, "messages").at(pick), "entryId");
    const original = await piTree(path);
    const parentId = original.nodes.find((node) => node.entryId === entryId)?.parentId ?? "";
    const expected = await piBranch(path, parentId);
    await wire.ok({ type: "fork", sessionId: id, entryId });
    const file = await fileOf(wire, id);
    const mine = await plainTree(wire, id);
    const reloaded = await piTree(file);
    assertEquals(mine, { leaf: reloaded.leaf, nodes: reloaded.nodes });
    // Label entries get new ids in each fork; all else is the same, the labels too. What pi appends when it
    // opens a branch without model or level makes no difference.
    const known = new Set(expected.nodes.map((node) => node.entryId));
    const opened = (node: { entryId: string; entryType: string }) =>
      !known.has(node.entryId) && ["thinking_level_change", "model_change"].includes(node.entryType);
    assertEquals(
      byId(withoutLabelEntries(mine).filter((node) => !opened(node))),
      byId(expected.nodes),
    );
    assertEquals(reloaded.messages.map(messageText), expected.messages.map(messageText));
    assertEquals([at(reloaded.header, "cwd"), at(reloaded.header, "parentSession")], [cwd, path]);
    await turn(bench, wire, id, "after the fork");
    const after = await piTree(file);
    assertEquals(await plainTree(wire, id), { leaf: after.leaf, nodes: after.nodes });
  });

  test(`200 entries: navigate_tree (${name}) gives the tree that pi loads`, async (bench) => {
    const wire = await bench.connect();
    const { id, path } = await loaded(bench, wire);
    const { nodes, leaf } = await piTree(path);
    const messages = nodes.filter((node) => node.entryType === "message" && node.entryId !== leaf);
    const targetId = messages.at(pick * 2)?.entryId ?? "";
    const entry = arrayAt(await tree(wire, id), "nodes").find((node) => at(node, "entryId") === targetId);
    const isUser = at(entry, "role") === "user";
    const expected = await piTree(path, (manager) => {
      const to = isUser ? manager.getEntry(targetId)?.parentId : targetId;
      if (to) manager.branch(to);
      else manager.resetLeaf();
    });
    const data = await wire.ok({ type: "navigate_tree", sessionId: id, targetId });
    assertEquals(data.cancelled, false);
    assertEquals(data.editorText, isUser ? at(entry, "text") : undefined);
    assertEquals(await plainTree(wire, id), { leaf: expected.leaf, nodes: expected.nodes });
    const own = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages");
    assertEquals(own.map(messageText), expected.messages.map(messageText));
    await turn(bench, wire, id, "on the new branch");
    const after = await piTree(path);
    assertEquals(await plainTree(wire, id), { leaf: after.leaf, nodes: after.nodes });
    // A model or level entry may come first; then the user's message is its child.
    const added = after.nodes.slice(nodes.length);
    assertEquals(added[0]?.parentId, expected.leaf);
  });
}
