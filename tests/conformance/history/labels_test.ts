// Labels in the branch that clone and fork copy (docs/PROTOCOL.md#commands-on-history-and-discovery): the copy holds the whole branch, wherever labels lie in
// it, in the session and in the file that it leaves; labels stay, and a compaction keeps what it kept.

import { assertEquals } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, messageText, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, piTree, writeSession } from "../../support/model/session_file.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared([]);

async function texts(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);
}

/** The labels that the tree shows, by the text of the entry that has one. */
async function labels(wire: Wire, sessionId: string): Promise<Record<string, Json>> {
  const nodes = arrayAt(await wire.ok({ type: "get_tree", sessionId }), "nodes");
  const labelled = nodes.filter((node) => at(node, "label") !== undefined);
  return Object.fromEntries(labelled.map((node) => [stringAt(node, "text"), stringAt(node, "label")]));
}

async function load(bench: Bench, wire: Wire, entries: readonly JsonObject[]): Promise<string> {
  const id = bench.name("labelled");
  const cwd = await bench.home.folder(id);
  const { path } = await writeSession(`${cwd}/${id}.jsonl`, id, cwd, entries);
  await wire.ok({ type: "load_session", sessionPath: path, sessionId: id });
  await wire.ok({ type: "subscribe", sessionId: id });
  return id;
}

/** What the session's file holds for another pi, once a turn more has been written to it. */
async function written(bench: Bench, wire: Wire, sessionId: string): Promise<string[]> {
  const marker = bench.name("after");
  bench.model.script(marker, text(["and on"]));
  await settled(wire, sessionId, marker);
  const path = stringAt(await wire.ok({ type: "get_state", sessionId }), "sessionFile");
  const { messages } = await piTree(path);
  assertEquals(messages.slice(-2).map(messageText), [marker, "and on"]);
  return messages.slice(0, -2).map(messageText);
}

/** Three questions with their answers, and labels behind those messages that are named. */
function history(...places: readonly string[]): { entries: Entries; said: string[]; last: string } {
  const entries = new Entries();
  const said: string[] = [];
  let last = "";
  const mark = (words: string, id: string): void => {
    said.push(words);
    // Two in a row: the second hangs below the first.
    if (places.includes(words)) {
      entries.label(id, `first ${words}`);
      entries.label(id, `at ${words}`);
    }
  };
  for (const n of [1, 2, 3]) {
    last = entries.user(`question ${n}`);
    mark(`question ${n}`, last);
    mark(`answer ${n}`, entries.assistant(`answer ${n}`));
  }
  return { entries, said, last };
}

const PLACES: readonly (readonly string[])[] = [
  ["question 1"],
  ["answer 1"],
  ["answer 2"],
  ["answer 3"],
  ["question 1", "answer 1", "question 2", "answer 2", "question 3", "answer 3"],
];

for (const places of PLACES) {
  const where = places.length > 1 ? "every message" : places.join();
  test(`clone: a label behind ${where} loses nothing`, async (bench) => {
    const wire = await bench.connect();
    const { entries, said } = history(...places);
    const id = await load(bench, wire, entries.all);
    await wire.ok({ type: "clone", sessionId: id });
    assertEquals(await texts(wire, id), said);
    assertEquals(await labels(wire, id), Object.fromEntries(places.map((place) => [place, `at ${place}`])));
    assertEquals(await written(bench, wire, id), said);
  });

  test(`fork: a label behind ${where} loses nothing`, async (bench) => {
    const wire = await bench.connect();
    const { entries, said, last } = history(...places);
    const id = await load(bench, wire, entries.all);
    assertEquals(at(await wire.ok({ type: "fork", sessionId: id, entryId: last }), "text"), "question 3");
    assertEquals(await texts(wire, id), said.slice(0, 4));
    assertEquals(await written(bench, wire, id), said.slice(0, 4));
  });
}

test("clone: a compaction whose first kept entry is a label keeps what is behind that", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const old = entries.user("old");
  entries.assistant("old answer");
  const label = entries.label(old, "mark");
  entries.user("kept");
  entries.assistant("kept answer");
  entries.custom({ type: "compaction", summary: "SUMMARY", firstKeptEntryId: label, tokensBefore: 100 });
  entries.user("new");
  entries.assistant("new answer");
  const id = await load(bench, wire, entries.all);
  const before = await texts(wire, id);
  assertEquals(before.slice(1), ["kept", "kept answer", "new", "new answer"]);
  await wire.ok({ type: "clone", sessionId: id });
  assertEquals(await texts(wire, id), before);
  assertEquals((await written(bench, wire, id)).slice(1), before.slice(1));
});

test("clone of an in-memory session with a label in its branch", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire, { inMemory: true });
  const said: string[] = [];
  const turn = async (): Promise<void> => {
    const marker = bench.name("in-memory");
    bench.model.script(marker, text([`about ${marker}`]));
    await settled(wire, id, marker);
    said.push(marker, `about ${marker}`);
  };
  await turn();
  const { currentLeafId: targetId } = await wire.ok({ type: "get_tree", sessionId: id });
  await turn();
  // Back to the first answer: the label is written there, and what follows hangs below it.
  await wire.ok({
    type: "navigate_tree",
    sessionId: id,
    targetId: targetId ?? "",
    options: { label: "here" },
  });
  said.splice(2);
  await turn();
  assertEquals(await texts(wire, id), said);
  await wire.ok({ type: "clone", sessionId: id });
  assertEquals(await texts(wire, id), said);
});
