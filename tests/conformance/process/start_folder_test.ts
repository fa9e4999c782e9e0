// The folder in which the server was started: it counts for what was relative at the start and for nothing afterwards.
// It may go away, and no extension moves the process to another.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { SPINNER } from "../../support/extensions/spinner.ts";
import { commandOf, environment } from "../../support/server/server_process.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

/** Flags whose paths count from `<root>/start`. */
const RELATIVE = ["--state-dir", "../../state", "--root", "..", "--cwd", "../work"];
const PLAIN = ["--port", "0", "--stdio", "off"];

/** Starts a server in a folder of its own with relative paths everywhere; returns that folder. */
async function startRelative(bench: Bench, args: string[] = []): Promise<string> {
  await bench.home.folder("work");
  const cwd = await bench.home.folder("start");
  await bench.start([...RELATIVE, ...PLAIN, ...args], {
    bare: true,
    cwd,
    env: { PI_CODING_AGENT_DIR: "../../agent" },
  });
  return cwd;
}

async function create(bench: Bench, wire: Wire): Promise<string> {
  const id = bench.name();
  await wire.ok({ type: "create_session", sessionId: id }, 60_000);
  return id;
}

async function prompts(bench: Bench, wire: Wire, sessionId: string): Promise<void> {
  const marker = bench.name("said");
  bench.model.script(marker, text(["said"]));
  assertEquals((await settled(wire, sessionId, marker)).text, "said");
}

alone(
  "start folder: relative flags and variables count from it, also once it is gone and workers die",
  async (bench) => {
    await bench.home.extension("spinner", SPINNER);
    const folder = await startRelative(bench, ["--host-silent-ms", "8000"]);
    const wire = await bench.connect();
    const first = await create(bench, wire);
    assertEquals((await wire.ok({ type: "get_state", sessionId: first })).cwd, `${bench.home.root}/work`);
    await Deno.remove(folder, { recursive: true });
    await prompts(bench, wire, first);
    const { sessionFile } = await wire.ok({ type: "get_state", sessionId: first });
    assert(String(sessionFile).startsWith(`${bench.home.agentDir}/`), String(sessionFile));
    const shell = await wire.ok({
      type: "bash",
      sessionId: first,
      command: "pwd; git rev-parse --show-toplevel",
    });
    assertStringIncludes(stringAt(shell, "output"), `${bench.home.root}/work\n`);
    await wire.ok({ type: "prompt", sessionId: first, message: "/spin" });
    await wire.next(
      (message) => message.type === "session_crashed" && at(message, "data", "sessionId") === first,
      60_000,
      "the end of the worker",
    );
    await prompts(bench, wire, await create(bench, wire));
    await prompts(bench, wire, first);
  },
  240_000,
);

alone(
  "start folder: one that is gone at the start does not matter where every path is absolute",
  async (bench) => {
    const folder = await bench.home.folder("gone");
    const { program, args } = commandOf();
    const { dir, stateDir, root } = bench.home;
    const run = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", program, ...args];
    const flags = ["--state-dir", stateDir, "--root", root, "--cwd", root, "--no-ws", "--stdio", "on"];
    const start = (more: string[]) =>
      new Deno.Command(run[0] ?? "", {
        args: [...run.slice(1), ...more],
        cwd: folder,
        clearEnv: true,
        env: environment(bench.home),
        stdin: "null",
      }).output();
    assertEquals((await start(flags)).code, 0, dir);
  },
  undefined,
  TARGET === "node" ? undefined : "Deno itself does not start there",
);

/** Moves the process in every way that there is. */
const MOVER = `import process, { chdir } from "node:process";
export default function (pi) {
  const ways = { process: (to) => process.chdir(to), named: (to) => chdir(to), deno: (to) => globalThis.Deno.chdir(to) };
  for (const [name, move] of Object.entries(ways)) {
    pi.registerCommand("move-" + name, { description: name, handler: async (to, ctx) => {
      const before = process.cwd();
      try { move(to); ctx.ui.notify("moved"); } catch (error) { ctx.ui.notify("threw " + (process.cwd() === before)); }
    } });
  }
}`;

alone("start folder: chdir in an extension throws, and the process stays where it is", async (bench) => {
  await bench.home.extension("mover", MOVER);
  await bench.start();
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  // Deno's named import of `node:process` cannot be replaced; the server moves the process back by itself.
  for (const way of TARGET === "node" ? ["process", "named"] : ["process", "deno"]) {
    const since = wire.events(id).length;
    await wire.ok({ type: "prompt", sessionId: id, message: `/move-${way} ${cwd}`, waitFor: "settled" });
    const told = wire.events(id).slice(since).find(({ type }) => type === "extension_ui_request");
    assertEquals(at(told, "message"), "threw true", way);
  }
  if (Deno.build.os === "linux") assertEquals(await Deno.readLink(`/proc/${bench.server.pid}/cwd`), "/");
  await bench.session(wire);
});
