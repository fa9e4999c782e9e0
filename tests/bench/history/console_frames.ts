// Measures the console's page of a session with 10,000 messages, in a real Chromium. First paint: how long until the
// newest messages show, with the session live and parked. Frames: the work of each while 200 pieces a second come.
// Usage: PI_SERVER_TARGET=sources|node|binary deno run -A tests/bench/history/console_frames.ts [seconds [rounds]]

import { delay } from "@std/async/delay";
import { closeBrowser, HAS_CHROMIUM, type Page, Person } from "../../support/browser/console_browser.ts";
import { ModelServer, text } from "../../support/model/model_server.ts";
import { Home, ServerProcess, TARGET } from "../../support/server/server_process.ts";
import { Entries, writeSession } from "../../support/model/session_file.ts";
import { percentile } from "../support/report.ts";

const MESSAGES = 10_000;
const PER_SECOND = 200;
const DEFAULT_SECONDS = 15;
const DEFAULT_ROUNDS = 6;
const seconds = Number(Deno.args[0] ?? DEFAULT_SECONDS);
const rounds = Number(Deno.args[1] ?? DEFAULT_ROUNDS);

/** A paragraph, a list, a table or some code: what an answer is made of. */
function piece(index: number): string {
  const at = index % 120;
  if (at === 0) return `\n\n## Part ${index}\n\n`;
  if (at === 40) return "\n\n```ts\nconst answer = 42; // the loop\n";
  if (at > 40 && at < 60) return `const value${index} = "text" + ${index};\n`;
  if (at === 60) return "```\n\n";
  if (at > 80 && at < 100) return `\n- point ${index} with **weight**`;
  if (at === 100) return "\n\n";
  return `word${index} and \`code\` `;
}

async function writeHistory(home: Home): Promise<string> {
  const entries = new Entries();
  for (let n = 0; n < MESSAGES / 2; n++) {
    entries.user(`question ${n}, with **some** words that fill a line`);
    entries.assistant(`answer ${n}\n\n- one point\n- another point\n\n\`\`\`ts\nconst n = ${n};\n\`\`\``);
  }
  const path = `${home.agentDir}/sessions/large/large.jsonl`;
  await writeSession(path, "0197f000-0000-7000-8000-000000000001", await home.folder("large"), entries.all);
  return path;
}

/** From the click on the link to the frame after the newest message stands in the page. */
const OPEN = `(() => new Promise((done) => {
  const started = performance.now();
  const look = () => document.body.innerText.includes("answer ${MESSAGES / 2 - 1}")
    ? requestAnimationFrame(() => done(performance.now() - started)) : requestAnimationFrame(look);
  location.hash = "#/session/large";
  look();
}))()`;

async function firstPaint(page: Page): Promise<number> {
  await page.evaluate("location.hash = '#/'");
  await page.getByRole("heading", { name: "Sessions" }).waitFor();
  return Number(await page.evaluate(OPEN));
}

/** Records the main thread's part of each frame, from its first callback until after its layout and paint. */
const RECORD = `(() => {
  const frames = globalThis.frames_ = [];
  const gaps = globalThis.gaps_ = [];
  const long = globalThis.long_ = [];
  new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" });
  const { port1, port2 } = new MessageChannel();
  let started = 0, last = 0;
  port2.onmessage = () => frames.push(performance.now() - started);
  const frame = (now) => {
    requestAnimationFrame(frame);
    started = performance.now();
    if (last !== 0) gaps.push(now - last);
    last = now;
    port1.postMessage(0);
  };
  requestAnimationFrame(frame);
})()`;

async function numbers(page: Page, name: string): Promise<number[]> {
  const found: unknown = await page.evaluate(`globalThis.${name}`);
  return Array.isArray(found) ? found.map(Number) : [];
}

/** Processor time of the page's main thread for each frame, which other programs of the machine do not change. */
function cpuOfFrames(trace: Uint8Array): number[] {
  const { traceEvents }: { traceEvents: Readonly<Record<string, unknown>>[] } = JSON.parse(
    new TextDecoder().decode(trace),
  );
  return traceEvents.filter(({ name, ph }) => name === "ProxyMain::BeginMainFrame" && ph === "X")
    .map(({ tdur }) => Number(tdur ?? 0) / 1000);
}

/** Whether a frame had more to do than to call back. */
const works = (cpuMs: number): boolean => cpuMs > 2;

const ms = (value: number): string => `${value.toFixed(1)} ms`;

