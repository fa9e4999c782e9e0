// Disk trouble: a full, read-only, forbidden or slow disk gives clear errors, the server lives and serves what needs no
// disk, nothing runs that could not be written down first, and all is well once the disk is.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { at, brief, type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { reborn } from "../../support/server/restart.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, conformance, TARGET } from "../suite.ts";

async function run(program: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** Whether this machine lets us mount a small disk of our own. */
async function mountable(): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-mount-" });
  const mounted = await run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder).catch(() => false);
  if (mounted) await run("umount", folder);
  await Deno.remove(folder);
  return mounted;
}

const READ_ONLY = /EROFS|Read-only/i;

const MOUNTABLE = Deno.build.os === "linux" && await mountable();

/** A case with a folder of the home on a disk of its own. */
function onDisk(
  name: string,
  folder: "stateDir" | "agentDir",
  body: (bench: Bench, path: string) => Promise<void>,
): void {
  if (!MOUNTABLE) {
    Deno.test({ name: `[${TARGET}] ${name} (needs the right to mount a tmpfs)`, ignore: true, fn: () => {} });
    return;
  }
  alone(name, async (bench) => {
    const path = bench.home[folder];
    const before = folder === "agentDir" ? await files(path) : new Map<string, string>();
    await Deno.mkdir(path, { recursive: true });
    assert(await run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", path));
    try {
      for (const [file, content] of before) await Deno.writeTextFile(`${path}/${file}`, content);
      await body(bench, path);
    } finally {
      for (const server of bench.servers) await server.kill();
      await until(
        () => run("umount", path).then((ok) => ok || undefined),
        10_000,
        () => `${path} stays mounted`,
      );
    }
  });
}

async function files(path: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isFile } of Deno.readDir(path)) {
    if (isFile) found.set(name, await Deno.readTextFile(`${path}/${name}`));
  }
  return found;
}

/** Takes all that is left of a disk. */
async function fill(path: string): Promise<void> {
  const file = await Deno.open(`${path}/filler`, { create: true, write: true });
  try {
    for (let size = 65_536; size >= 1; size = size >> 1) {
      while (await file.write(new Uint8Array(size)).then((n) => n === size, () => false));
    }
  } finally {
    file.close();
  }
}

const bash = (sessionId: string, key: string): JsonObject => ({
  type: "bash",
  sessionId,
  command: `echo ${key} >> log; cat log`,
  idempotencyKey: key,
});

/** Everything that has to be so while nothing can be written, and again once it can. */
async function refusesAndRecovers(
  bench: Bench,
  wire: Wire,
  { id, cwd }: { id: string; cwd: string },
  says: RegExp,
  mend: () => Promise<unknown>,
): Promise<void> {
  const marker = bench.name("late");
  bench.model.script(marker, text(["in the end"]));
  // Long enough not to fit into what is left of the journal's last page.
  const prompt = { type: "prompt", sessionId: id, message: `${marker} ${"x".repeat(8192)}` };
  for (const command of [prompt, bash(id, "b")]) {
    const refused = await wire.refused("internal", command);
    assertMatch(stringAt(refused, "error"), says);
    assertStringIncludes(stringAt(refused, "error"), "send it again");
  }
  // What needs no journal is served.
  await wire.ok({ type: "get_state", sessionId: id });
  await wire.ok({ type: "bash", sessionId: id, command: "true" });
  await wire.ok({ type: "abort", sessionId: id });
  const ran = await Deno.readTextFile(`${cwd}/log`);
  assertEquals([ran, bench.model.requests.filter(({ userText }) => userText.includes(marker)).length], [
    "a\n",
    0,
  ]);
  await mend();
  // The disk is asked again a moment after it has refused.
  const done = await until(
    async () => {
      const response = await wire.request(bash(id, "b"));
      return response.success === true ? response : undefined;
    },
    10_000,
    () => "the server has not recovered",
  );
  assertEquals([at(done, "data", "output"), done.replayed], ["a\nb\n", undefined], brief(done));
  await wire.ok({ ...prompt, waitFor: "settled" });
  const after = await reborn(bench);
  for (const key of ["a", "b"]) assertEquals((await after.request(bash(id, key))).replayed, true);
  assertEquals(await Deno.readTextFile(`${cwd}/log`), "a\nb\n");
}

