// What ends a worker, and must end nothing else (docs/PROTOCOL.md#session_crashed): memory that runs out, an extension that ends the
// process. Its sessions come back, those of the other worker never notice.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import type { WsWire } from "../../support/wire/wire_client.ts";
import { lives } from "../../support/base/processes.ts";
import { until } from "../../support/base/wait.ts";
import { alone, aloneOnLinux, type Bench, listed, settled, TARGET } from "../suite.ts";

/** Commands that each run out of memory in a way of their own. */
const HOG = `export default function (pi) {
  const kept = [];
  const command = (name, handler) => pi.registerCommand(name, { description: name, handler });
  command("hog-slowly", async () => {
    for (;;) {
      for (let i = 0; i < 50; i++) kept.push(new Array(10000).fill(kept.length));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  command("hog-objects", async () => { for (let i = 0; ; i++) kept.push({ i, text: "x" + i }); });
  command("hog-buffers", async () => {
    for (;;) {
      kept.push(new Uint8Array(1048576).fill(1));
      // No faster than small machines can bear for the seconds that Deno takes to end a thread.
      for (const until = performance.now() + 2; performance.now() < until;);
    }
  });
}
`;

async function extension(bench: Bench, name: string, source: string): Promise<void> {
  await Deno.mkdir(`${bench.home.agentDir}/extensions`, { recursive: true });
  await Deno.writeTextFile(`${bench.home.agentDir}/extensions/${name}.ts`, source);
}

async function answered(bench: Bench, wire: WsWire): Promise<string> {
  const marker = bench.name("answered");
  bench.model.script(marker, text([`about ${marker}`]));
  const { id } = await bench.session(wire);
  await settled(wire, id, marker);
  return id;
}

async function goesOn(bench: Bench, wire: WsWire, sessionId: string): Promise<void> {
  const marker = bench.name("on");
  bench.model.script(marker, text([`on with ${marker}`]));
  assertEquals((await settled(wire, sessionId, marker)).text, `on with ${marker}`);
}

function crashOf(wire: WsWire, sessionId: string): Promise<JsonObject> {
  return wire.next(
    (message) => message.type === "session_crashed" && stringAt(message, "data", "sessionId") === sessionId,
    60_000,
    `session_crashed of ${sessionId}`,
  );
}

/** Lets a worker run out of memory; the session that did it comes back, the one on the other worker goes on meanwhile. */
async function runsOut(bench: Bench, command: string): Promise<void> {
  await extension(bench, "hog", HOG);
  await bench.start(["--workers", "2", "--max-host-memory-bytes", "400MiB"]);
  const wire = await bench.connect();
  const lost = await answered(bench, wire);
  const other = await answered(bench, wire);
  const before = await wire.ok({ type: "get_state", sessionId: lost });
  const untouched = await wire.ok({ type: "get_state", sessionId: other });
  const { messages } = await wire.ok({ type: "get_messages", sessionId: lost });
  const crash = crashOf(wire, lost);
  await wire.ok({ type: "prompt", sessionId: lost, message: `/${command}` });
  await goesOn(bench, wire, other);
  const crashed = await crash;
  await goesOn(bench, wire, other);
  const back = await wire.ok({ type: "get_state", sessionId: lost });
  assertEquals([back.status, back.epoch], ["parked", stringAt(crashed, "data", "epoch")]);
  assertNotEquals(back.epoch, before.epoch);
  assertEquals((await wire.ok({ type: "get_messages", sessionId: lost }, 60_000)).messages, messages);
  await goesOn(bench, wire, lost);
  assertEquals((await wire.ok({ type: "get_state", sessionId: other })).epoch, untouched.epoch);
  // On Node the thread's own bound may be quicker.
  assert(/holds \d+ MiB of memory|reaching memory limit/.test(bench.server.stderr), "the log says why");
}

alone(
  "memory: a worker that yields while it fills its memory is replaced",
  (bench) => runsOut(bench, "hog-slowly"),
);

for (const how of ["objects", "buffers"]) {
  const name = `memory: a worker that fills its memory with ${how} and never yields is replaced`;
  if (TARGET === "sources") {
    // There the engine ends the process; docs/DECISIONS.md says why.
    Deno.test.ignore(
      `[${TARGET}] ${name}: Deno 2.9 ends no worker that never yields (denoland/deno#35657)`,
      () => {},
    );
    continue;
  }
  alone(name, async (bench) => {
    await runsOut(bench, `hog-${how}`);
  });
}

