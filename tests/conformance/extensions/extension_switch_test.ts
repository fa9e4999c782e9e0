// An extension's ctx.switchSession passes the checks of switch_session_file: what a client may not open, an extension
// may not open either. A refusal is thrown in the extension's handler, and the session keeps its file.

import { assert, assertEquals } from "@std/assert";
import { at, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const SWITCHER = `export default function (pi) {
  pi.registerCommand("sw", { description: "Switches", handler: async (path, ctx) => {
    await ctx.switchSession(path === "nothing" ? undefined : path.trim());
  } });
}`;

const args: string[] = [];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions);
  await bench.home.extension("switcher", SWITCHER);
});

/** A session with an answer, and its file. */
async function answered(bench: Bench, wire: Wire): Promise<{ id: string; cwd: string; file: string }> {
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("said");
  bench.model.script(marker, text(["said"]));
  await settled(wire, id, marker);
  return { id, cwd, file: await fileOf(wire, id) };
}

async function fileOf(wire: Wire, sessionId: string): Promise<string> {
  return stringAt(await wire.ok({ type: "get_state", sessionId }), "sessionFile");
}

test("ctx.switchSession: what a client may not open is refused in the handler, and stays as it is", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, file } = await answered(bench, wire);
  const other = await answered(bench, wire);
  const outside = `${bench.home.dir}/out-of-roots`;
  await Deno.mkdir(outside, { recursive: true });
  const notes = [`${cwd}/notes.txt`, `${outside}/notes.txt`];
  for (const path of notes) await Deno.writeTextFile(path, "precious\n");
  const stored = `${outside}/stored.jsonl`;
  const entries = new Entries();
  entries.user("q");
  entries.assistant("a");
  await writeSession(stored, "stored", cwd, entries.all);
  await Deno.symlink(stored, `${cwd}/linked.jsonl`);
  await new Deno.Command("mkfifo", { args: [`${cwd}/pipe.jsonl`] }).output();
  const before = await Deno.readTextFile(stored);
  const cases = [
    [notes[0], "not_a_session_file"],
    ["notes.txt", "not_a_session_file"],
    [notes[1], "path_forbidden"],
    [stored, "path_forbidden"],
    ["linked.jsonl", "path_forbidden"],
    ["pipe.jsonl", "path_forbidden"],
    [`${cwd}/none.jsonl`, "path_not_found"],
    [other.file, "session_in_use"],
  ] as const;
  for (const [sessionPath, code] of cases) {
    const { error } = await wire.refused(code, { type: "switch_session_file", sessionId: id, sessionPath });
    const since = wire.events(id).length;
    await wire.ok({ type: "prompt", sessionId: id, message: `/sw ${sessionPath}`, waitFor: "settled" });
    const thrown = wire.events(id).slice(since).find(({ type }) => type === "extension_error");
    assertEquals(at(thrown, "error"), error, sessionPath);
    assertEquals(await fileOf(wire, id), file, sessionPath);
  }
  await wire.ok({ type: "prompt", sessionId: id, message: "/sw nothing", waitFor: "settled" });
  assertEquals(await fileOf(wire, id), file);
  for (const path of notes) assertEquals(await Deno.readTextFile(path), "precious\n");
  assertEquals(await Deno.readTextFile(stored), before);
  assertEquals(await Deno.stat(`${cwd}/none.jsonl`).catch(() => "absent"), "absent");
  assertEquals(wire.events(id).filter(({ type }) => type === "session_replaced"), []);
  // Both sessions go on in their own files.
  for (const session of [{ id, file }, other]) {
    const marker = bench.name("on");
    bench.model.script(marker, text(["on"]));
    assertEquals((await settled(wire, session.id, marker)).text, "on");
    assert((await Deno.readTextFile(session.file)).includes(marker));
  }
});

test("ctx.switchSession: a session file inside the roots is opened, and is this session's from then on", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await answered(bench, wire);
  const path = `${cwd}/stored.jsonl`;
  const entries = new Entries();
  entries.user("stored question");
  entries.assistant("stored answer");
  await writeSession(path, "stored", cwd, entries.all);
  await wire.ok({ type: "prompt", sessionId: id, message: "/sw stored.jsonl", waitFor: "settled" });
  assertEquals(await fileOf(wire, id), path);
  const refused = await wire.refused("session_in_use", {
    type: "load_session",
    sessionPath: path,
    sessionId: "second",
  });
  assertEquals(at(refused, "data", "sessionId"), id);
});
