// What a developer wants to know before a commit, in the order in which it fails fastest: `deno task ok`. Stops at
// the first step that fails and names it. Each step is a command that can also be run by itself; --no-tests leaves
// out the tests.

import * as path from "node:path";
import { repositoryRoot } from "../build/bundle.ts";

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

/** The console's own files: the types of a browser are for them alone. */
const CONSOLE = path.join("src", "console");

/** All TypeScript files below the given folders, since `deno check` takes no patterns. */
async function sourcesIn(root: string, folders: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(path.join(root, folder))) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory && name !== CONSOLE) await walk(name);
      else if (name.endsWith(".ts")) files.push(name);
    }
  };
  for (const folder of folders) await walk(folder);
  return files.sort();
}

function steps(sources: readonly string[]): Step[] {
  return [
    { name: "format", args: ["fmt", "--check"] },
    { name: "lint", args: ["lint"] },
    { name: "sources", args: ["run", "--allow-read", "scripts/check/check_sources.ts"] },
    { name: "types", args: ["check", "mod.ts", ...sources] },
    { name: "types of the console", args: ["check", CONSOLE] },
    { name: "console", args: ["run", "--allow-all", "scripts/build/build_console.ts", "--check"] },
    { name: "documentation", args: ["doc", "--lint", "mod.ts", "src/client/mod.ts", "src/protocol/mod.ts"] },
    { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"] },
    { name: "tests", args: ["run", "--allow-all", "scripts/test/test.ts"] },
  ];
}

/** Runs one step with its output shown, and returns whether it passed. */
async function run(step: Step, cwd: string): Promise<boolean> {
  const start = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...step.args],
    cwd,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${success ? "ok    " : "failed"} ${step.name} (${seconds} s)`);
  return success;
}

if (import.meta.main) {
  const root = repositoryRoot();
  const all = steps(await sourcesIn(root, ["src", "tests", "scripts"]));
  for (const step of all) {
    if (step.name === "tests" && Deno.args.includes("--no-tests")) continue;
    if (!await run(step, root)) Deno.exit(1);
  }
}
