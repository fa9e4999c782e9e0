// A machine whose clock is an hour off may not join a cluster: tokens end by the clock (docs/CLUSTER.md).

import { assertEquals, assertMatch } from "@std/assert";
import { commandOf, TARGET } from "../../support/server/server_process.ts";
import { clustered } from "./cluster_stage.ts";
import { listed } from "../suite.ts";

const HOUR_MS = 3_600_000;

/** Moves the clock of a program that both runtimes load before any other. */
const shift = (ms: number): string => `const now = Date.now; Date.now = () => now() + ${ms};\n`;

for (const [ms, how] of [[HOUR_MS, "ahead of"], [-HOUR_MS, "behind"]] as const) {
  clustered(
    `cluster: a clock an hour ${how} that of NATS is refused, and nothing is lost`,
    async (cluster) => {
      await cluster.start({ a: {} });
      await cluster.session(await cluster.connect("a"), "a", { sessionId: "kept" });
      await cluster.judge();
      const a = cluster.node("a");
      await a.kill();
      const { options } = a;
      await Deno.writeTextFile(`${a.home.dir}/shift.mjs`, shift(ms));
      const { program, args } = commandOf();
      const preload = ["--preload", `${a.home.dir}/shift.mjs`];
      const shifted = TARGET === "node"
        ? { program, args: ["--import", `${a.home.dir}/shift.mjs`, ...args] }
        : { program, args: [...args.slice(0, 1), ...preload, ...args.slice(1)] };
      a.options = { ...options, command: shifted };
      const server = await a.spawn();
      assertEquals(await server.exitCode(), 1, server.stderr);
      assertMatch(
        server.stderr,
        new RegExp(`this machine's clock is (59|60|61) minutes ${how} that of NATS`),
      );
      a.options = options;
      await a.start();
      assertEquals(await listed(await cluster.connect("a", "again")), ["kept"]);
    },
    { without: TARGET === "binary" ? "a binary loads no program before its own" : undefined },
  );
}
