// The test command, `deno task test`: unit tests, then every case of the conformance suite, spread over the sources, the
// Node build and the compiled binary, which it builds first. What differs between builds runs on each of them.
// `--all` runs every case on every build, `--only` every case on one. Ends with how many cases each target passed.
// Usage: deno run -A scripts/test.ts [--all | --only unit|sources|node|binary]

import * as path from "node:path";
import { repositoryRoot } from "./bundle.ts";

const TARGETS = ["sources", "node", "binary"] as const;
const PARTS: readonly string[] = ["unit", ...TARGETS];
const EXIT_NOT_BUILT = 3;

type Target = typeof TARGETS[number];

/** What came of one run of tests; `broken` names what kept it from running or from being counted. */
export interface Outcome {
  passed: number;
  failed: number;
  ignored: number;
  /** Names of the cases that were left out; each says why. */
  leftOut?: readonly string[];
  seconds: number;
  broken?: string;
}

/** Whether a build is there, isn't and may be missing, or failed. */
type Built = { kind: "ready" } | { kind: "skipped"; reason: string } | { kind: "failed"; reason: string };

const root = repositoryRoot();

/** Runs `deno test` without a type check, shown as it goes, and counts the cases from its JUnit report. */
export async function runTests(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const report = await Deno.makeTempFile({ prefix: "pi-server-junit-", suffix: ".xml" });
  const start = performance.now();
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-all", "--no-check", `--junit-path=${report}`, ...args],
      cwd: root,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    const counts = {
      ...countCases(await Deno.readTextFile(report)),
      seconds: (performance.now() - start) / 1000,
    };
    // A file that does not compile or throws at load has no failing case, and still must not pass.
    if (code !== 0 && counts.failed === 0) {
      return { ...counts, broken: `deno test ended with exit code ${code}` };
    }
    return counts.passed + counts.failed === 0 ? { ...counts, broken: "no case was run" } : counts;
  } finally {
    await Deno.remove(report);
  }
}

function countCases(report: string): Pick<Outcome, "passed" | "failed" | "ignored" | "leftOut"> {
  const cases = report.match(/<testcase\b[^>]*?(?:\/>|>[\s\S]*?<\/testcase>)/g) ?? [];
  const failed = cases.filter((one) => /<(?:failure|error)\b/.test(one)).length;
  const leftOut = cases.filter((one) => /<skipped\b/.test(one))
    .map((one) => /\bname="([^"]*)"/.exec(one)?.[1] ?? "a case without a name");
  const ignored = leftOut.length;
  return { passed: cases.length - failed - ignored, failed, ignored, leftOut };
}

/** Runs a command of Deno over the repository; says so when it fails. */
export async function deno(...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) console.error(`failed: deno ${args.join(" ")}`);
  return success;
}

/** Builds what the target needs. */
async function build(target: Target): Promise<Built> {
  if (target === "sources") return { kind: "ready" };
  const script = target === "node" ? "scripts/build_node.ts" : "scripts/compile.ts";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", script],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
  const { code, stdout } = await child.output();
  const text = new TextDecoder().decode(stdout);
  console.log(text.trimEnd());
  if (code === 0) return { kind: "ready" };
  const reason = /^.*(not built: .+)$/m.exec(text)?.[1];
  if (code !== EXIT_NOT_BUILT || reason === undefined) {
    return { kind: "failed", reason: `${script} ended with exit code ${code}` };
  }
  // Where the kit is, a binary can be had: missing it is a failure, not a skip.
  const kit = await Deno.stat(path.resolve(root, "../shared/tools/compile-kit")).then(
    () => true,
    () => false,
  );
  return kit ? { kind: "failed", reason: `${script}: ${reason}` } : { kind: "skipped", reason };
}

/**
 * Files beside which nothing else runs: they hold the server to milliseconds, drive a terminal or a browser, or start a server in the background.
 */
const ALONE: ReadonlySet<string> = new Set([
  "attach_ends",
  "attach_large",
  "attach_sessions",
  "attach",
  "cli_completion",
  "cli_docs",
  "cli_server",
  "console_history",
  "console_hostile",
  "console_ways",
  "console_work",
  "console",
  "control",
  "dead_peer",
  "delivery_fair",
  "dialogs_life",
  "flood",
  "latency",
  "neighbours",
]);

/**
 * Files about what differs between builds: files, sockets, threads, permissions, pipes of editors, and what is packed
 * into a build.
 */
const BUILD_MATTERS: ReadonlySet<string> = new Set([
  "acp",
  "acp_errors",
  "acp_sessions",
  "acpx",
  "bundlers",
  "catalogue",
  "engine",
  "file_modes",
  "framing",
  "fronts",
  "gate_headers",
  "load_turns",
  "named_resources",
  "npm_packages",
  "package_modules",
  "peers",
  "rpc_front",
  "rpc_ways",
  "sandbox",
  "shipped",
  "state_pipes",
  "stored_history",
  "tool_files",
]);

/** Files that run on pi 1.6 too, from the sources. `deno task test:newer` runs all of them. */
const NEWER_FILES: readonly string[] = ["engine", "hooks", "pi_versions", "prompt"];

/** How many other files run at a time; much of their time they wait, so more than there are cores. */
const JOBS = "4";

