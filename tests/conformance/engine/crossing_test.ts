// Session files that both engines open, one after the other: what crosses, what is refused, and what the refusal says.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, messageText, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { PI_CLI, PiRpc } from "../../support/fronts/pi_rpc.ts";
import { type Engine, NODE, ON_1_6, PI } from "../../support/server/server_process.ts";
import { Entries, header } from "../../support/model/session_file.ts";
import { findTmux, Terminal } from "../../support/fronts/tmux.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

/** Whether this target can run both engines on this machine for certain. */
const BOTH = TARGET === "sources" || (TARGET === "node" && ON_1_6);

/** A client of a server on that engine. The server before it ends first. */
async function on(bench: Bench, engine: Engine): Promise<Wire> {
  for (const wire of bench.wires.splice(0)) await wire.close();
  for (const server of bench.servers.splice(0)) await server.kill();
  // The address of the server that was killed.
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`).catch(() => {});
  await bench.start(["--pi", engine, "--ephemeral", "--root", bench.home.agentDir]);
  return await bench.connect();
}

/** Texts of all session files in pi's folder. */
async function sessionTexts(bench: Bench): Promise<string> {
  const sessions = `${bench.home.agentDir}/sessions`;
  const all: string[] = [];
  for await (const folder of Deno.readDir(sessions)) {
    for await (const file of Deno.readDir(`${sessions}/${folder.name}`)) {
      all.push(await Deno.readTextFile(`${sessions}/${folder.name}/${file.name}`));
    }
  }
  return all.join("");
}

/** One turn in pi's own terminal program: it shows these texts, saves the answer, and ends as a person ends it. */
async function turnInTerminal(
  bench: Bench,
  cwd: string,
  args: string[],
  answer: string,
  ...shown: string[]
): Promise<void> {
  const marker = bench.name("typed");
  bench.model.script(marker, text([answer]));
  const command = [NODE, PI_CLI, ...args, marker];
  await using terminal = await Terminal.run(bench.home, command, { cwd, columns: 100, rows: 40 });
  await terminal.shows(answer, ...shown);
  const saved = async () => (await sessionTexts(bench)).includes(answer);
  await until(saved, 10_000, () => `pi has not saved ${answer}`);
  await terminal.press("C-d");
  await terminal.shows("exit code 0");
}

/** One turn; returns the texts of the session after it. */
async function turn(bench: Bench, wire: Wire, sessionId: string): Promise<string[]> {
  const marker = bench.name("turn");
  bench.model.script(marker, text([`answer to ${marker}`]));
  await settled(wire, sessionId, marker);
  return await texts(wire, sessionId);
}

async function texts(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);
}

async function load(bench: Bench, wire: Wire, sessionPath: string): Promise<JsonObject> {
  return await wire.request({ type: "load_session", sessionId: bench.name("loaded"), sessionPath }, 60_000);
}

/** A file of pi 0.73 in the agent folder, with entries of the caller. */
async function fileOf(bench: Bench, entries: Entries): Promise<string> {
  const folder = `${bench.home.agentDir}/sessions/--crossing--`;
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/2025-01-01T00-00-00-000Z_made.jsonl`;
  const lines = [header("made", await bench.home.folder("made")), ...entries.all];
  await Deno.writeTextFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}

