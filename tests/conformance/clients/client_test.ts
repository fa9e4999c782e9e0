// The published client against this build of the server. Behind a proxy that cuts its connection every 300 ms during
// a turn of 5 MB it ends with the exact text, on Deno, in Node and in a browser.
import { assert, assertEquals, assertGreaterOrEqual, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, RequestError, spawn } from "../../../src/client/mod.ts";
import { digestOf, drive, type Job, type Report } from "../../client/cut_driver.ts";
import type { Seen } from "../../client/own_server.ts";
import { bundleEntry } from "../../support/browser/bundle_entry.ts";
import { Browser, findChromium } from "../../support/browser/chromium.ts";
import { CuttingProxy } from "../../support/network/cutting_proxy.ts";
import { isObject } from "../../support/base/json.ts";
import { Gate, hang, text } from "../../support/model/model_server.ts";
import { commandOf, environment, REPO, TARGET } from "../../support/server/server_process.ts";
import { run } from "../../support/server/shipped.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench } from "../suite.ts";

const TEXT_CHARS = 5_000_000;
const DELTA_CHARS = 1000;
const CUT_MS = 300;
/** Cuts that must have happened while the answer was half done. */
const CUTS = 4;
const EXTENSION = `export default (pi) => pi.registerCommand("pick", {
  description: "asks",
  handler: async (_args, ctx) => ctx.ui.notify("picked " + await ctx.ui.select("Which?", ["A", "B"])),
});`;

/** Words that tell every place in the text from every other. */
function longDeltas(): string[] {
  let whole = "";
  for (let index = 0; whole.length < TEXT_CHARS; index++) whole += `${index} grüße, `;
  whole = whole.slice(0, TEXT_CHARS);
  return Array.from(
    { length: TEXT_CHARS / DELTA_CHARS },
    (_, index) => whole.slice(index * DELTA_CHARS, (index + 1) * DELTA_CHARS),
  );
}

async function survives(bench: Bench, drive: (job: Job) => Promise<Report>): Promise<void> {
  const { url, port } = await bench.server.endpoint();
  await using proxy = new CuttingProxy(port, CUT_MS);
  const marker = bench.name("cut");
  const [gate, deltas] = [new Gate(), longDeltas()];
  bench.model.script(marker, text(deltas, { gate, gateAfter: deltas.length / 2 }));
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const driven = drive({ url: proxy.url, token: await bench.server.token(), sessionId: id, message: marker });
  // Any failure of the other side is reported at once.
  const failed = driven.then(() => new Promise<never>(() => {}));
  await Promise.race([
    until(() => proxy.cuts >= CUTS ? true : undefined, 30_000, () => "too few cuts"),
    failed,
  ]);
  gate.open();
  const report = await driven;
  assertEquals([report.length, report.faults], [TEXT_CHARS, 0], `${url}: ${JSON.stringify(report)}`);
  const digest = await digestOf(deltas.join(""));
  assertEquals(report.digest, digest);
  assertGreaterOrEqual(report.connections, CUTS);
  if (report.followed !== null) assertEquals(report.followed, digest);
  assertEquals([report.answered, bench.model.requests.length], [digest, 1]);
}

alone("client: finds the server in its state folder, and answers a dialog over it", async (bench) => {
  await bench.home.extension("ask", EXTENSION);
  await bench.start();
  await using client = await connect({ stateDir: bench.home.clientStateDir });
  const { sessionId } = await client.request("create_session", { inMemory: true });
  const asked: unknown[] = [];
  const events = await client.subscribe(sessionId, {
    onDialog: ({ title, options }) => {
      asked.push([title, options]);
      return "B";
    },
  });
  const told: unknown[] = [];
  const reading = (async () => {
    for await (const item of events) {
      if (item.kind === "event" && item.event["method"] === "notify") told.push(item.event["message"]);
    }
  })();
  await client.request("prompt", { sessionId, message: "/pick" });
  await until(() => told.length > 0, 10_000, () => "no notification");
  assertEquals([asked, told], [[["Which?", ["A", "B"]]], ["picked B"]]);
  const error = await assertRejects(() => client.request("get_state", { sessionId: "missing" }));
  assert(error instanceof RequestError && error.code === "session_not_found");
  await client.request("delete_session", { sessionId });
  await reading;
});

