// Histories that are read from the file: of parked sessions, which stay parked, and of files that are too large for
// pi. These are sessions all the same, and say why they cannot run.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { again } from "../../support/server/restart.ts";
import { Entries, longHistory, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const MIB = 1024 * 1024;

const state = (wire: Wire, sessionId: string): Promise<JsonObject> =>
  wire.ok({ type: "get_state", sessionId });

async function parked(wire: Wire, sessionId: string): Promise<void> {
  const is = async (): Promise<boolean> => (await state(wire, sessionId)).status === "parked";
  await until(is, 15_000, () => `${sessionId} to be parked`);
}

/** Writes a file of that session, and where it is. */
async function fileOf(bench: Bench, id: string, entries: Entries): Promise<string> {
  const path = `${await bench.home.folder(id)}/${id}.jsonl`;
  await writeSession(path, id, await bench.home.folder(id), entries.all);
  return path;
}

const idsOf = (page: JsonObject): string[] => arrayAt(page, "entries").map((entry) => stringAt(entry, "id"));

/** A page as it is of a loaded session and of its file. */
function same({ unloaded: _unloaded, entryCount: _count, ...page }: JsonObject): JsonObject {
  return page;
}

alone(
  "stored history: pages and contents of a parked session come from its file, and it stays parked",
  async (bench) => {
    await bench.start(["--idle-session-ms", "400"]);
    const wire = await bench.connect();
    const entries = longHistory(120);
    const long = "a long answer ".repeat(10_000);
    entries.assistant(long);
    const path = await fileOf(bench, "parked-x", entries);
    const { sessionId } = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
    const read = { type: "get_entries", sessionId: sessionId ?? null, limit: 20, refs: true };
    const root = stringAt(entries.all[0], "id");
    const queries: JsonObject[] = [
      { ...read },
      { ...read, scope: "branch" },
      { ...read, scope: "branch", maxBytes: 16_384 },
      { ...read, since: root },
      { ...read, since: root, scope: "branch", limit: 3 },
    ];
    const id = String(sessionId);
    const live: JsonObject[] = [];
    // A watched session is not parked, however slow the machine is.
    await wire.ok({ type: "subscribe", sessionId: id });
    for (const query of queries) live.push(await wire.ok(query));
    assertEquals(live[0]?.unloaded, undefined);
    await wire.ok({ type: "unsubscribe", sessionId: id });
    await parked(wire, id);
    const resumed = (): number => wire.messages.filter(({ type }) => type === "session_resumed").length;
    const before = resumed();
    for (const [index, query] of queries.entries()) {
      const stored = await wire.ok(query);
      assertEquals(stored.unloaded, true);
      assertEquals(same(stored), same(live[index] ?? {}), JSON.stringify(query));
    }
    // On from the last page, as far as the first entry.
    const ids: string[] = [];
    for (let next: Json | undefined = null; next !== undefined;) {
      const page: JsonObject = await wire.ok({ ...read, ...(next === null ? {} : { before: next }) });
      ids.unshift(...idsOf(page));
      next = page.nextBefore;
    }
    assertEquals(ids.slice(0, entries.all.length), entries.all.map((entry) => stringAt(entry, "id")));
    const last = arrayAt(live[1], "entries").find((entry) => JSON.stringify(entry).includes("contentRef"));
    const ref = stringAt(last, "message", "content", 0, "text", "contentRef", "hash");
    const piece = await wire.ok({ type: "get_content", sessionId: id, ref, offset: 14, length: 13 });
    assertEquals([atob(stringAt(piece, "data")), piece.size], ["a long answer", long.length]);
    // The same refusals.
    await wire.refused("entry_not_found", { ...read, before: "nope" });
    await wire.refused("content_not_found", {
      ...read,
      type: "get_content",
      ref: "0".repeat(64),
      limit: undefined,
      refs: undefined,
    });
    await wire.refused("version_conflict", { ...read, ifSessionVersion: 99 });
    assertEquals([(await state(wire, id)).status, resumed()], ["parked", before]);
    // What needs pi brings it back.
    await wire.ok({ type: "subscribe", sessionId: id });
    assertEquals((await state(wire, id)).status, "live");
    assertEquals((await wire.ok(read)).unloaded, undefined);
  },
);

/** Entries of so many MiB, on one branch. */
function heavy(mib: number): Entries {
  const entries = new Entries();
  for (let n = 0; n < mib; n++) {
    entries.user(`question ${n}`);
    entries.assistant(`answer ${n} ${"x".repeat(MIB)}`);
  }
  return entries;
}

alone(
  "stored history: a file too large for the worker's memory can be read, and says what it needs to run",
  async (bench) => {
    await bench.start(["--max-host-memory-bytes", "400MiB"]);
    const wire = await bench.connect();
    const path = await fileOf(bench, "huge-x", heavy(48));
    const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
    const id = stringAt(loaded, "sessionId");
    const unloaded = stringAt(loaded, "sessionInfo", "unloaded");
    for (const word of ["--max-host-memory-bytes", "get_entries"]) assertStringIncludes(unloaded, word);
    assertEquals(at(loaded, "sessionInfo", "status"), "parked");
    assertEquals((await state(wire, id)).unloaded, unloaded);
    const page = await wire.ok({
      type: "get_entries",
      sessionId: id,
      scope: "branch",
      limit: 50,
      refs: true,
    });
    const entries = arrayAt(page, "entries");
    assertEquals([entries.length, page.more, page.unloaded], [50, true, true]);
    assertEquals(stringAt(entries[48], "message", "content", 0, "text"), "question 47");
    const ref = stringAt(entries[49], "message", "content", 0, "text", "contentRef", "hash");
    const piece = await wire.ok({ type: "get_content", sessionId: id, ref, length: 9 });
    assertEquals(atob(stringAt(piece, "data")), "answer 47");
    // What needs pi is refused with the way out, and other sessions work on.
    for (
      const command of [
        { type: "prompt", message: "go on" },
        { type: "subscribe" },
        { type: "get_messages" },
        { type: "fork", entryId: stringAt(entries[48], "id") },
      ]
    ) {
      const refusal = await wire.refused("session_file_too_large", { ...command, sessionId: id });
      for (const word of ["--max-host-memory-bytes", "get_entries"]) {
        assertStringIncludes(stringAt(refusal, "error"), word);
      }
    }
    const before = await Deno.stat(path);
    const marker = bench.name("beside");
    bench.model.script(marker, text(["fine"]));
    await settled(wire, (await bench.session(wire)).id, marker);
    const listed = arrayAt(await wire.ok({ type: "list_sessions" }), "sessions");
    assertEquals(at(listed.find((one) => at(one, "sessionId") === id), "unloaded"), unloaded);
    await wire.refused("session_exists", { type: "load_session", sessionPath: path });
    // It outlives a restart. With more memory it is a session like any other.
    wire.mayLoseResponses = true;
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0);
    const larger = await again(bench, ["--max-host-memory-bytes", "3GiB"]);
    assertEquals((await state(larger, id)).unloaded, unloaded);
    assertEquals((await Deno.stat(path)).size, before.size);
    const next = bench.name("larger");
    bench.model.script(next, text(["at last"]));
    const answer = await larger.ok(
      { type: "prompt", sessionId: id, message: next, waitFor: "settled" },
      120_000,
    );
    assertEquals(answer.text, "at last");
    const now = await state(larger, id);
    assertEquals([now.status, now.unloaded, now.messageCount], ["live", undefined, 98]);
    const tools = await larger.ok({ type: "get_tools", sessionId: id });
    assert(arrayAt(tools, "tools").some((tool) => at(tool, "active") === true));
    await larger.ok({ type: "delete_session", sessionId: id });
  },
);

