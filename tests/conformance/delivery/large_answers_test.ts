// Answers that grow with a session's history: bounded, newest first, with a way to the rest; many of them at once cost
// the memory of a few, and a client that reads them is not closed.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, numberAt, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const MIB = 1024 * 1024;
const ANSWER_BYTES = 8 * MIB;
/** The envelope and what is said beside the history. */
const ROOM = 4096;
const TURNS = 40;

const test = shared();
let sessions = 0;

/** Loads a session with those entries. */
async function loaded(bench: Bench, wire: Wire, entries: Entries): Promise<string> {
  const id = `large-${++sessions}-x`;
  const path = `${await bench.home.folder(id)}/${id}.jsonl`;
  await writeSession(path, id, await bench.home.folder(id), entries.all);
  const data = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
  return stringAt(data, "sessionId");
}

/** A history of so many MiB, one for each turn. */
function history(turns = TURNS): Entries {
  const entries = new Entries();
  for (let n = 0; n < turns; n++) {
    entries.user(`turn ${n} ${"x".repeat(MIB)}`);
    entries.assistant(`answer ${n}`);
  }
  return entries;
}

/** pi adds entries of its own when it loads a file. */
const messagesIn = (tree: JsonObject): Json[] =>
  arrayAt(tree, "nodes").filter((node) => at(node, "entryType") === "message");

const firstWords = (message: Json | undefined): string =>
  stringAt(arrayAt(message, "content")[0], "text").slice(0, 10);

test("large answers: get_messages gives the newest, and a way to each of the others", async (bench) => {
  const wire = await bench.connect();
  const id = await loaded(bench, wire, history());
  const pages: Json[][] = [];
  let before: JsonObject = {};
  while (true) {
    const data = await wire.ok({ type: "get_messages", sessionId: id, ...before });
    assert(JSON.stringify(data).length <= ANSWER_BYTES + ROOM);
    assertEquals(data.messageCount, 2 * TURNS);
    pages.unshift(arrayAt(data, "messages"));
    if (data.truncated === undefined) break;
    assertStringIncludes(stringAt(data, "message"), `"before": ${numberAt(data, "before")}`);
    before = { before: numberAt(data, "before") };
  }
  assert(pages.length >= TURNS * MIB / ANSWER_BYTES, `${pages.length} pages`);
  const all = pages.flat();
  assertEquals(all.length, 2 * TURNS);
  all.forEach((message, n) => assertStringIncludes(firstWords(message), `${n >> 1}`));
  // A page that fits is whole.
  const few = await wire.ok({ type: "get_messages", sessionId: id, limit: 3 });
  assertEquals([few.truncated, arrayAt(few, "messages").length], [undefined, 3]);
});

test("large answers: a message above the bound comes cut, and the ones around it whole", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  entries.user("before");
  entries.user(`huge ${"y".repeat(ANSWER_BYTES)}`);
  entries.assistant(`after ${"z".repeat(ANSWER_BYTES)}`);
  entries.user("last");
  const id = await loaded(bench, wire, entries);
  const data = await wire.ok({ type: "get_messages", sessionId: id });
  const messages = arrayAt(data, "messages");
  assertEquals(messages.map((one) => at(one, "oversized")), [undefined, true, true, undefined]);
  assertEquals(messages.map((one) => at(one, "role")), ["user", "user", "assistant", "user"]);
  assertStringIncludes(firstWords(messages[1]), "huge");
  assert(JSON.stringify(data).length < MIB);
  const answered = await wire.ok({ type: "get_last_assistant_text", sessionId: id });
  assertEquals(answered.truncated, true);
  assert(stringAt(answered, "text").length < ANSWER_BYTES);
});

test("large answers: fork messages and snapshots are the newest that fit, a tree has every entry", async (bench) => {
  const wire = await bench.connect();
  const id = await loaded(bench, wire, history());
  const fork = await wire.ok({ type: "get_fork_messages", sessionId: id });
  const named = arrayAt(fork, "messages");
  assertEquals([fork.truncated, named.length], [true, 7]);
  assertStringIncludes(stringAt(named.at(-1), "text").slice(0, 10), `turn ${TURNS - 1}`);
  assertStringIncludes(stringAt(fork, "message"), `${TURNS - 7} older`);
  const tree = await wire.ok({ type: "get_tree", sessionId: id });
  assertEquals([tree.truncated, messagesIn(tree).length], [undefined, 2 * TURNS]);
  const { snapshot } = await wire.ok({ type: "subscribe", sessionId: id, snapshot: true });
  assertEquals([at(snapshot, "truncated"), at(snapshot, "messageCount")], [true, 2 * TURNS]);
  assert(JSON.stringify(snapshot).length < 4 * MIB + ROOM);
});

test("large answers: a very long tree leaves the texts of old entries out", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  for (let n = 0; n < 2_300; n++) entries.user(`${n} ${"t".repeat(4_000)}`);
  const id = await loaded(bench, wire, entries);
  const tree = await wire.ok({ type: "get_tree", sessionId: id });
  const nodes = messagesIn(tree);
  assertEquals([tree.truncated, nodes.length], [true, 2_300]);
  assertEquals([at(nodes[0], "text"), at(nodes[0], "parentId")], [undefined, null]);
  assertStringIncludes(stringAt(nodes.at(-1), "text"), "2299 ");
  assert(JSON.stringify(tree).length <= ANSWER_BYTES + ROOM);
});

test("large answers: a history that is too large for a page is refused in words", async (bench) => {
  const wire = await bench.connect();
  const id = await loaded(bench, wire, history(33));
  const refusal = await wire.refused("session_too_large", { type: "export_html", sessionId: id });
  assertStringIncludes(stringAt(refusal, "error"), "32 MiB");
  const small = await loaded(bench, wire, history(3));
  await wire.ok({ type: "export_html", sessionId: small });
});

/** Asks for the history many times at once, and for other things behind that. */
async function flooded(wire: Wire, id: string, other: string): Promise<void> {
  const asked = Array.from({ length: 12 }, () => wire.ok({ type: "get_messages", sessionId: id }, 120_000));
  const beside = wire.ok({ type: "get_state", sessionId: other }, 120_000);
  const behind = wire.ok({ type: "set_session_name", sessionId: id, name: "behind" }, 120_000);
  for (const data of await Promise.all(asked)) assertEquals(data.truncated, true);
  await beside;
  await behind;
}

alone("large answers: many at once on several connections harm nothing", async (bench) => {
  // The JSON of all answers together would be 1.9 GB.
  await bench.start(["--max-host-memory-bytes", "640MiB"]);
  const wire = await bench.connect();
  const id = await loaded(bench, wire, history());
  const { id: other } = await bench.session(wire);
  const wires = await Promise.all([1, 2, 3, 4].map(() => bench.connect()));
  const marker = bench.name("beside");
  bench.model.script(marker, text(["fine"]));
  await Promise.all([...wires.map((one) => flooded(one, id, other)), settled(wire, other, marker)]);
  for (const one of wires) await one.ok({ type: "ping" });
  assert(!/died|too slowly/.test(bench.server.stderr), bench.server.stderr);
});

alone("large answers, stdio: many at once are answered one after the other", async (bench) => {
  const wire = await bench.startStdio();
  const id = await loaded(bench, wire, history());
  const { id: other } = await bench.session(wire);
  await flooded(wire, id, other);
  assert(!/died|too slowly/.test(bench.server.stderr), bench.server.stderr);
});
