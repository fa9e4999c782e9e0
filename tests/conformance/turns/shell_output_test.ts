// The output of shell commands, of clients and of the bash tool. An answer shows the end of a long output and names
// the private log that holds all of it. Characters that a read cuts are joined. A flood starves no session.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, shared, TARGET } from "../suite.ts";

const test = shared();
const MIB = 1024 * 1024;

const x = (count: number) => `head -c ${count} /dev/zero | tr '\\0' x`;

/** A command, and all that it prints. */
const LONG: Record<string, [command: string, whole: string]> = {
  "a last line over 50 KB with its end": [`${x(60_000)}; echo`, `${"x".repeat(60_000)}\n`],
  "a last line over 50 KB without an end": [x(300_000), "x".repeat(300_000)],
  "a short line before it": [`echo first; ${x(60_000)}; echo`, `first\n${"x".repeat(60_000)}\n`],
  "exactly one byte too much": [`${x(51_200)}; echo`, `${"x".repeat(51_200)}\n`],
  "characters of four bytes": [
    "for i in $(seq 1500); do printf '😀😀😀😀😀😀😀😀😀😀'; done; echo",
    `${"😀".repeat(15_000)}\n`,
  ],
  "empty lines after it": [`${x(60_000)}; echo; echo; echo`, `${"x".repeat(60_000)}\n\n\n`],
  "many lines": ["seq 1 3000", Array.from({ length: 3000 }, (_, n) => `${n + 1}\n`).join("")],
};

/** The text that a model gets of a command. */
async function tool(bench: Bench, wire: Wire, id: string, command: string): Promise<string> {
  const marker = bench.name("shell");
  bench.model.script(marker, calls([{ name: "bash", args: { command } }]), text(["done"]));
  await settled(wire, id, marker);
  return (await bench.model.request(marker, 1)).toolResults.join("\n");
}

const modeOf = async (path: string): Promise<number> => ((await Deno.stat(path)).mode ?? 0) & 0o777;

for (const [name, [command, whole]] of Object.entries(LONG)) {
  test(`${name}: the end is shown, all of it is in the log`, async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const data = await wire.ok({ type: "bash", id: "run", sessionId: id, command });
    const output = stringAt(data, "output");
    assertEquals([data.truncated, data.exitCode], [true, 0]);
    assert(whole.trimEnd().endsWith(output.trimEnd()) && output.length > 5_000, output.slice(-50));
    assert(!output.includes("\ufffd"));
    assertEquals(await Deno.readTextFile(stringAt(data, "fullOutputPath")), whole);
    const chunks = wire.events(id).filter((event) => event.type === "bash_output");
    assertEquals(chunks.map((event) => stringAt(event, "chunk")).join(""), whole);

    const result = await tool(bench, wire, id, command);
    const [, shown = "", path = ""] = /^([^]*)\n\n\[Showing [^]*Full output: (.*)\]$/.exec(result) ?? [];
    assert(whole.trimEnd().endsWith(shown.trimEnd()) && shown.length > 5_000, result.slice(-200));
    assertEquals(await Deno.readTextFile(path), whole);
  });
}

test("the log is the user's alone, in a folder of the user's alone", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const path = stringAt(
    await wire.ok({ type: "bash", sessionId: id, command: "seq 1 20000" }),
    "fullOutputPath",
  );
  const folder = path.slice(0, path.lastIndexOf("/"));
  assertEquals([await modeOf(path), await modeOf(folder)], [0o600, 0o700]);
  const result = await tool(bench, wire, id, "seq 1 20000");
  const [logged = ""] = /\/\S*\.log/.exec(result) ?? [];
  assertEquals(await modeOf(logged), 0o600);
  assertEquals(logged.slice(0, logged.lastIndexOf("/")), folder);
  // A model may read the log that it was shown.
  const marker = bench.name("read");
  bench.model.script(
    marker,
    calls([{ name: "read", args: { path: logged, offset: 7, limit: 1 } }]),
    text(["done"]),
  );
  await settled(wire, id, marker);
  assertMatch((await bench.model.request(marker, 1)).toolResults.join(""), /^7\n/);
});

alone("the logs go when the server ends", async (bench) => {
  const server = await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const path = stringAt(
    await wire.ok({ type: "bash", sessionId: id, command: "seq 1 20000" }),
    "fullOutputPath",
  );
  await wire.close();
  server.signal("SIGTERM");
  await server.exitCode();
  assertEquals(await Deno.stat(path.slice(0, path.lastIndexOf("/"))).catch(() => "gone"), "gone");
});

alone("a folder for temporary files that takes nothing costs the log, never the command", async (bench) => {
  await bench.start([], { env: { TMPDIR: "/nonexistent" } });
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const data = await wire.ok({ type: "bash", sessionId: id, command: "seq 1 20000" });
  assertEquals([data.truncated, data.fullOutputPath, data.exitCode], [true, undefined, 0]);
  assertStringIncludes(await tool(bench, wire, id, "seq 1 20000"), "The full output could not be kept");
});

test("what a read cuts is joined: characters, colours, links", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const pause = "sleep 0.05";
  const command = [
    "printf '\\360\\237'",
    pause,
    "printf '\\230\\200'",
    pause,
    "printf '\\033[3'",
    pause,
    "printf '1mred\\033'",
    pause,
    "printf '[0m \\033]8;;http://a'",
    pause,
    "printf '\\033\\\\link\\033]8;;\\033\\\\\\n'",
  ].join("; ");
  const data = await wire.ok({ type: "bash", id: "cut", sessionId: id, command });
  assertEquals(data.output, "😀red link\n");
  const chunks = wire.events(id).filter((event) => event.type === "bash_output");
  assertEquals(chunks.map((event) => stringAt(event, "chunk")).join(""), "😀red link\n");
  assertMatch(await tool(bench, wire, id, command), /^😀/);
});

