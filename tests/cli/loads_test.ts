// What a subcommand loads: the client of the protocol, and nothing of the server, the worker or pi. The builds are
// checked for the same by scripts/build/bundle.ts.
import { assert, assertEquals } from "@std/assert";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const FOREIGN =
  /^src\/(?:server|worker|ipc)\/|^src\/cli\/main\.ts$|^(?:npm:)?@(?:mariozechner|earendil-works)\/pi-(?!tui)/;

/** Files and packages that a module imports before it runs; types are erased, and dynamic imports come later. */
async function loaded(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(path.join(ROOT, file));
  const found = text.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm);
  return [...found].map(([, name = ""]) =>
    name.startsWith(".") ? path.posix.join(path.posix.dirname(file), name) : name
  );
}

async function everything(entry: string): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const queue = [entry];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    if (file.startsWith("src/")) queue.push(...await loaded(file));
  }
  return seen;
}

async function entries(): Promise<string[]> {
  const names: string[] = [];
  for (const folder of ["src/cli/commands", "src/cli/fronts"]) {
    for await (const { name, isFile } of Deno.readDir(path.join(ROOT, folder))) {
      if (isFile) names.push(`${folder}/${name}`);
    }
  }
  return [
    "src/cli/subcommands.ts",
    "src/client/mod.ts",
    "src/runtime/terminal/program_io.ts",
    ...names.sort(),
  ];
}

Deno.test("subcommands load neither pi nor a room of the server", async () => {
  const all = await entries();
  assert(all.length >= 12, String(all.length));
  for (const entry of all) {
    const foreign = [...await everything(entry)].filter((file) => FOREIGN.test(file));
    assertEquals(foreign, [], entry);
  }
});

Deno.test("the entry of the program loads nothing but types before it knows what to be", async () => {
  assertEquals(await loaded("mod.ts"), []);
  const table = await everything("src/cli/subcommands.ts");
  assertEquals(
    [...table].filter((file) => file.startsWith("src/client/") || file.includes("/commands/")),
    [],
  );
});
