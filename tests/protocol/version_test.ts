// The version constants against what they name: deno.json and the pi that is installed; and negotiation.
import { assertEquals } from "@std/assert";
import { negotiate, PI, PROTOCOL_VERSION, SERVER_VERSION } from "../../src/protocol/version.ts";
import { objectAt, stringAt } from "../support/json.ts";

async function json(path: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(new URL(`../../${path}`, import.meta.url)));
}

Deno.test("version: the server's version is that of deno.json", async () => {
  assertEquals(stringAt(await json("deno.json"), "version"), SERVER_VERSION);
});

Deno.test("version: PI is the version that deno.json pins and that is installed", async () => {
  const pinned = stringAt(objectAt(await json("deno.json"), "imports"), PI.package);
  assertEquals(pinned, `npm:${PI.package}@${PI.version}`);
  const installed = await json(`node_modules/${PI.package}/package.json`);
  assertEquals([stringAt(installed, "name"), stringAt(installed, "version")], [PI.package, PI.version]);
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
