// The program with one thing more, for benchmarks alone: on SIGUSR2 it collects garbage and prints what the
// server thread's heap holds. Usage: deno run -A --v8-flags=--expose-gc memory_entry.ts [pi-server's flags]

import { main } from "../../../mod.ts";

/** What a line with a reading starts with. */
const MARK = "BENCH_MEMORY ";

async function report(): Promise<void> {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") throw new Error("start me with --v8-flags=--expose-gc");
  // Twice, with a turn between: objects of finalizers are garbage then.
  collect();
  await new Promise((resolve) => setTimeout(resolve, 20));
  collect();
  const { heapUsed, external, rss } = Deno.memoryUsage();
  Deno.stderr.writeSync(new TextEncoder().encode(`${MARK}${JSON.stringify({ heapUsed, external, rss })}\n`));
}

Deno.addSignalListener("SIGUSR2", () => void report());
Deno.exit(await main(Deno.args));
