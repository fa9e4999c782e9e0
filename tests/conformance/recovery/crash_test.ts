// kill -9 at any moment (docs/PROTOCOL.md#safe-retries): ten sessions work with keyed prompts and keyed shell commands, their server dies
// at random moments and inside the journal's and the registry's writes, and nothing accepted is lost or done twice.
// The suite kills a few times; PI_SERVER_CRASH_KILLS=100 is the long form, PI_SERVER_CRASH_SEED repeats a run.

import { assert } from "@std/assert";
import { CrashDriver } from "../../support/server/crash_driver.ts";
import { alone } from "../suite.ts";

const KILLS = Number(Deno.env.get("PI_SERVER_CRASH_KILLS") ?? "6");
const SEED = Number(Deno.env.get("PI_SERVER_CRASH_SEED") ?? Math.floor(Math.random() * 2 ** 31));

alone(
  `crash: after ${KILLS} kills each retry is replayed, unknown or runs once, and no accepted prompt is lost`,
  async (bench) => {
    const driver = new CrashDriver(bench, SEED);
    try {
      for (let n = 0; n < KILLS; n++) await driver.life(n % 2 === 0 ? "moment" : "point");
      await driver.judge();
    } catch (error) {
      throw new Error(`seed ${SEED}: ${error instanceof Error ? error.stack : error}`);
    } finally {
      console.log(`seed ${SEED}: ${JSON.stringify(driver.tally)}`);
    }
    const { commands, replayed } = driver.tally;
    assert(commands > 0 && replayed > 0, "the run was idle");
  },
  60_000 + KILLS * 40_000,
);
