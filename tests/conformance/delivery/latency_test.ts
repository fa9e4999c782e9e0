// What a person waits for: the greeting, and answers while an extension spins. The milliseconds are the contract's
// (docs/PROTOCOL.md#framing), so nothing else may run beside this file.

import { assert, assertEquals } from "@std/assert";
import { objectAt } from "../../support/base/json.ts";
import { REPO, TARGET } from "../../support/server/server_process.ts";
import { SPINNER } from "../../support/extensions/spinner.ts";
import { delay } from "../../support/base/wait.ts";
import { alone } from "../suite.ts";

const QUICK_MS = 100;
const PINGS = 40;

/** What came, and that it came quickly. */
async function quickly<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  const took = performance.now() - start;
  assert(took <= QUICK_MS, `${what} took ${took.toFixed(1)} ms while an extension spins`);
  return result;
}

alone("the greeting comes before pi is loaded", async (bench) => {
  const spawns: number[] = [];
  const sessions: number[] = [];
  for (let n = 0; n < 4; n++) {
    const wire = await bench.startStdio(["--no-ws"]);
    const greeted = performance.now();
    spawns.push(greeted - bench.server.startedAt);
    await bench.session(wire, { sessionId: `s-${n}`, inMemory: true });
    sessions.push(performance.now() - greeted);
    await wire.close();
    assertEquals(await bench.server.exitCode(), 0);
  }
  const [best, session] = [Math.min(...spawns), Math.min(...sessions)];
  console.log(`${TARGET}: greeting after ${spawns.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  console.log(`${TARGET}: a session ${sessions.map((ms) => ms.toFixed(0)).join(", ")} ms later`);
  // Were pi loaded before the greeting, the greeting would take most of the time, and the session next to none.
  assert(
    session > best / 3,
    `a session came ${session.toFixed(0)} ms after a greeting that took ${best.toFixed(0)}`,
  );
  if (TARGET !== "node") return;
  const script = 'const t=performance.now();await import("@mariozechner/pi-coding-agent");' +
    "console.log(performance.now()-t)";
  const child = new Deno.Command("node", { args: ["--input-type=module", "-e", script], cwd: REPO });
  const importMs = Number(new TextDecoder().decode((await child.output()).stdout).trim());
  console.log(`${TARGET}: import of pi alone takes ${importMs.toFixed(0)} ms`);
  assert(importMs > best, "pi was imported faster than the greeting came");
});

alone("an extension that spins leaves ping and other connections alone", async (bench) => {
  await bench.home.extension("spinner", SPINNER);
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const other = await bench.connect("other");
  wire.mayLoseResponses = true;
  wire.send({ type: "prompt", id: "spin", sessionId: id, message: "/spin" });
  // The command reaches the spinning worker in some moment; until well after, every ping must be quick.
  for (let n = 0; n < PINGS; n++) {
    const { now } = await quickly("ping", () => other.ok({ type: "ping" }));
    assertEquals(typeof now, "number");
    await delay(25);
  }
  await quickly("ping on the connection that asked for it", () => wire.ok({ type: "ping" }));
  const third = await quickly("connecting", () => bench.connect("third"));
  assertEquals(objectAt(await third.request({ type: "hello" })).success, true);
});
