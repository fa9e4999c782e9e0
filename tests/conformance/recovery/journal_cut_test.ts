// A journal that was cut inside its last record (docs/PROTOCOL.md#interrupted-messages), as a crash in the middle of a write leaves it: what came
// before is there, what was cut is unknown, and the server starts. The suite cuts at a few bytes; PI_SERVER_CUTS=all is
// the long form, every byte of the record.

import { assert, assertEquals } from "@std/assert";
import { at, type JsonObject } from "../../support/base/json.ts";
import { alone, type Bench } from "../suite.ts";

const ALL = Deno.env.get("PI_SERVER_CUTS") === "all";

async function restarted(bench: Bench): Promise<Awaited<ReturnType<Bench["connect"]>>> {
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`).catch(() => {});
  await bench.start();
  return await bench.connect("after");
}

/** Lengths that leave the last record cut: whole but for its end of line, down to nothing of it. */
function cuts(bytes: Uint8Array): number[] {
  const start = bytes.lastIndexOf(10, bytes.length - 2) + 1;
  const length = bytes.length - 1 - start;
  const all = Array.from({ length: length + 1 }, (_, kept) => start + kept);
  return ALL ? all : [0, 1, 9, length >> 1, length].flatMap((kept) => all[kept] ?? []);
}

alone("journal: cut inside its last record it is what it was before that record", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  const bash = (n: number): JsonObject => ({
    type: "bash",
    sessionId: id,
    command: `echo ${n} >> log`,
    idempotencyKey: `k${n}`,
  });
  const first = await wire.ok(bash(1));
  await wire.ok(bash(2));
  wire.mayLoseResponses = true;
  await bench.server.kill();
  const path = `${bench.home.stateDir}/journal.jsonl`;
  const whole = await Deno.readFile(path);
  const lengths = cuts(whole);
  assert(lengths.length >= 4);
  for (const length of lengths) {
    await Deno.writeFile(path, whole.subarray(0, length));
    const after = await restarted(bench);
    const replayed = await after.request(bash(1));
    assertEquals([replayed.replayed, replayed.data], [true, first], `cut at ${length}`);
    const unknown = await after.refused("outcome_unknown", bash(2));
    assertEquals(at(unknown, "data", "sessionId"), id);
    after.mayLoseResponses = true;
    await bench.server.kill();
  }
  assertEquals(await Deno.readTextFile(`${cwd}/log`), "1\n2\n", "nothing ran twice");
  console.log(`# the journal was cut at ${lengths.length} places`);
}, ALL ? 1_800_000 : undefined);
