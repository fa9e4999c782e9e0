// Session files on disk (docs/PROTOCOL.md#sessions): load_session and switch_session_file check the file before pi opens it, and
// mend a torn last line; list_stored_sessions and list_session_files find what there is.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, messageText, stringAt } from "../../support/base/json.ts";
import { hang, text } from "../../support/model/model_server.ts";
import { Entries, header, piTree, wireTree, writeSession } from "../../support/model/session_file.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, listed, settled, shared } from "../suite.ts";

const args: string[] = [];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
});

/** A short history: one question, one answer. */
function exchange(question: string, answer: string): Entries {
  const entries = new Entries();
  entries.user(question);
  entries.assistant(answer);
  return entries;
}

/** A stored session in a folder of its own. */
async function stored(bench: Bench, question = "stored question") {
  const name = bench.name("stored");
  const cwd = await bench.home.folder(name);
  const made = await writeSession(`${cwd}/${name}.jsonl`, name, cwd, exchange(question, "stored answer").all);
  return { ...made, cwd };
}

const VERBS = ["load_session", "switch_session_file"] as const;
type Verb = typeof VERBS[number];

/** The command that opens the file, and the id under which it then is. */
async function opening(bench: Bench, wire: Wire, verb: Verb): Promise<{ id: string; command: JsonObject }> {
  if (verb === "switch_session_file") {
    const { id } = await bench.watched(wire);
    return { id, command: { type: verb, sessionId: id } };
  }
  const id = bench.name("loaded");
  return { id, command: { type: verb, sessionId: id } };
}

async function texts(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);
}

test("load_session: the file's id by default, its messages, name and folder; a new epoch", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { path, piId, cwd } = await stored(bench);
  const data = await wire.ok({ type: "load_session", sessionPath: path });
  assertEquals(data.sessionId, piId);
  const info = at(data, "sessionInfo");
  assertEquals([at(info, "sessionId"), at(info, "sessionFile"), at(info, "cwd")], [piId, path, cwd]);
  assertEquals([at(info, "messageCount"), at(info, "status"), at(info, "seq")], [2, "live", 0]);
  const created = (message: JsonObject) =>
    message.type === "session_created" && at(message, "data", "sessionId") === piId;
  await other.next(created, 5000, "session_created");
  await wire.ok({ type: "subscribe", sessionId: piId });
  const marker = bench.name("goes-on");
  bench.model.script(marker, text(["went on"]));
  assertEquals((await settled(wire, piId, marker)).text, "went on");
  assertEquals(await texts(wire, piId), ["stored question", "stored answer", marker, "went on"]);
  const request = await bench.model.request(marker);
  assert(JSON.stringify(request.body).includes("stored answer"), "the model did not get the history");
  const { leaf, nodes } = await piTree(path);
  assertEquals(wireTree(await wire.ok({ type: "get_tree", sessionId: piId })), { leaf, nodes });
  await wire.ok({ type: "delete_session", sessionId: piId });
  const again = await wire.ok({ type: "load_session", sessionPath: path, sessionId: "chosen-id" });
  assertEquals(again.sessionId, "chosen-id");
  assertNotEquals(at(again, "sessionInfo", "epoch"), at(info, "epoch"));
  assertEquals(at(again, "sessionInfo", "messageCount"), 4);
  await wire.ok({ type: "delete_session", sessionId: "chosen-id" });
});

test("load_session: a taken id, and an id in the file that is none here", async (bench) => {
  const wire = await bench.connect();
  const { path } = await stored(bench);
  const { id } = await bench.session(wire);
  const before = await listed(wire);
  await wire.refused("session_exists", { type: "load_session", sessionPath: path, sessionId: id });
  await wire.refused("invalid_params", { type: "load_session", sessionPath: path, sessionId: "a/b" });
  assertEquals(await listed(wire), before);
  // What was refused claims nothing.
  const good = await wire.ok({ type: "load_session", sessionPath: path, sessionId: bench.name("ok") });
  await wire.ok({ type: "delete_session", sessionId: String(good.sessionId) });
  const cwd = await bench.home.folder(bench.name("odd"));
  for (const piId of ["../../etc", "a b", "..", "x".repeat(200), "", "__proto__"]) {
    const file = `${cwd}/${bench.name("odd")}.jsonl`;
    await writeSession(file, piId, cwd, exchange("q", "a").all);
    const response = await wire.request({ type: "load_session", sessionPath: file });
    assert(response.code !== "internal", JSON.stringify(response));
    if (response.success !== true) continue;
    const given = stringAt(response, "data", "sessionId");
    assert(/^[A-Za-z0-9_.-]{1,128}$/.test(given) && given !== "..", given);
    await wire.ok({ type: "delete_session", sessionId: given });
  }
});

