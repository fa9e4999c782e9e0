// Extensions and trust (docs/PROTOCOL.md#paths-and-trust): what is loaded and what isn't, tools they bring, dialogs that are
// cancelled until dialogs are built, and what they print.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject } from "../../support/base/json.ts";
import { calls, hang, text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import { alone, type Bench, settled, shared } from "../suite.ts";

/** A user's extension: a tool, and commands that ask, fail and try to end everything. */
const USER_EXTENSION = `
import { writeFileSync } from "node:fs";
import { join } from "node:path";
export default function (pi) {
  console.log("NOISE at load");
  pi.registerTool({
    name: "stamp", label: "Stamp", description: "Stamps a word",
    parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"] },
    async execute(_id, params) {
      console.log("NOISE in a tool");
      process.stdout.write("NOISE raw\\n");
      return { content: [{ type: "text", text: "stamped " + params.word }], details: {} };
    },
  });
  pi.registerCommand("ask", {
    description: "Asks four times",
    handler: async (_args, ctx) => {
      const answers = {
        select: String(await ctx.ui.select("Pick", ["A", "B"])),
        confirm: String(await ctx.ui.confirm("Sure?", "Really?")),
        input: String(await ctx.ui.input("Name", "who")),
        editor: String(await ctx.ui.editor("Text", "prefill")),
      };
      console.error("asked");
      writeFileSync(join(ctx.cwd, "answers.json"), JSON.stringify(answers));
    },
  });
  pi.registerCommand("fails", { description: "Throws", handler: async () => { throw new Error("broken command"); } });
  pi.registerCommand("quit", { description: "Exits", handler: async () => { process.exit(3); } });
  pi.registerCommand("bye", { description: "Asks to shut down", handler: async (_args, ctx) => { ctx.shutdown(); } });
  pi.registerCommand("late", {
    description: "Fails later",
    handler: async () => {
      Promise.reject(new Error("late rejection"));
      setTimeout(() => { throw new Error("late throw"); }, 1);
    },
  });
}
`;

const withUserExtension = (bench: Bench): Promise<void> => bench.home.extension("user", USER_EXTENSION);

const test = shared([], withUserExtension);

/** A folder with a project extension that leaves a mark when it is loaded, and project settings. */
async function project(bench: Bench): Promise<{ cwd: string; loaded: () => Promise<boolean> }> {
  const cwd = await bench.home.folder(bench.name("project"));
  const marker = `${cwd}/loaded.txt`;
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(
    `${cwd}/.pi/extensions/x.ts`,
    `import { writeFileSync } from "node:fs";
writeFileSync(${JSON.stringify(marker)}, "loaded");
export default function (pi) { writeFileSync(${JSON.stringify(marker)}, "called"); }`,
  );
  await Deno.writeTextFile(
    `${cwd}/.pi/settings.json`,
    JSON.stringify({ shellCommandPrefix: "echo PREFIXED;" }),
  );
  const loaded = () => Deno.stat(marker).then(() => true, () => false);
  return { cwd, loaded };
}

test("trust: an untrusted project's extension and settings are not loaded, and it says so", async (bench) => {
  const wire = await bench.connect();
  const { cwd, loaded } = await project(bench);
  const data = await wire.ok({ type: "create_session", cwd });
  const untrusted = arrayAt(data, "sessionInfo", "untrusted");
  assert(untrusted.length > 0);
  assertStringIncludes(JSON.stringify(untrusted), ".pi");
  const id = String(data.sessionId);
  assertEquals((await wire.ok({ type: "bash", sessionId: id, command: "echo plain" })).output, "plain\n");
  const marker = bench.name("untrusted");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, id, marker);
  assertEquals(await loaded(), false, "the project's extension was run");
  assertEquals(arrayAt(await wire.ok({ type: "get_state", sessionId: id }), "untrusted"), untrusted);
  const explicit = await wire.ok({ type: "create_session", cwd, trustProject: false });
  assert(arrayAt(explicit, "sessionInfo", "untrusted").length > 0);
  assertEquals(await loaded(), false);
});

test("trust: with trustProject the project's extension and settings are loaded", async (bench) => {
  const wire = await bench.connect();
  const { cwd, loaded } = await project(bench);
  const data = await wire.ok({ type: "create_session", cwd, trustProject: true });
  assertEquals(await loaded(), true);
  assertEquals(at(data, "sessionInfo", "untrusted"), undefined);
  const id = String(data.sessionId);
  assertEquals(
    (await wire.ok({ type: "bash", sessionId: id, command: "echo plain" })).output,
    "PREFIXED\nplain\n",
  );
});

alone("trust: --trust-projects trusts every folder", async (bench) => {
  await bench.start(["--trust-projects"]);
  const wire = await bench.connect();
  const { cwd, loaded } = await project(bench);
  await wire.ok({ type: "create_session", cwd });
  assertEquals(await loaded(), true);
});

test("a user's extension is loaded: its tool works, also in an untrusted project", async (bench) => {
  const wire = await bench.connect();
  const { cwd } = await project(bench);
  const { id } = await bench.watched(wire, { cwd });
  const marker = bench.name("stamp");
  bench.model.script(marker, calls([{ name: "stamp", args: { word: "blue" } }]), text(["stamped it"]));
  await settled(wire, id, marker);
  assertEquals((await bench.model.request(marker, 1)).toolResults, ["stamped blue"]);
});

