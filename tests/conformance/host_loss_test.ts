// What ends a host, and must end nothing else (PROTOCOL §6): memory that runs out, an extension that ends the
// process. Its sessions come back, those of the other host never notice.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type JsonObject, stringAt } from "../support/json.ts";
import { text } from "../support/model_server.ts";
import { until } from "../support/wait.ts";
import type { WsWire } from "../support/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "./suite.ts";

const MIB = 1024 * 1024;

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
  command("hog-arrays", async () => { for (;;) kept.push(new Array(10000).fill(kept.length)); });
  command("hog-objects", async () => { for (let i = 0; ; i++) kept.push({ i, text: "x" + i }); });
  command("hog-buffers", async () => { for (;;) kept.push(new Uint8Array(1048576).fill(1)); });
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

/** Bytes that the server has in memory. */
async function residentBytes(bench: Bench): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${bench.server.pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function crashOf(wire: WsWire, sessionId: string): Promise<JsonObject> {
  return wire.next(
    (message) => message.type === "session_crashed" && stringAt(message, "data", "sessionId") === sessionId,
    60_000,
    `session_crashed of ${sessionId}`,
  );
}

/** Lets a host run out of memory; the session that did it comes back, the one on the other host goes on meanwhile. */
async function runsOut(bench: Bench, command: string): Promise<void> {
  await extension(bench, "hog", HOG);
  await bench.start(["--hosts", "2", "--max-host-memory-bytes", "400MiB"]);
  const wire = await bench.connect();
  const lost = await answered(bench, wire);
  const other = await answered(bench, wire);
  const before = await wire.ok({ type: "get_state", sessionId: lost });
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
  assertEquals(
    (await wire.ok({ type: "get_state", sessionId: other })).epoch,
    stringAt(
      await wire.ok({ type: "subscribe", sessionId: other }),
      "epoch",
    ),
  );
  assert(/holds \d+ MiB of memory/.test(bench.server.stderr), "the log says why");
  if (Deno.build.os !== "linux") return;
  // What the old thread held is given back: nothing of it runs on.
  await until(
    async () => {
      const b = await residentBytes(bench);
      console.log(
        Math.round(b / MIB),
        (await Deno.readTextFile(`/proc/${bench.server.pid}/stat`)).split(" ").slice(13, 15).join("+"),
      );
      await new Promise((r) => setTimeout(r, 1000));
      return b < 200 * MIB || undefined;
    },
    30_000,
    () => "memory was not given back",
  );
}

alone(
  "memory: a host that yields while it fills its memory is replaced",
  (bench) => runsOut(bench, "hog-slowly"),
);

for (const how of ["arrays", "objects", "buffers"]) {
  alone(`memory: a host that fills its memory with ${how} and never yields is replaced`, async (bench) => {
    // Deno 2.9 cannot end a worker that never yields (denoland/deno#35657): there the engine ends the process.
    if (TARGET === "sources") return;
    await runsOut(bench, `hog-${how}`);
  });
}
