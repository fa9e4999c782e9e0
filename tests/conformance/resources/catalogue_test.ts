// The catalogue (docs/PROTOCOL.md#long-lists): pages of both lists, their cursors, edits of files at rest, the search,
// and the index in the state folder.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type Json, type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, piTree, writeSession } from "../../support/model/session_file.ts";
import { type Wire, WsWire } from "../../support/wire/wire_client.ts";
import { again } from "../../support/server/restart.ts";
import { secondServer } from "../../support/server/second_server.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

const args: string[] = [];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
});

/** Stored sessions `NAME-0`, `NAME-1`, … in a folder of their own, the last one newest. */
async function stored(bench: Bench, count: number, name = bench.name("cat")) {
  const cwd = await bench.home.folder(name);
  const folder = `${bench.home.agentDir}/sessions/--${name}--`;
  await Deno.mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (let n = 0; n < count; n++) {
    const entries = new Entries();
    entries.user(`question ${n} of ${name}`);
    entries.assistant(`answer ${n}`);
    const { path } = await writeSession(`${folder}/${n}.jsonl`, `${name}-${n}`, cwd, entries.all);
    const at = new Date(Date.UTC(2025, 0, 1) + n * 1000);
    await Deno.utime(path, at, at);
    paths.push(path);
  }
  return { name, cwd, folder, paths };
}

const idsOf = (data: Json): string[] => arrayAt(data, "sessions").map((one) => stringAt(one, "sessionId"));

/** All pages of a list, and how many there were. */
async function pages(wire: Wire, command: JsonObject): Promise<{ ids: string[]; count: number }> {
  const ids: string[] = [];
  let count = 0;
  let cursor: JsonObject = {};
  do {
    const { type, limit = 10 } = command;
    const data = await wire.ok(count === 0 ? command : { type: String(type), limit, ...cursor });
    ids.push(...idsOf(data));
    count++;
    cursor = typeof data.nextCursor === "string" ? { cursor: data.nextCursor } : {};
  } while ("cursor" in cursor);
  return { ids, count };
}

const NAMES = [5, 4, 3, 2, 1, 0];

test("catalogue: pages of stored sessions follow each other, in each order, with filters", async (bench) => {
  const wire = await bench.connect();
  const { name, cwd } = await stored(bench, 6);
  const wanted = NAMES.map((n) => `${name}-${n}`);
  for (const sort of ["activity", "created", "name", "cost"]) {
    const { ids, count } = await pages(wire, { type: "list_stored_sessions", cwd, sort, limit: 2 });
    assertEquals([ids.toSorted(), count], [wanted.toSorted(), 3], sort);
    if (sort === "activity") assertEquals(ids, wanted);
  }
  const found = await wire.ok({ type: "list_stored_sessions", query: `QUESTION 3 OF ${name}` });
  assertEquals(idsOf(found), [`${name}-3`]);
  const [session] = arrayAt(found, "sessions");
  assertEquals(at(session, "lastMessage"), "answer 3");
  const index = at(found, "index");
  assert(Number(at(index, "files")) >= 6 && Number(at(index, "indexed")) <= Number(at(index, "files")));
  // An older client gets what it got before, and a cursor beside it when there is more.
  const old = await wire.ok({ type: "list_stored_sessions", cwd, limit: 4 });
  assertEquals(idsOf(old), wanted.slice(0, 4));
  const rest = await wire.ok({ type: "list_stored_sessions", cursor: stringAt(old, "nextCursor") });
  assertEquals(idsOf(rest), wanted.slice(4));
  assertEquals((await wire.ok({ type: "list_stored_sessions", cwd })).nextCursor, undefined);
});

test("catalogue: a session that was just written, renamed by pi or grown is in the next page", async (bench) => {
  const wire = await bench.connect();
  const { cwd, paths, name } = await stored(bench, 2);
  const list = async () =>
    arrayAt(await wire.ok({ type: "list_stored_sessions", cwd, sort: "activity" }), "sessions");
  assertEquals((await list()).map((one) => at(one, "messageCount")), [2, 2]);
  const line = { type: "session_info", id: "0000abcd", parentId: null, timestamp: "", name: "By pi" };
  await Deno.writeTextFile(paths[0] ?? "", `${JSON.stringify(line)}\n`, { append: true });
  const renamed = (await list()).find((one) => at(one, "sessionId") === `${name}-0`);
  assertEquals(at(renamed, "sessionName"), "By pi");
  await Deno.remove(paths[1] ?? "");
  assertEquals((await list()).map((one) => at(one, "sessionId")), [`${name}-0`]);
});

