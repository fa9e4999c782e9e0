// The conformance suite on pi 1.6, `deno task test:newer`: against the sources on Deno, then against the Node build on Node
// 22 and 24, which npm fetches. `deno task test` runs a part of it (scripts/test/test.ts).
// Usage: deno run -A scripts/test/test_newer.ts [--only sources|node22|node24] [FILE…]

import { nodeOf } from "../../tests/support/base/node_versions.ts";
import { conform, conformanceFiles, deno, runTests } from "./test.ts";
import { type Outcome, tell, tellCases } from "./test_outcome.ts";

/** Where the suite runs, and on which Node. */
const TARGETS: Readonly<Record<string, string | undefined>> = {
  sources: undefined,
  node22: "22",
  node24: "24",
};
/** pi's own RPC mode, which the sources are compared with, needs a newer Node as well. */
const NODE_FOR_SOURCES = "22";

async function main(args: readonly string[]): Promise<number> {
  const [flag, only = ""] = args;
  const names = Object.keys(TARGETS).filter((name) => flag !== "--only" || name === only);
  if (names.length === 0) {
    console.error(`Use --only with one of ${Object.keys(TARGETS).join(", ")}`);
    return 2;
  }
  const files = flag === "--only" ? args.slice(2) : args;
  if (!await deno("install", "--frozen", "--quiet") || !await deno("task", "check:newer")) return 1;
  const outcomes = new Map<string, Outcome>();
  let built = false;
  for (const name of names) {
    const version = TARGETS[name];
    const node = await nodeOf(version ?? NODE_FOR_SOURCES);
    if ("reason" in node) {
      console.error(node.reason);
      return 1;
    }
    if (version !== undefined && !built) {
      if (!await deno("run", "--allow-all", "scripts/build/build_node.ts")) return 1;
      built = true;
    }
    const target = version === undefined ? "sources" : "node";
    const env = { PI_SERVER_PI: "1.6", PI_SERVER_NODE_PROGRAM: node.path };
    const some = files.length > 0;
    const part = `pi 1.6, ${name}`;
    const all = some ? new Map() : await conform([{ part, target, files: conformanceFiles(), env }]);
    outcomes.set(
      part,
      all.get(part) ?? await runTests([...files], { ...env, PI_SERVER_TARGET: target }),
    );
  }
  for (const [name, outcome] of outcomes) tell(name, outcome);
  const all = [...outcomes.values()];
  tellCases(all);
  return all.every(({ failed, broken }) => failed === 0 && broken === undefined) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
