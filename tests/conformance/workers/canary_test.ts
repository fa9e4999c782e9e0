// Secrets stay where they are (docs/SECURITY.md): canaries in auth.json, models.json, the environment and the token,
// then everything that comes out is searched: responses, events, pages, the log, files, command lines, environments.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, objectAt, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, calls, OPENAI, status, text } from "../../support/model/model_server.ts";
import { get, upgrade } from "../../support/network/raw_http.ts";
import { environment } from "../../support/server/server_process.ts";
import { StdioWire, type Wire, WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const CANARIES = {
  apiKey: "canary-models-key-6b1f0e",
  header: "canary-models-header-9d2c77",
  stored: "canary-auth-key-51aa03",
  access: "canary-auth-access-e07c41",
  refresh: "canary-auth-refresh-0c9be2",
  variable: "canary-environment-key-77d1f8",
  token: "canary-token-of-the-server-3f6a2d90b1",
};

/** Plants them in pi's folder; the environment gets its own at the start. */
async function plant({ home }: Bench): Promise<void> {
  const file = `${home.agentDir}/models.json`;
  const models = JSON.parse(await Deno.readTextFile(file));
  for (const provider of Object.values(objectAt(models, "providers"))) {
    Object.assign(provider as object, { apiKey: CANARIES.apiKey, headers: { "x-secret": CANARIES.header } });
  }
  await Deno.writeTextFile(file, JSON.stringify(models));
  const { access, refresh, stored } = CANARIES;
  const auth = {
    openai: { type: "api_key", key: stored },
    anthropic: { type: "oauth", access, refresh, expires: Date.now() + 3_600_000 },
  };
  await Deno.writeTextFile(`${home.agentDir}/auth.json`, JSON.stringify(auth), { mode: 0o600 });
}

/** Tell which server and which of its workers a process was started under, so that none outlives them; no secrets. */
const MARKS = ["PI_SERVER_CHILD_OF", "PI_SERVER_CHILD_OF_WORKER"];

const ENVIRONMENT = { OPENAI_API_KEY: CANARIES.variable, GROQ_API_KEY: CANARIES.variable };

/** Sends everything that reads, and what fails in many ways; whatever comes of it is in the transcript. */
async function askEverything(bench: Bench, wire: Wire, id: string): Promise<void> {
  const commands = arrayAt(await wire.ok({ type: "get_schema" }), "schema", "commands").map(String);
  for (const type of commands.filter((name) => /^(?:get|list)_|health/.test(name))) {
    await wire.request({ type, sessionId: id });
  }
  const marker = bench.name("canary");
  bench.model.script(marker, calls([{ name: "bash", args: { command: "echo tool" } }]), text(["done"]));
  await settled(wire, id, marker);
  for (const code of [400, 401, 403, 500]) {
    const failing = bench.name("failing");
    bench.model.script(failing, ...Array.from({ length: 5 }, () => status(code, `refused with ${code}`)));
    await wire.request({ type: "prompt", sessionId: id, message: failing, waitFor: "settled" }, 30_000);
  }
  await wire.ok({ type: "set_model", sessionId: id, ...ANTHROPIC });
  const other = bench.name("canary");
  bench.model.script(other, text(["said"]));
  await settled(wire, id, other);
  for (const [provider, modelId] of [["openai", "gpt-4o"], ["groq", "no-such"], ["anthropic", "no-such"]]) {
    await wire.request({
      type: "set_model",
      sessionId: id,
      provider: provider ?? "",
      modelId: modelId ?? "",
    });
  }
  await wire.ok({ type: "export_html", sessionId: id, outputPath: "page.html" });
  await wire.request({ type: "export_html", sessionId: id, outputPath: `${bench.home.agentDir}/auth.json` });
  await wire.request({
    type: "load_session",
    sessionId: "x",
    sessionPath: `${bench.home.agentDir}/auth.json`,
  });
  await wire.request({ type: "create_session", cwd: bench.home.stateDir });
  await wire.ok({ type: "reload", sessionId: id });
}

/**
 * Every file in the folder and below, but those that the canaries were planted in. A file that a new one is about to
 * replace may have done so by the time it is read: then it is found under its own name.
 */
async function filesBelow(folder: string, leaveOut: readonly string[]): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (leaveOut.includes(path)) continue;
    if (isDirectory) found.push(...await filesBelow(path, leaveOut));
    if (isFile) {
      const text = await Deno.readTextFile(path).catch((error) => {
        if (error instanceof Deno.errors.NotFound && /\.json\.\d+\.\w+$/.test(name)) return "";
        throw error;
      });
      found.push([path, text]);
    }
  }
  return found;
}

