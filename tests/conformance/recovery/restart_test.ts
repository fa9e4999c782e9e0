// What outlives the process (docs/PROTOCOL.md#sessions): sessions come back parked after a restart and after SIGKILL,
// and after what runs them has died; damaged records cost nothing but themselves.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { SessionManager } from "@mariozechner/pi-coding-agent";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { lives } from "../../support/base/processes.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire, WsWire } from "../../support/wire/wire_client.ts";
import { alone, aloneOnLinux, type Bench, settled } from "../suite.ts";

/** Ends the server, by a signal or at once, and starts the next one over the same folders. */
async function restart(bench: Bench, how: "SIGTERM" | "SIGKILL", args: string[] = []): Promise<WsWire> {
  for (const wire of bench.wires) wire.mayLoseResponses = true;
  bench.server.signal(how);
  await bench.server.status;
  // SIGKILL leaves the address of the dead one behind.
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`).catch(() => {});
  await bench.start(args);
  return await bench.connect();
}

async function state(wire: Wire, sessionId: string): Promise<JsonObject> {
  return await wire.ok({ type: "get_state", sessionId });
}

async function answered(bench: Bench, wire: Wire, fields: JsonObject = {}): Promise<string> {
  const marker = bench.name("answered");
  bench.model.script(marker, text([`about ${marker}`]));
  const { id } = await bench.session(wire, fields);
  await settled(wire, id, marker);
  return id;
}

function recordFiles(bench: Bench): string[] {
  const folder = `${bench.home.stateDir}/sessions`;
  return [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
}

const view = async (wire: Wire, id: string): Promise<JsonObject> => ({
  ...await state(wire, id),
  status: "",
  lastActivityAt: "",
  epoch: "",
  seq: 0,
});

alone("restart: sessions come back parked, as they were, with their numbers", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const id = await answered(bench, wire, { sessionName: "Kept", tools: ["read", "grep"] });
  await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
  await wire.ok({ type: "set_steering_mode", sessionId: id, mode: "all" });
  const { id: blank } = await bench.session(wire, { sessionName: "Blank" });
  const { id: memory } = await bench.session(wire, { inMemory: true });
  const before = await view(wire, id);
  const { epoch, seq } = await state(wire, id);
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
  const again = await restart(bench, "SIGTERM");
  const sessions = arrayAt(await again.ok({ type: "list_sessions" }), "sessions");
  assertEquals(
    sessions.map((session) => [at(session, "sessionId"), at(session, "status")]).sort(),
    [
      [blank, "parked"],
      [id, "parked"],
    ].sort(),
  );
  await again.refused("session_not_found", { type: "get_state", sessionId: memory });
  assertEquals(await view(again, id), before);
  assertEquals([(await state(again, id)).epoch, (await state(again, id)).seq], [epoch, seq]);
  const nothing = await again.ok({ type: "subscribe", sessionId: id, from: { epoch, seq } });
  assertEquals([nothing.mode, nothing.epoch], ["replay", epoch]);
  assertEquals((await again.ok({ type: "get_messages", sessionId: id })).messages, messages);
  assertEquals(await view(again, id), { ...before, subscribers: 1 });
  const tools = arrayAt(await again.ok({ type: "get_tools", sessionId: id }), "tools");
  assertEquals(tools.map((tool) => at(tool, "name")).sort(), ["grep", "read"]);
  assertEquals((await state(again, blank)).sessionName, "Blank");
  assertEquals(arrayAt(await again.ok({ type: "get_messages", sessionId: blank }), "messages"), []);
});

/** pi's own view of a file; what newer pi notes of its own prompt is not a message of the protocol. */
function messagesIn(file: SessionManager): { role: string }[] {
  return file.buildSessionContext().messages.filter(({ role }) => String(role) !== "system");
}

alone(
  "restart: after SIGKILL nothing that was answered is missing, and an old cursor gets pi's own view",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.push(await answered(bench, wire));
    const [id = "", deleted = ""] = ids;
    await wire.ok({ type: "set_session_name", sessionId: id, name: "Last word" });
    const { id: blank } = await bench.session(wire);
    await wire.ok({ type: "set_auto_retry", sessionId: blank, enabled: false });
    await wire.ok({ type: "delete_session", sessionId: deleted });
    const before = await view(wire, id);
    const { epoch, seq } = await state(wire, id);
    const again = await restart(bench, "SIGKILL");
    const sessions = arrayAt(await again.ok({ type: "list_sessions" }), "sessions");
    const kept = [...ids.filter((one) => one !== deleted), blank];
    assertEquals(sessions.map((session) => stringAt(session, "sessionId")).sort(), kept.sort());
    assertEquals(await view(again, id), before);
    const found = await again.ok({ type: "subscribe", sessionId: id, from: { epoch, seq } });
    assertEquals(found.mode, "snapshot");
    assertNotEquals(found.epoch, epoch);
    const file = stringAt(found, "sessionInfo", "sessionFile");
    const own = messagesIn(SessionManager.open(file, undefined, bench.home.root));
    assertEquals(at(found, "snapshot", "messages"), JSON.parse(JSON.stringify(own)));
    const marker = bench.name("on");
    bench.model.script(marker, text(["on and on"]));
    assertEquals((await settled(again, id, marker)).text, "on and on");
  },
);

alone("restart: damaged records are set aside with a warning, the others come back", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const ids: string[] = [];
  for (let count = 0; count < 4; count++) ids.push((await bench.session(wire)).id);
  bench.server.signal("SIGTERM");
  await bench.server.status;
  const [torn = "", empty = "", changed = ""] = recordFiles(bench);
  const whole = await Deno.readTextFile(torn);
  await Deno.writeTextFile(torn, whole.slice(0, whole.length - 40));
  await Deno.writeTextFile(empty, "");
  await Deno.writeTextFile(
    changed,
    (await Deno.readTextFile(changed)).replace('"sessionVersion":0', '"sessionVersion":7'),
  );
  await Deno.writeTextFile(`${bench.home.stateDir}/sessions/foreign.json`, '{"some":"thing"}\n');
  await Deno.writeTextFile(`${bench.home.stateDir}/sessions/notes.txt`, "someone's");
  await bench.start();
  const again = await bench.connect();
  const sessions = arrayAt(await again.ok({ type: "list_sessions" }), "sessions");
  assertEquals(sessions.length, 1);
  assert(ids.includes(stringAt(sessions[0], "sessionId")));
  assertEquals(recordFiles(bench).filter((path) => path.endsWith(".aside")).length, 5);
  assertStringIncludes(bench.server.stderr, "set aside");
});

alone("restart: --no-restore leaves sessions on disk, --ephemeral leaves none there", async (bench) => {
  await bench.start();
  const { id } = await bench.session(await bench.connect());
  const none = await restart(bench, "SIGTERM", ["--no-restore"]);
  assertEquals(await none.ok({ type: "list_sessions" }), { sessions: [] });
  const back = await restart(bench, "SIGKILL", ["--ephemeral"]);
  assertEquals(await back.ok({ type: "list_sessions" }), { sessions: [] });
  await bench.session(back);
  const last = await restart(bench, "SIGTERM");
  const sessions = arrayAt(await last.ok({ type: "list_sessions" }), "sessions");
  assertEquals(sessions.map((session) => at(session, "sessionId")), [id]);
});

/** A session file that pi could have written: two messages in a row, then an answer. */
async function twoInARow(bench: Bench): Promise<{ file: string; second: string }> {
  const history = SessionManager.create(bench.home.root, bench.home.root);
  const user = (said: string) =>
    history.appendMessage({ role: "user", content: [{ type: "text", text: said }], timestamp: 1 });
  user("first of two");
  const second = user("second of two");
  const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2 };
  history.appendMessage({
    role: "assistant",
    content: [{ type: "text", text: "to both" }],
    api: "openai-completions",
    provider: "local",
    model: "m",
    usage: { ...usage, cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 } },
    stopReason: "stop",
    timestamp: 2,
  });
  const file = history.getSessionFile() ?? "";
  assert((await Deno.stat(file)).isFile);
  return { file, second };
}

alone("restart: a fork without an answer keeps its messages, also through SIGKILL", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { file, second } = await twoInARow(bench);
  const { sessionId } = await wire.ok({ type: "load_session", sessionPath: file });
  const id = String(sessionId);
  assertEquals((await wire.ok({ type: "fork", sessionId: id, entryId: second })).text, "second of two");
  const said = async (on: Wire) =>
    JSON.stringify((await on.ok({ type: "get_messages", sessionId: id })).messages);
  assertStringIncludes(await said(wire), "first of two");
  await wire.ok({ type: "set_session_name", sessionId: id, name: "Forked" });
  const before = await said(wire);
  const again = await restart(bench, "SIGKILL");
  assertEquals(await said(again), before);
  assertEquals((await state(again, id)).sessionName, "Forked");
  // A clone of it is on disk as well, and what comes then is behind what is there, once.
  await again.ok({ type: "clone", sessionId: id });
  await again.ok({ type: "set_session_name", sessionId: id, name: "Cloned" });
  const last = await restart(bench, "SIGKILL");
  assertEquals(await said(last), before);
  const marker = bench.name("on");
  bench.model.script(marker, text(["the first answer"]));
  await settled(last, id, marker);
  const { sessionFile } = await state(last, id);
  const lines = (await Deno.readTextFile(String(sessionFile))).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(lines.filter(({ type }) => type === "session").length, 1);
  assertEquals(new Set(lines.map((line) => line.id)).size, lines.length, "nothing is there twice");
  const own = messagesIn(SessionManager.open(String(sessionFile)));
  assertEquals(own.map(({ role }) => role), ["user", "user", "assistant"]);
});

const SPIN = `export default function (pi) {
  pi.registerCommand("spin", { description: "Never yields", handler: async () => { while (true); } });
}
`;

alone(
  "crash: a worker that hangs is replaced; its sessions are parked under a new epoch, others never notice",
  async (bench) => {
    await Deno.mkdir(`${bench.home.agentDir}/extensions`, { recursive: true });
    await Deno.writeTextFile(`${bench.home.agentDir}/extensions/spin.ts`, SPIN);
    await bench.start(["--workers", "2", "--host-silent-ms", "6000"]);
    const wire = await bench.connect();
    // The idlest worker gets the next session: they alternate.
    const lost = await answered(bench, wire);
    const other = await answered(bench, wire);
    const { id: memory } = await bench.session(wire, { inMemory: true });
    const old = await state(wire, lost);
    const { messages } = await wire.ok({ type: "get_messages", sessionId: lost });
    await wire.ok({ type: "prompt", sessionId: lost, message: "/spin" });
    const stuck = wire.request({ type: "get_messages", sessionId: lost }, 60_000);
    const marker = bench.name("meanwhile");
    bench.model.script(marker, text(["never noticed"]));
    assertEquals((await settled(wire, other, marker)).text, "never noticed");
    assertEquals((await stuck).code, "internal");
    const told = (type: string, sessionId: string) =>
      wire.next(
        (message) => message.type === type && at(message, "data", "sessionId") === sessionId,
        30_000,
        type,
      );
    const crashed = await told("session_crashed", lost);
    assertEquals(at(await told("session_crashed", memory), "data", "status"), "deleted");
    await told("session_deleted", memory);
    const parked = await state(wire, lost);
    assertEquals([parked.status, parked.epoch, parked.seq], [
      "parked",
      stringAt(crashed, "data", "epoch"),
      0,
    ]);
    assertNotEquals(parked.epoch, old.epoch);
    const from = { epoch: stringAt(old, "epoch"), seq: Number(old.seq) };
    const found = await wire.ok({ type: "subscribe", sessionId: lost, from }, 60_000);
    assertEquals([found.mode, at(found, "snapshot", "messages")], ["snapshot", messages]);
    assertEquals(found.epoch, parked.epoch);
    const on = bench.name("on");
    bench.model.script(on, text(["back"]));
    assertEquals((await settled(wire, lost, on)).text, "back");
    await until(
      () => wire.events(lost).some((event) => event.type === "agent_settled"),
      10_000,
      () => "its end",
    );
    assertEquals((await state(wire, other)).status, "live");
  },
);

aloneOnLinux(
  "shutdown: what bash left in the background ends with the server, after SIGKILL with the next one",
  async (bench) => {
    await bench.start();
    let wire: WsWire = await bench.connect();
    for (const how of ["SIGTERM", "SIGKILL"] as const) {
      const { id } = await bench.session(wire);
      // Out of pi's sight: another session of the system, another process group.
      const command =
        "setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo $!; setsid --fork sleep 601 > /dev/null 2>&1";
      const { output } = await wire.ok({ type: "bash", sessionId: id, command });
      const pid = String(output).trim();
      assert(await lives(pid), "it was started");
      if (how === "SIGTERM") {
        wire.mayLoseResponses = true;
        bench.server.signal(how);
        await bench.server.status;
        assert(!await lives(pid), "it outlived the server");
        await bench.start();
        wire = await bench.connect();
      } else {
        wire = await restart(bench, how);
        assert(!await lives(pid), "it outlived the next server's start");
      }
    }
  },
);

alone("shutdown: from SIGTERM of an idle server to serving again", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  for (let count = 0; count < 5; count++) await answered(bench, wire);
  const began = performance.now();
  const again = await restart(bench, "SIGTERM");
  const sessions = arrayAt(await again.ok({ type: "list_sessions" }), "sessions");
  assertEquals(sessions.length, 5);
  console.log(`# SIGTERM to serving again: ${Math.round(performance.now() - began)} ms`);
});
