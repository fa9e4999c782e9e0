// What pi reads by itself from a session's folder (SECURITY, untrusted folders): nothing where the folder is not
// trusted, and elsewhere plain files of a bounded size. A link to /dev/zero or a named pipe stops no one.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const test = shared();

async function place(path: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
}

/** A pipe that no one writes to: who opens it to read waits for ever. */
async function pipe(path: string): Promise<void> {
  await place(path);
  const made = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(made.success, `mkfifo ${path}`);
}

async function endless(path: string): Promise<void> {
  await place(path);
  await Deno.symlink("/dev/zero", path);
}

/** A file of 3 GB that takes no space. */
async function huge(path: string): Promise<void> {
  await place(path);
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(3 * 1024 ** 3);
}

async function write(path: string, words: string): Promise<void> {
  await place(path);
  await Deno.writeTextFile(path, words);
}

/** Everything that pi looks for in a folder. */
const NAMES = [
  ...["AGENTS.md", "CLAUDE.md", ".pi/SYSTEM.md", ".pi/APPEND_SYSTEM.md", ".pi/settings.json"],
  ...[".pi/skills/.gitignore", ".pi/skills/a/SKILL.md", ".pi/prompts/a.md", ".pi/prompts/.ignore"],
  ...[".pi/themes/a.json", ".pi/extensions/a.ts", ".pi/extensions/b/package.json"],
  ...[".agents/skills/.fdignore", ".agents/skills/c/SKILL.md"],
];

async function neighbour(bench: Bench, wire: Wire): Promise<void> {
  const { id } = await bench.session(wire);
  const marker = bench.name("neighbour");
  bench.model.script(marker, text(["here"]));
  assertEquals((await settled(wire, id, marker)).text, "here");
}

/** What a session says that it did not load: the paths, within its folder. */
async function problems(wire: Wire, id: string, cwd: string): Promise<string[]> {
  await wire.ok({ type: "subscribe", sessionId: id });
  await wire.ok({ type: "reload", sessionId: id });
  await wire.ok({ type: "ping" });
  const told = wire.events(id).filter(({ type, event }) => type === "extension_error" && event === "load");
  return [...new Set(told.map(({ extensionPath }) => String(extensionPath).replace(`${cwd}/`, "")))].sort();
}

for (const [what, make] of [["pipes", pipe], ["endless files", endless], ["files of 3 GB", huge]] as const) {
  test(`resources: nothing of an untrusted folder is opened (${what})`, async (bench) => {
    const wire = await bench.connect();
    const cwd = await bench.home.folder(bench.name("untrusted"));
    for (const name of NAMES) await make(`${cwd}/${name}`);
    const { id, info } = await bench.session(wire, { cwd });
    const untrusted = arrayAt(info, "sessionInfo", "untrusted");
    for (const name of ["AGENTS.md", ".pi/SYSTEM.md", ".pi/extensions"]) {
      assert(untrusted.includes(name), name);
    }
    assertEquals(await problems(wire, id, cwd), []);
    await neighbour(bench, wire);
  });

  test(`resources: a trusted folder is loaded without what is not a plain file (${what})`, async (bench) => {
    const wire = await bench.connect();
    const cwd = await bench.home.folder(bench.name("trusted"));
    const bad = ["AGENTS.md", ".pi/SYSTEM.md", ".pi/APPEND_SYSTEM.md", ".pi/settings.json"];
    for (const name of bad) await make(`${cwd}/${name}`);
    await write(`${cwd}/CLAUDE.md`, "in the folder: CLAUDE");
    await write(`${cwd}/.pi/prompts/good.md`, "A good prompt");
    const { id } = await bench.session(wire, { cwd, trustProject: true });
    assertEquals(await problems(wire, id, cwd), bad.sort());
    const marker = bench.name("good");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, id, marker);
    assertStringIncludes(JSON.stringify((await bench.model.request(marker)).body), "in the folder: CLAUDE");
    assert(JSON.stringify(await wire.ok({ type: "get_commands", sessionId: id })).includes('"good"'));
    await neighbour(bench, wire);
  });

  test(`resources: files that pi reads blindly close the folder's resources (${what})`, async (bench) => {
    const wire = await bench.connect();
    for (
      const name of [".pi/skills/deep/.gitignore", ".pi/extensions/b/package.json", ".agents/skills/.ignore"]
    ) {
      const cwd = await bench.home.folder(bench.name("blind"));
      await make(`${cwd}/${name}`);
      await write(`${cwd}/.pi/prompts/good.md`, "A good prompt");
      const { id } = await bench.session(wire, { cwd, trustProject: true });
      assertEquals(await problems(wire, id, cwd), [name]);
      assert(!JSON.stringify(await wire.ok({ type: "get_commands", sessionId: id })).includes('"good"'));
    }
    await neighbour(bench, wire);
  });
}

test("resources: a skill, a prompt and an extension that are too large are left out by name", async (bench) => {
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("large"));
  const large = [".pi/extensions/a.ts", ".pi/prompts/a.md", ".pi/skills/a/SKILL.md", ".pi/themes/a.json"];
  for (const name of large) await huge(`${cwd}/${name}`);
  await write(`${cwd}/.pi/skills/good/SKILL.md`, "---\nname: good\ndescription: A good skill\n---\nDo good");
  const { id } = await bench.session(wire, { cwd, trustProject: true });
  assertEquals(await problems(wire, id, cwd), large);
  assert(JSON.stringify(await wire.ok({ type: "get_commands", sessionId: id })).includes("skill:good"));
});

test("resources: instructions of a trusted folder reach the model, in pi's order", async (bench) => {
  const wire = await bench.connect();
  const outer = await bench.home.folder(bench.name("outer"));
  const cwd = `${outer}/inner`;
  await write(`${outer}/AGENTS.md`, "from above");
  await write(`${cwd}/AGENTS.md`, "\ufefffrom the folder");
  await write(`${cwd}/CLAUDE.md`, "never shown beside AGENTS");
  await write(`${cwd}/.pi/SYSTEM.md`, "the system prompt");
  await write(`${cwd}/.pi/APPEND_SYSTEM.md`, "the appendix");
  for (const trusted of [true, false]) {
    const { id } = await bench.session(wire, {
      sessionId: bench.name("instructed"),
      cwd,
      trustProject: trusted,
    });
    const marker = bench.name("instructed");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, id, marker);
    const [system] = arrayAt((await bench.model.request(marker)).body, "messages");
    const said = JSON.stringify(at(system, "content"));
    const order = ["the system prompt", "the appendix", "from above", "from the folder"].map((words) =>
      said.indexOf(words)
    );
    if (trusted) assertEquals(order, [...order].sort((a, b) => a - b));
    assertEquals(order.map((place) => place >= 0), order.map(() => trusted));
    assert(!said.includes("never shown"));
  }
});
