// What a person tries first with what they downloaded: version, licenses, the demo model, a client in Python, an
// extension in TypeScript and an exported page. Each step starts the program anew, in a home of its own, and throws
// when something is not as it should be. On any system.

import * as path from "node:path";
import { arrayAt, at, brief, type JsonObject, stringAt } from "../base/json.ts";
import { REPO, type ServerProcess } from "./server_process.ts";
import { run, type Shipped } from "./shipped.ts";
import type { StdioWire } from "../wire/wire_client.ts";

const START_MS = 60_000;

/** One step; says what it saw. */
export interface Step {
  readonly name: string;
  readonly take: (shipped: Shipped) => Promise<string>;
  /** Why it cannot be taken on this machine; undefined where it can. */
  readonly without?: () => Promise<string | undefined>;
}

/** TypeScript that only a compiler can make sense of, with everything that extensions may import. */
export const EXTENSION: string = `
import { writeFileSync } from "node:fs";
import { StringEnum } from "@mariozechner/pi-ai";
import { getOAuthProviders } from "@mariozechner/pi-ai/oauth";
import type { ExtensionAPI } from "@mariozechner/pi-coding-agent";
import { getAgentDir } from "@mariozechner/pi-coding-agent";
import { Text } from "@mariozechner/pi-tui";
import { Type } from "typebox";

enum Kind { Small = "small", Large = "large" }

class Stamp {
  constructor(private readonly kind: Kind) {}
  say(word: string): string { return \`\${this.kind} \${word}\`; }
}

export default function (pi: ExtensionAPI): void {
  pi.registerTool({
    name: "stamp",
    label: "Stamp",
    description: "Stamps a word",
    parameters: Type.Object({ word: Type.String(), kind: StringEnum(["small", "large"]) }),
    execute: async (_id: string, { word }: { word: string }) =>
      ({ content: [{ type: "text" as const, text: new Stamp(Kind.Large).say(word) }], details: {} }),
  });
  pi.registerCommand("stamp", {
    description: "Writes down its task",
    handler: async (text, ctx) => {
      const seen = { said: new Stamp(Kind.Small).say(text), agentDir: getAgentDir(),
        oauth: getOAuthProviders?.().map(({ id }) => id), lines: new Text("one", 0, 0).render(20).length };
      writeFileSync(ctx.cwd + "/stamp.json", JSON.stringify(seen));
    },
  });
}
`;

