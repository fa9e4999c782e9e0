// The composition root on a real disk: what is built is closed in reverse, after a shutdown and after a failed start.
import { assertEquals, assertRejects } from "@std/assert";
import { withConfigDefaults } from "../../src/config/config.ts";
import { withDefaults } from "../../src/governor/limits.ts";
import { runtime } from "../../src/runtime/deno/deno.ts";
import type { Files, Listener, Runtime } from "../../src/runtime/runtime.ts";
import { serve } from "../../src/server/server.ts";
import { keptLog } from "./manager/fakes.ts";

/** A runtime that records what is closed, in order. */
function watched(order: string[], over: Partial<Runtime> = {}): Runtime {
  const files: Files = {
    ...runtime.files,
    newFile: async (path) => {
      const file = await runtime.files.newFile(path);
      return {
        append: (bytes) => file.append(bytes),
        sync: () => file.sync(),
        close: () => {
          order.push("journal");
          return file.close();
        },
      };
    },
    removeFolder: (path) => {
      order.push("outputs");
      return runtime.files.removeFolder(path);
    },
    remove: (path) => {
      if (path.endsWith("owner.json")) order.push("state folder");
      return runtime.files.remove(path);
    },
  };
  return {
    ...runtime,
    files,
    serve: async (...args): Promise<Listener> => {
      const listener = await runtime.serve(...args);
      const close = (): Promise<void> => {
        order.push("listener");
        return listener.close();
      };
      return { hostname: listener.hostname, port: listener.port, close };
    },
    endChildren: () => {
      order.push("processes");
      return Promise.resolve(0);
    },
    keepTime: () => {
      const timer = runtime.keepTime();
      return {
        clear: () => {
          order.push("time");
          timer.clear();
        },
      };
    },
    releaseNextTick: () => {
      order.push("next tick");
      runtime.releaseNextTick();
    },
    ...over,
  };
}

async function start(order: string[], stateDir: string, over?: Partial<Runtime>) {
  const config = withConfigDefaults({
    stateDir,
    port: 0,
    stdio: "off",
    workers: 0,
    demo: true,
    limits: withDefaults(),
  });
  // The server writes a damaged journal anew at once, and keeps the new file open.
  await Deno.writeTextFile(`${stateDir}/journal.jsonl`, "damaged\n");
  const { log } = keptLog();
  const worker = new URL("../../src/worker/worker.ts", import.meta.url);
  return await serve({ config, runtime: watched(order, over), log, worker });
}

const AFTER_THE_LISTENER = ["journal", "processes", "outputs", "state folder", "time", "next tick"];

// The worker in this thread loads pi, whose lock files listen for signals until the process ends.
const LOADS_PI = { sanitizeOps: false, sanitizeResources: false };

Deno.test("server: a shutdown closes in reverse what was built", LOADS_PI, async () => {
  const stateDir = await Deno.makeTempDir();
  const order: string[] = [];
  const server = await start(order, stateDir);
  assertEquals(order.splice(0), ["processes"], "what an earlier server left running is ended at the start");
  await server.shutdown.begin("test", 1_000);
  assertEquals(order, ["listener", ...AFTER_THE_LISTENER]);
  await Deno.remove(stateDir, { recursive: true });
});

Deno.test("server: a start that fails closes in reverse what was built so far", async () => {
  const stateDir = await Deno.makeTempDir();
  const order: string[] = [];
  const serve = (): Promise<Listener> => Promise.reject(new Error("the port is taken"));
  await assertRejects(() => start(order, stateDir, { serve }), Error, "the port is taken");
  assertEquals(order, ["processes", ...AFTER_THE_LISTENER]);
  await Deno.remove(stateDir, { recursive: true });
});
