// Optimistic concurrency (docs/PROTOCOL.md#safe-retries): every mutating command that succeeds adds one to `sessionVersion`, every
// response of a session tells it, and a command that expects another version does not run. Every command of
// the schema is tried, with its case of the command table.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, brief, type JsonObject, numberAt, objectAt } from "../../support/base/json.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { text } from "../../support/model/model_server.ts";
import { reborn } from "../../support/server/restart.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { CASES } from "../cases.ts";
import { alone, type Bench, listed, shared } from "../suite.ts";

/** Commands of a session that change nothing of it. */
const READS = /^(get_|list_|switch_session$|export_html$|extension_ui_response$)/;

/** What a refused command leaves as it was: all of the state except the time of the last try. */
function standing({ lastActivityAt: _, ...rest }: JsonObject): JsonObject {
  return rest;
}

const state = (wire: Wire, sessionId: string): Promise<JsonObject> =>
  wire.ok({ type: "get_state", sessionId });

const versioned = shared([], async (bench) => {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  await Deno.mkdir(`${bench.home.agentDir}/sessions`);
});

async function start(bench: Bench): Promise<Bench> {
  await installDialogs(`${bench.home.agentDir}/extensions`);
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  await bench.start(["--root", sessions]);
  return bench;
}

/** Commands of the schema that take `ifSessionVersion`, each as a good command for a fresh session. */
async function* commands(bench: Bench, wire: Wire): AsyncGenerator<JsonObject & { type: string }> {
  const schema = objectAt(await wire.ok({ type: "get_schema" }), "schema");
  for (const type of arrayAt(schema, "commands").map(String)) {
    if (at(schema, "$defs", type, "properties", "ifSessionVersion") === undefined) continue;
    const { id, cwd } = await bench.watched(wire);
    const fields = await CASES.get(type)?.good({ bench, wire, id, cwd }) ?? {};
    yield { type, sessionId: id, ...fields };
    for (const sessionId of await listed(wire)) await wire.ok({ type: "delete_session", sessionId });
  }
}

alone(
  "versions: a command for another version is version_conflict, whichever it is, and nothing ran",
  async (bench) => {
    const wire = await (await start(bench)).connect();
    let tried = 0;
    for await (const command of commands(bench, wire)) {
      const sessionId = String(command.sessionId);
      const before = await state(wire, sessionId);
      const calls = bench.model.requests.length;
      const ifSessionVersion = numberAt(before, "sessionVersion") + 1;
      const refused = await wire.refused("version_conflict", { ...command, ifSessionVersion });
      assertEquals(
        [refused.retryable, refused.sessionVersion, at(refused, "data", "sessionVersion")],
        [false, before.sessionVersion, before.sessionVersion],
        command.type,
      );
      assertEquals(standing(await state(wire, sessionId)), standing(before), command.type);
      assertEquals(bench.model.requests.length, calls, command.type);
      tried++;
    }
    assert(tried > 40, `${tried} commands were tried`);
  },
);

alone(
  "versions: what changes a session adds one when it succeeds, and a read nothing; both tell it",
  async (bench) => {
    const wire = await (await start(bench)).connect();
    for await (const command of commands(bench, wire)) {
      const sessionId = String(command.sessionId);
      const ifSessionVersion = numberAt(await state(wire, sessionId), "sessionVersion");
      const response = await wire.request({ ...command, ifSessionVersion }, 60_000);
      assertEquals(response.success, true, brief(response));
      const after = READS.test(command.type) ? ifSessionVersion : ifSessionVersion + 1;
      assertEquals(response.sessionVersion, after, command.type);
      if (command.type === "delete_session") continue;
      assertEquals((await state(wire, sessionId)).sessionVersion, after, command.type);
    }
  },
);

versioned(
  "versions: of two changes to the same version one wins, and the other gets a conflict",
  async (bench) => {
    const [a, b] = [await bench.connect("a"), await bench.connect("b")];
    const { id } = await bench.session(a);
    const name = (wire: Wire, name: string) =>
      wire.request({ type: "set_session_name", sessionId: id, name, ifSessionVersion: 0 });
    const [one, two] = await Promise.all([name(a, "from a"), name(b, "from b")]);
    assertEquals([one.success, two.success].sort(), [false, true]);
    const lost = one.success ? two : one;
    assertEquals([lost.code, lost.sessionVersion, at(lost, "data", "sessionVersion")], [
      "version_conflict",
      1,
      1,
    ]);
    const { sessionName } = await state(a, id);
    assertEquals(sessionName, one.success ? "from a" : "from b");
  },
);

versioned(
  "versions: created and loaded sessions begin at 0, and failures and subscriptions add nothing",
  async (bench) => {
    const wire = await bench.connect();
    const created = await wire.request({ type: "create_session", inMemory: true });
    const id = String(created.sessionId ?? at(created, "data", "sessionId"));
    assertEquals(created.sessionVersion, 0);
    await wire.refused("model_not_found", {
      type: "set_model",
      sessionId: id,
      provider: "no",
      modelId: "no",
    });
    for (const type of ["subscribe", "switch_session", "get_state"]) {
      assertEquals((await wire.request({ type, sessionId: id })).sessionVersion, 0, type);
    }
    const marker = bench.name("settle");
    bench.model.script(marker, text(["ok"]));
    const prompt = { type: "prompt", sessionId: id, message: marker, waitFor: "settled" };
    assertEquals((await wire.request(prompt)).sessionVersion, 1);
  },
);

versioned("versions: a session that is not deleted at its version goes on", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  await wire.refused("version_conflict", { type: "delete_session", sessionId: id, ifSessionVersion: 1 });
  await wire.ok({ type: "set_session_name", sessionId: id, name: "alive" });
  await wire.ok({ type: "delete_session", sessionId: id, ifSessionVersion: 1 });
  await wire.refused("session_not_found", { type: "get_state", sessionId: id });
});

alone(
  "versions: a kill takes back none that a client saw; another session of that id begins at 0",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push((await bench.session(wire)).id);
    const [gone = ""] = ids;
    await wire.ok({ type: "set_session_name", sessionId: gone, name: "gone" });
    await wire.ok({ type: "delete_session", sessionId: gone });
    await wire.ok({ type: "create_session", sessionId: gone });
    // Nothing of these needs to be on disk for its own sake, so their answers wait for no record.
    const asked = ids.slice(1).flatMap((sessionId) =>
      Array.from(
        { length: 4 },
        () => wire.request({ type: "clear_queue", sessionId, idempotencyKey: crypto.randomUUID() }),
      )
    );
    for (const { success } of await Promise.all(asked)) {
      assert(success);
    }
    const after = await reborn(bench);
    for (const sessionId of ids) {
      assertEquals((await state(after, sessionId)).sessionVersion, sessionId === gone ? 0 : 4, sessionId);
    }
    await after.refused("version_conflict", {
      type: "bash",
      sessionId: gone,
      command: "true",
      ifSessionVersion: 1,
    });
  },
);
