// What ships must need nothing beside it: the build is put into an empty folder with an empty home (the npm package
// from its tarball), and is tried there: first steps, images, every provider, logins. Nothing leaves the machine.

import { assert, assertEquals } from "@std/assert";
import { AnyApi, detour, png } from "../../support/model/any_api.ts";
import { arrayAt, at, brief, stringAt } from "../../support/base/json.ts";
import { calls, ModelServer, text, writeModels } from "../../support/model/model_server.ts";
import { STEPS, withServer } from "../../support/server/release_steps.ts";
import { NODE_VERSIONS, nodeOf } from "../../support/base/node_versions.ts";
import { npmTools } from "../../support/base/npm_tools.ts";
import { NODE, ON_1_6 } from "../../support/server/server_process.ts";
import { run, Shipped } from "../../support/server/shipped.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { conformance, TARGET } from "../suite.ts";

const SLOW_MS = 60_000;

/** What pi's own catalog of models offers. */
interface Catalog {
  getProviders(): readonly string[];
  getModels(
    provider: string,
  ): readonly { readonly provider: string; readonly id: string; readonly api: string }[];
}

const catalog: unknown = ON_1_6
  ? await import("@earendil-works/pi-ai/compat")
  : await import("@mariozechner/pi-ai");
const { getModels, getProviders } = catalog as Catalog;

/** Wrong where it says so: types that are missing would be \`any\`, and nothing would be wrong. */
const PROGRAM = `
import { main, type Server, startServer } from "pi-server";
import { connect, RequestError } from "pi-server/client";
import { PROTOCOL_VERSION } from "pi-server/protocol";

const server: Server = await startServer({ port: 0, demo: true });
// @ts-expect-error: a port is a number
await startServer({ port: "3141" });
const client = await connect();
const { disposition } = await client.request("prompt", { sessionId: "a", message: "Hello", waitFor: "settled" });
// @ts-expect-error: there is no such command
await client.request("promt", { sessionId: "a" });
const code: number = await main(["--version"]);
const version: string = PROTOCOL_VERSION;
console.log(server.endpoints[0]?.url, disposition, code, version, RequestError);
`;

/** TypeScript's own compilers: the oldest that knows `await using`, and a newer one. */
const COMPILERS = { old: "npm:typescript@5.2.2", newer: "npm:typescript@5.9.3" };

/** Without the library of a browser or of Node. */
const ES2022 = `
import { connect, isEvent } from "pi-server/client";
import { type Server, startServer } from "pi-server";
import { PROTOCOL_VERSION } from "pi-server/protocol";

export async function first(session: string): Promise<string> {
  const client = await connect({ url: "ws://127.0.0.1:3141/", token: "t" });
  for await (const item of await client.subscribe(session)) {
    if (item.kind !== "event") continue;
    if (isEvent(item.event, "tool_execution_start")) return item.event.toolName;
    // @ts-expect-error: there is no such event
    if (isEvent(item.event, "no_such_event")) break;
  }
  await using server: Server = await startServer({ port: 0 });
  return server.endpoints[0]?.url ?? PROTOCOL_VERSION;
}
`;

/** A server and a client in one program, over a WebSocket, without the syntax of newer Nodes. */
const BOTH = `
import { startServer } from "pi-server";
import { connect } from "pi-server/client";

const server = await startServer({ port: 0, demo: true });
const client = await connect();
const { sessionId } = await client.request("create_session", {});
console.log((await client.prompt(sessionId, "Hello")).text);
await client.close();
await server.shutdown();
`;

let made: Promise<Shipped> | undefined;

/** One for all cases; each takes a home of its own. */
function shipped(): Promise<Shipped> {
  return made ??= Shipped.make({ target: TARGET });
}

Deno.test.afterAll(async () => {
  await (await made?.catch(() => undefined))?.[Symbol.asyncDispose]();
});

