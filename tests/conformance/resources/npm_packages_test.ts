// Six extension packages of other authors, as npm installs them. pi's own RPC mode and each build load them from one folder.
// Each has the same commands, gives the model the same tools, and answers one call of a tool alike.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, objectAt, stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { npmTools } from "../../support/base/npm_tools.ts";
import { PiRpc } from "../../support/fronts/pi_rpc.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

const PACKAGES = {
  "@aliou/pi-processes": "0.12.0",
  "pi-aliases": "1.0.7",
  "pi-mcp-adapter": "2.36.0",
  "pi-prompt-template-model": "0.12.2",
  "pi-subagents": "0.67.0",
  "pi-web-access": "0.28.0",
};

/** What pi 1.6 itself warns of: one package brings MCP, and two bundle what pi provides. */
const WARNINGS: readonly RegExp[] = ON_1_6
  ? [/built-in extension `mcp` was not loaded/, /dependencies: typebox/, /dependencies: typebox/]
  : [];

/** What the packages ask their user to have. */
const PEERS = {
  "@earendil-works/pi-agent-core": "0.74.2",
  "@earendil-works/pi-coding-agent": "0.74.2",
  "@earendil-works/pi-tui": "0.74.2",
};
/** The first load compiles hundreds of files. */
const LOAD_MS = 600_000;
const CASE_MS = 900_000;

const NAME = "npm packages: six packages have the commands and tools that they have in pi's own RPC mode";

/** What one side has. */
interface Found {
  /** Source and name of every command. */
  readonly commands: readonly string[];
  /** Names of the tools that the model was given. */
  readonly tools: readonly string[];
  /** What the model got for its call. */
  readonly results: readonly string[];
}

const named = (commands: readonly unknown[]): string[] =>
  commands.map((one) => `${stringAt(one, "source")} ${stringAt(one, "name")}`).toSorted();

/** Has the model of the next prompt with that marker call a tool of a package. */
function callTool(bench: Bench, marker: string): void {
  bench.model.script(marker, calls([{ name: "process", args: { action: "list" } }]), text(["done"]));
}

async function requested(bench: Bench, marker: string): Promise<Pick<Found, "tools" | "results">> {
  const { body, toolResults } = await bench.model.request(marker, 1);
  const tools = arrayAt(body, "tools").map((tool) => stringAt(objectAt(tool, "function"), "name"));
  return { tools: tools.toSorted(), results: toolResults };
}

async function ofPi(bench: Bench): Promise<Found> {
  await using pi = new PiRpc(bench.home, bench.home.root);
  const response = await pi.request({ type: "get_commands" }, LOAD_MS);
  const marker = bench.name("pi");
  callTool(bench, marker);
  await pi.settled(marker);
  return { commands: named(arrayAt(response, "data", "commands")), ...await requested(bench, marker) };
}

async function ofServer(bench: Bench): Promise<Found & { problems: readonly string[] }> {
  await bench.start();
  const wire = await bench.connect();
  const create = { type: "create_session", sessionId: "s", cwd: bench.home.root, inMemory: true };
  // On a slow machine the first load takes longer than a session may. The next attempt finds what was compiled.
  const created = await until(
    async () => {
      const response = await wire.request(create, LOAD_MS);
      if (response.success === true) return response;
      assertEquals([response.code, response.retryable], ["timeout", true], JSON.stringify(response));
      return undefined;
    },
    LOAD_MS,
    () => "the session with its packages",
  );
  const info = at(created, "data", "sessionInfo");
  const problems = at(info, "extensionErrors") === undefined
    ? []
    : arrayAt(info, "extensionErrors").map((one) => stringAt(one, "error"));
  const marker = bench.name("ours");
  callTool(bench, marker);
  await settled(wire, "s", marker);
  const { commands } = await wire.ok({ type: "get_commands", sessionId: "s" });
  return { commands: named(arrayAt({ commands }, "commands")), ...await requested(bench, marker), problems };
}

/** Copies what is missing there. */
async function copyFiles(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  const names = await Array.fromAsync(Deno.readDir(from)).catch(() => []);
  for (const { name } of names) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}.new`);
    await Deno.rename(`${to}/${name}.new`, `${to}/${name}`);
  }
}

async function compare(bench: Bench, folder: string): Promise<void> {
  const { agentDir, temporary } = bench.home;
  // pi and every build compile alike, and keep it by the text's digest. So the runs of a machine compile a file once.
  const kept = `${folder}/compiled`;
  const compiled = { pi: `${temporary}/jiti`, ours: `${agentDir}/cache/pi-server-compiled` };
  await copyFiles(kept, compiled.pi);
  const path = `${agentDir}/settings.json`;
  const settings = objectAt(JSON.parse(await Deno.readTextFile(path)));
  const packages = Object.keys(PACKAGES).map((name) => `${folder}/node_modules/${name}`);
  await Deno.writeTextFile(path, JSON.stringify({ ...settings, packages }));
  const theirs = await ofPi(bench);
  await copyFiles(compiled.pi, kept);
  await copyFiles(kept, compiled.ours);
  const { problems, ...ours } = await ofServer(bench);
  await copyFiles(compiled.ours, kept);
  assertEquals(problems.length, WARNINGS.length, problems.join("\n"));
  for (const warning of WARNINGS) assert(problems.some((one) => warning.test(one)), `${warning}`);
  assertEquals(ours, theirs);
  assert(theirs.commands.length > 40, String(theirs.commands));
  for (const tool of ["mcp", "web_search", "fetch_content", "subagent", "process"]) {
    assert(theirs.tools.includes(tool), `${tool} of ${theirs.tools}`);
  }
}

const tools = await npmTools(
  ON_1_6 ? "pi_packages_next" : "pi_packages",
  ON_1_6 ? PACKAGES : { ...PACKAGES, ...PEERS },
);
if ("folder" in tools) alone(NAME, (bench) => compare(bench, tools.folder), CASE_MS);
else Deno.test({ name: `[${TARGET}] ${NAME} (${tools.reason})`, ignore: true, fn: () => {} });
