// Trust that is remembered (docs/PROTOCOL.md#paths-and-trust): per folder, over a restart, on every worker, until a client takes it back;
// and never because of what a folder holds.

import { assert, assertEquals } from "@std/assert";
import { at, objectAt } from "../../support/base/json.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

/** A folder with an extension of its own; the extension leaves a file behind when it is run. */
async function project(
  bench: Bench,
  name = bench.name("trust"),
): Promise<{ cwd: string; runs(): Promise<number> }> {
  const cwd = await bench.home.folder(name);
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  const code = `import { appendFileSync } from "node:fs";
export default () => appendFileSync(${JSON.stringify(`${cwd}/ran`)}, "x");
`;
  await Deno.writeTextFile(`${cwd}/.pi/extensions/mark.ts`, code);
  return { cwd, runs: async () => (await Deno.readTextFile(`${cwd}/ran`).catch(() => "")).length };
}

/** What was left out of a session in that folder. */
async function leftOut(wire: Wire, cwd: string, more: { trustProject?: boolean } = {}): Promise<unknown> {
  const data = await wire.ok({ type: "create_session", cwd, inMemory: true, ...more }, 60_000);
  return at(objectAt(data, "sessionInfo"), "untrusted");
}

alone(
  "trust: what a client said of a folder holds for later sessions, on every worker and after a restart",
  async (bench) => {
    await bench.start(["--workers", "2"]);
    const wire = await bench.connect();
    const one = await project(bench);
    const two = await project(bench);
    assert(await leftOut(wire, one.cwd) !== undefined, "no client has said anything");
    assertEquals(await one.runs(), 0);
    assertEquals(await leftOut(wire, one.cwd, { trustProject: true }), undefined);
    // Sessions go to the workers in turn, so both have heard of it.
    for (let n = 0; n < 3; n++) assertEquals(await leftOut(wire, one.cwd), undefined);
    assertEquals(await one.runs(), 4);
    assert(await leftOut(wire, two.cwd) !== undefined, "another folder is not meant");
    assert(await leftOut(wire, await bench.home.folder(`${one.cwd.split("/").at(-1)}/below`)) === undefined);
    assertEquals(await two.runs(), 0);
    bench.server.signal("SIGTERM");
    await bench.server.exitCode();
    await bench.start();
    const again = await bench.connect();
    assertEquals(await leftOut(again, one.cwd), undefined);
    assertEquals(await one.runs(), 5);
    assert(await leftOut(again, one.cwd, { trustProject: false }) !== undefined, "for once");
    assert(await leftOut(again, one.cwd) !== undefined, "and from then on");
    assertEquals(await one.runs(), 5);
  },
);

alone("trust: a link, a folder of the same name, or a failed create gain nothing", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const one = await project(bench);
  const other = await project(bench);
  await wire.refused("model_not_found", {
    type: "create_session",
    cwd: other.cwd,
    trustProject: true,
    provider: "openai",
    modelId: "no-such",
  });
  assert(await leftOut(wire, other.cwd) !== undefined, "what failed is not remembered");
  assertEquals(await leftOut(wire, one.cwd, { trustProject: true }), undefined);
  await Deno.symlink(one.cwd, `${bench.home.root}/alias`);
  assertEquals(await leftOut(wire, `${bench.home.root}/alias`), undefined, "a link to it is the same folder");
  const runs = await other.runs();
  await Deno.rename(one.cwd, `${one.cwd}-away`);
  await Deno.symlink(other.cwd, one.cwd);
  assert(await leftOut(wire, one.cwd) !== undefined, "a link in its place leads to a folder of its own");
  assertEquals(await other.runs(), runs);
});