for (const verb of VERBS) {
  test(`${verb}: a missing file, no session file, outside the roots: refused, bytes unchanged`, async (bench) => {
    const wire = await bench.connect();
    const { id, command } = await opening(bench, wire, verb);
    const cwd = await bench.home.folder(bench.name("bad"));
    const before = await listed(wire);
    const refused = (code: string, sessionPath: string) => wire.refused(code, { ...command, sessionPath });
    for (const missing of [`${cwd}/missing.jsonl`, `${cwd}/no/such/folder.jsonl`]) {
      await refused("path_not_found", missing);
      assertEquals(await Deno.stat(missing).catch(() => "absent"), "absent");
    }
    const contents: Record<string, string> = {
      "empty.jsonl": "",
      "plain.txt": "just words\n",
      "object.jsonl": '{"type":"message","id":"x"}\n',
      "null.jsonl": "null\n",
      "array.jsonl": "[]\n",
      "number-id.jsonl": '{"type":"session","id":7,"cwd":"/"}\n',
      "late-header.jsonl": `{"type":"message"}\n${JSON.stringify(header("late", cwd))}\n`,
      "binary.jsonl": "\u0000\u0001\u0002",
    };
    for (const [name, content] of Object.entries(contents)) {
      await Deno.writeTextFile(`${cwd}/${name}`, content);
      await refused("not_a_session_file", `${cwd}/${name}`);
      assertEquals(await Deno.readTextFile(`${cwd}/${name}`), content, `${name} was changed`);
    }
    const folder = await wire.request({ ...command, sessionPath: cwd });
    assertEquals(folder.success, false);
    assert(folder.code !== "internal", JSON.stringify(folder));
    const outside = `${bench.home.dir}/outside-${id}.jsonl`;
    await writeSession(outside, "outside", cwd, exchange("q", "a").all);
    await Deno.symlink(outside, `${cwd}/link.jsonl`);
    for (
      const path of [outside, `${cwd}/link.jsonl`, "/etc/passwd", `${cwd}/../../x.jsonl`, "/nowhere/x.jsonl"]
    ) {
      await refused("path_forbidden", path);
    }
    assertEquals(await listed(wire), before);
    if (verb === "switch_session_file") {
      await wire.ok({ type: "get_state", sessionId: id });
      assertEquals(wire.events(id).filter((event) => event.type === "session_replaced"), []);
    }
  });

  test(`${verb}: the file's cwd must exist and be inside the roots`, async (bench) => {
    const wire = await bench.connect();
    const { command } = await opening(bench, wire, verb);
    const folder = await bench.home.folder(bench.name("cwd"));
    const write = async (name: string, cwd: string) => {
      const path = `${folder}/${name}.jsonl`;
      await writeSession(path, name, cwd, exchange("q", "a").all);
      return path;
    };
    const gone = await write("gone", `${folder}/gone`);
    await wire.refused("path_not_found", { ...command, sessionPath: gone });
    const outside = await write("outside", "/etc");
    await wire.refused("path_forbidden", { ...command, sessionPath: outside });
  });

  test(`${verb}: a live file is session_in_use, whatever path leads to it`, async (bench) => {
    const wire = await bench.connect();
    const { path, cwd } = await stored(bench);
    const owner = bench.name("owner");
    await wire.ok({ type: "load_session", sessionPath: path, sessionId: owner });
    const { command } = await opening(bench, wire, verb);
    await Deno.symlink(path, `${cwd}/alias.jsonl`);
    for (
      const sessionPath of [
        path,
        `${cwd}/alias.jsonl`,
        `${cwd}/../${cwd.split("/").at(-1)}/${path.split("/").at(-1)}`,
      ]
    ) {
      const refusal = await wire.refused("session_in_use", { ...command, sessionPath });
      assertEquals(at(refusal, "data", "sessionId"), owner);
    }
    // When its owner has gone, it is free.
    await wire.ok({ type: "delete_session", sessionId: owner });
    assertEquals((await wire.request({ ...command, sessionPath: path })).success, true);
  });

  test(`${verb}: a torn last line is mended, and nothing is lost`, async (bench) => {
    const wire = await bench.connect();
    const folder = await bench.home.folder(bench.name("torn"));
    const entries = exchange("before the crash", "the answer");
    const whole = await writeSession(`${folder}/a.jsonl`, bench.name("torn"), folder, entries.all);
    const bytes = await Deno.readTextFile(whole.path);
    for (const [name, content] of [["no-lf", bytes.slice(0, -1)], ["torn", `${bytes}{"type":"mess`]]) {
      const path = `${folder}/${name}.jsonl`;
      await Deno.writeTextFile(path, content ?? "");
      const { id, command } = await opening(bench, wire, verb);
      await wire.ok({ ...command, sessionPath: path });
      const marker = bench.name("mended");
      bench.model.script(marker, text(["mended answer"]));
      await settled(wire, id, marker);
      const expected = ["before the crash", "the answer", marker, "mended answer"];
      assertEquals(await texts(wire, id), expected);
      await wire.ok({ type: "delete_session", sessionId: id });
      // What pi reads from the disk afterwards is the whole conversation.
      const { messages } = await piTree(path);
      assertEquals(messages.map(messageText), expected, name);
      assert((await Deno.readTextFile(path)).startsWith(bytes.slice(0, -1)), "lines before it were changed");
    }
  });
}

