// The choice of the engine: by name, by the machine's settings of pi, and by what the runtime can run.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PiChoice } from "../../../src/protocol/pi_package.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";
import { files } from "../../../src/runtime/common.ts";
import { EngineError, engineFor, resolveEngine } from "../../../src/server/workers/engine.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { fakeRuntime } from "../../worker/support/fake_runtime.ts";

type On = Pick<Runtime, "name" | "version">;

const DENO: On = { name: "deno", version: [2, 9] };
const OLD_NODE: On = { name: "node", version: [22, 18] };

/** The decision on a machine whose settings file has that text. */
async function decided(choice: PiChoice, settings: string | undefined, on = DENO) {
  const agentDir = await Deno.makeTempDir({ prefix: "pi-server-engine-" });
  try {
    if (settings !== undefined) await Deno.writeTextFile(`${agentDir}/settings.json`, settings);
    const env = (name: string) => name === "PI_CODING_AGENT_DIR" ? agentDir : undefined;
    const runtime = fakeRuntime(new FakeClock(), { files, env, ...on, absolute: (path) => path });
    return await resolveEngine(choice, runtime);
  } finally {
    await Deno.remove(agentDir, { recursive: true });
  }
}

Deno.test("engine: the line of the machine's pi decides, and the newest where there is no trace", async () => {
  const of = (version: string) => JSON.stringify({ lastChangelogVersion: version });
  for (
    const [settings, engine] of [
      [of("0.73.1"), "0.73"],
      [of("0.9.0"), "0.73"],
      [of("0.85.1"), "0.73"],
      [of("0.86.0"), "1.6"],
      [of("0.87.1"), "1.6"],
      [of("1.0.0"), "1.6"],
      [of("1.6.0"), "1.6"],
      [of("2.0.0"), "1.6"],
      [undefined, "1.6"],
      ["{}", "1.6"],
      ["not JSON", "1.6"],
      ['{"lastChangelogVersion": 7}', "1.6"],
    ] as const
  ) assertEquals(await decided("auto", settings), { engine }, settings);
});

Deno.test("engine: a runtime that cannot run the newest gets 0.73 and one line", async () => {
  const fresh = await decided("auto", undefined, OLD_NODE);
  assertEquals(fresh.engine, "0.73");
  assertMatch(fresh.notice ?? "", /^sessions run on pi 0\.73\.1: pi 1\.6 needs Node 22\.19 or later/);
  assertEquals(fresh.machine, undefined);
  const moved = await decided("auto", '{"lastChangelogVersion":"1.6.0"}', OLD_NODE);
  assertEquals([moved.engine, moved.machine], ["0.73", "1.6.0"]);
  assertEquals(await decided("auto", '{"lastChangelogVersion":"0.73.1"}', OLD_NODE), { engine: "0.73" });
});

Deno.test("engine: a name wins over the machine, and is refused where it cannot run", async () => {
  assertEquals(await decided("0.73", '{"lastChangelogVersion":"1.6.0"}'), { engine: "0.73" });
  assertEquals(await decided("1.6", '{"lastChangelogVersion":"0.73.1"}'), { engine: "1.6" });
  await assertRejects(() => decided("1.6", undefined, OLD_NODE), EngineError, "start with --pi 0.73");
});

Deno.test("engine: the newest needs Node 22.19 or Deno 2.9", async () => {
  const on = async (name: On["name"], major: number, minor: number) =>
    (await decided("auto", undefined, { name, version: [major, minor] })).engine;
  assertEquals(await Promise.all([on("node", 20, 6), on("node", 22, 18), on("deno", 2, 4)]), [
    "0.73",
    "0.73",
    "0.73",
  ]);
  assertEquals(await Promise.all([on("node", 22, 19), on("node", 24, 0), on("deno", 3, 0)]), [
    "1.6",
    "1.6",
    "1.6",
  ]);
});

Deno.test("engine: a version without a number counts as none", () => {
  assertEquals([engineFor("next"), engineFor("0.1.2"), engineFor("10.0.1")], ["1.6", "0.73", "1.6"]);
});