test("the tool's status: exit code, timeout, nothing printed, a shell that a signal ends", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  assertEquals(await tool(bench, wire, id, "echo out; exit 3"), "out\n\n\nCommand exited with code 3");
  assertEquals(await tool(bench, wire, id, "true"), "(no output)");
  assertEquals(await tool(bench, wire, id, "exit 4"), "(no output)\n\nCommand exited with code 4");
  const marker = bench.name("timeout");
  bench.model.script(
    marker,
    calls([{ name: "bash", args: { command: "echo up; sleep 60", timeout: 0.5 } }]),
    text(["done"]),
  );
  await settled(wire, id, marker);
  assertEquals(
    (await bench.model.request(marker, 1)).toolResults,
    ["up\n\n\nCommand timed out after 0.5 seconds"],
  );
});

test("a background process that holds the pipes does not hold the command", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const begun = performance.now();
  const data = await wire.ok({ type: "bash", sessionId: id, command: "sleep 30 & echo started" });
  assertEquals([data.output, data.exitCode], ["started\n", 0]);
  assert(performance.now() - begun < 15_000);
});

/** The worst answer of another session while `during` goes on, in milliseconds. */
async function worst(wire: Wire, id: string, during: Promise<JsonObject>): Promise<number> {
  let [most, over] = [0, false];
  void during.finally(() => over = true);
  while (!over) {
    const begun = performance.now();
    await wire.ok({ type: "get_messages", sessionId: id, limit: 1 }, 60_000);
    most = Math.max(most, performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return most;
}

/** The most that a flood adds to the memory of the process, in MiB. */
const FLOOD_MIB = 64;

/** The most memory that a process holds while it is watched, in MiB. Only Linux tells it. */
class Memory {
  readonly #pid: number;
  #most = 0;
  readonly #timer = setInterval(() => this.#look(), 50);

  constructor(pid: number) {
    this.#pid = pid;
    this.#look();
  }

  #look(): void {
    if (Deno.build.os !== "linux") return;
    const status = Deno.readTextFileSync(`/proc/${this.#pid}/status`);
    this.#most = Math.max(this.#most, Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.#most;
  }
}

/** Seconds of a flood. `PI_SERVER_FLOOD_SECONDS=40` is the long form. */
const FLOOD_SECONDS = Number(Deno.env.get("PI_SERVER_FLOOD_SECONDS") ?? 10);
const FLOOD = `timeout ${FLOOD_SECONDS} yes`;
const FLOOD_MS = 60_000 + 1000 * FLOOD_SECONDS;

/** A session floods by that command while another one asks. */
async function flood(bench: Bench, by: (wire: Wire, id: string) => Promise<JsonObject>): Promise<void> {
  // As with `deno task serve` (docs/DECISIONS.md#the-space-for-young-objects-is-twice-8-mb-a-thread). Only Deno reads it.
  await bench.start([], { env: { DENO_V8_FLAGS: "--max-semi-space-size=8" } });
  const wire = await bench.connect();
  const flooding = await bench.connect("flooding");
  const { id } = await bench.session(wire);
  const other = await bench.session(wire);
  const { pid } = bench.server;
  // A first command, run and answer load code that counts before the flood.
  await wire.ok({ type: "bash", sessionId: id, command: "seq 1 20000" });
  await tool(bench, wire, id, "seq 1 20000");
  await worst(wire, other.id, new Promise((resolve) => setTimeout(() => resolve({}), 1_000)));
  const before = new Memory(pid).stop();
  const memory = new Memory(pid);
  const slowest = await worst(wire, other.id, by(flooding, id));
  const more = memory.stop() - before;
  console.log(`${TARGET}: ${more.toFixed(0)} MiB more, the slowest answer ${slowest.toFixed(0)} ms`);
  // A loaded machine is slow by itself; a starved session waits for seconds.
  assert(slowest < 2_000, `the slowest answer took ${slowest} ms`);
  assert(more < FLOOD_MIB, `${more} MiB more`);
}

alone("a flood of a client's shell starves no session and fills no memory", async (bench) => {
  await flood(bench, async (wire, id) => {
    const begun = performance.now();
    const data = await wire.ok({ type: "bash", sessionId: id, command: FLOOD }, FLOOD_MS);
    assertEquals(data.exitCode, 124);
    // Read at 4 MiB a second after the first MiB; without that it is a multiple.
    const { size } = await Deno.stat(stringAt(data, "fullOutputPath"));
    const seconds = (performance.now() - begun) / 1000;
    assert(size < (2 + 4 * seconds) * MIB, `${size} bytes were read in ${seconds} s`);
    return data;
  });
});

alone("a flood of the tool's shell starves no session and fills no memory", async (bench) => {
  await flood(bench, async (wire, id) => {
    const marker = bench.name("flood");
    bench.model.script(marker, calls([{ name: "bash", args: { command: FLOOD } }]), text(["done"]));
    const run = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
    const data = await wire.ok(run, FLOOD_MS);
    assertEquals(at(data, "text"), "done");
    return data;
  });
});

test("a client that takes contents by reference gets shell output whole", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await wire.ok({ type: "subscribe", sessionId: id, refs: true });
  await wire.ok({ type: "bash", sessionId: id, command: "yes 'a \"word\"' | head -c 400000" });
  const chunks = wire.events(id).filter((event) => event.type === "bash_output");
  const whole = 'a "word"\n'.repeat(44_445).slice(0, 400_000);
  assertEquals(chunks.map((event) => stringAt(event, "chunk")).join(""), whole);
});