test("catalogue: pages of live sessions, by folder, name and first message", async (bench) => {
  const wire = await bench.connect();
  const made = [];
  for (let n = 0; n < 5; n++) made.push(await bench.session(wire, { inMemory: n % 2 === 0 }));
  for (const [n, { id }] of made.entries()) {
    await wire.ok({ type: "set_session_name", sessionId: id, name: `pages-${9 - n}` });
  }
  const ids = made.map(({ id }) => id);
  const named = await pages(wire, { type: "list_sessions", query: "PAGES-", sort: "name", limit: 2 });
  assertEquals([named.ids, named.count >= 3], [ids.toReversed(), true]);
  const created = await pages(wire, { type: "list_sessions", query: "pages-", sort: "created", limit: 3 });
  assertEquals(created.ids.toSorted(), ids.toSorted());
  assertEquals(idsOf(await wire.ok({ type: "list_sessions", cwd: made[1]?.cwd ?? "" })), [ids[1]]);
  const marker = bench.name("first");
  bench.model.script(marker, text(["ok"]));
  await wire.ok({ type: "subscribe", sessionId: ids[1] ?? "" });
  await settled(wire, ids[1] ?? "", marker);
  assertEquals(idsOf(await wire.ok({ type: "list_sessions", query: marker })), [ids[1]]);
  const state = await wire.ok({ type: "get_state", sessionId: ids[1] ?? "" });
  assertEquals(state.firstMessage, marker);
  for (const id of ids) await wire.ok({ type: "delete_session", sessionId: id });
});

test("catalogue: forged cursors, those of another list and format are refused, each with its code", async (bench) => {
  const wire = await bench.connect();
  const { cwd } = await stored(bench, 3);
  const page = await wire.ok({ type: "list_stored_sessions", cwd, sort: "name", limit: 1 });
  const cursor = stringAt(page, "nextCursor");
  const refused = async (code: string, cursor: string, type = "list_stored_sessions"): Promise<void> => {
    const query = type === "search" ? { query: "a" } : {};
    const { error } = await wire.refused(code, { type, cursor, ...query });
    assert(String(error).includes("without a cursor"), String(error));
  };
  await refused("cursor_invalid", "x");
  await refused("cursor_invalid", `${cursor.slice(0, -1)}${cursor.endsWith("A") ? "B" : "A"}`);
  await refused("cursor_invalid", cursor, "list_sessions");
  await refused("cursor_invalid", cursor, "search");
  await refused("cursor_version", cursor.replace(/^pc1/, "pc2"));
  await wire.refused("invalid_params", { type: "list_stored_sessions", cursor: "" });
  await wire.refused("invalid_params", { type: "list_sessions", limit: 0 });
  await wire.refused("invalid_params", { type: "list_sessions", sort: "size" });
  assertEquals(idsOf(await wire.ok({ type: "list_stored_sessions", cursor })).length, 2, "it still works");
});

alone(
  "catalogue: a cursor of a server before its restart is foreign; the index and the archive survive",
  async (bench) => {
    const sessions = `${bench.home.agentDir}/sessions`;
    await Deno.mkdir(sessions);
    const options = ["--root", sessions];
    const { cwd, paths, name } = await stored(bench, 3, "kept");
    await bench.start(options);
    let wire = await bench.connect();
    const stop = async (): Promise<void> => {
      wire.mayLoseResponses = true;
      bench.server.signal("SIGTERM");
      await bench.server.exitCode();
    };
    const first = await wire.ok({ type: "list_stored_sessions", cwd, sort: "name", limit: 1 });
    await wire.ok({ type: "archive_session", sessionPath: paths[0] ?? "" });
    await stop();
    const index = `${bench.home.stateDir}/catalogue`;
    const files = (await Array.fromAsync(Deno.readDir(index))).map((entry) => `${index}/${entry.name}`);
    assert(files.length > 0, "no index was written");
    for (const file of [...files, `${bench.home.stateDir}/archived.json`]) {
      assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600, file);
    }
    for (const between of ["as it is", "damaged", "deleted"]) {
      if (between === "damaged") {
        for (const file of files) {
          await Deno.writeTextFile(file, '{"format":1,"rows":[{}');
        }
      }
      if (between === "deleted") await Deno.remove(index, { recursive: true });
      wire = await again(bench, options);
      const cursor = stringAt(first, "nextCursor");
      await wire.refused("cursor_foreign", { type: "list_stored_sessions", cursor });
      const { ids } = await pages(wire, { type: "list_stored_sessions", cwd, sort: "activity", limit: 2 });
      assertEquals(ids, [2, 1, 0].map((n) => `${name}-${n}`), between);
      const archived = await wire.ok({ type: "list_stored_sessions", cwd, archived: true });
      assertEquals(idsOf(archived), [`${name}-0`], between);
      await stop();
    }
  },
);