test("a slash command answers handled; one that throws is reported, and the session lives", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  await wire.ok({ type: "prompt", sessionId: id, message: "/fails" }).catch(() => undefined);
  const event = await wire.event(id, "extension_error");
  assertStringIncludes(JSON.stringify(event), "broken command");
  await wire.refused("invalid_params", { type: "steer", sessionId: id, message: "/ask" });
  await wire.refused("invalid_params", { type: "follow_up", sessionId: id, message: "/ask" });
  await wire.ok({ type: "get_state", sessionId: id });
});

test("an extension that can't be loaded is an event or a warning, and the session works", async (bench) => {
  const wire = await bench.connect();
  const { cwd } = await project(bench);
  await Deno.writeTextFile(
    `${cwd}/.pi/extensions/broken.ts`,
    "export default function (pi) { throw new Error('no'); }",
  );
  const data = await wire.ok({ type: "create_session", cwd, trustProject: true });
  const marker = bench.name("broken");
  bench.model.script(marker, text(["works"]));
  assertEquals((await settled(wire, String(data.sessionId), marker)).text, "works");
});

alone("what extensions print never reaches stdout", async (bench) => {
  await withUserExtension(bench);
  const wire = await bench.startStdio();
  const { id } = await bench.watched(wire);
  const marker = bench.name("noise");
  bench.model.script(marker, calls([{ name: "stamp", args: { word: "red" } }]), text(["quiet"]));
  await settled(wire, id, marker);
  // The checker refuses every line that is not a protocol message; the noise must be on stderr instead.
  await wire.close();
  assertEquals(await bench.server.exitCode(), 0);
  for (const noise of ["NOISE at load", "NOISE in a tool", "NOISE raw"]) {
    assertStringIncludes(bench.server.stderr, noise);
  }
});

test("a slash command runs while the session is busy", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.watched(wire);
  const marker = bench.name("busy");
  bench.model.script(marker, hang());
  await wire.ok({ type: "prompt", sessionId: id, message: marker });
  await wire.event(id, "message_update");
  assertEquals(await wire.ok({ type: "prompt", sessionId: id, message: "/ask" }), { disposition: "handled" });
  // Its four dialogs, one after the other, while the turn goes on.
  const seen = new Set<string>();
  while (seen.size < 4) {
    const unseen = (event: JsonObject) => !seen.has(String(event.requestId));
    const requestId = String(at(await wire.event(id, "extension_ui_request", unseen), "event", "requestId"));
    seen.add(requestId);
    await wire.ok({
      type: "extension_ui_response",
      sessionId: id,
      requestId,
      response: { method: "cancelled" },
    });
  }
  // The file is there, and empty, a moment before its text is.
  const answers = await until(
    async () => (await Deno.readTextFile(`${cwd}/answers.json`).catch(() => "")) || undefined,
    5000,
    () => "the command's file",
  );
  assertEquals(JSON.parse(String(answers)), {
    select: "undefined",
    confirm: "false",
    input: "undefined",
    editor: "undefined",
  });
  await wire.ok({ type: "abort", sessionId: id });
  await wire.event(id, "agent_settled");
});

for (const [command, what] of [["quit", "process.exit"], ["bye", "ctx.shutdown"], ["late", "late errors"]]) {
  test(`an extension's ${what} ends neither server nor session`, async (bench) => {
    const wire = await bench.connect();
    const other = await bench.connect("other");
    const { id } = await bench.watched(wire);
    const bystander = await bench.watched(other);
    const response = await wire.request({
      type: "prompt",
      sessionId: id,
      message: `/${command}`,
      waitFor: "settled",
    });
    assertEquals(response.type, "response");
    const marker = bench.name("after");
    bench.model.script(marker, text(["both"]), text(["live"]));
    assertEquals((await settled(wire, id, marker)).text, "both");
    assertEquals((await settled(other, bystander.id, marker)).text, "live");
  });
}

test("session_start handlers run after create answered; the mailbox waits for them, reads don't", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const { cwd } = await project(bench);
  await Deno.writeTextFile(
    `${cwd}/.pi/extensions/slow.ts`,
    `import { existsSync, writeFileSync } from "node:fs";
export default function (pi) {
  pi.on("session_start", async () => {
    writeFileSync("${cwd}/begun", "");
    while (!existsSync("${cwd}/go")) await new Promise((resolve) => setTimeout(resolve, 5));
    writeFileSync("${cwd}/started", "");
  });
}`,
  );
  const { id } = await bench.session(wire, { cwd, trustProject: true });
  await until(() => Deno.stat(`${cwd}/begun`).catch(() => undefined), 5000, () => "the handler to begin");
  wire.send({ type: "bash", id: "b", sessionId: id, command: "ls started" });
  assertEquals((await other.ok({ type: "get_state", sessionId: id })).sessionId, id);
  assertEquals(wire.messages.some((message) => message.id === "b"), false);
  await Deno.writeTextFile(`${cwd}/go`, "");
  assertEquals(at(await wire.response("b"), "data", "output"), "PREFIXED\nstarted\n");
});
