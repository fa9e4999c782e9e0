// The unit tests in groups: each folder of tests/ is one module graph, each file beside the folders runs by itself.
// Used by: test.ts, which the quick loop (test_fast.ts) takes them from.

import * as path from "node:path";
import { repositoryRoot } from "../build/bundle.ts";

/** Folders with tests or programs that are not unit tests. */
const OTHERS: ReadonlySet<string> = new Set(["bench", "conformance"]);
/** Groups that take longest. They begin first, so that no core is idle at the end. */
const LONG: readonly string[] = [
  "contributing_test.ts",
  "publish_test.ts",
  "readme_test.ts",
  "runtime",
  "server",
  "mod_test.ts",
];
const FLAGS = ["--sanitize-ops", "--sanitize-resources"];
const TEST_FILE = /_test\.tsx?$/;

/** Files of unit tests that run in one process. */
export interface UnitGroup {
  readonly name: string;
  readonly files: readonly string[];
}

/** Files below a folder, by their path from the repository's root. */
function testFiles(root: string, folder: string): string[] {
  return [...Deno.readDirSync(path.join(root, folder))].flatMap(({ name, isDirectory }) => {
    const inside = `${folder}/${name}`;
    if (isDirectory) return testFiles(root, inside);
    return TEST_FILE.test(name) ? [inside] : [];
  }).toSorted();
}

/** All unit tests, the long groups first. */
export function unitGroups(root: string = repositoryRoot()): UnitGroup[] {
  const groups = [...Deno.readDirSync(path.join(root, "tests"))]
    .filter(({ name, isDirectory }) => isDirectory ? !OTHERS.has(name) : TEST_FILE.test(name))
    .map(({ name, isDirectory }): UnitGroup => ({
      name,
      files: isDirectory ? testFiles(root, `tests/${name}`) : [`tests/${name}`],
    }));
  const turnOf = ({ name }: UnitGroup): number => LONG.includes(name) ? LONG.indexOf(name) : LONG.length;
  return groups.filter(({ files }) => files.length > 0)
    .toSorted((a, b) => turnOf(a) - turnOf(b) || (a.name < b.name ? -1 : 1));
}

/** What `deno test` needs to run a group. */
export function groupArgs({ files }: UnitGroup): string[] {
  return files.length === 1
    ? [...FLAGS, ...files]
    : [...FLAGS, "tests/support/base/unit_group.ts", "--", ...files];
}