/** The steps that can be taken on this machine. */
const steps: (typeof STEPS)[number][] = [];
for (const step of STEPS) {
  const missing = await step.without?.();
  if (missing === undefined) steps.push(step);
  conformance(`shipped: ${step.name}`, async () => {
    await step.take(await shipped());
  }, missing);
}

if (TARGET === "node") {
  for (const version of NODE_VERSIONS) {
    const node = await nodeOf(version);
    const [found, missing] = "reason" in node ? [undefined, node.reason] : [node.path, undefined];
    const other = async (): Promise<Shipped> => (await shipped()).on(found ?? NODE);
    conformance(`shipped: the first steps on Node ${version}`, async () => {
      const build = await other();
      for (const { take } of steps) await take(build);
    }, missing);
    conformance(`shipped: what Node ${version} compiles of pi is kept, where it can`, async () => {
      const build = await other();
      const home = await build.home();
      await withServer(build.start(home, []), async (wire) => {
        await wire.ok({ type: "create_session", inMemory: true }, SLOW_MS);
      });
      const kept = await Array.fromAsync(Deno.readDir(`${home}/.pi/agent/cache/pi-server-code`)).catch(
        () => [],
      );
      assertEquals(kept.length > 0, !version.startsWith("20."), String(kept.length));
    }, missing);
  }

  conformance("shipped: the library and the client of the package work together", async () => {
    const build = await shipped();
    const home = await build.home();
    await Deno.writeTextFile(`${build.folder}/both.mjs`, BOTH);
    const { code, stdout, stderr } = await run(NODE, [`${build.folder}/both.mjs`], {
      cwd: build.folder,
      env: build.environment(home),
    });
    assertEquals(code, 0, stderr);
    assert(stdout.startsWith('You said: "Hello".'), stdout);
  });

  conformance("shipped: the README names the package as it is called on npm", async () => {
    const { folder } = await shipped();
    const readme = await Deno.readTextFile(`${folder}/node_modules/pi-server/README.md`);
    assert(readme.includes('from "pi-server/client"') && !readme.includes("@pi/server"), brief(readme, 1000));
  });

  conformance("shipped: the types of every export hold without any other package", async () => {
    const { folder } = await shipped();
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    // As strict as can be, and the declarations of packages are checked as well.
    const { code, stderr } = await run(
      Deno.execPath(),
      ["check", "--quiet", "--no-lock", "--node-modules-dir=manual", "program.ts"],
      { cwd: folder },
    );
    assertEquals(code, 0, stderr);
  });

  const compilers = await npmTools("typescript", COMPILERS);
  conformance("shipped: the types hold with lib es2022, in an old and a newer TypeScript", async () => {
    if ("reason" in compilers) throw new Error(compilers.reason);
    const { folder } = await shipped();
    await Deno.writeTextFile(`${folder}/es2022.mts`, ES2022);
    for (const name of Object.keys(COMPILERS)) {
      const tsc = `${compilers.folder}/node_modules/${name}/bin/tsc`;
      const { code, stdout } = await run(
        NODE,
        [
          tsc,
          "--noEmit",
          "--strict",
          ..."--lib es2022 --target es2022 --module nodenext es2022.mts".split(" "),
        ],
        { cwd: folder },
      );
      assertEquals(code, 0, `${name}: ${stdout}`);
    }
  }, "reason" in compilers ? compilers.reason : undefined);
}

