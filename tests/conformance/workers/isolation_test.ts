// `--isolation session`: what one session does to its worker reaches no other session, and a worker ends when its
// session leaves. Black box; the events of the session beside are counted one by one.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, type JsonObject, numberAt, stringAt } from "../../support/base/json.ts";
import { Gate, text } from "../../support/model/model_server.ts";
import { lives } from "../../support/base/processes.ts";
import { until } from "../../support/base/wait.ts";
import type { WsWire } from "../../support/wire/wire_client.ts";
import { alone, aloneOnLinux, type Bench, listed, settled, TARGET } from "../suite.ts";

const ISOLATED = ["--isolation", "session"];

/** Ways to take a worker down. */
const FAULTS = `export default function (pi) {
  const command = (name, handler) => pi.registerCommand(name, { description: name, handler });
  const kept = [];
  command("hang", async () => void setTimeout(() => { while (true); }, 1));
  command("hog", async () => {
    for (;;) {
      for (let i = 0; i < 50; i++) kept.push(new Array(10000).fill(kept.length));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  command("hoard", async () => { for (let i = 0; ; i++) kept.push({ i, text: "x" + i }); });
}
`;

const PIECES = Array.from({ length: 40 }, (_, n) => `piece ${n} `);

async function faults(bench: Bench): Promise<void> {
  await Deno.mkdir(`${bench.home.agentDir}/extensions`, { recursive: true });
  await Deno.writeTextFile(`${bench.home.agentDir}/extensions/faults.ts`, FAULTS);
}

async function workers(wire: WsWire): Promise<number> {
  return numberAt(await wire.ok({ type: "get_metrics" }), "hosts");
}

/** Waits until the server has that many workers, the spare among them. */
async function hostsAre(wire: WsWire, count: number): Promise<void> {
  let seen = 0;
  await until(
    async () => (seen = await workers(wire)) === count || undefined,
    60_000,
    () => `${seen} workers instead of ${count}`,
  );
}

function crashOf(wire: WsWire, sessionId: string): Promise<JsonObject> {
  return wire.next(
    (message) => message.type === "session_crashed" && stringAt(message, "data", "sessionId") === sessionId,
    120_000,
    `session_crashed of ${sessionId}`,
  );
}

async function goesOn(bench: Bench, wire: WsWire, sessionId: string): Promise<void> {
  const marker = bench.name("on");
  bench.model.script(marker, text([`on with ${marker}`]));
  assertEquals((await settled(wire, sessionId, marker)).text, `on with ${marker}`);
}

/** One session takes its worker down while another one's run goes on: that run ends, and none of its events is lost. */
async function neighbours(bench: Bench, fault: string, flags: readonly string[]): Promise<void> {
  await faults(bench);
  await bench.start([...ISOLATED, ...flags]);
  const wire = await bench.connect();
  const reader = await bench.connect("reader");
  const lost = await bench.session(wire);
  const other = await bench.session(wire);
  await goesOn(bench, wire, lost.id);
  await reader.ok({ type: "subscribe", sessionId: other.id });
  const before = await wire.ok({ type: "get_state", sessionId: other.id });
  const marker = bench.name("long");
  const [begun, crashed] = [new Gate(), new Gate()];
  const hold = (index: number) => index === 10 ? begun.opened : index === 30 ? crashed.opened : undefined;
  bench.model.script(marker, text(PIECES, { hold }));
  const run = wire.ok({ type: "prompt", sessionId: other.id, message: marker, waitFor: "settled" }, 120_000);
  await reader.event(other.id, "message_update");
  const crash = crashOf(wire, lost.id);
  const command = wire.request({ type: "prompt", sessionId: lost.id, message: `/${fault}` }, 120_000);
  for (let n = 0; n < 10; n++) {
    assert((await listed(wire)).includes(other.id), "a list does not fail");
    assertEquals((await wire.ok({ type: "get_state", sessionId: other.id })).status, "live");
  }
  begun.open();
  assertEquals(stringAt(await crash, "data", "status"), "parked");
  crashed.open();
  assertEquals((await run).text, PIECES.join(""), "the run beside has ended as its model said");
  await command;
  await goesOn(bench, wire, other.id);
  const after = await wire.ok({ type: "get_state", sessionId: other.id });
  assertEquals(after.epoch, before.epoch, "the session beside was never interrupted");
  assertEquals(
    (await reader.ok({ type: "get_messages", sessionId: other.id })).messages,
    (await wire.ok({ type: "get_messages", sessionId: other.id })).messages,
  );
  const back = await wire.ok({ type: "get_state", sessionId: lost.id });
  assertEquals(back.status, "parked");
  await goesOn(bench, wire, lost.id);
  await hostsAre(wire, 3);
}

alone("isolation: a worker that never yields is replaced while the others go on", async (bench) => {
  await neighbours(bench, "hang", ["--host-silent-ms", "3000"]);
});

alone("isolation: a worker that fills its memory is replaced while the others go on", async (bench) => {
  await neighbours(bench, "hog", ["--max-host-memory-bytes", "400MiB"]);
});

// On the sources the engine ends the process; docs/DECISIONS.md says why.
if (TARGET !== "sources") {
  alone("isolation: a worker whose heap is full in one turn dies alone", async (bench) => {
    await neighbours(bench, "hoard", ["--max-host-memory-bytes", "400MiB"]);
  });
}

