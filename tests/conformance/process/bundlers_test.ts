// The client of the npm package in web pages as their authors build them: esbuild, webpack 5, vite 5 and vite 6, each
// with its default target. Every page is opened in Chromium and has a prompt answered. Only the Node build ships it.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "../../support/base/wait.ts";
import { Browser, findChromium } from "../../support/browser/chromium.ts";
import { text } from "../../support/model/model_server.ts";
import { npmTools } from "../../support/base/npm_tools.ts";
import { NODE, NPM_BUILD, REPO } from "../../support/server/server_process.ts";
import { run } from "../../support/server/shipped.ts";
import { alone, type Bench, TARGET } from "../suite.ts";

const TOOLS = {
  esbuild: "0.28.2",
  webpack: "5.113.0",
  vite5: "npm:vite@5.4.9",
  vite6: "npm:vite@6.4.6",
};
const NAME = "bundlers: pages of esbuild, webpack 5, vite 5 and vite 6 use the client in Chromium";
const PAGE = '<!doctype html><meta charset="utf-8"><script type="module" src="./main.js"></script>';
const MAIN = `import { connect, isEvent, TokenRefusedError } from "pi-server/client";
const say = (value) => fetch("/said", { method: "POST", body: JSON.stringify(value) });
async function answer() {
  const { url, token, message } = await (await fetch("/task")).json();
  const refused = await connect({ url, token: "wrong" }).catch((error) => error instanceof TokenRefusedError);
  const client = await connect({ url, token });
  try {
    const { sessionId } = await client.request("create_session", { inMemory: true });
    const events = await client.subscribe(sessionId);
    const asked = client.prompt(sessionId, message);
    let typed = "";
    for await (const item of events) {
      if (item.kind !== "event") continue;
      if (isEvent(item.event, "message_update") && item.event.assistantMessageEvent.type === "text_delta") {
        typed += item.event.assistantMessageEvent.delta;
      }
      if (isEvent(item.event, "agent_settled")) break;
    }
    return { text: (await asked).text, typed, refused };
  } finally {
    await client.close();
  }
}
answer().then(say, (error) => say({ error: String(error) }));
`;

/** Serves what a bundler has built, and hands on what the page reports. */
class BuiltPage implements AsyncDisposable {
  readonly said: Promise<unknown>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  task: unknown;

  constructor(script: string) {
    const said = Promise.withResolvers<unknown>();
    this.said = said.promise;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/task") return Response.json(this.task);
      if (pathname === "/app.js") {
        return new Response(script, { headers: { "content-type": "text/javascript" } });
      }
      if (pathname === "/said") {
        said.resolve(await request.json());
        return new Response("");
      }
      return new Response(PAGE.replace("./main.js", "./app.js"), {
        headers: { "content-type": "text/html" },
      });
    });
  }

  get origin(): string {
    return `http://localhost:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

async function buildPage(tools: string, name: string, folder: string): Promise<string> {
  const app = `${folder}/${name}`;
  const out = `${folder}/${name}-built`;
  await Deno.mkdir(app, { recursive: true });
  await Deno.writeTextFile(`${app}/index.html`, PAGE);
  await Deno.writeTextFile(`${app}/main.js`, MAIN);
  const script = `${REPO}/tests/support/browser/bundler_build.mjs`;
  const { code, stderr } = await run(NODE, [script, tools, name, app, out], { cwd: app });
  if (code !== 0) throw new Error(`${name} builds nothing:\n${stderr.slice(0, 4000)}`);
  const built = await Deno.readTextFile(`${out}/app.js`);
  // A page can ask for none of it.
  for (const part of ['"node:', "'node:", "require(", 'from"ws"', 'from "ws"']) {
    assertEquals(built.includes(part), false, `${name} has left ${part} in the page`);
  }
  return built;
}

async function pages(bench: Bench, program: string, tools: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-bundlers-" });
  try {
    // As npm installs it, so that the bundlers follow the package's own exports.
    await Deno.mkdir(`${folder}/node_modules`);
    await Deno.symlink(NPM_BUILD, `${folder}/node_modules/pi-server`);
    for (const name of Object.keys(TOOLS)) {
      await using page = new BuiltPage(await buildPage(tools, name, folder));
      await bench.start(["--allow-origin", page.origin]);
      const [{ url }, token] = [await bench.server.endpoint(), await bench.server.token()];
      const message = bench.name(name);
      bench.model.script(message, text(["hello ", "page"]));
      page.task = { url: url.replace("127.0.0.1", "localhost"), token, message };
      await using browser = await Browser.make(program);
      const said = await deadline(browser.open(`${page.origin}/`, page.said), 90_000, () => `${name}'s page`);
      assertEquals(said, { text: "hello page", typed: "hello page", refused: true }, name);
      assertStringIncludes(bench.server.stderr, "listening");
      bench.server.signal("SIGTERM");
      assertEquals(await bench.server.exitCode(), 0);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const program = TARGET === "node" ? await findChromium() : undefined;
if (TARGET === "node" && program !== undefined) {
  const tools = await npmTools("bundlers", TOOLS);
  if ("folder" in tools) alone(NAME, (bench) => pages(bench, program, tools.folder), 600_000);
  else Deno.test({ name: `[${TARGET}] ${NAME} (${tools.reason})`, ignore: true, fn: () => {} });
} else if (TARGET === "node") {
  const why = "no Chromium here, see apt-get install chromium";
  Deno.test({ name: `[${TARGET}] ${NAME} (${why})`, ignore: true, fn: () => {} });
}