/** A home whose agent folder holds those files. */
async function homeWith(files: Record<string, unknown>): Promise<string> {
  const home = await (await shipped()).home();
  for (const [name, content] of Object.entries(files)) {
    const file = `${home}/.pi/agent/${name}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, typeof content === "string" ? content : JSON.stringify(content));
  }
  return home;
}

/** A run on a model that refuses; what pi said of it. */
async function refusal(wire: Wire, provider: string, modelId: string): Promise<string> {
  const sessionId = provider;
  const session = { type: "create_session", sessionId, provider, modelId, inMemory: true };
  await wire.ok(session, SLOW_MS);
  const prompt = { type: "prompt", sessionId, message: "Hello", waitFor: "settled" };
  return brief(await wire.request(prompt, SLOW_MS), 1500);
}

conformance("shipped: a large image is made smaller before a model gets it", async () => {
  await using model = new ModelServer();
  const home = await homeWith({});
  await writeModels(`${home}/.pi/agent`, model.url);
  await Deno.writeFile(`${home}/large.png`, await png(2400, 60));
  model.script("look", calls([{ name: "read", args: { path: `${home}/large.png` } }]), text(["seen"]));
  await withServer((await shipped()).start(home, ["--root", home]), async (wire) => {
    await wire.ok({ type: "create_session", sessionId: "a", cwd: home }, SLOW_MS);
    await wire.ok({ type: "prompt", sessionId: "a", message: "look", waitFor: "settled" }, SLOW_MS);
  });
  assertEquals(model.requests.length, 2);
  const told = JSON.stringify(model.requests[1]?.body);
  assert(told.includes("original 2400x60, displayed at 2000x50"), brief(told, 3000));
  assert(told.includes("data:image/"), brief(told, 3000));
});

/** What a key alone does not open: the newer pi asks for an account, or for a login, as well. */
const UNKEYED: readonly string[] = ON_1_6
  ? ["cloudflare-ai-gateway", "cloudflare-workers-ai", "openai-codex"]
  : [];

conformance("shipped: with keys for all, every model of every provider is offered", async () => {
  const providers = getProviders();
  const home = await homeWith({
    "auth.json": Object.fromEntries(providers.map((name) => [name, { type: "api_key", key: "none" }])),
  });
  const all = providers.filter((name) => !UNKEYED.includes(name)).flatMap((name) =>
    getModels(name).map(({ provider, id }) => `${provider}/${id}`)
  );
  assert(providers.length > 20 && all.length > 500, `${providers.length} providers, ${all.length} models`);
  await withServer((await shipped()).start(home, []), async (wire) => {
    await wire.ok({ type: "create_session", sessionId: "a", inMemory: true }, SLOW_MS);
    const data = await wire.ok({ type: "get_available_models", sessionId: "a" });
    const offered = arrayAt(data, "models").map((one) => `${at(one, "provider")}/${at(one, "id")}`);
    assertEquals(offered.sort(), all.sort());
  });
});

const CODEX_TOKEN = ["{}", '{"https://api.openai.com/auth":{"chatgpt_account_id":"a"}}', "{}"].map(btoa).join(
  ".",
);

/** Every API that pi speaks, and the key for it. */
const APIS: Readonly<Record<string, string>> = {
  "anthropic-messages": "key",
  "openai-completions": "key",
  "openai-responses": "key",
  "openai-codex-responses": CODEX_TOKEN,
  "azure-openai-responses": "key",
  "google-generative-ai": "key",
  "google-vertex": "key",
  "mistral-conversations": "key",
  "bedrock-converse-stream": "key",
  ...(ON_1_6 ? { "pi-messages": "key" } : {}),
};

conformance("shipped: the adapter of every API reaches its server", async () => {
  assertEquals(
    [...new Set(getProviders().flatMap((name) => getModels(name).map(({ api }) => api)))].sort(),
    Object.keys(APIS).sort(),
  );
  await using server = new AnyApi();
  const model = {
    id: "m",
    name: "M",
    reasoning: false,
    input: ["text"],
    contextWindow: 9999,
    maxTokens: 999,
  };
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  const providers = Object.entries(APIS).map(([api, apiKey]) => [
    `test-${api}`,
    { baseUrl: `${server.url}/${api}`, api, apiKey, models: [{ ...model, cost }] },
  ]);
  const home = await homeWith({ "models.json": { providers: Object.fromEntries(providers) } });
  const aws = { AWS_BEDROCK_SKIP_AUTH: "1" };
  // Bedrock's SDK has one way of its own, and others where a proxy or HTTP/1.1 is asked for.
  for (const env of [aws, { ...aws, NO_PROXY: "127.0.0.1" }, { ...aws, AWS_BEDROCK_FORCE_HTTP1: "1" }]) {
    const apis = env === aws ? Object.keys(APIS) : ["bedrock-converse-stream"];
    await withServer((await shipped()).start(home, [], env), async (wire) => {
      for (const api of apis) {
        server.requests.length = 0;
        const said = await refusal(wire, `test-${api}`, "m");
        const posts = server.under(`/${api}`).filter(({ method }) => method === "POST");
        assert(posts.length > 0, `${api} ${JSON.stringify(env)}: no request came; ${said}`);
        // The newer pi compresses what it sends to Codex.
        const told = posts.some(({ body, encoding }) => encoding === "zstd" || body.includes("Hello"));
        assert(told, `${api}: ${brief(posts, 2000)}`);
      }
    });
  }
});

/** Where each login is renewed, what it answers, and the key that models are then asked with. */
const LOGINS = {
  anthropic: {
    path: "/outside/platform.claude.com/v1/oauth/token",
    answer: { access_token: "sk-ant-oat-new", refresh_token: "renewed", expires_in: 3600 },
    key: "sk-ant-oat-new",
  },
  "openai-codex": {
    path: "/outside/auth.openai.com/oauth/token",
    answer: { access_token: CODEX_TOKEN, refresh_token: "renewed", expires_in: 3600 },
    key: CODEX_TOKEN,
  },
  "github-copilot": {
    path: "/outside/api.github.com/copilot_internal/v2/token",
    answer: { token: "tid=new", expires_at: Math.floor(Date.now() / 1000) + 3600 },
    key: "tid=new",
  },
} as const;

conformance("shipped: an OAuth login that has run out is renewed and used", async () => {
  await using server = new AnyApi();
  const copilot = getModels("github-copilot").map(({ id }) => ({ id, model_picker_enabled: true }));
  server.answer = ({ path }) => {
    // The newer pi asks which models the login is good for.
    if (path.endsWith("/models")) return { data: copilot };
    return Object.values(LOGINS).find((login) => login.path === path)?.answer;
  };
  const old = { type: "oauth", refresh: "old", access: "old", expires: 1 };
  const home = await homeWith({
    "auth.json": Object.fromEntries(Object.keys(LOGINS).map((name) => [name, old])),
    "extensions/detour.ts": detour(server.url),
  });
  const allowed = ["--allow-net", new URL(server.url).host];
  await withServer((await shipped()).start(home, allowed), async (wire) => {
    for (const provider of ["anthropic", "openai-codex", "github-copilot"] as const) {
      const { path, key } = LOGINS[provider];
      server.requests.length = 0;
      const said = await refusal(wire, provider, getModels(provider)[0]?.id ?? "");
      assertEquals(server.under(path).length, 1, `${provider}: ${said} ${brief(server.requests, 2000)}`);
      const [asked] = server.requests.filter(({ path: other }) =>
        other !== path && !other.endsWith("/models")
      );
      assertEquals(asked?.authorization, `Bearer ${key}`, `${provider}: ${said}`);
      const stored = JSON.parse(await Deno.readTextFile(`${home}/.pi/agent/auth.json`));
      assertEquals(stringAt(stored, provider, "access"), key);
    }
  });
});

conformance("shipped: nothing is left behind but pi's folder", async () => {
  const build = await shipped();
  const home = await build.home();
  const before = (await Array.fromAsync(Deno.readDir(build.folder))).map(({ name }) => name).sort();
  await withServer(build.start(home, ["--demo"]), async (wire) => {
    await wire.ok({ type: "create_session", sessionId: "a" }, SLOW_MS);
    await wire.ok({ type: "prompt", sessionId: "a", message: "Use a tool", waitFor: "settled" }, SLOW_MS);
  });
  const names = async (folder: string): Promise<string[]> =>
    (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  assertEquals(await names(build.folder), before);
  assertEquals(await names(home), [".pi", "tmp"]);
  assertEquals(await names(`${home}/tmp`), []);
});
