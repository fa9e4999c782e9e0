// An extension package with modules of every kind, as npm lays them out: CommonJS with and without a type, JSON, ES
// modules that import CommonJS by default, a dependency that is required at run time. Every build loads them alike.

import { assert, assertEquals } from "@std/assert";
import { arrayAt, at, stringAt } from "../../support/base/json.ts";
import { calls, text } from "../../support/model/model_server.ts";
import { TARGET } from "../../support/server/server_process.ts";
import { alone, settled } from "../suite.ts";

const FILES: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({
    name: "pk",
    version: "1.2.3",
    type: "module",
    pi: { extensions: ["./index.ts"] },
  }),
  "index.ts": `
    import { createRequire } from "node:module";
    import plain from "plain-cjs";
    import { fromCjs, nested } from "esm-dep";
    import data from "./data.json";
    import * as helper from "./helper.js";
    const require = createRequire(import.meta.url);
    const words: string[] = [
      require("./package.json").version, plain("x"), fromCjs, nested, data.word, helper.word,
      require("plain-cjs/lib/late.js").word, require("./script.cjs").word,
    ];
    export default function (pi: any) {
      pi.registerCommand("modules", { description: words.join(" "), handler: async () => {} });
      pi.registerTool({
        name: "modules", label: "modules", description: "Says what was loaded",
        parameters: { type: "object", properties: {} },
        async execute() {
          const late = await import("esm-dep/late");
          return { content: [{ type: "text", text: [...words, late.word].join(" ") }], details: {} };
        },
      });
    }`,
  "data.json": '{"word": "json"}',
  "helper.js": 'import { sep } from "node:path";\nexport const word = sep === "" ? "" : "helper";',
  "script.cjs": 'const path = require("node:path"); exports.word = path.basename(__filename);',
  "node_modules/plain-cjs/package.json": '{"name": "plain-cjs", "version": "1.0.0", "main": "lib/index.js"}',
  "node_modules/plain-cjs/lib/index.js":
    'const { end } = require("./end"); module.exports = (word) => word + end;',
  "node_modules/plain-cjs/lib/end.js": 'exports.end = "-plain";',
  "node_modules/plain-cjs/lib/late.js": 'exports.word = require("../package.json").name;',
  "node_modules/esm-dep/package.json": JSON.stringify({
    name: "esm-dep",
    version: "1.0.0",
    type: "module",
    exports: { ".": "./index.mjs", "./late": "./late.js" },
  }),
  "node_modules/esm-dep/index.mjs": `
    import { EventEmitter } from "node:events";
    import { Readable } from "node:stream";
    import inner from "./inner.cjs";
    import plain from "plain-cjs";
    // Both modules are functions that hold their exports.
    class Own extends EventEmitter {}
    class Source extends Readable {}
    export const fromCjs = inner.word;
    export const nested = plain(new Own() instanceof EventEmitter && new Source() instanceof Readable ? "n" : "");`,
  "node_modules/esm-dep/inner.cjs": 'module.exports = { word: "inner" };',
  "node_modules/esm-dep/late.js": 'export const word = "late";',
};
const LOADED = "1.2.3 x-plain inner n-plain json helper plain-cjs script.cjs";

alone(
  "package modules: CommonJS, JSON and ES modules of a package load, also after a restart",
  async (bench) => {
    const folder = `${bench.home.agentDir}/extensions/pk`;
    for (const [name, content] of Object.entries(FILES)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, content);
    }
    for (const start of ["first", "second"]) {
      await bench.start();
      const wire = await bench.connect();
      const { id, info } = await bench.session(wire, { inMemory: true });
      assertEquals(at(info, "sessionInfo", "extensionErrors"), undefined);
      const commands = arrayAt(await wire.ok({ type: "get_commands", sessionId: id }), "commands");
      assertEquals(stringAt(commands.find((one) => at(one, "name") === "modules"), "description"), LOADED);
      const marker = bench.name(start);
      bench.model.script(marker, calls([{ name: "modules", args: {} }]), text(["done"]));
      assertEquals((await settled(wire, id, marker)).text, "done");
      assertEquals((await bench.model.request(marker, 1)).toolResults, [`${LOADED} late`]);
      await bench.judge();
      bench.server.signal("SIGTERM");
      assertEquals(await bench.server.exitCode(), 0);
    }
    // The builds keep what they have compiled where the user alone may write; the sources leave that to pi.
    if (TARGET === "sources") return;
    const compiled = [...Deno.readDirSync(`${bench.home.agentDir}/cache/pi-server-compiled`)].map((
      { name },
    ) => name);
    assert(compiled.some((name) => name.startsWith("pk-index")), compiled.join());
  },
);
