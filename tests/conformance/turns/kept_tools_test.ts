// Which tools of a session are on after a restart: what was chosen stays chosen, and every other tool is as pi would
// have it now. A start in which an extension fails takes none of its tools away for good.

import { assertEquals } from "@std/assert";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import type { Wire, WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

const tool = (name: string): string =>
  `pi.registerTool({ name: "${name}", label: "${name}", description: "Does ${name}",
    parameters: { type: "object", properties: {} },
    async execute() { return { content: [], details: {} }; } });`;
const extension = (now: string[], later: string[] = []): string =>
  `export default function (pi) { ${now.map(tool).join("\n")}
    pi.on("session_start", () => { ${later.map(tool).join("\n")} }); }`;

async function active(wire: Wire, sessionId: string): Promise<string[]> {
  const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId }, 60_000), "tools");
  return tools.filter((one) => at(one, "active") === true).map((one) => stringAt(one, "name")).toSorted();
}

/** Ends the server in peace and starts it again with that extension. */
async function restarted(bench: Bench, source: string): Promise<WsWire> {
  await bench.judge();
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
  await bench.home.extension("mine", source);
  await bench.start();
  return await bench.connect();
}

alone("kept tools: choices outlive restarts, failed extensions and tools that come and go", async (bench) => {
  await bench.home.extension("mine", extension(["one", "two"], ["late"]));
  await bench.start();
  let wire = await bench.connect();
  const { id } = await bench.session(wire);
  assertEquals(await active(wire, id), ["bash", "edit", "late", "one", "read", "two", "write"]);
  await wire.ok({ type: "set_tools", sessionId: id, tools: ["read", "edit", "write", "grep", "one"] });
  const chosen = ["edit", "grep", "one", "read", "write"];
  // A tool that was added meanwhile is on.
  wire = await restarted(bench, extension(["one", "two", "three"], ["late"]));
  assertEquals(await active(wire, id), [...chosen, "three"].toSorted());
  // The extension fails once: its tools are gone, and the choice about them is not.
  wire = await restarted(bench, "export default function () { throw new Error('broken'); }");
  assertEquals(await active(wire, id), chosen.filter((name) => name !== "one"));
  wire = await restarted(bench, extension(["one", "two", "three"], ["late"]));
  assertEquals(await active(wire, id), [...chosen, "three"].toSorted());
  // Switched on again, it stays on.
  await wire.ok({ type: "set_tools", sessionId: id, tools: ["read", "two"] });
  wire = await restarted(bench, extension(["one", "two"], ["late"]));
  assertEquals(await active(wire, id), ["read", "two"]);
});

alone("kept tools: an untouched session has every tool of a mended extension", async (bench) => {
  await bench.home.extension("mine", "export default function () { throw new Error('broken'); }");
  await bench.start();
  let wire = await bench.connect();
  const { id } = await bench.session(wire);
  assertEquals(await active(wire, id), ["bash", "edit", "read", "write"]);
  wire = await restarted(bench, extension(["one"]));
  assertEquals(await active(wire, id), ["bash", "edit", "one", "read", "write"]);
});