alone("client: starts a server of its own over stdio, which finishes its work and ends", async (bench) => {
  const { program, args } = commandOf();
  const flags = ["--no-ws", "--stdio", "on", "--demo", "--state-dir", bench.home.stateDir];
  let log = "";
  const client = await spawn({
    command: program,
    args: [...args, ...flags, "--root", bench.home.root, "--cwd", bench.home.root],
    env: environment(bench.home),
    onLog: (text) => log += text,
  });
  const { sessionId } = await client.request("create_session", { provider: "demo", modelId: "demo-1" });
  const { text, stopReason } = await client.prompt(sessionId, "Hello");
  assertStringIncludes(text ?? "", 'You said: "Hello".');
  assertEquals(stopReason, "stop");
  await client.close();
  assertStringIncludes(log, "stopped");
});

alone("client: a server of its own needs no arguments, also beside one that runs", async (bench) => {
  await bench.start();
  const { program, args } = commandOf();
  const script = `${bench.home.dir}/pi-server`;
  const line = [program, ...args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(script, `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
  const temporary = await bench.home.folder("tmp");
  const { code, stdout, stderr } = await run(
    Deno.execPath(),
    ["run", "-A", "--no-check", `${REPO}/tests/client/own_server.ts`, script, bench.home.root, temporary],
    {
      env: { ...environment(bench.home), PI_SERVER_STATE_DIR: bench.home.stateDir, TMPDIR: temporary },
    },
  );
  assertEquals(code, 0, stderr);
  const { endpoints, during, after }: Seen = JSON.parse(stdout);
  assertEquals([endpoints.length, during.length, after.length], [0, 1, 0], stdout);
});

alone("client: a missing program is reported", async () => {
  const error = await assertRejects(() => spawn({ command: "/nowhere/pi-server" }));
  assertStringIncludes(String(error), "/nowhere/pi-server cannot be started");
});

alone(
  "client: a server that is killed and comes back elsewhere is found again, with its sessions",
  async (bench) => {
    const server = await bench.start();
    const states: string[] = [];
    await using client = await connect({
      stateDir: bench.home.clientStateDir,
      onConnection: (state) => states.push(state),
    });
    const cwd = await bench.home.folder("killed");
    const { sessionId } = await client.request("create_session", { cwd });
    const events = await client.subscribe(sessionId);
    await client.prompt(sessionId, "first");
    bench.model.script("second", hang());
    const lost = client.prompt(sessionId, "second").then(() => "answered", (error) => error.code);
    await bench.model.request("second");
    await server.kill();
    await bench.start();
    // Whether the prompt ran to its end cannot be known, and it is not run again by itself.
    assertEquals(await lost, "outcome_unknown");
    const { text } = await client.prompt(sessionId, "third");
    assertEquals(text, "echo: third");
    assertEquals(bench.model.requests.length, 3);
    let snapshots = 0;
    for await (const item of events) {
      if (item.kind === "snapshot") snapshots += item.missed ? 1 : 0;
      else if (snapshots > 0 && item.event.type === "agent_settled") break;
    }
    assertEquals([snapshots, states], [1, ["connected", "lost", "connected"]]);
  },
);

alone("client: survives cuts every 300 ms during 5 MB, on Deno", async (bench) => {
  await bench.start();
  await survives(bench, drive);
});

/** Where the client runs matters once: against the sources. */
const everywhere: typeof alone = (name, body) => {
  if (TARGET === "sources") alone(name, body);
};

everywhere("client: survives cuts every 300 ms during 5 MB, in Node", async (bench) => {
  await bench.start();
  const script = `${bench.home.dir}/client.mjs`;
  await Deno.writeTextFile(script, await bundleEntry(`${REPO}/tests/client/cut_node.ts`, "node"));
  await survives(bench, async (job) => {
    const { success, stdout, stderr } = await new Deno.Command("node", {
      args: [script, JSON.stringify(job)],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  });
});

const chromium = await findChromium();

if (chromium === undefined) {
  Deno.test.ignore(`[${TARGET}] client: in a browser: there is no chromium on this machine`, () => {});
} else {
  everywhere("client: survives cuts every 300 ms during 5 MB, in a browser", async (bench) => {
    const script = await bundleEntry(`${REPO}/tests/client/cut_driver.ts`, "browser");
    await using browser = await Browser.make(chromium);
    let task: Job | undefined;
    const page = browser.serve(() => `${script}\nreturn await bundle.drive(${JSON.stringify(task)});`);
    const origin = `http://127.0.0.1:${page.port}`;
    await bench.start(["--allow-origin", origin]);
    await survives(bench, async (job) => {
      task = job;
      const report = await browser.open(`${origin}/`, page.said);
      assert(isObject(report) && report["error"] === undefined, JSON.stringify(report));
      return report as unknown as Report;
    });
  });
}
