// What pi's own settings name outside of pi's folder: packages in npm's global folder (`pi install npm:…`), a package
// and an extension somewhere else. Sessions may read them, in Deno's sandbox too, and nothing beside them.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, objectAt, stringAt } from "../../support/base/json.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

/** An extension that registers a command of that name, and tells in its description what it could read. */
const EXTENSION = (name: string, reads = ""): string => `
import * as fs from "node:fs";
import { word } from "../word.ts";
export default function (pi) {
  let shown = word;
  if (${JSON.stringify(reads)} !== "") {
    try { shown = fs.readFileSync(${JSON.stringify(reads)}, "utf8"); } catch { shown = "denied"; }
  }
  pi.registerCommand(${JSON.stringify(name)}, { description: shown, handler: async () => {} });
}
`;

async function writePackage(folder: string, name: string, code: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const manifest = { name, version: "1.0.0", pi: { extensions: ["./index.ts"] } };
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify(manifest));
  await Deno.writeTextFile(`${folder}/index.ts`, code);
  await Deno.writeTextFile(`${folder}/word.ts`, `export const word = "read";\n`);
}

/** Descriptions of the commands that extensions have registered. */
async function described(bench: Bench): Promise<Map<string, string>> {
  const wire = await bench.connect();
  const { id } = await bench.session(wire, { inMemory: true });
  const { commands } = await wire.ok({ type: "get_commands", sessionId: id });
  return new Map(
    // pi 1.6 has extensions of its own in every session.
    arrayAt({ commands }, "commands").map((command) => objectAt(command)).filter((command) =>
      command.source === "extension" && at(command, "sourceInfo", "source") !== "builtin"
    )
      .map((command) => [stringAt(command, "name"), String(command.description)]),
  );
}

alone(
  "user packages: what pi's settings name is found in npm's folder and elsewhere, and nothing beside it",
  async (bench) => {
    const { dir, agentDir } = bench.home;
    const prefix = `${dir}/npm`;
    await Deno.writeTextFile(`${dir}/beside.txt`, "beside");
    await writePackage(`${prefix}/lib/node_modules/pi-of-npm`, "pi-of-npm", EXTENSION("of-npm"));
    await writePackage(`${dir}/mine/package`, "mine", EXTENSION("of-mine", `${dir}/beside.txt`));
    await writePackage(`${dir}/mine/single`, "single", EXTENSION("of-single"));
    const settings = {
      packages: ["npm:pi-of-npm", "../mine/package", "npm:pi-that-is-not-there"],
      extensions: ["~/mine/single/index.ts"],
    };
    await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings));
    await bench.start([], { env: { npm_config_prefix: prefix } });
    const commands = await described(bench);
    assertEquals(Object.fromEntries(commands), {
      "of-npm": "read",
      "of-mine": TARGET === "node" ? "beside" : "denied",
      "of-single": "read",
    });
  },
);

alone("user packages: a worker asks npm for its folder once, however many sessions load", async (bench) => {
  const { dir, agentDir } = bench.home;
  await writePackage(`${dir}/npm/pi-of-npm`, "pi-of-npm", EXTENSION("of-npm"));
  await Deno.writeTextFile(`${dir}/npm.sh`, `echo "$@" >> ${dir}/asked\necho ${dir}/npm\n`);
  const settings = { packages: ["npm:pi-of-npm"], npmCommand: ["sh", `${dir}/npm.sh`] };
  await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings));
  await bench.start();
  for (const _ of ["first", "second"]) assertEquals((await described(bench)).get("of-npm"), "read");
  const asked = (await Deno.readTextFile(`${dir}/asked`)).trim().split("\n");
  // In Deno's sandbox the server asks too, at its start.
  assertEquals(asked, Array.from({ length: TARGET === "node" ? 1 : 2 }, () => "root -g"));
});

alone(
  "user packages: where npm cannot be asked, the log and the answer name what was tried",
  async (bench) => {
    const { dir, agentDir } = bench.home;
    const settings = { packages: ["npm:pi-of-npm"], npmCommand: [`${dir}/no-such-npm`] };
    await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings));
    await bench.start();
    const wire = await bench.connect();
    const create = { type: "create_session", inMemory: true };
    // The newer pi goes on without the package.
    if (ON_1_6) await wire.ok(create, 60_000);
    else {assertStringIncludes(
        String((await wire.refused("agent_error", create, 60_000)).error),
        "no-such-npm",
      );}
    if (TARGET !== "node") assertStringIncludes(bench.server.stderr, "npm's global folder is not known");
  },
);

alone(
  "user packages: what settings name after the start is refused with the next step",
  async (bench) => {
    const { dir, agentDir } = bench.home;
    await bench.start();
    await writePackage(`${dir}/later`, "later", EXTENSION("of-later"));
    await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify({ packages: ["../later"] }));
    const wire = await bench.connect();
    const refused = await wire.refused("agent_error", { type: "create_session", inMemory: true }, 60_000);
    assertStringIncludes(String(refused.error), "restart the server if pi's settings have changed");
  },
  undefined,
  TARGET === "node" ? "Node has no sandbox" : undefined,
);

alone(
  "sandbox: in a home that sessions may not read, they are built, prompted and looked at",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    // pi looks for logins of other tools once its modules are there, which takes the first session a moment.
    for (let round = 0; round < 3; round++) {
      const { id } = await bench.session(wire);
      await wire.ok({ type: "get_available_models", sessionId: id });
      assertEquals(typeof (await settled(wire, id, "hello")).text, "string");
    }
  },
);