alone("stored history: a branch of 100,000 entries can be read from both ends", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const entries = new Entries();
  for (let n = 0; n < 100_000; n++) entries.user(`${n}`);
  const path = await fileOf(bench, "deep-x", entries);
  const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 120_000);
  assertStringIncludes(stringAt(loaded, "sessionInfo", "unloaded"), "100000 entries");
  const id = stringAt(loaded, "sessionId");
  const read = { type: "get_entries", sessionId: id, scope: "branch", limit: 3 };
  const last = await wire.ok(read);
  const all = entries.all.map((entry) => stringAt(entry, "id"));
  assertEquals(idsOf(last), all.slice(-3));
  const before = await wire.ok({ ...read, before: last.nextBefore ?? null });
  assertEquals(idsOf(before), all.slice(-6, -3));
  const first = await wire.ok({ ...read, since: null }, 60_000);
  assertEquals([idsOf(first), first.nextSince], [all.slice(0, 3), all[2]]);
  const next = await wire.ok({ ...read, since: first.nextSince ?? null }, 60_000);
  assertEquals(idsOf(next), all.slice(3, 6));
  await wire.refused("session_file_too_large", { type: "prompt", sessionId: id, message: "go on" }, 60_000);
});

alone("stored history: one line of 200 MB is read past, and shown by its place", async (bench) => {
  await bench.start(["--max-host-memory-bytes", "400MiB"]);
  const wire = await bench.connect();
  const entries = new Entries();
  entries.user("first");
  const path = `${await bench.home.folder("line-x")}/line-x.jsonl`;
  const id = entries.assistant("MARK");
  entries.user("last");
  await writeSession(path, "line-x", await bench.home.folder("line-x"), entries.all);
  const lines = (await Deno.readTextFile(path)).split("\n");
  const at200 = lines.findIndex((line) => line.includes("MARK"));
  lines[at200] = (lines[at200] ?? "").replace("MARK", "y".repeat(200 * 1000 * 1000));
  await Deno.writeTextFile(path, lines.join("\n"));
  const loaded = await wire.ok({ type: "load_session", sessionPath: path }, 60_000);
  const sessionId = stringAt(loaded, "sessionId");
  const page = await wire.ok({ type: "get_entries", sessionId, scope: "branch" }, 60_000);
  const [first, big, last] = arrayAt(page, "entries");
  assertEquals(JSON.stringify(first).includes("first") && JSON.stringify(last).includes("last"), true);
  assertEquals([at(big, "id"), at(big, "oversized"), Number(at(big, "lineBytes")) > 200_000_000], [
    id,
    true,
    true,
  ]);
  await wire.refused("session_file_too_large", { type: "prompt", sessionId, message: "go on" });
});
