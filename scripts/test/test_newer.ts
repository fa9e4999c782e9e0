// The conformance suite on pi 1.6, `deno task test:newer`: every case, spread over the sources on Deno and the Node
// build on Node 22 and 24, which npm fetches. `--all` runs every case on each of the three, `--only` every case on one.
// Files that are named run on all three, or on that one. `deno task test` runs a part of the suite (test.ts).
// Usage: deno run -A scripts/test/test_newer.ts [--all | --only sources|node22|node24] [FILE…]

import * as path from "node:path";
import { nodeOf } from "../../tests/support/base/node_versions.ts";
import { CASES_OF, conform, conformanceFiles, deno, onEveryBuild, turnOfName } from "./test.ts";
import type { Share } from "./test.ts";
import { tell, tellCases } from "./test_outcome.ts";

/** Where the suite runs, and on which Node. */
const TARGETS = { sources: undefined, node22: "22", node24: "24" } as const;
/** pi's own RPC mode, which the sources are compared with, needs a newer Node as well. */
const NODE_FOR_SOURCES = "22";

/** Where a part of the suite runs. */
export type NewerTarget = keyof typeof TARGETS;

const NAMES: readonly NewerTarget[] = ["sources", "node22", "node24"];

/** What the arguments ask for; undefined when they make no sense. */
export function askedOf(
  args: readonly string[],
): { names: readonly NewerTarget[]; files: readonly string[]; every: boolean } | undefined {
  const [flag, one] = args;
  const only = flag === "--only";
  const rest = args.slice(only ? 2 : flag === "--all" ? 1 : 0);
  const names = NAMES.filter((name) => !only || name === one);
  if (names.length === 0 || rest.some((name) => name.startsWith("-"))) return undefined;
  const files = rest.map((file) => path.basename(file, "_test.ts"));
  return { names, files, every: only || flag === "--all" || files.length > 0 };
}

/**
 * The files that each target runs when every case is to run once: those that run on every build on the sources and on
 * one Node, each other one on one of them. A session on the sources costs most, so few files run there.
 */
export function spreadNewer(files: readonly string[]): Map<NewerTarget, string[]> {
  const runs = (file: string, name: NewerTarget): boolean => {
    const onSources = CASES_OF[file] === "sources";
    if (name === "sources") return onSources || onEveryBuild(file);
    return !onSources && name === (turnOfName(file) % 2 === 0 ? "node22" : "node24");
  };
  return new Map(NAMES.map((name) => [name, files.filter((file) => runs(file, name))]));
}

async function main(args: readonly string[]): Promise<number> {
  const asked = askedOf(args);
  if (asked === undefined) {
    console.error(`Use --all, --only with one of ${NAMES.join(", ")}, and names of files`);
    return 2;
  }
  if (!await deno("install", "--frozen", "--quiet") || !await deno("task", "check:newer")) return 1;
  const { names } = asked;
  if (names.some((name) => name !== "sources") && !await deno("run", "-A", "scripts/build/build_node.ts")) {
    return 1;
  }
  const files = asked.files.length > 0 ? asked.files : conformanceFiles();
  const spread = spreadNewer(files);
  const shares: Share[] = [];
  for (const name of names) {
    const node = await nodeOf(TARGETS[name] ?? NODE_FOR_SOURCES);
    if ("reason" in node) {
      console.error(node.reason);
      return 1;
    }
    shares.push({
      part: `pi 1.6, ${name}`,
      target: name === "sources" ? "sources" : "node",
      files: asked.every ? files : spread.get(name) ?? [],
      env: { PI_SERVER_PI: "1.6", PI_SERVER_NODE_PROGRAM: node.path },
    });
  }
  const outcomes = await conform(shares);
  for (const [name, outcome] of outcomes) tell(name, outcome);
  const all = [...outcomes.values()];
  tellCases(all);
  const passed = all.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = all.reduce(
    (sum, outcome) => sum + outcome.failed + (outcome.broken === undefined ? 0 : 1),
    0,
  );
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