if (!HAS_CHROMIUM) {
  console.log("left out: no Chromium here");
  Deno.exit();
}
await using model = new ModelServer();
let started = 0;
model.handler = () =>
  text(Array.from({ length: seconds * PER_SECOND }, (_, index) => piece(index)), {
    hold: (index) => {
      if (index === 0) started = performance.now();
      const wait = started + index * 1000 / PER_SECOND - performance.now();
      return wait < 1 ? undefined : new Promise((resolve) => setTimeout(resolve, wait));
    },
  });
const home = await Home.make(model.url);
const sessionPath = await writeHistory(home);
const start = () => ServerProcess.start(home, { args: ["--root", home.agentDir] });
let server = await start();
try {
  const wire = await server.connect();
  await wire.ok({ type: "load_session", sessionId: "large", sessionPath }, 60_000);
  await wire.close();
  const [parked, cold]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    server.signal("SIGTERM");
    await server.exitCode();
    server = await start();
    await using person = await Person.make(`http://127.0.0.1:${(await server.endpoint()).port}`);
    const page = await person.open(await server.token());
    if (round % 2 === 1) {
      // A person reads the list of sessions first, which has a worker load pi.
      const wire = await server.connect();
      await wire.ok({ type: "list_stored_sessions" }, 60_000);
      await wire.close();
    }
    (round % 2 === 1 ? parked : cold).push(await firstPaint(page));
  }
  await using person = await Person.make(`http://127.0.0.1:${(await server.endpoint()).port}`);
  const page = await person.open(await server.token());
  await firstPaint(page);
  const live: number[] = [];
  for (let round = 0; round < rounds; round++) live.push(await firstPaint(page));
  console.log(
    `${TARGET}: first paint of ${MESSAGES} messages: live ${live.map(ms).join(", ")}; parked ${
      parked.map(ms).join(", ")
    }; parked, with a click before pi is loaded ${cold.map(ms).join(", ")}`,
  );
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const metrics = async (): Promise<Map<string, number>> => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return new Map(metrics.map(({ name, value }) => [name, value]));
  };
  await page.evaluate(RECORD);
  await page.getByRole("textbox", { name: "Message" }).fill("stream");
  const browser = page.context().browser();
  if (browser === null) throw new Error("the page has no browser");
  await browser.startTracing(page, { categories: ["cc"] });
  const before = await metrics();
  await page.keyboard.press("Enter");
  // Playwright's own waiting looks at the page with each frame, which would be measured too.
  await delay((seconds + 1) * 1000);
  const after = await metrics();
  const cpu = cpuOfFrames(await browser.stopTracing());
  await page.getByRole("button", { name: "Send" }).waitFor({ timeout: 60_000 });
  const [frames, gaps, long] = [
    await numbers(page, "frames_"),
    await numbers(page, "gaps_"),
    await numbers(page, "long_"),
  ];
  const of = (name: string): string => {
    const spent = (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const all = (after.get("Timestamp") ?? 0) - (before.get("Timestamp") ?? 0);
    return `${name} ${(100 * spent / all).toFixed(0)}%`;
  };
  const shares = ["TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration"].map(of).join(
    ", ",
  );
  console.log(
    `processor time a frame: median ${ms(percentile(cpu, 50))}, p95 ${ms(percentile(cpu, 95))}, p99 ${
      ms(percentile(cpu, 99))
    }; of those with work: median ${ms(percentile(cpu.filter(works), 50))}, p95 ${
      ms(percentile(cpu.filter(works), 95))
    } of ${cpu.filter(works).length}`,
  );
  console.log(
    `work a frame: median ${ms(percentile(frames, 50))}, p95 ${ms(percentile(frames, 95))}, p99 ${
      ms(percentile(frames, 99))
    }; from frame to frame: median ${ms(percentile(gaps, 50))}, p95 ${ms(percentile(gaps, 95))}, p99 ${
      ms(percentile(gaps, 99))
    }; ${frames.length} frames, ${long.length} tasks over 50 ms, longest ${ms(Math.max(0, ...long))}`,
  );
  console.log(
    `${shares}; heap ${((before.get("JSHeapUsedSize") ?? 0) / 1e6).toFixed(0)} → ${
      ((after.get("JSHeapUsedSize") ?? 0) / 1e6).toFixed(0)
    } MB, nodes ${after.get("Nodes")}; load ${Deno.loadavg()[0]?.toFixed(1)}`,
  );
} finally {
  await closeBrowser();
  await server.kill();
  await home.remove();
}
