// Both engines are held to each other without being started: the same exports, one import map for the types of 1.6 that
// differs in pi alone, and one copy of each package of pi in the lock file.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { conformancePaths } from "../scripts/test/test.ts";
import { PI_PACKAGES } from "../src/protocol/pi_package.ts";

interface Config {
  imports: Record<string, string>;
  compilerOptions: Record<string, unknown>;
  unstable: string[];
}

const textOf = (path: string): Promise<string> => Deno.readTextFile(new URL(`../${path}`, import.meta.url));
const configOf = async (path: string): Promise<Config> => JSON.parse(await textOf(path));

const PACKAGE = "@mariozechner/pi-coding-agent";
const AI = "@mariozechner/pi-ai";
const ENGINE = "./src/worker/pi/sdk/sdk_0_73.ts";

Deno.test("engines: the import map for the types of 1.6 differs in pi alone", async () => {
  const [ours, types] = [await configOf("deno.json"), await configOf("deno.types-1.6.json")];
  const { [PACKAGE]: pi = "", [AI]: ai = "", ...others } = ours.imports;
  const moved = { "of-0.73/pi-ai": ai, "of-0.73/pi-coding-agent": pi };
  const { package: name, version } = PI_PACKAGES["1.6"];
  assertEquals(types.imports, {
    ...others,
    ...moved,
    [AI]: `npm:@earendil-works/pi-ai@${version}/compat`,
    [PACKAGE]: `npm:${name}@${version}`,
    [ENGINE]: "./src/worker/pi/sdk/sdk_1_6.ts",
  });
  assertEquals([types.compilerOptions, types.unstable], [ours.compilerOptions, ours.unstable]);
});

Deno.test("engines: the files of both engines export the same names, and the door hands on all of them", async () => {
  const exports = (text: string) =>
    [...text.matchAll(/^export (?:async )?(?:const|function|class|interface|type) (\w+)/gm)]
      .map(([, name = ""]) => name);
  const [older, newer, door] = await Promise.all(
    ["sdk/sdk_0_73.ts", "sdk/sdk_1_6.ts", "sdk/sdk.ts"].map(async (file) =>
      [...new Set(exports(await textOf(`src/worker/pi/${file}`)))].sort()
    ),
  );
  assert(older !== undefined && older.length > 0);
  assertEquals(newer, older);
  assertEquals(door, older);
});

Deno.test("engines: the lock file holds one copy of each package of pi 1.6", async () => {
  const { npm } = JSON.parse(await textOf("deno.lock")) as { npm: Record<string, unknown> };
  const names = Object.keys(npm).filter((name) => name.startsWith("@earendil-works/"));
  for (const name of names) assertMatch(name, /@1\.6\.0(?:_|$)/);
  const packages = names.map((name) => name.replace(/@1\.6\.0.*$/, ""));
  assertEquals(packages, [...new Set(packages)]);
});

Deno.test("engines: docs/PI.md names each test that expects something else on pi 1.6, and no other", async () => {
  const tests: string[] = [];
  for (const [name, file] of conformancePaths()) {
    if ((await textOf(file)).includes("ON_1_6")) tests.push(`${name}_test.ts`);
  }
  const [, table = ""] = (await textOf("docs/PI.md")).split("## What the tests expect of each engine");
  const [rows = ""] = table.split("\n## ");
  assertEquals([...rows.matchAll(/`(\w+_test\.ts)`/g)].map(([, name]) => name).sort(), tests.sort());
});
