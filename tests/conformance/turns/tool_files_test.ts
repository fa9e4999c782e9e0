// What pi's file tools may open: regular files of a bounded size. Devices, pipes, sockets and files that are too big
// are refused in words that a model can act on, at once, while other sessions of the same worker are served.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, calls, OPENAI, type Step, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared, TARGET } from "../suite.ts";

const test = shared();
const MIB = 1024 * 1024;

/** Calls one tool in a turn of its own; the result that the model gets, and how long that took. */
async function use(bench: Bench, wire: Wire, id: string, name: string, args: JsonObject) {
  const marker = bench.name("use");
  bench.model.script(marker, calls([{ name, args }]) as Step, text(["done"]));
  const begun = performance.now();
  await settled(wire, id, marker);
  const ms = performance.now() - begun;
  const { toolResults } = await bench.model.request(marker, 1);
  return { result: toolResults.join("\n"), ms };
}

const ARGS: Record<string, (path: string) => JsonObject> = {
  read: (path) => ({ path }),
  write: (path) => ({ path, content: '{"type":"forged"}\n' }),
  edit: (path) => ({ path, edits: [{ oldText: "a", newText: "b" }] }),
};

/** A pipe without a reader or writer, a socket, links, and names of streams. */
async function specials(cwd: string): Promise<string[]> {
  assert((await new Deno.Command("mkfifo", { args: [`${cwd}/pipe`] }).output()).success);
  const listener = Deno.listen({ transport: "unix", path: `${cwd}/socket` });
  listener.close();
  await Deno.symlink("/dev/zero", `${cwd}/endless`);
  await Deno.symlink("pipe", `${cwd}/piped`);
  // Deno takes a socket's file away when it closes.
  const sockets = (await Deno.lstat(`${cwd}/socket`).catch(() => undefined)) === undefined ? [] : ["socket"];
  return ["pipe", "piped", "endless", ...sockets, "/dev/stdout", "/proc/self/fd/1", "/dev/null", "/dev/fd/2"];
}

for (const model of [OPENAI, ANTHROPIC]) {
  test(`devices, pipes and streams are refused in words (${model.provider})`, async (bench) => {
    const wire = await bench.connect();
    const { id, cwd } = await bench.watched(wire, { ...model, tools: ["read", "write", "edit", "ls"] });
    for (const path of await specials(cwd)) {
      for (const [tool, args] of Object.entries(ARGS)) {
        // A case of its own reads pipes: that takes 20 seconds.
        if (tool === "read" && path.startsWith("pipe")) continue;
        const { result } = await use(bench, wire, id, tool, args(path));
        // In the binary Deno's own permissions may stand in front of a link that leads to a device.
        const known = path === "endless" && TARGET !== "node"
          ? /regular files only|access|NotCapable/
          : /regular files only/;
        assertMatch(result, known, `${tool} ${path}`);
      }
    }
    const { result } = await use(bench, wire, id, "ls", { path: "." });
    assertStringIncludes(result, "pipe");
  });
}

alone("a write to the standard output of a stdio server never reaches the protocol", async (bench) => {
  const wire = await bench.startStdio();
  const { id, cwd } = await bench.watched(wire);
  await Deno.symlink("/proc/self/fd/1", `${cwd}/out`);
  for (const path of ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "out"]) {
    for (const tool of ["write", "edit"]) {
      const { result } = await use(bench, wire, id, tool, ARGS[tool]?.(path) ?? {});
      assert(!result.includes("Success"), `${tool} ${path}: ${result}`);
    }
  }
  // The wire's own judge fails on a line that is not a frame; this one would be.
  assert(
    !wire.transcript.some((entry) => entry.kind === "received" && /^\{"type":"forged"/.test(entry.text)),
  );
});

test("files that are too big are refused at once, and say what to do instead", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const sparse = async (name: string, bytes: number) => {
    using file = await Deno.create(`${cwd}/${name}`);
    await file.truncate(bytes);
  };
  await sparse("sparse", 3 * 1024 * MIB);
  await sparse("log", 400 * MIB);
  await Deno.writeTextFile(`${cwd}/lines`, "a\n".repeat(150_000));
  const before = "a".repeat(5 * MIB);
  await Deno.writeTextFile(`${cwd}/medium`, before);
  const refused: [string, JsonObject, RegExp][] = [
    ["read", { path: "sparse" }, /3072\.0 MB; read takes files of at most 8 MB and 100,000 lines\. Use bash/],
    ["read", { path: "log", offset: 5, limit: 2 }, /400\.0 MB; read takes/],
    ["read", { path: "lines", limit: 2 }, /more than 100,000 lines; read takes/],
    ["edit", ARGS.edit?.("log") ?? {}, /400\.0 MB; edit takes files of at most 4 MB/],
    ["edit", ARGS.edit?.("medium") ?? {}, /5\.0 MB; edit takes/],
    ["edit", ARGS.edit?.("lines") ?? {}, /more than 50,000 lines; edit takes/],
  ];
  for (const [tool, args, sentence] of refused) {
    assertMatch((await use(bench, wire, id, tool, args)).result, sentence, `${tool} ${args.path}`);
  }
  assertEquals(await Deno.readTextFile(`${cwd}/medium`), before);
});