test("two loads of one file at once make one session", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { path } = await stored(bench);
  const ids = [bench.name("race"), bench.name("race")];
  const results = await Promise.all(
    [wire, other].map((each, n) =>
      each.request({ type: "load_session", sessionPath: path, sessionId: ids[n] ?? "" })
    ),
  );
  assertEquals(results.map((response) => response.code ?? "ok").sort(), ["ok", "session_in_use"]);
  const winner = ids.find((_, n) => results[n]?.success === true);
  const loser = results.find((response) => response.success === false);
  assertEquals(at(loser, "data", "sessionId"), winner);
  assertEquals((await listed(wire)).filter((id) => ids.includes(id)), [winner]);
});

test("a session's own file is in use by it, also right after its first answer", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const marker = bench.name("own");
  bench.model.script(marker, text(["written"]));
  await settled(wire, id, marker);
  const sessionPath = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
  const refusal = await wire.refused("session_in_use", { type: "load_session", sessionPath });
  assertEquals(at(refusal, "data", "sessionId"), id);
  // After new_session it is free; the new file isn't.
  await wire.ok({ type: "new_session", sessionId: id });
  const loaded = await wire.ok({ type: "load_session", sessionPath, sessionId: bench.name("took") });
  const back = await wire.refused("session_in_use", {
    type: "switch_session_file",
    sessionId: id,
    sessionPath,
  });
  assertEquals(at(back, "data", "sessionId"), loaded.sessionId);
});

test("loading a stored session of an untrusted folder loads none of its extensions", async (bench) => {
  const wire = await bench.connect();
  const { path, cwd } = await stored(bench);
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(
    `${cwd}/.pi/extensions/x.ts`,
    `import { writeFileSync } from "node:fs";
writeFileSync("${cwd}/loaded.txt", "");
export default function () {}`,
  );
  const isLoaded = () => Deno.stat(`${cwd}/loaded.txt`).then(() => true, () => false);
  const data = await wire.ok({ type: "load_session", sessionPath: path, sessionId: bench.name("untrusted") });
  assert(arrayAt(data, "sessionInfo", "untrusted").length > 0);
  await wire.ok({ type: "get_commands", sessionId: String(data.sessionId) });
  assertEquals(await isLoaded(), false, "load_session ran code of an untrusted folder");
  await wire.ok({ type: "delete_session", sessionId: String(data.sessionId) });
  // Trust in one folder does not cover the folder that another file names.
  const trusted = await bench.home.folder(bench.name("trusted"));
  const { id } = await bench.watched(wire, { sessionId: bench.name("t"), cwd: trusted, trustProject: true });
  await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: path });
  const state = await wire.ok({ type: "get_state", sessionId: id });
  assertEquals(state.cwd, cwd);
  assertEquals(await isLoaded(), false, "switch_session_file ran code of an untrusted folder");
  assert(arrayAt(state, "untrusted").length > 0);
});

