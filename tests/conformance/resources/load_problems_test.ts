// What pi could not load for a session reaches everyone who can act on it: the answer that creates the session, its
// state, a subscription sent right behind, health_check and the log. A reload that finds it mended clears it.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { alone, type Bench } from "../suite.ts";

const BROKEN = "export default function () { throw new Error('broken on purpose'); }";
const FINE = "export default function (pi) { pi.registerCommand('fine', { handler: async () => {} }); }";
const NAMELESS = "export default function (pi) { pi.registerCommand('', { handler: async () => {} }); }";

/** The problems that a SessionInfo names. */
function problemsOf(info: unknown): JsonObject[] {
  return at(info, "extensionErrors") === undefined
    ? []
    : arrayAt(info, "extensionErrors").map((one) => objectAt(one));
}

async function issuesOf(wire: Wire): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "health_check" }), "issues").map(String);
}

/** Creates a session with a broken extension, subscribes right behind, and looks wherever the problem must be. */
async function everywhere(bench: Bench, wire: Wire, log: () => string): Promise<void> {
  const cwd = await bench.home.folder("s");
  const creation = wire.ok({ type: "create_session", sessionId: "s", cwd }, 60_000);
  const subscription = wire.ok({ type: "subscribe", sessionId: "s" }, 60_000);
  const created = await creation;
  const paths = (problems: JsonObject[]) =>
    problems.map((one) => stringAt(one, "extensionPath").split("/").at(-1));
  const [broken] = problemsOf(at(created, "sessionInfo"));
  assertEquals(at(broken, "event"), "load");
  assertStringIncludes(stringAt(broken, "error"), "broken on purpose");
  assertEquals(paths(problemsOf(at(created, "sessionInfo"))).toSorted(), ["broken.ts", "nameless.ts"]);
  await subscription;
  const event = await wire.event(
    "s",
    "extension_error",
    (one) => String(one.extensionPath).endsWith("broken.ts"),
  );
  assertStringIncludes(stringAt(event, "event", "error"), "broken on purpose");
  const state = await wire.ok({ type: "get_state", sessionId: "s" });
  assertEquals(paths(problemsOf(state)).length, 2);
  const issue = (await issuesOf(wire)).find((one) => one.includes("broken.ts"));
  assertStringIncludes(String(issue), "broken on purpose");
  assertStringIncludes(String(issue), '"s"');
  await until(() => log().includes("broken on purpose"), 10_000, () => `the log to name it: ${log()}`);
}

alone(
  "load problems over WebSocket: in the answer, the state, an event, health_check and the log",
  async (bench) => {
    await bench.home.extension("broken", BROKEN);
    await bench.home.extension("nameless", NAMELESS);
    await bench.home.extension("fine", FINE);
    const server = await bench.start();
    const wire = await bench.connect();
    await everywhere(bench, wire, () => server.stderr);
    // A second session with the same problem is one sentence in health_check, and no second line in the log.
    await bench.session(wire, { sessionId: "t" });
    const named = (await issuesOf(wire)).filter((one) => one.includes("broken.ts"));
    assertEquals(named.length, 1);
    assertStringIncludes(named.join(), "and 1 more");
    // Mended and reloaded, nothing speaks of it any more.
    await bench.home.extension("broken", FINE.replace("fine", "mended"));
    await bench.home.extension("nameless", FINE.replace("fine", "named"));
    for (const sessionId of ["s", "t"]) await wire.ok({ type: "reload", sessionId }, 60_000);
    assertEquals(problemsOf(await wire.ok({ type: "get_state", sessionId: "s" })), []);
    assertEquals((await issuesOf(wire)).filter((one) => one.includes(".ts")), []);
    // Broken again by hand, a reload reports it anew.
    await bench.home.extension("nameless", NAMELESS);
    await wire.ok({ type: "reload", sessionId: "s" }, 60_000);
    const [again] = problemsOf(await wire.ok({ type: "get_state", sessionId: "s" }));
    // pi 1.6 throws at the extension, which then fails to load.
    assertEquals(at(again, "event"), ON_1_6 ? "load" : "register_command");
  },
);

alone(
  "load problems over stdio: in the answer, the state, an event, health_check and the log",
  async (bench) => {
    await bench.home.extension("broken", BROKEN);
    await bench.home.extension("nameless", NAMELESS);
    const wire = await bench.startStdio();
    await everywhere(bench, wire, () => bench.server.stderr);
  },
);

alone(
  "load problems of a session that a client replaces are in its state and in health_check",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.session(wire, { sessionId: "s" });
    assertEquals(problemsOf(await wire.ok({ type: "get_state", sessionId: id })), []);
    await bench.home.extension("broken", BROKEN);
    await wire.ok({ type: "new_session", sessionId: id }, 60_000);
    assertEquals(problemsOf(await wire.ok({ type: "get_state", sessionId: id })).length, 1);
    assert((await issuesOf(wire)).some((one) => one.includes("broken.ts")));
  },
);