test("what is within the bounds is read, changed and listed as by pi", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const run = async (tool: string, args: JsonObject) => (await use(bench, wire, id, tool, args)).result;
  assertMatch(
    await run("write", { path: "deep/er/a.txt", content: "one\ntwo\nthree\n" }),
    /^Successfully wrote/,
  );
  assertMatch(
    await run("read", { path: "deep/er/a.txt", offset: 2, limit: 1 }),
    /^two\n\n\[2 more lines in file/,
  );
  assertEquals(
    await run("edit", { path: "deep/er/a.txt", edits: [{ oldText: "two", newText: "2" }] }),
    "Successfully replaced 1 block(s) in deep/er/a.txt.",
  );
  assertEquals(await Deno.readTextFile(`${cwd}/deep/er/a.txt`), "one\n2\nthree\n");
  // A shorter text leaves nothing of a longer one behind.
  await run("write", { path: "deep/er/a.txt", content: "x" });
  assertEquals(await Deno.readTextFile(`${cwd}/deep/er/a.txt`), "x");
  assertMatch(await run("read", { path: "missing" }), /ENOENT/);
  assertMatch(await run("read", { path: "deep" }), /EISDIR|Is a directory/);
  assertMatch(await run("write", { path: "deep", content: "x" }), /EISDIR|Is a directory/);
  assertMatch(await run("edit", { path: "missing", edits: [{ oldText: "a", newText: "b" }] }), /ENOENT/);
  assertEquals(await run("read", { path: "/proc/self/status" }).then((said) => said.length > 0), true);
});

test("a PNG is shown as an image", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const png =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  await Deno.writeFile(`${cwd}/dot.png`, Uint8Array.from(atob(png), (char) => char.charCodeAt(0)));
  const marker = bench.name("image");
  bench.model.script(marker, calls([{ name: "read", args: { path: "dot.png" } }]));
  wire.send({ type: "prompt", id: "image", sessionId: id, message: marker });
  const end = await wire.event(id, "tool_execution_end");
  const content = arrayAt(end, "event", "result", "content");
  assertMatch(stringAt(content[0], "text"), /^Read image file \[image\/png\]/);
  assertEquals(at(content[1], "type"), "image");
});

alone(
  "reads of pipes wait and block no other session, an abort ends them, and then they are refused",
  async (bench) => {
    await bench.start(["--workers", "1"]);
    const wire = await bench.connect();
    const other = await bench.watched(wire);
    const reader = async (link: boolean) => {
      const { id, cwd } = await bench.watched(wire);
      const made = `${cwd}/${link ? "target" : "pipe"}`;
      assert((await new Deno.Command("mkfifo", { args: [made] }).output()).success);
      if (link) await Deno.symlink("target", `${cwd}/pipe`);
      return { id, cwd };
    };
    const readers = await Promise.all([false, true, false, true, false, false].map(reader));
    const [first, second, ...aborted] = readers;
    assert(first && second);
    const begun = performance.now();
    const uses = [first, second].map(({ id }) => use(bench, wire, id, "read", { path: "pipe" }));
    const runs = aborted.map(({ id }) => {
      const marker = bench.name("abort");
      bench.model.script(marker, calls([{ name: "read", args: { path: "pipe" } }]), text(["done"]));
      return wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" });
    });
    for (const { id } of readers) await wire.event(id, "tool_execution_start");
    const marker = bench.name("neighbour");
    bench.model.script(marker, text(["served"]));
    assertEquals((await settled(wire, other.id, marker)).text, "served");
    for (const { id } of aborted) await wire.ok({ type: "abort", sessionId: id });
    for (const run of runs) assertEquals((await run).code, "cancelled");
    for (const { id } of aborted) {
      const again = bench.name("again");
      bench.model.script(again, text(["fine"]));
      assertEquals((await settled(wire, id, again)).text, "fine");
    }
    // What the path names once the wait is over is read.
    await Deno.writeTextFile(`${second.cwd}/file`, "written since");
    await Deno.remove(`${second.cwd}/pipe`);
    await Deno.rename(`${second.cwd}/file`, `${second.cwd}/pipe`);
    const [refused, read] = await Promise.all(uses);
    assertStringIncludes(refused?.result ?? "", "is a pipe; read takes regular files only. Use bash");
    assertEquals(read?.result, "written since");
    assert(performance.now() - begun > 15_000, "the reads did not wait");
    assertEquals(at(await wire.request({ type: "health_check" }), "success"), true);
  },
);

const OPENS_PIPE = `
import fs from "node:fs";
export default function (pi) {
  pi.registerCommand("open", {
    description: "Opens a pipe that has no writer",
    async handler(_args, ctx) {
      fs.writeFileSync(ctx.cwd + "/opening", "");
      fs.open(ctx.cwd + "/pipe", "r", () => {});
    },
  });
}`;

alone("a thread that waits for a FIFO does not hold the process after its end", async (bench) => {
  await bench.home.extension("opens", OPENS_PIPE);
  const server = await bench.start();
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  assert((await new Deno.Command("mkfifo", { args: [`${cwd}/pipe`] }).output()).success);
  wire.mayLoseResponses = true;
  // In the sandbox Deno opens files on the session's own thread, which never answers then.
  wire.send({ type: "prompt", sessionId: id, message: "/open" });
  await until(() => Deno.stat(`${cwd}/opening`).then(() => true, () => false), 15_000, () => "the command");
  await wire.close();
  server.signal("SIGTERM");
  await server.exitCode(60_000);
  assertStringIncludes(server.stderr, "stopped");
});
