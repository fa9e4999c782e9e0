// Which pi a server runs: the greeting names it, `auto` follows the machine's own pi, and a flag or variable chooses.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { at } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { PI } from "../../support/server/server_process.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

const OLDER = "0.73.1";
const NEWER = "1.6.0";

/** Starts a server on a machine whose pi had that version last. Returns the version that the greeting names. */
async function versionOn(bench: Bench, last: string, args: string[]): Promise<unknown> {
  const settings = JSON.stringify({ lastChangelogVersion: last });
  await Deno.writeTextFile(`${bench.home.agentDir}/settings.json`, settings);
  await bench.start(args);
  const wire = await bench.connect();
  const marker = bench.name("said");
  bench.model.script(marker, text(["said"]));
  const { id } = await bench.session(wire);
  assertEquals((await settled(wire, id, marker)).text, "said");
  return at(wire.messages[0], "data", "pi", "version");
}

alone("engine: auto follows a machine on pi 0.x, and the greeting and the log name it", async (bench) => {
  assertEquals(await versionOn(bench, "0.73.0", ["--pi", "auto"]), OLDER);
  assertMatch(bench.server.stderr, /listening .*pi=0\.73\.1/);
});

alone("engine: auto takes 1.6 for a machine on pi 1.x, or the log says why it cannot", async (bench) => {
  const version = await versionOn(bench, "1.5.2", ["--pi", "auto"]);
  if (version === NEWER) return;
  assert(TARGET !== "sources", "Deno 2.9 runs pi 1.6");
  assertEquals(version, OLDER);
  assertMatch(
    bench.server.stderr,
    /warn +sessions run on pi 0\.73\.1: pi 1\.6 needs Node 22.* machine=1\.5\.2/,
  );
});

alone("engine: a name wins over the machine's pi", async (bench) => {
  assertEquals(await versionOn(bench, "1.5.2", ["--pi", "0.73"]), OLDER);
});

alone("engine: PI_SERVER_PI chooses as the flag does", async (bench) => {
  assertEquals(await versionOn(bench, "1.5.2", []), PI.version);
});

alone("engine: a version that this server does not have is refused with the choices", async (bench) => {
  const server = bench.spawn({ args: ["--pi", "1.7"] });
  assertEquals((await server.status).code, 2);
  assertStringIncludes(server.stderr, "--pi: expected one of auto, 0.73, 1.6");
});
