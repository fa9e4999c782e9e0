// Every path that a client can name (docs/PROTOCOL.md#paths-and-trust), with everything that leads out of the roots: refused with
// `path_forbidden`, and nothing is read or written there.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

/** Ways out of a folder whose neighbour is `outside`. */
const waysOut = (bench: Bench, cwd: string, name: string): string[] => [
  `${bench.home.dir}/outside/${name}`,
  `../../outside/${name}`,
  `${cwd}/../../outside/${name}`,
  `link/${name}`,
  `${cwd}/link/${name}`,
  `linked-${name}`,
  `${bench.home.stateDir}/token`,
  "../../state/token",
  "state-link/token",
  "/etc/passwd",
  "/proc/self/environ",
  "/proc/self/root/etc/passwd",
  "/proc/self/cwd/x",
  "/dev/null",
  "/dev/stdin",
  "pipe",
  "C:\\Windows\\win.ini",
  "c:/Windows/win.ini",
  "\\\\server\\share\\x",
  "\\\\?\\C:\\x",
  "..\\..\\outside\\x",
  "NUL",
  "con.html",
  `${name}\0`,
  "\0",
];

/** A session with a file, in a folder that is full of ways out. */
async function trapped(
  bench: Bench,
  wire: Wire,
): Promise<{ id: string; cwd: string; outside: string; file: string }> {
  const { id, cwd } = await bench.session(wire);
  const outside = `${bench.home.dir}/outside`;
  await Deno.mkdir(outside, { recursive: true });
  const marker = bench.name("paths");
  bench.model.script(marker, text(["said"]));
  await settled(wire, id, marker);
  const file = stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile");
  await Deno.copyFile(file, `${outside}/page.jsonl`);
  await Deno.symlink(outside, `${cwd}/link`);
  await Deno.symlink(`${outside}/page.jsonl`, `${cwd}/linked-page.jsonl`);
  await Deno.symlink(bench.home.stateDir, `${cwd}/state-link`);
  await new Deno.Command("mkfifo", { args: [`${cwd}/pipe`] }).output();
  return { id, cwd, outside, file };
}

/** What the server itself writes in its state folder while it works. */
const WRITTEN = ["journal.jsonl", "sessions", "catalogue"];

/** Names of everything in a folder, and sizes and times of files that must not change. */
async function lookOf(folder: string): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir(folder)) {
    const { size, mtime } = await Deno.lstat(`${folder}/${name}`);
    names.push(WRITTEN.includes(name) ? name : `${name} ${size} ${mtime?.getTime()}`);
  }
  return names.sort();
}

test("paths: these cases cover every path field of the schema", async (bench) => {
  const wire = await bench.connect();
  const { schema } = await wire.ok({ type: "get_schema" });
  const paths = arrayAt({ schema }, "schema", "commands").map(String).flatMap((command) =>
    Object.keys(objectAt(schema, "$defs", command, "properties"))
      .filter((field) => /cwd|path|file|folder|dir$|parentSession/i.test(field))
      .map((field) => `${command}.${field}`)
  );
  assertEquals(paths.toSorted(), [
    "archive_session.sessionPath",
    "create_session.cwd",
    "delete_stored_session.sessionPath",
    "export_html.outputPath",
    // It is compared with what sessions have, and no file is looked at.
    "list_sessions.cwd",
    "list_stored_sessions.cwd",
    "load_session.sessionPath",
    "new_session.parentSession",
    "rename_stored_session.sessionPath",
    "switch_session_file.sessionPath",
    "unarchive_session.sessionPath",
  ]);
});