test("list_stored_sessions: cwd, limit, newest first, liveSessionId; list_session_files", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  await wire.ok({ type: "set_session_name", sessionId: id, name: "A name" });
  const files: string[] = [];
  for (const n of [1, 2, 3]) {
    const marker = bench.name(`stored-${n}`);
    bench.model.script(marker, text([`answer ${n}`]));
    await settled(wire, id, marker);
    files.unshift(stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile"));
    await wire.ok({ type: "new_session", sessionId: id });
  }
  const list = async (fields: JsonObject) =>
    arrayAt(await wire.ok({ type: "list_stored_sessions", ...fields }), "sessions");
  const mine = await list({ cwd });
  assertEquals(mine.map((each) => at(each, "sessionPath")), files);
  for (const each of mine) {
    assertEquals([at(each, "sessionFile"), at(each, "cwd")], [at(each, "sessionPath"), cwd]);
    assertEquals([at(each, "messageCount"), at(each, "liveSessionId")], [2, undefined]);
    assert(stringAt(each, "firstMessage").startsWith("stored-"));
    for (const field of ["createdAt", "modifiedAt"]) {
      assert(Math.abs(Date.parse(stringAt(each, field)) - Date.now()) < 600_000, field);
    }
  }
  assertEquals(at(mine.at(-1), "sessionName"), "A name");
  assertEquals((await list({ cwd, limit: 2 })).map((each) => at(each, "sessionPath")), files.slice(0, 2));
  assertEquals((await list({ limit: 1 })).length, 1);
  await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: files[1] ?? "" });
  const live = (await list({ cwd })).filter((each) => at(each, "liveSessionId") !== undefined);
  assertEquals(live.map((each) => [at(each, "sessionPath"), at(each, "liveSessionId")]), [[files[1], id]]);
  const own = arrayAt(await wire.ok({ type: "list_session_files", sessionId: id }), "files");
  assertEquals(own.map((each) => at(each, "sessionPath")).sort(), [...files].sort());
  await wire.refused("path_forbidden", { type: "list_stored_sessions", cwd: "/etc" });
  // The listing reads alone: while a turn hangs it still answers.
  const marker = bench.name("hangs");
  bench.model.script(marker, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await wire.ok({ type: "list_session_files", sessionId: id });
  await wire.ok({ type: "abort", sessionId: id });
});

test("list_stored_sessions: foreign and broken files are passed over, in-memory sessions are none", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("first");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, id, marker);
  const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
  const folder = file.slice(0, file.lastIndexOf("/"));
  await Deno.writeTextFile(`${folder}/broken.jsonl`, '{"type":"session","id":');
  await Deno.writeTextFile(`${folder}/empty.jsonl`, "");
  await Deno.writeTextFile(`${folder}/notes.txt`, "notes");
  await Deno.mkdir(`${folder}/folder.jsonl`);
  await Deno.symlink("/etc/passwd", `${folder}/link.jsonl`);
  const sessions = arrayAt(await wire.ok({ type: "list_stored_sessions", cwd }), "sessions");
  assertEquals(sessions.map((each) => at(each, "sessionPath")), [file]);
  const memory = await bench.session(wire, { inMemory: true });
  const none = await wire.ok({ type: "list_session_files", sessionId: memory.id });
  assertEquals(none.files, []);
});

alone("list_stored_sessions: 3000 files without error, newest first, and bounded by limit", async (bench) => {
  const folder = `${bench.home.agentDir}/sessions/--many--`;
  const cwd = await bench.home.folder("many");
  await Deno.mkdir(folder, { recursive: true });
  const first = Date.UTC(2025, 0, 1);
  for (let n = 0; n < 3000; n++) {
    const stamp = new Date(first + n * 1000).toISOString();
    const entry = { type: "message", id: "00000001", parentId: null, timestamp: stamp };
    const message = { role: "user", content: `question ${n}`, timestamp: first + n * 1000 };
    const lines = [header(`many-${n}`, cwd, first + n * 1000), { ...entry, message }];
    const path = `${folder}/${stamp.replace(/[:.]/g, "-")}_many-${n}.jsonl`;
    await Deno.writeTextFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await Deno.utime(path, new Date(first + n * 1000), new Date(first + n * 1000));
  }
  await bench.start(["--root", `${bench.home.agentDir}/sessions`]);
  const wire = await bench.connect();
  const data = await wire.ok({ type: "list_stored_sessions", limit: 10_000 }, 30_000);
  const ids = arrayAt(data, "sessions").map((each) => stringAt(each, "sessionId"));
  assertEquals(ids.length, 3000);
  assertEquals(ids.slice(0, 3), ["many-2999", "many-2998", "many-2997"]);
  assertEquals(ids.at(-1), "many-0");
  const some = arrayAt(await wire.ok({ type: "list_stored_sessions", limit: 7 }, 30_000), "sessions");
  assertEquals(some.map((each) => stringAt(each, "sessionId")), ids.slice(0, 7));
  const mine = arrayAt(
    await wire.ok({ type: "list_stored_sessions", cwd, limit: 10_000 }, 30_000),
    "sessions",
  );
  assertEquals(mine.length, 3000);
  // While it lists, others are served.
  wire.send({ type: "list_stored_sessions", id: "l", limit: 10_000 });
  const start = performance.now();
  await wire.ok({ type: "ping" });
  assert(performance.now() - start < 1000, "a listing holds up everything");
  assertEquals((await wire.response("l", 30_000)).success, true);
});