test("catalogue: archive, rename and delete files at rest; all who watch all sessions hear of it", async (bench) => {
  const wire = await bench.connect();
  const watcher = await bench.connect("watcher");
  const bystander = await bench.connect("bystander");
  await watcher.ok({ type: "subscribe", sessionId: "*", events: [] });
  const { cwd, paths, name, folder } = await stored(bench, 3);
  const [one = "", two = "", three = ""] = paths;
  const heard = async (change: string, sessionFile: string): Promise<void> => {
    await watcher.next((message) =>
      message.type === "catalogue_changed" && at(message, "data", "change") === change &&
      at(message, "data", "sessionFile") === sessionFile
    );
  };
  const list = async (fields: JsonObject) =>
    idsOf(await wire.ok({ type: "list_stored_sessions", cwd, ...fields }));

  const marked = await wire.ok({ type: "archive_session", sessionPath: one });
  assertEquals(marked, { sessionFile: one, archived: true });
  await heard("archived", one);
  assertEquals([await list({ archived: true }), await list({ archived: false })], [[`${name}-0`], [
    `${name}-2`,
    `${name}-1`,
  ]]);
  await wire.ok({ type: "unarchive_session", sessionPath: one });
  await heard("unarchived", one);
  assertEquals(await list({ archived: true }), []);

  const before = await piTree(two);
  const named = await wire.ok({
    type: "rename_stored_session",
    sessionPath: two,
    sessionName: "  A new name ",
  });
  assertEquals([at(named, "session", "sessionName"), at(named, "session", "messageCount")], [
    "A new name",
    2,
  ]);
  await heard("renamed", two);
  const after = await piTree(two);
  assertEquals(
    after.nodes.length,
    before.nodes.length + 1,
    "one entry more, and the branch goes on behind it",
  );
  const loaded = await wire.ok({ type: "load_session", sessionPath: two, sessionId: `${name}-two` });
  assertEquals(at(loaded, "sessionInfo", "sessionName"), "A new name");
  assertEquals(
    arrayAt(await wire.ok({ type: "get_messages", sessionId: `${name}-two` }), "messages").length,
    2,
  );

  // A session drives it now.
  for (const type of ["rename_stored_session", "delete_stored_session"]) {
    const more = type === "rename_stored_session" ? { sessionName: "n" } : {};
    const refusal = await wire.refused("session_in_use", { type, sessionPath: two, ...more });
    assertEquals(at(refusal, "data", "sessionId"), `${name}-two`);
  }
  await wire.ok({ type: "archive_session", sessionPath: two });
  const state = await wire.ok({ type: "list_sessions", archived: true });
  assertEquals(idsOf(state), [`${name}-two`]);
  assertEquals(at(arrayAt(state, "sessions")[0], "archived"), true);
  await wire.ok({ type: "unarchive_session", sessionPath: two });
  await wire.ok({ type: "delete_session", sessionId: `${name}-two` });

  const deleted = await wire.ok({ type: "delete_stored_session", sessionPath: two });
  assertEquals(stringAt(deleted, "trashFile"), `${folder}/trash/1.jsonl`);
  await heard("deleted", two);
  assert((await Deno.readTextFile(`${folder}/trash/1.jsonl`)).includes("A new name"));
  assertEquals(await list({}), [`${name}-2`, `${name}-0`]);
  const gone = await wire.ok({ type: "delete_stored_session", sessionPath: three, permanent: true });
  assertEquals(gone, { deleted: true });
  assertEquals([await list({}), await list({ sort: "name" })], [[`${name}-0`], [`${name}-0`]]);
  await wire.refused("path_not_found", { type: "delete_stored_session", sessionPath: three });
  assert(!bystander.messages.some(({ type }) => type === "catalogue_changed"));
  const leases = (await Array.fromAsync(Deno.readDir(folder))).filter((entry) =>
    entry.name.endsWith(".lease")
  );
  assertEquals(leases, []);
});