/** Commands that each try to end the process, as a program of one's own does without a second thought. */
const LEAVE = `import process, { exit } from "node:process";
export default function (pi) {
  const command = (name, handler) => pi.registerCommand("leave-" + name, { description: name, handler });
  command("exit", async () => process.exit(3));
  command("import", async () => exit(3));
  command("really", async () => process.reallyExit(3));
  command("abort", async () => process.abort());
  command("signal", async () => process.kill(process.pid, "SIGTERM"));
  command("killed", async () => process.kill(process.pid, "SIGKILL"));
  command("text", async () => process.kill(String(process.pid), "SIGTERM"));
  command("padded", async () => process.kill(" 0" + process.pid + ".0 ", "SIGTERM"));
  command("list", async () => process.kill([process.pid], "SIGTERM"));
  const turning = () => ({ asked: 0, valueOf() { return this.asked++ === 0 ? 2 ** 30 : process.pid; } });
  command("turning", async () => process.kill(turning(), "SIGTERM"));
  command("inner", async () => process._kill?.(process.pid, 15));
  command("deno-text", async () => globalThis.Deno?.kill(String(process.pid), "SIGTERM"));
  const held = { type: "module", deno: { permissions: "none" } };
  command("worker", async () => new globalThis.Worker("data:application/javascript,0", held).terminate());
  command("late", async () => { setTimeout(() => process.exit(3), 10); });
  command("deno", async () => globalThis.Deno?.exit(3));
  command("close", async () => globalThis.close?.());
}
`;

const WAYS = ["exit", "import", "really", "abort", "signal", "killed", "late", "deno", "close"];
WAYS.push("text", "padded", "list", "turning", "inner", "deno-text", "worker");

for (const workers of ["1", "0"]) {
  alone(`exit: an extension cannot end the server, with --workers ${workers}`, async (bench) => {
    await extension(bench, "leave", LEAVE);
    await bench.start(["--workers", workers, ...workers === "0" ? ["--sandbox", "off"] : []]);
    const wire = await bench.connect();
    const id = await answered(bench, wire);
    const before = await wire.ok({ type: "get_state", sessionId: id });
    for (const way of WAYS) {
      await wire.request(
        { type: "prompt", sessionId: id, message: `/leave-${way}`, waitFor: "settled" },
        30_000,
      );
      await wire.ok({ type: "ping" });
    }
    await goesOn(bench, wire, id);
    assertEquals(
      (await wire.ok({ type: "get_state", sessionId: id })).epoch,
      before.epoch,
      "the worker lives",
    );
    wire.mayLoseResponses = true;
    bench.server.signal("SIGTERM");
    assertEquals((await bench.server.status).code, 0, "the server itself can end");
  });
}

const SPIN = `export default function (pi) {
  const spin = () => { while (true); };
  pi.registerCommand("spin", { description: "Never yields soon", handler: async () => void setTimeout(spin, 2000) });
}
`;

aloneOnLinux(
  "children: those of a worker that is replaced end with it, those of another go on",
  async (bench) => {
    await extension(bench, "spin", SPIN);
    await bench.start(["--workers", "2", "--host-silent-ms", "6000"]);
    const wire = await bench.connect();
    const lost = await answered(bench, wire);
    const other = await answered(bench, wire);
    const started = async (sessionId: string): Promise<string> => {
      const command = "setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo $!";
      return stringAt(await wire.ok({ type: "bash", sessionId, command }), "output").trim();
    };
    const [stray, kept] = [await started(lost), await started(other)];
    // One that bash still waits for.
    await wire.ok({ type: "subscribe", sessionId: lost });
    await wire.ok({ type: "prompt", sessionId: lost, message: "/spin" });
    const bash = wire.request(
      { type: "bash", sessionId: lost, command: "sleep 602 & echo $! && wait" },
      60_000,
    );
    const waited = stringAt(await wire.event(lost, "bash_output"), "event", "chunk").trim();
    for (const pid of [stray, kept, waited]) assert(await lives(pid), `${pid} was started`);
    await crashOf(wire, lost);
    assertEquals((await bash).code, "internal");
    const ended = async () => !await lives(stray) && !await lives(waited) || undefined;
    await until(ended, 10_000, () => "children of the replaced worker live on");
    assert(await lives(kept), "the other worker's child was ended");
    await goesOn(bench, wire, other);
  },
);

alone(
  "sessions in memory: those of a worker that is replaced are gone, and the server says so",
  async (bench) => {
    await extension(bench, "spin", SPIN);
    await bench.start(["--host-silent-ms", "3000"]);
    const wire = await bench.connect();
    const idle: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { id } = await bench.session(wire, { inMemory: true });
      await goesOn(bench, wire, id);
      idle.push(id);
    }
    const kept = await answered(bench, wire);
    const crashes = [...idle, kept].map((id) => crashOf(wire, id));
    await wire.ok({ type: "prompt", sessionId: kept, message: "/spin" });
    const told = await Promise.all(crashes);
    assertEquals(told.map((one) => stringAt(one, "data", "status")), [
      "deleted",
      "deleted",
      "deleted",
      "parked",
    ]);
    for (const sessionId of idle) await wire.refused("session_not_found", { type: "get_state", sessionId });
    assertEquals(await listed(wire), [kept]);
    // Their ids are free.
    await bench.session(wire, { sessionId: idle[0] ?? "", inMemory: true });
    await goesOn(bench, wire, kept);
  },
);