if (BOTH) {
  alone(
    "crossing: a session of pi 1.6 is refused on 0.73 with the flag that opens it, and 1.6 goes on",
    async (bench) => {
      const newer = await on(bench, "1.6");
      const { id, info } = await bench.session(newer);
      const before = await turn(bench, newer, id);
      const path = stringAt(info, "sessionInfo", "sessionFile");
      const refused = await load(bench, await on(bench, "0.73"), path);
      assertEquals(refused.code, "session_file_newer", JSON.stringify(refused));
      assertStringIncludes(stringAt(refused, "error"), "--pi 1.6");
      const again = await on(bench, "1.6");
      const loaded = await load(bench, again, path);
      assertEquals(loaded.success, true, JSON.stringify(loaded));
      const after = await turn(bench, again, stringAt(loaded, "sessionId"));
      assertEquals(after.slice(0, before.length), before);
      assertEquals(after.length, before.length + 2);
    },
  );

  alone(
    "crossing: a file of 0.73 loads on 1.6, and goes back until something new is written",
    async (bench) => {
      const entries = new Entries();
      entries.user("one");
      entries.assistant("two");
      const path = await fileOf(bench, entries);
      const newer = await on(bench, "1.6");
      const there = await load(bench, newer, path);
      assertEquals(await texts(newer, stringAt(there, "sessionId")), ["one", "two"]);
      const older = await on(bench, "0.73");
      const back = await load(bench, older, path);
      assertEquals(back.success, true, JSON.stringify(back));
      const three = await turn(bench, older, stringAt(back, "sessionId"));
      assertEquals(three.slice(0, 2), ["one", "two"]);
      const cost = async (wire: Wire, sessionId: string) =>
        (await wire.ok({ type: "get_session_stats", sessionId })).cost;
      const spent = await cost(older, stringAt(back, "sessionId"));
      const newest = await on(bench, "1.6");
      const last = await load(bench, newest, path);
      assertEquals(await cost(newest, stringAt(last, "sessionId")), spent);
      assertEquals((await turn(bench, newest, stringAt(last, "sessionId"))).slice(0, 4), three);
      const refused = await load(bench, await on(bench, "0.73"), path);
      assertEquals(refused.code, "session_file_newer", JSON.stringify(refused));
    },
  );

  for (
    const [engine, file, here] of [
      ["1.6", "azure-openai-responses", "azure"],
      ["0.73", "azure", "azure-openai-responses"],
    ] as const
  ) {
    alone(
      `crossing: the provider ${file} of a file is ${here} on ${engine}, and clients hear of it`,
      async (bench) => {
        await Deno.writeTextFile(
          `${bench.home.agentDir}/auth.json`,
          JSON.stringify({ [here]: { type: "api_key", key: "K" } }),
        );
        const entries = new Entries();
        entries.custom({ type: "model_change", provider: file, modelId: "gpt-5.4" });
        entries.user("one");
        entries.assistant("two");
        const last = entries.all.at(-1)?.message;
        if (typeof last === "object" && last !== null) {
          Object.assign(last, { provider: file, model: "gpt-5.4" });
        }
        const path = await fileOf(bench, entries);
        const wire = await on(bench, engine);
        await wire.ok({ type: "subscribe", sessionId: "*" });
        const loaded = await load(bench, wire, path);
        assertEquals(at(loaded, "data", "sessionInfo", "model", "provider"), here, JSON.stringify(loaded));
        assertEquals(at(loaded, "data", "sessionInfo", "model", "id"), "gpt-5.4");
        const changed = await wire.event(stringAt(loaded, "sessionId"), "model_changed");
        assertEquals(at(changed, "event", "model", "provider"), here);
      },
    );
  }
}

alone(
  "crossing: a session of pi itself goes on in the server, and back in pi",
  async (bench) => {
    const cwd = await bench.home.folder("own");
    let path = "";
    {
      await using pi = new PiRpc(bench.home, cwd);
      const marker = bench.name("pi");
      bench.model.script(marker, text(["said to pi"]));
      await pi.settled(marker);
      path = stringAt(await pi.request({ type: "get_state" }), "data", "sessionFile");
    }
    const wire = await on(bench, "1.6");
    const loaded = await load(bench, wire, path);
    const here = await turn(bench, wire, stringAt(loaded, "sessionId"));
    assertEquals(here.length, 4);
    assertEquals(here[1], "said to pi");
    await on(bench, "0.73");
    await using pi = new PiRpc(bench.home, cwd);
    assertEquals((await pi.request({ type: "switch_session", sessionPath: path })).success, true);
    const back = arrayAt(await pi.request({ type: "get_messages" }), "data", "messages")
      .filter((message) => at(message, "role") !== "system");
    assertEquals(back.map(messageText), here);
    const marker = bench.name("pi");
    bench.model.script(marker, text(["said to pi again"]));
    await pi.settled(marker);
    const all = arrayAt(await pi.request({ type: "get_messages" }), "data", "messages");
    assert(all.map(messageText).includes("said to pi again"));
  },
  undefined,
  ON_1_6 && BOTH ? undefined : "needs pi 1.6, and a target that runs both engines",
);

const TMUX = await findTmux();

alone(
  "crossing: what a person began in pi's terminal goes on in the server by itself, and back in the terminal",
  async (bench) => {
    const cwd = await bench.home.folder("typed");
    await turnInTerminal(bench, cwd, [], "said in the terminal");
    // pi has noted its version, and the server follows it.
    await bench.start(["--pi", "auto", "--root", bench.home.agentDir]);
    const wire = await bench.connect();
    assertEquals(at(wire.messages[0], "data", "pi", "version"), PI.version);
    const stored = arrayAt(await wire.ok({ type: "list_stored_sessions", cwd }), "sessions");
    assertEquals(stored.length, 1, JSON.stringify(stored));
    const path = stringAt(stored[0], "sessionPath");
    const loaded = await load(bench, wire, path);
    const here = await turn(bench, wire, stringAt(loaded, "sessionId"));
    assertEquals([here.length, here[1]], [4, "said in the terminal"]);
    await wire.ok({ type: "delete_session", sessionId: stringAt(loaded, "sessionId") });
    const { size } = await Deno.stat(path);
    await turnInTerminal(
      bench,
      cwd,
      ["--continue"],
      "said there again",
      "said in the terminal",
      here[3] ?? "",
    );
    assert((await Deno.stat(path)).size > size, "the terminal wrote another file");
    const again = await load(bench, wire, path);
    const last = await texts(wire, stringAt(again, "sessionId"));
    assertEquals([last.slice(0, 4), last.length, last[5]], [here, 6, "said there again"]);
  },
  undefined,
  !ON_1_6 || !BOTH
    ? "needs pi 1.6, and a target that runs both engines"
    : TMUX
    ? undefined
    : "tmux is not there",
);
