// docs/PROTOCOL.md is held to the server: its reference is what `deno task gen` makes today, every command in it
// would be accepted, and every command and event has an example. Of the sources alone: a build documents the same.

import { assert, assertEquals } from "@std/assert";
import { withDefaults } from "../../../src/governor/limits.ts";
import { Codec } from "../../../src/protocol/codec.ts";
import { COMMANDS } from "../../../src/protocol/schema/commands.ts";
import { EVENT_SCHEMAS, PI_EVENTS, SERVER_EVENTS } from "../../../src/protocol/events.ts";
import { UNSHOWN } from "../../../scripts/gen/gen_protocol.ts";
import { at, brief, isObject, type JsonObject } from "../../support/base/json.ts";
import { jsonBlocks } from "../../support/protocol/protocol_reference.ts";
import { environment, Home, ON_1_6, REPO } from "../../support/server/server_process.ts";
import { conformance, TARGET } from "../suite.ts";

/** Types of messages that only the server sends, beside its events. */
const SERVER_MESSAGES = ["response", "event", "server_ready"];

async function examples(): Promise<JsonObject[]> {
  const page = await Deno.readTextFile(`${REPO}/docs/PROTOCOL.md`);
  return jsonBlocks(page).map((block) => {
    const value: unknown = JSON.parse(block);
    assert(isObject(value), `an example is not an object: ${brief(value)}`);
    return value;
  });
}

function isCommand({ type }: JsonObject): boolean {
  return !SERVER_MESSAGES.includes(String(type)) && !SERVER_EVENTS.includes(String(type));
}

if (TARGET === "sources") {
  conformance("docs: PROTOCOL.md is what `deno task gen` makes", async () => {
    const home = await Home.make();
    try {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", `${REPO}/scripts/gen/gen_protocol.ts`, "--check"],
        cwd: REPO,
        clearEnv: true,
        env: environment(home),
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    } finally {
      await home.remove();
    }
  }, ON_1_6 ? "the page shows pi 0.73" : undefined);

  conformance("docs: the table of commands at a glance names each command once", async () => {
    const page = await Deno.readTextFile(`${REPO}/docs/PROTOCOL.md`);
    const [, section = ""] = page.split("\n### Commands at a glance\n");
    const [table = ""] = section.split("\n#");
    const rows = table.split("\n").filter((line) => line.startsWith("| `"));
    const named = rows.flatMap((row) =>
      [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name)
    );
    assertEquals(named.toSorted(), [...COMMANDS.keys()].toSorted());
  });

  conformance("docs: every command on the page is accepted, and none is missing", async () => {
    const codec = new Codec(withDefaults());
    const seen = new Set<string>();
    for (const example of (await examples()).filter(isCommand)) {
      const decoded = codec.decode(JSON.stringify(example));
      assert(decoded.ok, `${brief(example)}: ${decoded.ok ? "" : decoded.failure.message}`);
      seen.add(decoded.command.type);
    }
    assertEquals([...COMMANDS.keys()].filter((name) => !seen.has(name)), []);
  });

  conformance("docs: every command has a response and every event an example", async () => {
    const all = await examples();
    const responses = new Set(all.filter(({ success }) => success === true).map(({ command }) => command));
    assertEquals([...COMMANDS.keys()].filter((name) => !responses.has(name)), []);
    const events = new Set(all.map((example) => at(example, "event", "type") ?? example.type));
    const types = [...PI_EVENTS, ...Object.keys(EVENT_SCHEMAS), ...SERVER_EVENTS];
    assertEquals(types.filter((type) => !events.has(type) && !UNSHOWN.includes(type)), []);
  });
}
