// A worker that loads a large extension goes on serving its other sessions: a command of a neighbour is answered while
// the files are still being compiled, so the server never takes the worker for a silent one.

import { assertEquals } from "@std/assert";
import { arrayAt, at } from "../../support/base/json.ts";
import { until } from "../../support/base/wait.ts";
import { alone } from "../suite.ts";

/** Files of the extension, and milliseconds that each computes while the neighbour has no answer. */
const FILES = 80;
const BUSY_MS = 200;

const part = (folder: string): string => `
import { existsSync, writeFileSync } from "node:fs";
const seen: number[] = (globalThis as any).turnsSeen ??= [];
if (seen.length === 0) writeFileSync("${folder}/begun", "");
const answered = existsSync("${folder}/answered");
seen.push(answered ? 1 : 0);
for (const end = Date.now() + (answered ? 0 : ${BUSY_MS}); Date.now() < end;);
export {};
`;

alone("load turns: a neighbour is answered while a large extension loads", async (bench) => {
  await bench.start(["--workers", "1"]);
  const wire = await bench.connect();
  const neighbour = await bench.session(wire, { inMemory: true });
  const folder = `${bench.home.agentDir}/extensions/large`;
  await Deno.mkdir(folder, { recursive: true });
  const names = Array.from({ length: FILES }, (_, n) => `m${n}.ts`);
  for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, part(bench.home.root));
  const index = `${names.map((name) => `import "./${name}";`).join("\n")}
    export default function (pi) {
      const seen = globalThis.turnsSeen;
      const description = seen.length === ${FILES} && seen.at(-1) === 1 ? "served" : "blocked";
      pi.registerCommand("large", { description, handler: async () => {} });
    }`;
  await Deno.writeTextFile(`${folder}/index.ts`, index);
  const creation = bench.session(wire, { inMemory: true });
  // Judged below; a load that fails earlier fails another wait first.
  creation.catch(() => {});
  const begun = `${bench.home.root}/begun`;
  await until(
    async () => await Deno.stat(begun).then(() => true, () => undefined),
    60_000,
    () => "the extension to load",
  );
  await wire.ok({ type: "get_state", sessionId: neighbour.id }, 60_000);
  await Deno.writeTextFile(`${bench.home.root}/answered`, "");
  const { id } = await creation;
  const commands = arrayAt(await wire.ok({ type: "get_commands", sessionId: id }), "commands");
  assertEquals(at(commands.find((one) => at(one, "name") === "large"), "description"), "served");
});
