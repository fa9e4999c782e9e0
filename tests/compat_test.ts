// The newer pi of compat/ is held to the default without being fetched: one import map that differs in pi alone,
// stand-ins of the same shape, one version. That it works is for `deno task test:next`.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { PI } from "../src/protocol/version.ts";
import { PI as NEXT } from "../compat/pi_package.ts";

interface Config {
  imports: Record<string, string>;
  compilerOptions: Record<string, unknown>;
}

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const textOf = (path: string): Promise<string> => Deno.readTextFile(at(path));
const configOf = async (path: string): Promise<Config> => JSON.parse(await textOf(path));

const PACKAGE = "@mariozechner/pi-coding-agent";
const OF_PI = [PACKAGE, "@mariozechner/pi-ai"];

/** What a stand-in puts another file in place of. */
function standIns(config: Config): [string, string][] {
  return Object.entries(config.imports).filter(([name]) => name.startsWith("."));
}

Deno.test("compat: the import map differs from the default in pi and in the stand-ins alone", async () => {
  const [ours, next] = [await configOf("deno.json"), await configOf("compat/deno.json")];
  const others = (config: Config) =>
    Object.fromEntries(
      Object.entries(config.imports)
        .filter(([name]) => !OF_PI.includes(name) && !name.startsWith("."))
        // A path inside the project is one step further away.
        .map(([name, target]) => [name, target.replace(/^\.{1,2}\//, "")]),
    );
  assertEquals(others(next), others(ours));
  const options = ({ compilerOptions: { types: _, ...rest } }: Config) => rest;
  assertEquals(options(next), options(ours));
});

Deno.test("compat: both pis are pinned to the versions that the greeting tells", async () => {
  const [ours, next] = [await configOf("deno.json"), await configOf("compat/deno.json")];
  assertEquals(ours.imports[PACKAGE], `npm:${PI.package}@${PI.version}`);
  assertEquals(next.imports[PACKAGE], `npm:${NEXT.package}@${NEXT.version}`);
  for (const { imports } of [ours, next]) {
    for (const name of OF_PI) assertMatch(imports[name] ?? "", /@\d+\.\d+\.\d+(?:\/|$)/);
  }
});

Deno.test("compat: every stand-in exports what the file that it stands in for exports", async () => {
  const exports = (text: string) =>
    [...text.matchAll(/^export (?:async )?(?:const|function|class|interface|type) (\w+)/gm)]
      .map(([, name]) => name)
      .sort();
  const pairs = standIns(await configOf("compat/deno.json"));
  assertEquals(pairs.length, 2);
  for (const [original, standIn] of pairs) {
    const names = exports(await textOf(`compat/${original}`));
    assert(names.length > 0, original);
    assertEquals(exports(await textOf(`compat/${standIn}`)), names, original);
  }
});
