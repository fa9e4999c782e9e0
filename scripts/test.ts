// The test command, `deno task test`: unit tests, then the conformance suite against the sources, the Node build and
// the compiled binary, which it builds first. Ends with how many cases each target passed.
// Usage: deno run -A scripts/test.ts [--only unit|sources|node|binary]

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
const ALONE = [
  "attach_ends",
  "attach_large",
  "attach_sessions",
  "attach",
  "cli_docs",
  "cli_server",
  "console_hostile",
  "console",
  "control",
  "dead_peer",
  "delivery_fair",
  "dialogs_life",
  "flood",
  "latency",
  "neighbours",
]
  .map((name) => `tests/conformance/${name}_test.ts`);

/** How many other files run at a time; much of their time they wait, so more than there are cores. */
const JOBS = "4";

/** The conformance suite against one build: first what is to be alone, then the rest. */
export async function conform(
  target: string,
  args: readonly string[] = [],
  variables: Record<string, string> = {},
): Promise<Outcome> {
  const env = { ...variables, PI_SERVER_TARGET: target };
  const one = await runTests([...args, ...ALONE], env);
  const rest = [...args, "--parallel", `--ignore=${ALONE.join(",")}`, "tests/conformance/"];
  const other = await runTests(rest, { ...env, DENO_JOBS: JOBS });
  const broken = one.broken ?? other.broken;
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    ignored: one.ignored + other.ignored,
    leftOut: [...one.leftOut ?? [], ...other.leftOut ?? []],
    seconds: one.seconds + other.seconds,
    ...(broken === undefined ? {} : { broken }),
  };
}

/** The parts that the arguments ask for; undefined when they make no sense. */
function chosen(args: readonly string[]): readonly string[] | undefined {
  if (args.length === 0) return PARTS;
  const [flag, part] = args[0]?.startsWith("--only=") ? ["--only", args[0].slice(7)] : args;
  return flag === "--only" && part !== undefined && PARTS.includes(part) ? [part] : undefined;
}

/** Says what went wrong or how long it took. */
export function tell(name: string, outcome: Outcome): void {
  const { passed, failed, seconds, broken } = outcome;
  console.log(`\n${name}: ${broken ?? `${passed} passed, ${failed} failed`} (${seconds.toFixed(0)} s)\n`);
}

async function main(): Promise<number> {
  const parts = chosen(Deno.args);
  if (!parts) {
    console.error(`Use --only with one of ${PARTS.join(", ")}`);
    return 2;
  }
  // Fetched before, so that no server under test does it while a case waits for its greeting. Types are checked
  // once, since no run of tests does.
  if (!await deno("install", "--quiet")) return 1;
  if (!await deno("check", "--quiet", "mod.ts", "tests", "scripts", "src/console")) return 1;
  const outcomes = new Map<string, Outcome>();
  let skipped = 0;
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
  for (const target of TARGETS) {
    if (!parts.includes(target)) continue;
    const built = await build(target);
    if (built.kind === "ready") {
      outcomes.set(target, await conform(target));
    } else if (built.kind === "failed") {
      outcomes.set(target, { passed: 0, failed: 0, ignored: 0, seconds: 0, broken: built.reason });
    } else {
      console.log(`${target} skipped: ${built.reason}`);
      skipped += outcomes.get("sources")?.passed ?? 1;
    }
  }
  for (const [name, outcome] of outcomes) tell(name, outcome);
  const all = [...outcomes.values()];
  const sum = (of: (outcome: Outcome) => number) => all.reduce((total, outcome) => total + of(outcome), 0);
  for (const name of all.flatMap(({ leftOut = [] }) => leftOut)) console.log(`left out: ${name}`);
  const passed = (name: Target) => `${name} ${outcomes.get(name)?.passed ?? 0}`;
  const failed = sum((outcome) => outcome.failed + (outcome.broken === undefined ? 0 : 1));
  console.log(`${TARGETS.map(passed).join(", ")}, skipped ${skipped + sum((outcome) => outcome.ignored)}`);
  console.log(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