alone("isolation: health_check names the session that hangs, and lists do not wait for it", async (bench) => {
  await faults(bench);
  await bench.start([...ISOLATED, "--host-silent-ms", "12000"]);
  const wire = await bench.connect();
  const hung = await bench.session(wire);
  const other = await bench.session(wire);
  await goesOn(bench, wire, hung.id);
  const crash = crashOf(wire, hung.id);
  await wire.ok({ type: "prompt", sessionId: hung.id, message: "/hang" });
  const started = performance.now();
  assertEquals((await listed(wire)).toSorted(), [hung.id, other.id].toSorted());
  const all = await wire.ok({ type: "subscribe", sessionId: "*" });
  assertEquals(Object.keys(all.sessions ?? {}).toSorted(), [hung.id, other.id].toSorted());
  assert(performance.now() - started < 10_000, "it answers before the worker is replaced");
  const issue = await until(
    async () => arrayAt(await wire.ok({ type: "health_check" }), "issues")[0],
    12_000,
    () => "health_check names nothing",
  );
  assertStringIncludes(String(issue), `Session "${hung.id}" may be stuck`);
  await crash;
  await goesOn(bench, wire, other.id);
});

alone("isolation: a worker ends with its session's deletion, and a spare is always ready", async (bench) => {
  await bench.start(ISOLATED);
  const wire = await bench.connect();
  assertEquals(await workers(wire), 1, "the spare");
  const { id } = await bench.session(wire);
  await hostsAre(wire, 2);
  await goesOn(bench, wire, id);
  await wire.ok({ type: "delete_session", sessionId: id });
  await hostsAre(wire, 1);
  const known = await wire.ok({ type: "get_available_models" }, 60_000);
  assert(Array.isArray(known.models), "the spare answers without a session");
  await goesOn(bench, wire, (await bench.session(wire)).id);
});

alone("isolation: a session that cannot be created leaves no worker behind", async (bench) => {
  await bench.start(ISOLATED);
  const wire = await bench.connect();
  const refused = await wire.request({ type: "create_session", cwd: `${bench.home.root}/missing` }, 60_000);
  assertEquals(refused.success, false);
  await hostsAre(wire, 1);
});

alone("isolation: a parked session gives its worker back, and comes back with its history", async (bench) => {
  await bench.start([...ISOLATED, "--max-sessions", "1"]);
  const wire = await bench.connect();
  const first = await bench.session(wire);
  await goesOn(bench, wire, first.id);
  const { messages } = await wire.ok({ type: "get_messages", sessionId: first.id });
  const before = await wire.ok({ type: "get_state", sessionId: first.id });
  const second = await bench.session(wire);
  await goesOn(bench, wire, second.id);
  await hostsAre(wire, 2);
  assertEquals((await wire.ok({ type: "get_state", sessionId: first.id })).status, "parked");
  assertEquals((await wire.ok({ type: "get_messages", sessionId: first.id }, 60_000)).messages, messages);
  const back = await wire.ok({ type: "get_state", sessionId: first.id });
  assertEquals([back.status, back.epoch], ["live", before.epoch]);
  await goesOn(bench, wire, first.id);
  await hostsAre(wire, 2);
});

alone("isolation: ten sessions run at the same time, and a shutdown ends all of them", async (bench) => {
  await bench.start(ISOLATED);
  const first = await bench.connect();
  const began = performance.now();
  await bench.session(first, { inMemory: true });
  const loadMs = performance.now() - began;
  first.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  await bench.server.status;
  // Shorter than ten loads of pi at once: each is one step and not a hang, and only a few go on at a time.
  await bench.start([...ISOLATED, "--host-silent-ms", String(Math.ceil(Math.max(3000, 3 * loadMs)))]);
  const wire = await bench.connect();
  let created = 0;
  const creating = Array.from({ length: 10 }, () => bench.session(wire).finally(() => created++));
  const asker = await bench.connect();
  await listed(asker);
  await asker.ok({ type: "health_check" }, 60_000);
  assert(created < 10, "neither waits for all loads");
  const all = await Promise.all(creating);
  await hostsAre(wire, 11);
  await Promise.all(all.map(({ id }) => goesOn(bench, wire, id)));
  const list = await listed(wire);
  assertEquals(list.toSorted(), all.map(({ id }) => id).toSorted());
  assertEquals(await listed(wire), list, "the order does not depend on which worker is quicker");
  const epochs = new Set(
    await Promise.all(
      all.map(async ({ id }) => stringAt(await wire.ok({ type: "get_state", sessionId: id }), "epoch")),
    ),
  );
  assertEquals(epochs.size, 10);
  wire.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  assertEquals((await bench.server.status).code, 0);
});

aloneOnLinux("isolation: what a session started in the background outlives its parking", async (bench) => {
  await bench.start([...ISOLATED, "--max-sessions", "1"]);
  const wire = await bench.connect();
  const first = await bench.session(wire);
  await goesOn(bench, wire, first.id);
  const command = "setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo $!";
  const pid = stringAt(await wire.ok({ type: "bash", sessionId: first.id, command }), "output").trim();
  await goesOn(bench, wire, (await bench.session(wire)).id);
  await hostsAre(wire, 2);
  assert(await lives(pid), "its worker is gone, the program is not");
  wire.mayLoseResponses = true;
  bench.server.signal("SIGTERM");
  await bench.server.status;
  await until(async () => !await lives(pid) || undefined, 10_000, () => "it outlives the server, too");
});

alone("isolation: --workers beside it is refused with a sentence", async (bench) => {
  const server = bench.spawn({ args: [...ISOLATED, "--workers", "2"] });
  const { code } = await server.status;
  assertNotEquals(code, 0);
  assertStringIncludes(
    server.stderr,
    "--isolation session starts a worker for each session; leave --workers out",
  );
});