test("paths: no way leads out, whatever command names it", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, outside } = await trapped(bench, wire);
  await wire.ok({ type: "list_stored_sessions" });
  const before = [await lookOf(outside), await lookOf(cwd), await lookOf(bench.home.stateDir)];
  const commands: ((path: string) => JsonObject)[] = [
    (path) => ({
      type: "create_session",
      cwd: path.startsWith("/") || path.startsWith("\0") ? path : `${cwd}/${path}`,
    }),
    (path) => ({ type: "load_session", sessionPath: path }),
    (path) => ({ type: "switch_session_file", sessionId: id, sessionPath: path }),
    (path) => ({ type: "new_session", sessionId: id, parentSession: path }),
    (path) => ({ type: "export_html", sessionId: id, outputPath: path }),
    (path) => ({ type: "list_stored_sessions", cwd: path.startsWith("/") ? path : `${cwd}/${path}` }),
    (path) => ({ type: "search", query: "root", sessions: [path] }),
    (path) => ({ type: "archive_session", sessionPath: path }),
    (path) => ({ type: "unarchive_session", sessionPath: path }),
    (path) => ({ type: "rename_stored_session", sessionPath: path, sessionName: "n" }),
    (path) => ({ type: "delete_stored_session", sessionPath: path }),
  ];
  for (const [n, command] of commands.entries()) {
    for (const path of waysOut(bench, cwd, "page.jsonl")) {
      const sent = command(path);
      const told = `${sent.type} ${JSON.stringify(path)}`;
      const response = await wire.request(sent);
      // What is inside and no folder holds no sessions, and is nothing to be refused.
      if (sent.type === "list_stored_sessions" && response.success === true) {
        assertEquals(at(response, "data", "sessions"), [], told);
        continue;
      }
      assertEquals(response.success, false, told);
      // Below a folder that is there, a foreign name that leads nowhere may just be missing.
      const missing = n === 0 || n === 5 || ((n === 1 || n > 5) && !path.startsWith("/"));
      assert(
        response.code === "path_forbidden" || (missing && response.code === "path_not_found"),
        `${told}: ${response.code}`,
      );
      assert(!JSON.stringify(response).includes("root:x:"), told);
    }
  }
  assertEquals([await lookOf(outside), await lookOf(cwd), await lookOf(bench.home.stateDir)], before);
  await wire.ok({ type: "get_state", sessionId: id });
});

test("paths: an export replaces a file of its own, and no second name of another", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, outside } = await trapped(bench, wire);
  const command = { type: "export_html", sessionId: id };
  await wire.ok({ ...command, outputPath: "page.html" });
  assertEquals(await wire.ok({ ...command, outputPath: "page.html" }), { path: `${cwd}/page.html` });
  assert((await Deno.readTextFile(`${cwd}/page.html`)).includes("<html"));
  await Deno.link(`${outside}/page.jsonl`, `${cwd}/second.html`);
  const before = await Deno.readTextFile(`${outside}/page.jsonl`);
  await wire.refused("path_forbidden", { ...command, outputPath: "second.html" });
  assertEquals(await Deno.readTextFile(`${outside}/page.jsonl`), before);
});

test("paths: while a folder is swapped for a link and back, nothing is written outside", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd, outside } = await trapped(bench, wire);
  await Deno.writeTextFile(`${outside}/page.html`, "outside");
  const before = await lookOf(outside);
  await Deno.mkdir(`${cwd}/real`);
  await Deno.rename(`${cwd}/real`, `${cwd}/turn`);
  let swapping = true;
  const swap = (async () => {
    while (swapping) {
      await Deno.rename(`${cwd}/turn`, `${cwd}/away`);
      await Deno.symlink(outside, `${cwd}/turn`);
      await Deno.remove(`${cwd}/turn`);
      await Deno.rename(`${cwd}/away`, `${cwd}/turn`);
    }
  })();
  let written = 0;
  for (let n = 0; n < 60; n++) {
    const response = await wire.request({
      type: "export_html",
      sessionId: id,
      outputPath: "turn/page.html",
    });
    if (response.success === true) written++;
  }
  swapping = false;
  await swap;
  assertEquals(await lookOf(outside), before, `${written} exports went through`);
});