onDisk(
  "disk: full, keyed commands and prompts are refused with the reason, and go on once there is room",
  "stateDir",
  async (bench, path) => {
    await bench.start();
    const wire = await bench.connect();
    const session = await bench.session(wire);
    await wire.ok(bash(session.id, "a"));
    await fill(path);
    await refusesAndRecovers(
      bench,
      wire,
      session,
      /ENOSPC|No space left/,
      () => Deno.remove(`${path}/filler`),
    );
  },
);

onDisk("disk: read-only, the same", "stateDir", async (bench, path) => {
  await bench.start();
  const wire = await bench.connect();
  const session = await bench.session(wire);
  await wire.ok(bash(session.id, "a"));
  // A disk that is written to is not made read-only, so the journal has to close its file first.
  await fill(path);
  await wire.refused("internal", { type: "prompt", sessionId: session.id, message: "x".repeat(8192) });
  await Deno.remove(`${path}/filler`);
  const readOnly = await run("mount", "-o", "remount,ro", path);
  assert(readOnly);
  // A moment long the server goes by what the disk said last.
  await until(
    async () => {
      const { error } = await wire.refused("internal", bash(session.id, "b"));
      return READ_ONLY.test(String(error)) || undefined;
    },
    10_000,
    () => "the server has not noticed that the disk is read-only",
  );
  await refusesAndRecovers(
    bench,
    wire,
    session,
    READ_ONLY,
    () => run("mount", "-o", "remount,rw", path),
  );
});

alone(
  "disk: without permission, keyed commands and prompts are refused, and go on once it is back",
  async (bench) => {
    await bench.start([], { env: { PI_SERVER_FAULTS: "write:journal=EACCES@3-5" } });
    const wire = await bench.connect();
    const session = await bench.session(wire);
    await wire.ok(bash(session.id, "a"));
    await refusesAndRecovers(bench, wire, session, /EACCES/, () => Promise.resolve());
  },
);

alone("disk: slow, a prompt waits for its intent, and no other command for the prompt", async (bench) => {
  await bench.start([], { env: { PI_SERVER_FAULTS: "sync:journal=slow1500" } });
  const wire = await bench.connect();
  const [slow, other] = [await bench.session(wire), await bench.session(wire)];
  const marker = bench.name("slow");
  bench.model.script(marker, text(["said"]));
  wire.send({ id: "slow", type: "prompt", sessionId: slow.id, message: marker, waitFor: "settled" });
  wire.send({ id: "behind", type: "get_state", sessionId: slow.id });
  await wire.ok({ type: "get_state", sessionId: other.id });
  await wire.ok({ type: "bash", sessionId: other.id, command: "true" });
  const answered = wire.messages.map(({ id }) => id);
  assertEquals([answered.includes("slow"), answered.includes("behind")], [false, false]);
  assertEquals(at(await wire.response("slow"), "data", "text"), "said");
  await wire.response("behind");
});

onDisk(
  "disk: full for pi's own file, storage_error says so, and what is missing is written once there is room",
  "agentDir",
  async (bench, path) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    // More than a page: a write that fits into the last one of the file does not fail.
    const say = async (word: string) => {
      const marker = bench.name(word);
      bench.model.script(marker, text([`${word} `, "x".repeat(5000)]));
      await wire.ok({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
      return marker;
    };
    const said = [await say("before")];
    await fill(path);
    said.push(await say("during"));
    const { sessionFile } = await wire.ok({ type: "get_state", sessionId: id });
    const told = await wire.event(id, "storage_error");
    assertEquals(at(told, "event", "file"), sessionFile);
    assertMatch(stringAt(told, "event", "error"), /ENOSPC|No space left/);
    said.push(await say("still"));
    await Deno.remove(`${path}/filler`);
    said.push(await say("after"));
    const lines = (await Deno.readTextFile(String(sessionFile))).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    const ids = new Set(lines.map((line) => line.id));
    assertEquals(ids.size, lines.length, "no entry is there twice");
    for (const line of lines.slice(1)) {
      assert(
        line.parentId === null || ids.has(line.parentId),
        "no entry is an orphan",
      );
    }
    const texts = lines.map((line) => JSON.stringify(line));
    for (const marker of said) assertEquals(texts.filter((line) => line.includes(marker)).length, 1, marker);
    assertEquals(wire.events(id).filter(({ type }) => type === "storage_error").length >= 1, true);
  },
);

conformance("disk: the report says whether this machine can mount a test disk", () => {
  if (!MOUNTABLE) console.log("the cases with a disk of their own were left out: no right to mount a tmpfs");
  return Promise.resolve();
});
