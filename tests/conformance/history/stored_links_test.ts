// Links in pi's folder of sessions: a list follows none out of the roots, and none makes it fail.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, brief, messageText, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { alone, settled, shared } from "../suite.ts";

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

test("list_stored_sessions: a link in pi's folder shows nothing from outside the roots, and breaks no list", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("own");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, id, marker);
  const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
  const folder = file.slice(0, file.lastIndexOf("/"));
  const top = folder.slice(0, folder.lastIndexOf("/"));
  const inside = await writeSession(`${cwd}/inside.jsonl`, "inside", cwd, exchange("q", "a").all);
  const outside = `${bench.home.dir}/outside-list`;
  await Deno.mkdir(outside);
  await writeSession(`${outside}/secret.jsonl`, "secret", cwd, exchange("secret words", "a").all);
  const links: Record<string, string> = {
    [`${folder}/file-link.jsonl`]: `${outside}/secret.jsonl`,
    [`${folder}/inside-link.jsonl`]: inside.path,
    [`${folder}/dangling.jsonl`]: `${outside}/nothing.jsonl`,
    [`${folder}/loop.jsonl`]: "loop.jsonl",
    [`${folder}/folder.jsonl`]: outside,
    [`${top}/--folder-link--`]: outside,
    [`${top}/--root-link--`]: "/root",
    [`${top}/--loop--`]: "--loop--",
  };
  for (const [link, target] of Object.entries(links)) await Deno.symlink(target, link);
  for (const fields of [{ cwd }, {}]) {
    const data = await wire.ok({ type: "list_stored_sessions", ...fields });
    assert(!JSON.stringify(data).includes("secret"), JSON.stringify(data));
    const paths = arrayAt(data, "sessions").map((each) => stringAt(each, "sessionPath"));
    assert(paths.includes(file) && paths.includes(inside.path), paths.join());
    if ("cwd" in fields) assertEquals(paths.toSorted(), [file, inside.path].toSorted());
  }
  const own = arrayAt(await wire.ok({ type: "list_session_files", sessionId: id }), "files");
  assertEquals(own.map((each) => stringAt(each, "sessionPath")).toSorted(), [file, inside.path].toSorted());
  // What is listed can be loaded.
  const sessionId = bench.name("inside");
  await wire.ok({ type: "load_session", sessionPath: inside.path, sessionId });
  const messages = arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages");
  assertEquals(messages.map(messageText), ["q", "a"]);
  for (const link of Object.keys(links)) await Deno.remove(link);
});

alone(
  "with --root, pi's own session files load if their folder is inside, and others stay hidden",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("rooted");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, id, marker);
    const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
    assert(!file.startsWith(bench.home.root), "pi's folder is not among the roots");
    await wire.ok({ type: "delete_session", sessionId: id });
    const { sessionId } = await wire.ok({ type: "load_session", sessionPath: file });
    assertEquals(arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").length, 2);
    // One whose folder is elsewhere stays closed, and its folder is not named.
    const other = file.replace(/[^/]+$/, "other.jsonl");
    await writeSession(other, "other", `${bench.home.dir}/hidden-place`, exchange("q", "a").all);
    for (
      const command of [
        { type: "load_session", sessionPath: other },
        { type: "switch_session_file", sessionId, sessionPath: other },
      ]
    ) {
      const refused = await wire.request(command);
      assertEquals(refused.code, "path_forbidden", brief(refused));
      assert(!brief(refused, 2000).includes("hidden-place"), brief(refused));
    }
    // Pi's folder opens nothing else.
    const html = await wire.request({
      type: "export_html",
      sessionId,
      outputPath: file.replace(/[^/]+$/, "x.html"),
    });
    assertEquals(html.code, "path_forbidden");
  },
);