/** Names of all files of the conformance suite. */
export function conformanceFiles(): string[] {
  const files = [...Deno.readDirSync(path.join(root, "tests/conformance"))].map(({ name }) => name);
  return files.filter((name) => name.endsWith("_test.ts")).map((name) => name.replace("_test.ts", ""))
    .toSorted();
}

/**
 * The files that each build runs when every case is to run once: those in `BUILD_MATTERS` on every build, each other one
 * on one build. A file's name decides which, so another file changes nothing for it.
 */
export function spread<T>(files: readonly string[], builds: readonly T[]): Map<T, string[]> {
  const shares = new Map<T, string[]>(builds.map((build) => [build, []]));
  for (const file of files) {
    const turn = [...file].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521, 7);
    for (const [at, build] of builds.entries()) {
      if (BUILD_MATTERS.has(file) || turn % builds.length === at) shares.get(build)?.push(file);
    }
  }
  return shares;
}

/** The conformance suite, or some of its files, against one build: first what is to be alone, then the rest. */
export async function conform(
  target: string,
  args: readonly string[] = [],
  variables: Record<string, string> = {},
  files: readonly string[] = conformanceFiles(),
): Promise<Outcome> {
  const env = { ...variables, PI_SERVER_TARGET: target };
  const paths = (alone: boolean): string[] =>
    files.filter((name) => ALONE.has(name) === alone).map((name) => `tests/conformance/${name}_test.ts`);
  const outcomes: Outcome[] = [];
  if (paths(true).length > 0) outcomes.push(await runTests([...args, ...paths(true)], env));
  if (paths(false).length > 0) {
    outcomes.push(await runTests([...args, "--parallel", ...paths(false)], { ...env, DENO_JOBS: JOBS }));
  }
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const broken = outcomes.find((one) => one.broken !== undefined)?.broken;
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    ignored: sum(({ ignored }) => ignored),
    leftOut: outcomes.flatMap(({ leftOut = [] }) => leftOut),
    seconds: sum(({ seconds }) => seconds),
    ...(broken === undefined ? {} : { broken }),
  };
}

/** What the arguments ask for: the parts, and whether a build runs every file; undefined when they make no sense. */
export function chosen(args: readonly string[]): { parts: readonly string[]; every: boolean } | undefined {
  const [flag, part, ...more] = args[0]?.startsWith("--only=") ? ["--only", args[0].slice(7)] : args;
  if (flag === undefined) return { parts: PARTS, every: false };
  if (flag === "--all" && part === undefined) return { parts: PARTS, every: true };
  const known = flag === "--only" && part !== undefined && PARTS.includes(part) && more.length === 0;
  return known ? { parts: [part], every: true } : undefined;
}

/** Says what went wrong or how long it took. */
export function tell(name: string, outcome: Outcome): void {
  const { passed, failed, seconds, broken } = outcome;
  console.log(`\n${name}: ${broken ?? `${passed} passed, ${failed} failed`} (${seconds.toFixed(0)} s)\n`);
}

async function main(): Promise<number> {
  const asked = chosen(Deno.args);
  if (!asked) {
    console.error(`Use --all, or --only with one of ${PARTS.join(", ")}`);
    return 2;
  }
  const { parts, every } = asked;
  // Fetched before, so that no server under test does it while a case waits for its greeting. Types are checked
  // once, since no run of tests does.
  if (!await deno("install", "--quiet")) return 1;
  if (!await deno("check", "--quiet", "mod.ts", "tests", "scripts", "src/console")) return 1;
  const outcomes = new Map<string, Outcome>();
  if (parts.includes("unit")) {
    const args = [
      "--sanitize-ops",
      "--sanitize-resources",
      "--parallel",
      "--ignore=tests/conformance",
      "tests/",
    ];
    outcomes.set("unit", await runTests(args, { DENO_JOBS: JOBS }));
  }
  const ready: Target[] = [];
  for (const target of TARGETS) {
    if (!parts.includes(target)) continue;
    const built = await build(target);
    if (built.kind === "ready") ready.push(target);
    else if (built.kind === "skipped") console.log(`${target} skipped: ${built.reason}`);
    else outcomes.set(target, { passed: 0, failed: 0, ignored: 0, seconds: 0, broken: built.reason });
  }
  const files = conformanceFiles();
  const shares = spread(files, ready);
  for (const target of ready) {
    outcomes.set(target, await conform(target, [], {}, every ? files : shares.get(target)));
  }
  if (ready.includes("sources")) {
    outcomes.set("sources on pi 1.6", await conform("sources", [], { PI_SERVER_PI: "1.6" }, NEWER_FILES));
  }
  for (const [name, outcome] of outcomes) tell(name, outcome);
  const all = [...outcomes.values()];
  const sum = (of: (outcome: Outcome) => number) => all.reduce((total, outcome) => total + of(outcome), 0);
  for (const name of all.flatMap(({ leftOut = [] }) => leftOut)) console.log(`left out: ${name}`);
  const passed = (name: Target) => `${name} ${outcomes.get(name)?.passed ?? 0}`;
  const failed = sum((outcome) => outcome.failed + (outcome.broken === undefined ? 0 : 1));
  console.log(`${TARGETS.map(passed).join(", ")}, left out ${sum((outcome) => outcome.ignored)}`);
  console.log(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
