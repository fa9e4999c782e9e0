// Modes of the files that a session writes. Session files are for the user alone. No write changes the mode of an
// existing file, on every build and for every writer: the server, pi, and an extension through node:fs.

import { assertEquals } from "@std/assert";
import { stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

const modeOf = async (path: string): Promise<string> =>
  `0${(((await Deno.stat(path)).mode ?? 0) & 0o777).toString(8)}`;

/** A session with one answer, so that it has a file. */
async function answered(bench: Bench, inFolder?: string) {
  const wire = await bench.connect();
  const session = await bench.watched(wire, inFolder === undefined ? {} : { cwd: inFolder });
  const marker = bench.name("modes");
  const say = async (...steps: Parameters<typeof bench.model.script>[1][]) => {
    bench.model.script(marker, ...steps, text(["done"]));
    await settled(wire, session.id, marker);
  };
  await say();
  const file = async () =>
    stringAt(await wire.ok({ type: "get_state", sessionId: session.id }), "sessionFile");
  return { ...session, wire, say, file };
}

test("a new session file is 0600, and so is the file of a clone, a fork and a new session", async (bench) => {
  const { wire, id, file, say } = await answered(bench);
  assertEquals(await modeOf(await file()), "0600");
  const forkable = await wire.ok({ type: "get_fork_messages", sessionId: id });
  for (
    const step of [
      { type: "clone" },
      { type: "fork", entryId: stringAt(forkable, "messages", 0, "entryId") },
      { type: "new_session" },
    ]
  ) {
    await wire.ok({ ...step, sessionId: id });
    await say();
    assertEquals([step.type, await modeOf(await file())], [step.type, "0600"]);
  }
});

test("the mode that a session file has stays, through every kind of write", async (bench) => {
  const { wire, id, file, say } = await answered(bench);
  const path = await file();
  for (const mode of [0o640, 0o600]) {
    await Deno.chmod(path, mode);
    await say();
    await wire.ok({ type: "bash", sessionId: id, command: "echo hi" });
    await wire.ok({ type: "set_session_name", sessionId: id, name: `mode ${mode}` });
    assertEquals(await modeOf(path), `0${mode.toString(8)}`);
  }
});

test("write and edit keep the mode of a file, and give a new file what the umask leaves", async (bench) => {
  const { cwd, say } = await answered(bench);
  const write = (path: string) => calls([{ name: "write", args: { path, content: "b" } }]);
  for (const [name, mode] of [["secret", 0o600], ["script", 0o755]] as const) {
    await Deno.writeTextFile(`${cwd}/${name}`, "a");
    await Deno.chmod(`${cwd}/${name}`, mode);
    await say(write(name));
    assertEquals(await modeOf(`${cwd}/${name}`), `0${mode.toString(8)}`);
    const edits = [{ oldText: "b", newText: "c" }];
    await say(calls([{ name: "edit", args: { path: name, edits } }]));
    assertEquals([await modeOf(`${cwd}/${name}`), await Deno.readTextFile(`${cwd}/${name}`)], [
      `0${mode.toString(8)}`,
      "c",
    ]);
  }
  await say(write("new"));
  assertEquals(await modeOf(`${cwd}/new`), `0${(0o666 & ~Deno.umask()).toString(8)}`);
});

const WRITES = `
import fs from "node:fs";
import { promises } from "node:fs";
export default function (pi) {
  const writes = {
    sync: (path) => fs.appendFileSync(path, "x"),
    callback: (path) => new Promise((done) => fs.appendFile(path, "x", done)),
    promise: (path) => promises.appendFile(path, "x"),
    asked: (path) => fs.writeFileSync(path, "x", { mode: 0o666 }),
    askedPromise: (path) => promises.writeFile(path, "x", { mode: 0o666 }),
  };
  pi.registerCommand("write", {
    description: "Writes in every way",
    async handler(_args, ctx) {
      for (const [name, write] of Object.entries(writes)) {
        await write(ctx.cwd + "/new-" + name);
        fs.chmodSync(ctx.cwd + "/old-" + name, 0o640);
        await write(ctx.cwd + "/old-" + name);
        fs.writeFileSync(ctx.cwd + "/private-" + name, "x", { mode: 0o600 });
      }
      fs.chmodSync(ctx.cwd + "/old-sync", 0o666);
      fs.writeFileSync(ctx.cwd + "/done", "");
    },
  });
}`;

test("an extension's writes through node:fs keep modes and respect the umask; its chmod holds", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("modes"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(`${cwd}/.pi/extensions/writes.ts`, WRITES);
  const names = ["sync", "callback", "promise", "asked", "askedPromise"];
  for (const name of names) await Deno.writeTextFile(`${cwd}/old-${name}`, "old");
  const { id } = await bench.session(wire, { cwd, trustProject: true });
  await wire.ok({ type: "prompt", sessionId: id, message: "/write", waitFor: "settled" });
  const usual = `0${(0o666 & ~Deno.umask()).toString(8)}`;
  const found = await Promise.all(names.map(async (name) => [
    name,
    await modeOf(`${cwd}/new-${name}`),
    await modeOf(`${cwd}/old-${name}`),
    await modeOf(`${cwd}/private-${name}`),
  ]));
  assertEquals(found, names.map((name) => [name, usual, name === "sync" ? "0666" : "0640", "0600"]));
});
