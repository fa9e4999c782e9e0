// A flood of unauthenticated peers (docs/SECURITY.md): silent ones, half requests, slow headers, wrong tokens.
// Who is in works on, and who has the token comes in. Bounded in number and time; the long form with 10,000 peers
// is `PI_SERVER_FLOOD=10000`, which needs as many descriptors (`ulimit -n`) here and in the server.

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { Flood, STRANGERS } from "../../support/network/flood.ts";
import { text } from "../../support/model/model_server.ts";
import { commandOf } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const PEERS = Number(Deno.env.get("PI_SERVER_FLOOD") ?? 1_600);
/** Peers that come at the same time. */
const AT_ONCE = 100;

/** Who has the token comes in, perhaps not at the first try. */
async function comesIn(bench: Bench, name: string): Promise<void> {
  await until(
    async () => {
      try {
        const wire = await bench.connect(name);
        await wire.ok({ type: "ping" });
        return true;
      } catch {
        return false;
      }
    },
    30_000,
    () => `${name} did not come in`,
  );
}

/** Asks again and again until stopped; returns the slowest answer, in milliseconds. */
async function pings(wire: Wire, over: AbortSignal): Promise<number> {
  let slowest = 0;
  while (!over.aborted) {
    const asked = performance.now();
    await wire.ok({ type: "ping" });
    slowest = Math.max(slowest, performance.now() - asked);
    await delay(1);
  }
  return slowest;
}

/** Descriptors that the server has open. */
const descriptors = (bench: Bench): number => [...Deno.readDirSync(`/proc/${bench.server.pid}/fd`)].length;

alone(
  `flood: ${PEERS} strangers, slow ones too, and who has the token works on and comes in`,
  async (bench) => {
    await bench.start();
    const wire = await bench.connect("inside");
    const { id } = await bench.session(wire);
    const { port } = await bench.server.endpoint();
    const before = descriptors(bench);
    using flood = new Flood();
    const over = new AbortController();
    const asking = pings(wire, over.signal);
    while (flood.size < PEERS) {
      const had = flood.size;
      await flood.grow(port, Math.min(AT_ONCE, PEERS - had));
      assert(flood.size > had, `the flood stopped at ${had}; is ulimit -n high enough?`);
      await flood.drip();
    }
    await comesIn(bench, "newcomer");
    over.abort();
    const slowest = await asking;
    const held = descriptors(bench) - before;
    // A few may be on their way out, or have been accepted and not looked at yet.
    assert(held < STRANGERS + 2 * AT_ONCE, `the server holds ${held} of ${flood.size} peers`);
    const marker = bench.name("flood");
    bench.model.script(marker, text(["dry"]));
    assertEquals((await settled(wire, id, marker)).text, "dry");
    assertEquals((await wire.ok({ type: "bash", sessionId: id, command: "echo fine" })).output, "fine\n");
    console.log(`flood: ${flood.size} peers, ${held} held, slowest ping ${slowest.toFixed(0)} ms`);
  },
  120_000 + PEERS * 60,
);

alone(
  "flood: when descriptors run out, connected clients go on, and later new ones connect again",
  async (bench) => {
    const { program, args } = commandOf();
    const limited = ["-c", 'ulimit -n 256; exec "$0" "$@"', program, ...args];
    await bench.start([], { command: { program: "sh", args: limited } });
    const wire = await bench.connect("inside");
    const { id } = await bench.session(wire);
    const { port } = await bench.server.endpoint();
    {
      using flood = new Flood();
      for (let round = 0; round < 5; round++) {
        await flood.grow(port, AT_ONCE);
        await wire.ok({ type: "ping" });
        await wire.ok({ type: "get_state", sessionId: id });
      }
      await wire.ok({ type: "ping" });
    }
    await comesIn(bench, "afterwards");
    const marker = bench.name("flood");
    bench.model.script(marker, text(["dry"]));
    assertEquals((await settled(wire, id, marker)).text, "dry");
  },
);