/** The command lines of every process that can be seen. */
async function commandLines(): Promise<[string, string][]> {
  if (Deno.build.os !== "linux") return [];
  const found: [string, string][] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    found.push([`/proc/${name}/cmdline`, await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "")]);
  }
  return found;
}

function search(what: readonly (readonly [where: string, text: string])[]): void {
  for (const [where, said] of what) {
    for (const [name, canary] of Object.entries(CANARIES)) {
      const at = said.indexOf(canary);
      assert(at < 0, `${name} came out in ${where}: …${said.slice(Math.max(0, at - 200), at)}…`);
    }
  }
}

const received = (wire: Wire): [string, string][] =>
  wire.transcript.flatMap((entry): [string, string][] =>
    entry.kind === "received" ? [[wire.name, entry.text]] : []
  );

/** Names of variables in the environment of a shell that the session starts, but those of the shell's own. */
async function shellVariables(wire: Wire, sessionId: string): Promise<string[]> {
  const command = "env | cut -d= -f1 | sort -u | tr '\\n' ' '";
  const output = stringAt(await wire.ok({ type: "bash", sessionId, command }), "output");
  return output.trim().split(/\s+/).filter((name) => !["_", "PWD", "OLDPWD", "SHLVL"].includes(name));
}

alone(
  "canaries: no key, header or token comes out, over WebSocket, HTTP, the log, files or processes",
  async (bench) => {
    await plant(bench);
    const env = { ...ENVIRONMENT, PI_SERVER_TOKEN: CANARIES.token };
    const server = await bench.start(["--log-level", "debug", "--log-format", "json"], { env });
    const { url, port } = await server.endpoint();
    const wire = await WsWire.connect(url, CANARIES.token, "canary");
    bench.wires.push(wire);
    const { id, cwd } = await bench.session(wire, { provider: OPENAI.provider, modelId: OPENAI.modelId });
    await wire.ok({ type: "subscribe", sessionId: id, updates: "full", snapshot: true });
    await askEverything(bench, wire, id);
    // The provider was sent them, so they were really in use.
    const sent = JSON.stringify(bench.model.requests.map(({ headers }) => headers));
    assert(sent.includes(CANARIES.apiKey) && sent.includes(CANARIES.header), "the canaries were not in use");
    const pages: [string, string][] = [];
    const Authorization = `Bearer ${CANARIES.token}`;
    for (const path of ["/healthz", "/readyz", "/schema.json", "/metrics", "/", "/token"]) {
      for (const headers of [{ Authorization }, { Authorization: `Bearer ${CANARIES.token}x` }]) {
        const { body, headers: fields } = await get(port, path, headers);
        pages.push([path, `${body} ${JSON.stringify([...fields])}`]);
      }
    }
    const refused = await upgrade(port, {
      Connection: "Upgrade, close",
      Authorization: `Basic ${CANARIES.token}`,
    });
    pages.push(["401", refused.body]);
    // pi hands its environment to shells; what the server was given for itself is not in it.
    const given = Object.keys(environment(bench.home, env)).filter((name) => !name.startsWith("PI_SERVER_"));
    // The newer pi names itself in AI_AGENT too.
    const found = (await shellVariables(wire, id)).filter((name) => name !== "AI_AGENT");
    assertEquals(found.sort(), [...given, ...MARKS, "PI_CODING_AGENT"].sort());
    const planted = ["auth.json", "models.json"].map((name) => `${bench.home.agentDir}/${name}`);
    search([
      ...received(wire),
      ...pages,
      ["stderr", server.stderr],
      ["stdout", server.stdout],
      ...await filesBelow(bench.home.stateDir, []),
      ...await filesBelow(bench.home.agentDir, planted),
      ...await filesBelow(cwd, []),
      ...await commandLines(),
    ]);
  },
);

alone("canaries: nor over stdio, and a token from a file leaves the environment too", async (bench) => {
  await plant(bench);
  await Deno.writeTextFile(`${bench.home.dir}/own-token`, CANARIES.token, { mode: 0o600 });
  const env = { ...ENVIRONMENT, PI_SERVER_TOKEN_FILE: `${bench.home.dir}/own-token` };
  const wire = await bench.startStdio(["--log-level", "debug"], { env });
  assert(wire instanceof StdioWire);
  const { id } = await bench.session(wire, { provider: OPENAI.provider, modelId: OPENAI.modelId });
  await wire.ok({ type: "subscribe", sessionId: id, updates: "full" });
  await askEverything(bench, wire, id);
  assertEquals((await shellVariables(wire, id)).filter((name) => name.startsWith("PI_SERVER")), MARKS);
  search([...received(wire), ["stderr", bench.server.stderr], ...await filesBelow(bench.home.stateDir, [])]);
});
