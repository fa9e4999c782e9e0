// Models of a llama.cpp server on pi 1.6: pi's login names the server, and the catalog that pi has fetched its models.
import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import { ModelServer, text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, settled } from "../suite.ts";

const LOCAL = { provider: "llama.cpp", modelId: "local-model" };

async function providers(wire: Wire, session: { readonly sessionId?: string }): Promise<Set<unknown>> {
  const { models } = await wire.ok({ type: "get_available_models", ...session }, 60_000);
  assert(Array.isArray(models));
  return new Set(models.map((model) => at(model, "provider")));
}

alone(
  "local models: what pi's login and catalog name is there, with and without a session",
  async (bench) => {
    await using local = new ModelServer();
    const { agentDir } = bench.home;
    const shared = { reasoning: false, input: ["text"], contextWindow: 8192, maxTokens: 8192 };
    const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
    const model = { ...shared, id: LOCAL.modelId, name: "Local", api: "openai-completions", cost };
    const catalog = {
      models: [{ ...model, provider: LOCAL.provider, baseUrl: `${local.url}/v1` }],
      checkedAt: 1,
    };
    const login = { type: "api_key", env: { LLAMA_BASE_URL: local.url } };
    await Deno.writeTextFile(`${agentDir}/models-store.json`, JSON.stringify({ [LOCAL.provider]: catalog }));
    await Deno.writeTextFile(`${agentDir}/auth.json`, JSON.stringify({ [LOCAL.provider]: login }));
    await bench.start();
    const wire = await bench.connect();
    assert((await providers(wire, {})).has(LOCAL.provider));
    const { id } = await bench.watched(wire, LOCAL);
    const here = await providers(wire, { sessionId: id });
    assert(here.has(LOCAL.provider) && here.has("scripted-openai"), [...here].join());
    local.script("near", text(["from nearby"]));
    assertEquals((await settled(wire, id, "near")).text, "from nearby");
    assertEquals(local.requests.map(({ userText }) => userText), ["near"], "the sandbox lets it through");
    const { commands } = await wire.ok({ type: "get_commands", sessionId: id });
    assert(Array.isArray(commands) && commands.some((one) => at(one, "name") === "llama"));
    // As in pi's RPC mode: its menu needs a terminal.
    await wire.ok({ type: "prompt", sessionId: id, message: "/llama" });
    const notice = await wire.event(id, "extension_ui_request");
    assertEquals(stringAt(notice, "event", "message"), "/llama is available in interactive mode");
    // A login that is gone counts for the next session, and the provider offers nothing any more.
    await Deno.writeTextFile(`${agentDir}/auth.json`, "{}");
    const later = await bench.session(wire);
    assert(!(await providers(wire, { sessionId: later.id })).has(LOCAL.provider));
    const loaded = await wire.ok({ type: "get_state", sessionId: later.id });
    assertEquals(arrayAt({ errors: loaded.extensionErrors ?? [] }, "errors"), []);
  },
  undefined,
  ON_1_6 ? undefined : "needs pi 1.6",
);