test("catalogue: what edits ask for: a role, all sessions, a path inside, and a stored session", async (bench) => {
  const admin = await bench.connect("admin");
  const { paths, cwd } = await stored(bench, 1);
  const [sessionPath = ""] = paths;
  const edits = [
    { type: "archive_session", sessionPath },
    { type: "unarchive_session", sessionPath },
    { type: "rename_stored_session", sessionPath, sessionName: "n" },
    { type: "delete_stored_session", sessionPath },
  ];
  const { url } = await bench.server.endpoint();
  const connect = async (fields: JsonObject): Promise<WsWire> => {
    const made = await admin.ok({ type: "mint_token", ttlMs: 60_000, ...fields });
    const wire = await WsWire.connect(url, stringAt(made, "token"), "minted");
    bench.wires.push(wire);
    return wire;
  };
  const observer = await connect({ role: "observe" });
  const { id } = await bench.session(admin);
  const scoped = await connect({ role: "drive", sessions: [id] });
  await scoped.ok({ type: "subscribe", sessionId: "*" });
  for (const command of edits) {
    await observer.refused("forbidden", command);
    await scoped.refused("forbidden", command);
    await admin.refused("path_forbidden", { ...command, sessionPath: "/etc/passwd" });
    await admin.refused("path_not_found", { ...command, sessionPath: `${cwd}/none.jsonl` });
  }
  assertEquals(idsOf(await observer.ok({ type: "list_stored_sessions", cwd, sort: "name" })).length, 1);
  await observer.ok({ type: "search", query: "question" });
  await scoped.refused("forbidden", { type: "search", query: "question" });
  await scoped.refused("forbidden", { type: "list_stored_sessions", sort: "name" });
  await admin.ok({ type: "archive_session", sessionPath });
  await admin.ok({ type: "unarchive_session", sessionPath });
  await scoped.ok({ type: "ping" });
  assert(!scoped.messages.some(({ type }) => type === "catalogue_changed"), "it learned of another session");
  // A file of a session that lies elsewhere is not theirs to delete.
  const elsewhere = await writeSession(`${cwd}/own.jsonl`, "own", cwd, new Entries().all);
  await admin.refused("path_not_found", { type: "delete_stored_session", sessionPath: elsewhere.path });
  assert((await Deno.stat(elsewhere.path)).isFile);
});

alone("catalogue: a file that another server drives is neither renamed nor deleted", async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  const roots = ["--root", bench.home.root, "--root", sessions];
  const { paths: [sessionPath = ""] } = await stored(bench, 1, "both");
  await bench.start(roots);
  const first = await bench.connect("first");
  await first.ok({ type: "load_session", sessionPath, sessionId: "held" }, 60_000);
  const { wire: second } = await secondServer(bench, roots);
  const before = await Deno.readTextFile(sessionPath);
  await second.refused("session_in_use", { type: "delete_stored_session", sessionPath });
  await second.refused("session_in_use", { type: "rename_stored_session", sessionPath, sessionName: "n" });
  assertEquals(await Deno.readTextFile(sessionPath), before);
  await first.ok({ type: "delete_session", sessionId: "held" });
  await second.ok({ type: "rename_stored_session", sessionPath, sessionName: "n" });
});

test("search: messages of all stored sessions, with snippets, page by page", async (bench) => {
  const wire = await bench.connect();
  const { name, paths } = await stored(bench, 4);
  const query = `of ${name.toUpperCase()}`;
  const found: string[] = [];
  let cursor: JsonObject = {};
  for (let page = 0; page < 20; page++) {
    const data = await wire.ok({ type: "search", query, limit: 2, ...cursor });
    for (const hit of arrayAt(data, "hits")) {
      const [snippet, from] = [stringAt(hit, "snippet"), Number(at(hit, "matchAt"))];
      assertEquals(
        snippet.slice(from, from + Number(at(hit, "matchLength"))).toUpperCase(),
        query.toUpperCase(),
      );
      found.push(stringAt(hit, "sessionId"));
    }
    if (typeof data.nextCursor !== "string") break;
    cursor = { cursor: data.nextCursor };
  }
  assertEquals(found, [3, 2, 1, 0].map((n) => `${name}-${n}`));
  const one = await wire.ok({ type: "search", query: "answer", sessions: [paths[1] ?? ""] });
  assertEquals(arrayAt(one, "hits").map((hit) => [at(hit, "role"), at(hit, "snippet")]), [[
    "assistant",
    "answer 1",
  ]]);
  await wire.refused("invalid_params", { type: "search" });
  await wire.refused("cursor_invalid", { type: "search", query: "a", cursor: "b" });
  await wire.refused("path_forbidden", { type: "search", query: "a", sessions: ["/etc/passwd"] });
});

alone("catalogue: --workers 0 has it in the server's thread, with the same answers", async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  const { cwd, name, paths } = await stored(bench, 3, "here");
  await bench.start(["--root", sessions, "--workers", "0", "--sandbox", "off"]);
  const wire = await bench.connect();
  const { ids, count } = await pages(wire, { type: "list_stored_sessions", cwd, sort: "activity", limit: 1 });
  assertEquals([ids, count], [[2, 1, 0].map((n) => `${name}-${n}`), 3]);
  await wire.ok({ type: "delete_stored_session", sessionPath: paths[0] ?? "" });
  assertEquals(arrayAt(await wire.ok({ type: "search", query: "question" }), "hits").length, 2);
});
