// Two programs and one session file (docs/PROTOCOL.md#error-codes, `session_in_use`): of two servers one drives it, a dead one's
// lease is taken over, and what a pi terminal writes into it is noticed and reported.

import { assert, assertEquals } from "@std/assert";
import { SessionManager } from "@mariozechner/pi-coding-agent";
import { at, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { Gate, text } from "../../support/model/model_server.ts";
import { lives } from "../../support/base/processes.ts";
import { secondServer } from "../../support/server/second_server.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const IDLE = ["--idle-session-ms", "400"];

async function answered(bench: Bench, wire: Wire): Promise<{ id: string; file: string }> {
  const marker = bench.name("answered");
  bench.model.script(marker, text([`about ${marker}`]));
  const { id } = await bench.session(wire);
  await settled(wire, id, marker);
  return { id, file: stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile") };
}

const roots = (bench: Bench): string[] => ["--root", `${bench.home.agentDir}/sessions`];

alone(
  "leases: of two servers one drives a file; the other learns which, and gets it when it is free",
  async (bench) => {
    const first = await bench.start([...IDLE, ...roots(bench)]);
    const wire = await bench.connect();
    const { id, file } = await answered(bench, wire);
    await wire.ok({ type: "subscribe", sessionId: id });
    const other = await secondServer(bench, roots(bench));
    const refused = await other.wire.refused("session_in_use", { type: "load_session", sessionPath: file });
    const { url } = await first.endpoint();
    assertEquals(objectAt(refused, "data"), { pid: first.pid, host: Deno.hostname(), endpoint: url });
    // A parked session owns no file. Brought back elsewhere, the file belongs to the other server.
    await wire.ok({ type: "unsubscribe", sessionId: id });
    const parked = async () => (await wire.ok({ type: "get_state", sessionId: id })).status === "parked";
    await until(parked, 15_000, () => "the session to be parked");
    const load = async (): Promise<JsonObject | undefined> => {
      const response = await other.wire.request({
        type: "load_session",
        sessionPath: file,
        sessionId: "theirs",
      });
      return response.success === true ? response : undefined;
    };
    await until(load, 15_000, () => "the file to be free");
    const mine = await wire.refused("session_in_use", { type: "get_messages", sessionId: id });
    assertEquals(at(mine, "data", "pid"), other.server.pid);
    await other.wire.ok({ type: "delete_session", sessionId: "theirs" });
    await wire.ok({ type: "get_messages", sessionId: id });
  },
);

alone(
  "leases: a copy of a state folder is another server's: its files and children are left alone",
  async (bench) => {
    await bench.start(roots(bench));
    const made = await bench.connect();
    const { id, file } = await answered(bench, made);
    made.mayLoseResponses = true;
    bench.server.signal("SIGTERM");
    await bench.server.status;
    await Deno.mkdir(`${bench.home.dir}/state-2/sessions`, { recursive: true, mode: 0o700 });
    for (const name of ["id", "token", "journal.jsonl"]) {
      await Deno.copyFile(`${bench.home.stateDir}/${name}`, `${bench.home.dir}/state-2/${name}`);
    }
    for (const { name } of Deno.readDirSync(`${bench.home.stateDir}/sessions`)) {
      await Deno.copyFile(
        `${bench.home.stateDir}/sessions/${name}`,
        `${bench.home.dir}/state-2/sessions/${name}`,
      );
    }
    const first = await bench.start(roots(bench));
    const wire = await bench.connect();
    const shell = await wire.ok({
      type: "bash",
      sessionId: id,
      command: "sleep 60 >/dev/null 2>&1 & echo $!",
    });
    const pid = stringAt(shell, "output").trim();
    const other = await secondServer(bench, roots(bench));
    const refused = await other.wire.refused("session_in_use", { type: "get_messages", sessionId: id });
    assertEquals(at(refused, "data", "pid"), first.pid);
    assert(await lives(pid));
    other.wire.mayLoseResponses = true;
    other.server.signal("SIGTERM");
    assertEquals(await other.server.exitCode(), 0);
    assert(await lives(pid));
    assert((await Deno.stat(`${file}.lease`)).isFile);
  },
);

alone("leases: a dead server's is taken over, by another and by its own successor", async (bench) => {
  await bench.start(roots(bench));
  const wire = await bench.connect();
  const { file } = await answered(bench, wire);
  const { id: own, file: ownFile } = await answered(bench, wire);
  wire.mayLoseResponses = true;
  bench.server.signal("SIGKILL");
  await bench.server.status;
  assert((await Deno.stat(`${file}.lease`)).isFile);
  const other = await secondServer(bench, roots(bench));
  await other.wire.ok({ type: "load_session", sessionPath: file });
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`);
  await bench.start();
  const again = await bench.connect();
  // A parked session owns no file, so its lease went with the dead server.
  await until(
    async () => await Deno.stat(`${ownFile}.lease`).then(() => undefined, () => true),
    10_000,
    () => "the dead server's own lease is still there",
  );
  await again.ok({ type: "get_messages", sessionId: own });
  other.server.signal("SIGTERM");
  other.wire.mayLoseResponses = true;
  await other.server.status;
  assertEquals(await Deno.stat(`${file}.lease`).catch(() => "gone"), "gone");
});

alone(
  "leases: what a pi terminal writes into the file is noticed before anything is, and one can go on from it",
  async (bench) => {
    await bench.start(roots(bench));
    const wire = await bench.connect();
    const { id, file } = await answered(bench, wire);
    await wire.ok({ type: "set_session_name", sessionId: id, name: "Ours" });
    // pi itself, in another process's stead.
    const terminal = SessionManager.open(file);
    terminal.appendMessage({
      role: "user",
      content: [{ type: "text", text: "from the terminal" }],
      timestamp: 1,
    });
    const before = await Deno.readTextFile(file);
    for (const type of ["prompt", "steer", "follow_up"]) {
      const refused = await wire.refused("session_in_use", { type, sessionId: id, message: "over it" });
      assertEquals(at(refused, "data", "sessionFile"), file);
    }
    const { nodes } = await wire.ok({ type: "get_tree", sessionId: id });
    const entryId = stringAt(Array.isArray(nodes) ? nodes[0] : undefined, "entryId");
    for (
      const command of [
        { type: "bash", command: "true" },
        { type: "fork", entryId },
        { type: "clone" },
        { type: "navigate_tree", targetId: entryId },
        { type: "set_session_name", name: "Theirs" },
        { type: "set_thinking_level", level: "off" },
        { type: "cycle_thinking_level" },
        { type: "set_model", provider: "p", modelId: "m" },
        { type: "cycle_model" },
        { type: "compact" },
      ]
    ) {
      await wire.refused("session_in_use", { ...command, sessionId: id });
    }
    assertEquals(await Deno.readTextFile(file), before, "nothing was written");
    await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: file });
    const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
    assert(JSON.stringify(messages).includes("from the terminal"));
    const marker = bench.name("on");
    bench.model.script(marker, text(["on"]));
    assertEquals((await settled(wire, id, marker)).text, "on");
  },
);

alone("leases: a file that is put in the place of ours is noticed, also at the same size", async (bench) => {
  await bench.start(roots(bench));
  const wire = await bench.connect();
  const { id, file } = await answered(bench, wire);
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(`${file}.new`, text.replace("about answered", "ABOUT ANSWERED"));
  await Deno.rename(`${file}.new`, file);
  await wire.refused("session_in_use", { type: "clone", sessionId: id });
  await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: file });
  const { messages } = await wire.ok({ type: "get_messages", sessionId: id });
  assert(JSON.stringify(messages).includes("ABOUT ANSWERED"));
  await wire.ok({ type: "set_session_name", sessionId: id, name: "Ours again" });
});

alone(
  "leases: a write in the middle of a run is reported, nothing is lost, and the next command is refused",
  async (bench) => {
    await bench.start(roots(bench));
    const wire = await bench.connect();
    const { id, file } = await answered(bench, wire);
    await wire.ok({ type: "subscribe", sessionId: id });
    const marker = bench.name("run");
    const gate = new Gate();
    bench.model.script(marker, text(["the end ", "of the run"], { gate }));
    await wire.ok({ type: "prompt", sessionId: id, message: marker });
    await wire.event(id, "message_update");
    const terminal = SessionManager.open(file);
    terminal.appendMessage({ role: "user", content: [{ type: "text", text: "meanwhile" }], timestamp: 1 });
    gate.open();
    assertEquals(at(await wire.event(id, "storage_error"), "event", "file"), file);
    await wire.event(id, "agent_settled");
    await wire.refused("session_in_use", { type: "prompt", sessionId: id, message: "more" });
    const whole = await Deno.readTextFile(file);
    for (const said of ["meanwhile", "the end of the run", marker]) assert(whole.includes(said), said);
    await wire.ok({ type: "switch_session_file", sessionId: id, sessionPath: file });
    await wire.ok({ type: "set_session_name", sessionId: id, name: "Ours again" });
  },
);
