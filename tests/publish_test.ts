// What a registry and its users get: a publish without a complaint, documentation on everything that is exported, and
// the published files alone are enough, for a program with the library, the client and the protocol's types.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import * as path from "node:path";
import { arrayAt, at, isObject, objectAt, stringAt } from "./support/base/json.ts";

const ROOT = decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");
const ENTRIES = ["mod.ts", "src/client/mod.ts", "src/protocol/mod.ts"];

async function deno(
  args: string[],
  cwd = ROOT,
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
  });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-publish-" }));
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The files that a dry run says it would publish. */
async function published(): Promise<string[]> {
  // Types are checked below, from these files alone; here the check for slow types is the point.
  const { code, out, err } = await deno(["publish", "--dry-run", "--allow-dirty", "--no-check"]);
  assertEquals(code, 0, err);
  assert(!/warning|slow type/i.test(out + err.replace(/^Checking for slow types.*$/m, "")), err);
  return [...(out + err).matchAll(/^ +file:\/\/(.+) \([\d.]+[A-Za-z]+\)$/gm)]
    .map(([, file = ""]) => path.relative(ROOT, decodeURIComponent(file)));
}

Deno.test("publish: every export is documented, and none is of a slow type", async () => {
  const config: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const exported = Object.values(objectAt(config, "exports")).map((file) => String(file).replace("./", ""));
  assertEquals(exported, ENTRIES);
  const { code, err } = await deno(["doc", "--lint", ...ENTRIES]);
  assertEquals(code, 0, err);
});

Deno.test("publish: the client brings neither pi nor a schema library along", async () => {
  const { out } = await deno(["info", "--json", "src/client/mod.ts"]);
  const modules = arrayAt(JSON.parse(out), "modules").map((module) => String(at(module, "specifier")));
  const own = modules.filter((name) => name.startsWith("file:")).map((name) =>
    path.relative(ROOT, new URL(name).pathname)
  );
  const foreign = modules.filter((name) => !name.startsWith("file:") && !name.startsWith("node:"));
  assertEquals(own.filter((name) => !/^(?:src\/(?:base|client|protocol)\/|types\/)/.test(name)), []);
  // The configuration's own types bring the mirror of @std into every graph.
  assertEquals(foreign.filter((name) => !/^npm:\/?(?:ws|deno-std)@/.test(name)), []);
});

Deno.test("publish: the published files alone make a library, a client and types that work", () =>
  inFolder(async (folder) => {
    const files = new Set(await published());
    const config: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
    await using registry = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const file = decodeURIComponent(new URL(request.url).pathname.slice(1));
        if (!files.has(file)) return new Response(null, { status: 404 });
        const type = file.endsWith(".ts") ? "application/typescript" : "text/plain";
        return new Response(await Deno.readFile(path.join(ROOT, file)), {
          headers: { "content-type": type },
        });
      },
    );
    const { port } = registry.addr;
    const exported = Object.entries(objectAt(config, "exports")).map(([name, file]) => {
      return [`@pi/server${name.slice(1)}`, new URL(String(file), `http://127.0.0.1:${port}/`).href];
    });
    // A registry writes the addresses of packages into the modules; here the user's configuration stands in for that.
    const imports = { ...objectAt(config, "imports"), ...Object.fromEntries(exported) };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
    await Deno.writeTextFile(`${folder}/use.ts`, PROGRAM);
    const cache = cacheFolder();
    const env = { HOME: folder, PI_CODING_AGENT_DIR: `${folder}/agent`, DENO_DIR: cache };
    try {
      const allowed = ["--no-lock", `--allow-import=127.0.0.1:${port}`];
      const fresh = [...allowed, `--reload=http://127.0.0.1:${port}`];
      const checked = await deno(["check", ...fresh, "use.ts"], folder, env);
      assertEquals(checked.code, 0, checked.err);
      const { code, out, err } = await deno(["run", "-A", "--no-lock", "use.ts"], folder, env);
      assertEquals(code, 0, err);
      assertMatch(out, /^You said: "Hello"\..*\nagent_busy true\nws:\/\/127\.0\.0\.1:\d+\/\n$/);
      // A type that is wrong must not pass, or the check above says nothing.
      const lines = PROGRAM.split("\n").filter((line) => /\bPromptCommand\b/.test(line));
      await Deno.writeTextFile(`${folder}/wrong.ts`, lines.join("\n").replace('"prompt"', '"promt"'));
      const wrong = await deno(["check", ...allowed, "wrong.ts"], folder, env);
      assertStringIncludes(wrong.err, '"promt"');
    } finally {
      await Deno.remove(`${cache}/remote/http/127.0.0.1_PORT${port}`, { recursive: true }).catch(() => {});
    }
  }));

Deno.test("publish: the entry runs from any folder", () =>
  inFolder(async (folder) => {
    const { code, out, err } = await deno(["run", "-A", `${ROOT}/mod.ts`, "--version"], folder);
    assertEquals(code, 0, err);
    const config: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
    assert(isObject(config));
    assertStringIncludes(out, stringAt(config, "version"));
  }));

/** Deno's cache, for children with another home. */
function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? "/";
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`}/deno`;
}

const PROGRAM = `
import { startServer } from "@pi/server";
import { connect } from "@pi/server/client";
import { ERRORS, type PromptCommand } from "@pi/server/protocol";

const command: PromptCommand = { type: "prompt", sessionId: "a", message: "Hello" };
await using server = await startServer({ port: 0, demo: true });
await using client = await connect();
const { sessionId } = await client.request("create_session", { sessionId: command.sessionId });
console.log((await client.prompt(sessionId, command.message)).text);
console.log("agent_busy", ERRORS.agent_busy.retryable);
console.log(server.endpoints[0]?.url);
`;
