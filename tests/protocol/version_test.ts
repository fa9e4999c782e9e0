// The version constants against what they name: deno.json and the pi that is installed; and negotiation.
import { assertEquals } from "@std/assert";
import { PI_PACKAGES } from "../../src/protocol/pi_package.ts";
import { negotiate, PROTOCOL_VERSION, SERVER_VERSION } from "../../src/protocol/version.ts";
import { objectAt, stringAt } from "../support/base/json.ts";

async function json(path: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(new URL(`../../${path}`, import.meta.url)));
}

Deno.test("version: the server's version is that of deno.json", async () => {
  assertEquals(stringAt(await json("deno.json"), "version"), SERVER_VERSION);
});

Deno.test("version: the packages of both engines are those that deno.json pins and that are installed", async () => {
  for (const { package: name, version } of Object.values(PI_PACKAGES)) {
    const pinned = stringAt(objectAt(await json("deno.json"), "imports"), name);
    assertEquals(pinned, `npm:${name}@${version}`);
    const installed = await json(`node_modules/${name}/package.json`);
    assertEquals([stringAt(installed, "name"), stringAt(installed, "version")], [name, version]);
  }
});

Deno.test("version: any minor of our major is met with our version", () => {
  assertEquals(PROTOCOL_VERSION, "1.0");
  assertEquals(negotiate(undefined), "1.0");
  for (const offered of [["1.0"], ["1.7"], ["2.0", "1.3"], ["0.9", "3.1", "1.0"]]) {
    assertEquals(negotiate(offered), "1.0", offered.join());
  }
});

Deno.test("version: without our major nothing is agreed", () => {
  for (const offered of [[], ["2.0"], ["10.0"], ["0.1"], ["11.1", "01.0"]]) {
    assertEquals(negotiate(offered), undefined, offered.join());
  }
});
