// Virtual models of pi 1.6: an extension registers one, a client chooses it, and each answer names the model that gave it.
import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { ANTHROPIC, OPENAI, text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, settled } from "../suite.ts";

const VIRTUAL = { provider: "router", modelId: "auto" };
/** Routes a message with "hard" in it to one provider, and all others to the other. */
const ROUTER = `export default (pi) => pi.registerVirtualModel({
  provider: "router", id: "auto", name: "Auto", thinkingLevels: ["low", "high"],
  route(request, ctx) {
    const said = JSON.stringify(request.messages.filter(({ role }) => role === "user").at(-1));
    const [provider, id] = said.includes("hard")
      ? ${JSON.stringify([ANTHROPIC.provider, ANTHROPIC.modelId])}
      : ${JSON.stringify([OPENAI.provider, OPENAI.modelId])};
    return { model: ctx.modelRegistry.find(provider, id), thinkingLevel: "low", state: { calls: (request.state?.calls ?? 0) + 1 } };
  },
});`;

async function modelOf(wire: Wire, sessionId: string): Promise<JsonObject> {
  const { model } = await wire.ok({ type: "get_state", sessionId }, 60_000);
  return { provider: at(model, "provider") ?? null, modelId: at(model, "id") ?? null };
}

alone(
  "virtual models: a client chooses one, and answers, costs and files name the models behind it",
  async (bench) => {
    await bench.home.extension("router", ROUTER);
    await bench.start(["--root", bench.home.agentDir]);
    let wire: Wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const { models } = await wire.ok({ type: "get_available_models", sessionId: id });
    assert(Array.isArray(models) && models.some((model) => at(model, "provider") === "router"));
    await wire.ok({ type: "set_model", sessionId: id, ...VIRTUAL });
    assertEquals(
      arrayAt(await wire.ok({ type: "get_available_thinking_levels", sessionId: id }), "levels"),
      ["low", "high"],
    );
    bench.model.script("easy-x", text(["from one"]));
    bench.model.script("hard-x", text(["from the other"]));
    assertEquals((await settled(wire, id, "easy-x")).text, "from one");
    assertEquals((await settled(wire, id, "hard-x")).text, "from the other");
    assertEquals([(await bench.model.request("easy-x")).api, (await bench.model.request("hard-x")).api], [
      "openai",
      "anthropic",
    ]);
    assertEquals(await modelOf(wire, id), VIRTUAL);
    const answers = arrayAt(await wire.ok({ type: "get_messages", sessionId: id }), "messages")
      .filter((message) => at(message, "role") === "assistant");
    assertEquals(answers.map((message) => at(message, "provider")), [OPENAI.provider, ANTHROPIC.provider]);
    const stats = await wire.ok({ type: "get_session_stats", sessionId: id });
    assert(Number(stats.cost) > 0);
    // The router's state is an entry of the session.
    const kept = wire.events(id).filter((event) => event.type === "entry_appended");
    assertEquals(kept.map((event) => at(event, "entry", "data", "state", "calls")), [1, 2]);
    const { sessionFile } = await wire.ok({ type: "get_state", sessionId: id });
    // Over a restart the record has the choice, and a file that another server wrote has it as well.
    await bench.judge();
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0);
    await bench.start(["--root", bench.home.agentDir]);
    wire = await bench.connect();
    assertEquals(await modelOf(wire, id), VIRTUAL);
    await wire.ok({ type: "delete_session", sessionId: id });
    const loaded = await wire.ok({ type: "load_session", sessionPath: String(sessionFile) }, 60_000);
    assertEquals(at(loaded, "sessionInfo", "extensionErrors"), undefined);
    assertEquals(await modelOf(wire, stringAt(loaded, "sessionId")), VIRTUAL);
    bench.model.script("easy again", text(["still"]));
    assertEquals((await settled(wire, stringAt(loaded, "sessionId"), "easy again")).text, "still");
    // Without its extension the session goes on with the model that answered last, and says so.
    await bench.judge();
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0);
    await Deno.remove(`${bench.home.agentDir}/extensions`, { recursive: true });
    await bench.start(["--root", bench.home.agentDir, "--no-restore"]);
    wire = await bench.connect();
    const gone = await wire.ok(
      { type: "load_session", sessionId: "gone", sessionPath: String(sessionFile) },
      60_000,
    );
    assertEquals(await modelOf(wire, "gone"), OPENAI);
    const told = arrayAt(gone, "sessionInfo", "extensionErrors").find((one) => at(one, "event") === "model");
    assert(stringAt(told, "error").includes("router/auto"), JSON.stringify(gone));
  },
  undefined,
  ON_1_6 ? undefined : "needs pi 1.6",
);
