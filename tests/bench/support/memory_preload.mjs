// `memory_entry.ts` for the Node build, loaded before it: on SIGUSR2 it collects garbage and prints what the router
// thread's heap holds. Usage: node --expose-gc --import memory_preload.mjs pi-server.js [pi-server's flags]
import process from "node:process";
import { isMainThread } from "node:worker_threads";

const MARK = "BENCH_MEMORY ";

if (isMainThread) {
  process.on("SIGUSR2", async () => {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.stderr.write(`${MARK}${JSON.stringify({ heapUsed, external, rss })}\n`);
  });
}