/** Throws unless it holds. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Runs `body` on a started server, ends its input, and sees that it ends well. */
export async function withServer<T>(
  server: ServerProcess,
  body: (wire: StdioWire, greeting: JsonObject) => Promise<T>,
): Promise<T> {
  await using started = server;
  const wire = started.stdio();
  try {
    const result = await body(wire, await wire.greeting(START_MS));
    await wire.close();
    const code = await started.exitCode();
    must(code === 0, `it ended with exit code ${code}`);
    wire.check();
    return result;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text}\nstderr:\n${started.stderr.slice(-2000)}`, { cause: error });
  }
}

const DEMO = ["--demo"];

async function version(shipped: Shipped): Promise<string> {
  const { code, stdout, stderr } = await shipped.run(await shipped.home(), ["--version"]);
  const { version: expected } = JSON.parse(await Deno.readTextFile(`${REPO}/deno.json`));
  must(code === 0 && stdout === `${expected}\n`, `--version said "${stdout}${stderr}", not ${expected}`);
  return stdout.trim();
}

async function licenses(shipped: Shipped): Promise<string> {
  const { code, stdout, stderr } = await shipped.run(await shipped.home(), ["--licenses"]);
  must(code === 0, stderr);
  if (shipped.target === "sources") return stdout.trim();
  // Of each kind: our own, pi, a package with its own text, one that only names its license, one in two versions.
  for (const text of ["the pi-server authors", "Mario Zechner", "@anthropic-ai/sdk", "Apache License"]) {
    must(stdout.includes(text), `--licenses says nothing of ${text}`);
  }
  must(stdout.includes("the V8 project authors") === (shipped.target === "binary"), "Deno's own licenses");
  return `${stdout.split("\n").length} lines`;
}

async function demo(shipped: Shipped): Promise<string> {
  return await withServer(shipped.start(await shipped.home(), DEMO), async (wire) => {
    await wire.ok({ type: "create_session", sessionId: "a" }, START_MS);
    await wire.ok({ type: "subscribe", sessionId: "a" });
    const { text } = await wire.ok({ type: "prompt", sessionId: "a", message: "Hello", waitFor: "settled" });
    must(String(text).startsWith('You said: "Hello".'), `the demo model said ${brief(text)}`);
    const streamed = wire.events("a").filter(({ type }) => type === "message_update").length;
    must(streamed > 2, `only ${streamed} updates`);
    return `${text} in ${streamed} updates`;
  });
}

const PYTHON = Deno.build.os === "windows" ? "python" : "python3";

/** The path of Python, which may live where only this process finds it. */
async function findPython(): Promise<string | undefined> {
  const where = await run(PYTHON, ["-c", "import sys; print(sys.executable)"]).catch(() => undefined);
  return where?.code === 0 ? where.stdout.trim() : undefined;
}

async function python(shipped: Shipped): Promise<string> {
  const home = await shipped.home();
  const client = path.join(home, "client.py");
  await Deno.copyFile(`${REPO}/tests/conformance/clients/stdio_client.py`, client);
  const found = await findPython();
  if (found === undefined) throw new Error(`there is no ${PYTHON}`);
  const { program, args } = shipped.command;
  const { code, stdout, stderr } = await run(
    found,
    [client, program, ...args, "--demo", "--no-ws"],
    { cwd: shipped.folder, env: shipped.environment(home) },
  );
  must(code === 0, stderr);
  return stringAt(JSON.parse(stdout), "text");
}

async function extension(shipped: Shipped): Promise<string> {
  const home = await shipped.home();
  await Deno.mkdir(path.join(home, ".pi/agent/extensions"), { recursive: true });
  await Deno.writeTextFile(path.join(home, ".pi/agent/extensions/stamp.ts"), EXTENSION);
  const cwd = path.join(home, "work");
  await Deno.mkdir(cwd);
  return await withServer(shipped.start(home, [...DEMO, "--root", home]), async (wire) => {
    const created = await wire.ok({ type: "create_session", sessionId: "a", cwd }, START_MS);
    must(!JSON.stringify(created).includes("stamp.ts"), `it was not loaded: ${brief(created, 1000)}`);
    const tools = arrayAt(await wire.ok({ type: "get_tools", sessionId: "a" }), "tools");
    must(tools.some((tool) => at(tool, "name") === "stamp"), `no tool of the extension: ${brief(tools)}`);
    await wire.ok({ type: "prompt", sessionId: "a", message: "/stamp word", waitFor: "settled" });
    const seen: JsonObject = JSON.parse(await Deno.readTextFile(path.join(cwd, "stamp.json")));
    must(seen["said"] === "small word" && seen["lines"] === 1, brief(seen));
    must(String(seen["agentDir"]) === path.join(home, ".pi", "agent"), brief(seen));
    // The build chooses the engine itself. The newer pi has no such function any more.
    const ready = wire.messages.find(({ type }) => type === "server_ready");
    const older = stringAt(ready ?? {}, "data", "pi", "version").startsWith("0.");
    must(older ? arrayAt(seen, "oauth").length === 3 : seen["oauth"] === undefined, brief(seen));
    return brief(seen["said"]);
  });
}

async function exportHtml(shipped: Shipped): Promise<string> {
  const home = await shipped.home();
  return await withServer(shipped.start(home, [...DEMO, "--root", home]), async (wire) => {
    await wire.ok({ type: "create_session", sessionId: "a", cwd: home }, START_MS);
    await wire.ok({ type: "prompt", sessionId: "a", message: "Hello", waitFor: "settled" });
    const outputPath = path.join(home, "page.html");
    const data = await wire.ok({ type: "export_html", sessionId: "a", outputPath });
    const page = await Deno.readTextFile(stringAt(data, "path"));
    // Template, theme and the two libraries that the page brings along.
    for (const text of ["<!DOCTYPE html>", "--userMessageBg", "hljs", "marked"]) {
      must(page.includes(text), `the page has no ${text}`);
    }
    must(!/\{\{(?:CSS|JS|THEME_VARS|SESSION_DATA)\}\}/.test(page), "a place in the template was left open");
    const [, packed = ""] = /<script id="session-data" type="application\/json">([^<]*)</.exec(page) ?? [];
    must(atob(packed).includes('You said: \\"Hello\\".'), "the page does not hold the session");
    return `${page.length} characters`;
  });
}

/** All steps. */
export const STEPS: readonly Step[] = [
  { name: "version", take: version },
  { name: "licenses", take: licenses },
  { name: "demo model", take: demo },
  {
    name: "client in Python",
    take: python,
    without: async () => await findPython() === undefined ? `there is no ${PYTHON}` : undefined,
  },
  { name: "extension in TypeScript", take: extension },
  { name: "export_html", take: exportHtml },
];
