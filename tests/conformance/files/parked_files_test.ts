// The files of parked sessions: whatever takes such a file's place is not followed, not driven by two sessions, and
// holds up no other session.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, messageText, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

/** Sessions with an answer that are parked, and their files. */
async function parked(
  bench: Bench,
  wire: Wire,
  count: number,
): Promise<{ id: string; cwd: string; file: string }[]> {
  const sessions = [];
  for (let n = 0; n < count; n++) {
    const { id, cwd } = await bench.session(wire);
    const marker = bench.name("said");
    bench.model.script(marker, text(["said"]));
    await settled(wire, id, marker);
    sessions.push({
      id,
      cwd,
      file: stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile"),
    });
  }
  const status = async (sessionId: string) => (await wire.ok({ type: "get_state", sessionId })).status;
  for (const { id } of sessions) {
    await until(async () => await status(id) === "parked", 15_000, () => `${id} to be parked`);
  }
  return sessions;
}

async function pipe(path: string): Promise<void> {
  assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
}

alone("parked files: a link in the place of the file, or of its folder, is not followed", async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  await bench.start(["--idle-session-ms", "300", "--root", sessions]);
  const wire = await bench.connect();
  const [linked, moved, twice, dangling] = await parked(bench, wire, 4);
  assert(linked && moved && twice && dangling);
  const outside = `${bench.home.dir}/outside`;
  await Deno.mkdir(outside);
  const entries = new Entries();
  entries.user("secret words");
  entries.assistant("a");
  const secret = await writeSession(`${outside}/secret.jsonl`, "secret", linked.cwd, entries.all);
  const before = await Deno.readTextFile(secret.path);
  await Deno.rename(linked.file, `${linked.file}.kept`);
  await Deno.symlink(secret.path, linked.file);
  const folder = moved.file.slice(0, moved.file.lastIndexOf("/"));
  await Deno.rename(folder, `${folder}.kept`);
  await Deno.symlink(outside, folder);
  await Deno.copyFile(secret.path, `${outside}/${moved.file.slice(folder.length + 1)}`);
  await Deno.remove(dangling.file);
  await Deno.symlink(`${outside}/made.jsonl`, dangling.file);
  // The file of a live session, under the parked one's name.
  const other = await bench.session(wire);
  const marker = bench.name("other");
  bench.model.script(marker, text(["other"]));
  await settled(wire, other.id, marker);
  const driven = stringAt(await wire.ok({ type: "get_state", sessionId: other.id }), "sessionFile");
  await Deno.remove(twice.file);
  await Deno.symlink(driven, twice.file);
  const had = await Deno.readTextFile(driven);
  for (const { id } of [linked, moved, twice, dangling]) {
    for (
      const command of [{ type: "get_messages" }, { type: "prompt", message: "x" }, { type: "export_html" }]
    ) {
      await wire.refused("path_forbidden", { ...command, sessionId: id });
    }
  }
  assertEquals(await Deno.readTextFile(secret.path), before);
  assertEquals(await Deno.readTextFile(driven), had);
  assertEquals(await Deno.stat(`${outside}/made.jsonl`).catch(() => "absent"), "absent");
  // Put back, it is what it was.
  await Deno.remove(linked.file);
  await Deno.rename(`${linked.file}.kept`, linked.file);
  const data = await wire.ok({ type: "get_messages", sessionId: linked.id });
  assertEquals(arrayAt(data, "messages").map(messageText).at(-1), "said");
});

alone("parked files: pipes in their places hold up no other session", async (bench) => {
  await bench.start(["--idle-session-ms", "300"]);
  const wire = await bench.connect();
  const sessions = await parked(bench, wire, 5);
  for (const { file } of sessions) {
    await Deno.remove(file);
    await pipe(file);
  }
  await pipe(`${bench.home.root}/pipe.jsonl`);
  const asked = sessions.map(({ id }) =>
    wire.refused("path_forbidden", { type: "get_messages", sessionId: id })
  );
  for (let n = 0; n < 5; n++) {
    asked.push(wire.refused("path_forbidden", { type: "load_session", sessionPath: "pipe.jsonl" }));
  }
  await bench.session(wire);
  await Promise.all(asked);
  await bench.session(wire);
});
