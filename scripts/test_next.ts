// The conformance suite on the newer pi of compat/, `deno task test:next`: against the sources on Deno, then against
// the Node build on Node 22, which npm fetches. Not part of `deno task test`, which is to stay quick.
// Usage: deno run -A scripts/test_next.ts [--only sources|node] [FILE…]

import { nodeOf } from "../tests/support/node_versions.ts";
import { conform, deno, type Outcome, runTests, tell } from "./test.ts";

const CONFIG = "compat/deno.json";
const NODE_VERSION = "22";
const TARGETS: readonly string[] = ["sources", "node"];

async function main(args: readonly string[]): Promise<number> {
  const [flag, only = ""] = args;
  const targets = flag === "--only" ? TARGETS.filter((target) => target === only) : TARGETS;
  if (targets.length === 0) {
    console.error(`Use --only with one of ${TARGETS.join(", ")}`);
    return 2;
  }
  const files = flag === "--only" ? args.slice(2) : args;
  if (!await deno("install", "--frozen", "--quiet", "--config", CONFIG)) return 1;
  if (!await deno("check", "--quiet", "--config", CONFIG, "mod.ts", "src/worker/worker.ts")) return 1;
  // pi's own RPC mode, which the sources are compared with, needs it as well.
  const node = await nodeOf(NODE_VERSION);
  if ("reason" in node) {
    console.error(node.reason);
    return 1;
  }
  const outcomes = new Map<string, Outcome>();
  for (const target of targets) {
    if (target === "node" && !await deno("run", "--allow-all", "scripts/build_node.ts", "--next")) return 1;
    const env = { PI_SERVER_PI: "next", PI_SERVER_NODE: node.path };
    const config = ["--config", CONFIG];
    outcomes.set(
      target,
      await (files.length === 0
        ? conform(target, config, env)
        : runTests([...config, ...files], { ...env, PI_SERVER_TARGET: target })),
    );
  }
  for (const [name, outcome] of outcomes) tell(`next, ${name}`, outcome);
  const all = [...outcomes.values()];
  return all.every(({ failed, broken }) => failed === 0 && broken === undefined) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
