// Threads and programs that an extension starts: they print wherever they can, and stdout carries the protocol alone.
// Node cannot move its descriptor 1, so there the extension may not write to that descriptor itself.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { text } from "../../support/model/model_server.ts";
import { alone, settled, TARGET } from "../suite.ts";

/** Prints in every way that goes through JavaScript. */
const noise = (where: string) =>
  `console.log("NOISE log ${where}"); console.info("NOISE info ${where}"); console.debug("NOISE debug ${where}");
   process.stdout.write("NOISE raw ${where}\\n");`;

/** Prints past JavaScript's streams. */
const deepNoise = (where: string) =>
  `fs.writeSync(1, "NOISE descriptor ${where}\\n");
   childProcess.execSync("echo NOISE child ${where}", { stdio: "inherit" });`;

const HEAD = `import fs from "node:fs"; import childProcess from "node:child_process";
import process from "node:process"; import workerThreads from "node:worker_threads";`;

const dataUrl = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;

/** A module for a thread: it prints, and answers its first message. */
const webThread = (where: string, more = "") =>
  `import process from "node:process"; ${noise(where)} ${more}
   globalThis.onmessage = ({ data }) => { console.log("NOISE late ${where}"); postMessage(data); };`;

/** A module for a thread of node:worker_threads. It ends after its answer, so that Node hands on all its output. */
const NODE_THREAD = `import { parentPort } from "node:worker_threads"; import process from "node:process";
  ${noise("script")}
  parentPort.on("message", (data) => {
    console.log("NOISE late script"); parentPort.postMessage(data); parentPort.close();
  });`;

/** Deno 2.4's base of the binary knows no modules of a blob. */
const BLOB = TARGET === "sources";

/** The extension: \`/threads FOLDER\` starts each kind of thread, and sends a message before the thread is there. */
function extension(web: boolean): string {
  const nested = webThread("inner");
  const outer = webThread(
    "outer",
    `const inner = new Worker(${JSON.stringify(dataUrl(nested))}, { type: "module" });
     inner.onmessage = () => { inner.terminate(); postMessage("done"); };
     inner.postMessage(0);`,
  );
  const blobThread = `
    const blob = URL.createObjectURL(new Blob([${
    JSON.stringify(webThread("blob"))
  }], { type: "text/javascript" }));
    await webWorker(blob); URL.revokeObjectURL(blob);`;
  const starts = web
    ? `await webWorker(${JSON.stringify(dataUrl(webThread("data")))});
       await webWorker(pathToFileURL(folder + "/thread.mjs").href);
       ${BLOB ? blobThread : ""}
       await webWorker(${JSON.stringify(dataUrl(webThread("held")))}, { deno: { permissions: "none" } });
       const waits = new Worker(${JSON.stringify(dataUrl(outer))}, { type: "module" });
       await new Promise((resolve) => { waits.onmessage = resolve; });
       waits.terminate();
       ${deepNoise("session")}`
    : "";
  return `${HEAD} import { pathToFileURL } from "node:url";
  const answered = (worker, listen) => new Promise((resolve, reject) => {
    listen(resolve, reject);
    worker.postMessage("first");
  }).then(() => worker.terminate());
  const webWorker = (url, options) => {
    const worker = new Worker(url, { type: "module", ...options });
    return answered(worker, (said, failed) => { worker.onmessage = said; worker.onerror = failed; });
  };
  const nodeWorker = async (script) => {
    const worker = new workerThreads.Worker(script);
    const ended = new Promise((resolve) => worker.on("exit", resolve));
    await new Promise((resolve, reject) => {
      worker.on("message", resolve); worker.on("error", reject);
      worker.postMessage("first");
    });
    if (process.versions.deno === undefined) await ended;
    else worker.terminate();
  };
  export default function (pi) {
    pi.registerCommand("threads", { description: "Prints", handler: async (folder) => {
      await nodeWorker(folder + "/node_thread.mjs");
      ${starts}
      console.log("NOISE done");
    } });
  }`;
}

const DEEP = ["descriptor session", "child session"];
const WEB = ["data", "file", ...(BLOB ? ["blob"] : []), "held", "outer", "inner"];

alone(
  "threads and programs of an extension print wherever they can: stdout carries the protocol alone",
  async (bench) => {
    const web = TARGET !== "node";
    await bench.home.extension("threads", extension(web));
    const wire = await bench.startStdio();
    const { id, cwd } = await bench.watched(wire);
    await Deno.writeTextFile(`${cwd}/thread.mjs`, webThread("file"));
    await Deno.writeTextFile(`${cwd}/node_thread.mjs`, NODE_THREAD);
    await wire.ok({ type: "prompt", sessionId: id, message: `/threads ${cwd}`, waitFor: "settled" }, 60_000);
    const marker = bench.name("after");
    bench.model.script(marker, text(["after"]));
    assertEquals((await settled(wire, id, marker)).text, "after");
    await wire.close();
    assertEquals(await bench.server.exitCode(), 0);
    // The checker has refused every line that is not a protocol message. The noise must be on stderr instead.
    assertStringIncludes(bench.server.stderr, "NOISE done");
    for (const where of ["script", ...(web ? WEB : [])]) {
      for (const how of ["log", "info", "debug", "raw"]) {
        assertStringIncludes(bench.server.stderr, `NOISE ${how} ${where}`);
      }
      if (where !== "outer") assertStringIncludes(bench.server.stderr, `NOISE late ${where}`);
    }
    if (web) { for (const deep of DEEP) assertStringIncludes(bench.server.stderr, `NOISE ${deep}`); }
  },
);
