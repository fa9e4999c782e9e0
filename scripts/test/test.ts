// The test command, `deno task test`: unit tests, then every case of the conformance suite, spread over the sources, the
// Node build and the compiled binary, which it builds first. What differs between builds runs on each of them. Files run
// beside each other, the long ones first (test_pool.ts). `--all` runs every case on every build, `--only` every case on
// one. Ends with how many cases each target passed.
// `--only cluster` runs the suite through a gateway, with the sessions on another node.
// Usage: deno run -A scripts/test/test.ts [--all | --only unit|sources|node|binary|cluster]

import * as path from "node:path";
import { WITHOUT_NATS } from "../../tests/support/cluster/nats_server.ts";
import { FILES_OF_THE_PROCESS } from "../../tests/support/cluster/process_cases.ts";
import { repositoryRoot } from "../build/bundle.ts";
import { countCases, NOTHING, type Outcome, takeTimes, tell, tellCases, total } from "./test_outcome.ts";
import { type Job, runPool } from "./test_pool.ts";
import { groupArgs, unitGroups } from "./test_units.ts";

const TARGETS = ["sources", "node", "binary"] as const;
/** The conformance suite through a gateway, with the sessions on another node of a cluster. */
const CLUSTER = "cluster";
const PARTS: readonly string[] = ["unit", ...TARGETS, CLUSTER];
const EXIT_NOT_BUILT = 3;
/** How many files run at a time: three for each core, because much of their time they wait. With two, cores were idle. */
export const PLACES = 3 * Math.max(1, navigator.hardwareConcurrency);
/** Of the others: while they keep the cores busy, the quiet one gets nine times as much as each of them. */
const NICE = 10;

/** A build under test. */
export type Target = typeof TARGETS[number];

/** Whether a build is there, isn't and may be missing, or failed. */
type Built = { kind: "ready" } | { kind: "skipped"; reason: string } | { kind: "failed"; reason: string };

/** How a run of tests is shown and scheduled. */
interface Manner {
  /** Shown as a whole when it has ended, below this heading; without it as it goes. */
  readonly heading?: string;
  /** Yields the cores to those that do not. */
  readonly yields?: boolean;
}

const root = repositoryRoot();

/** Runs `deno test` without a type check, and counts the cases from its JUnit report. */
export async function runTests(
  args: string[],
  env: Record<string, string> = {},
  { heading, yields = false }: Manner = {},
): Promise<Outcome> {
  const report = await Deno.makeTempFile({ prefix: "pi-server-junit-", suffix: ".xml" });
  const start = performance.now();
  try {
    const test = [Deno.execPath(), "test", "--allow-all", "--no-check", `--junit-path=${report}`, ...args];
    const niced = yields ? ["nice", "-n", String(NICE), ...test] : test;
    const [program = "", ...rest] = Deno.build.os === "windows"
      ? test
      : heading === undefined
      ? niced
      : timed(niced);
    const child = new Deno.Command(program, {
      args: rest,
      cwd: root,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: heading === undefined ? "inherit" : "piped",
      stderr: heading === undefined ? "inherit" : "piped",
    });
    const output = await child.output();
    const { code } = output;
    const counts = {
      ...countCases(await Deno.readTextFile(report)),
      seconds: (performance.now() - start) / 1000,
      busySeconds: heading === undefined ? 0 : show(heading, output),
    };
    // A file that does not compile or throws at load has no failing case, and still must not pass.
    if (code !== 0 && counts.failed === 0) {
      const broken = `deno test ended with exit code ${code}`;
      return { ...counts, broken: heading === undefined ? broken : `${heading}: ${broken}` };
    }
    return counts;
  } finally {
    await Deno.remove(report);
  }
}

/** The command in a shell that ends its output with the processor time. */
function timed(command: readonly string[]): string[] {
  return ["sh", "-c", '"$@"; code=$?; times; exit $code', "sh", ...command];
}

/** Prints what a run said, as one piece, and when it ended, so that idle cores can be found. Returns its processor time. */
function show(heading: string, { stdout, stderr }: Deno.CommandOutput): number {
  const [said = "", errors = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trimEnd());
  const { text, busySeconds } = takeTimes(said);
  const at = (performance.now() / 1000).toFixed(0);
  const title = `\n== ${heading}: ${busySeconds.toFixed(1)} s of processor time, ended after ${at} s`;
  console.log([title, text, errors].filter((part) => part !== "").join("\n"));
  return busySeconds;
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
  const script = target === "node" ? "scripts/build/build_node.ts" : "scripts/build/compile.ts";
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

/** Files beside which nothing else runs, because they hold the server to milliseconds. */
const ALONE: ReadonlySet<string> = new Set([
  "control",
  "dead_peer",
  "delivery_fair",
  "dialogs_life",
  "flood",
  "latency",
  "neighbours",
]);

/**
 * Quiet files: one of them at a time, and the cores before all others. They drive a terminal or a browser, start a
 * server in the background, cut connections by the clock, or stop a process: Deno closes a connection when it was stopped
 * between a ping and its pong.
 */
const QUIET: ReadonlySet<string> = new Set([
  "attach_ends",
  "attach_large",
  "attach_sessions",
  "attach",
  "cli_completion",
  "cli_docs",
  "cli_server",
  "client",
  "console_history",
  "console_hostile",
  "console_ways",
  "console_work",
  "console",
  "frozen",
]);

/** Files about what differs between builds: files, sockets, threads, permissions, and what is packed into a build. */
const BUILD_MATTERS: ReadonlySet<string> = new Set([
  "bundlers",
  "engine",
  "file_modes",
  "framing",
  "frozen",
  "fronts",
  "gate_headers",
  "load_turns",
  "named_resources",
  "package_modules",
  "peers",
  "rpc_front",
  "sandbox",
  "shipped",
  "state_pipes",
  "tool_files",
]);

/**
 * Files about what differs between Deno and Node, such as the pipes of editors. They run on the binary, and on the
 * sources where there is none. `deno task test:newer` runs them on Node.
 */
export const RUNTIME_MATTERS: ReadonlySet<string> = new Set([
  "acp",
  "acp_errors",
  "acp_sessions",
  "acpx",
  "catalogue",
  "npm_packages",
  "rpc_ways",
  "stored_history",
]);

/**
 * Files with a case that not every build has, and the build that runs all of their cases. The others run on the Node
 * build or the binary: a session on the sources costs three times as much, because pi is loaded file by file.
 */
export const CASES_OF: Readonly<Record<string, Target>> = {
  client: "sources",
  clients: "binary",
  cluster: "node",
  cluster_across: "sources",
  cluster_clock: "sources",
  cluster_content: "sources",
  cluster_faults: "binary",
  cluster_join: "sources",
  cluster_kill: "sources",
  cluster_losses: "sources",
  cluster_partition: "sources",
  cluster_shared: "sources",
  crossing: "sources",
  docs: "sources",
  isolation: "binary",
  latency: "node",
  mcp: "binary",
  nested_output: "sources",
  rpc_events: "sources",
  rpc_parity: "sources",
  start_folder: "node",
  user_packages: "binary",
  worker_loss: "binary",
};

/** Files that run on pi 1.6 too, from the sources. `deno task test:newer` runs all of them. */
const NEWER_FILES: readonly string[] = ["engine", "hooks", "pi_versions", "prompt"];

/** Files that run through a gateway too. `--only cluster` runs all that are not about the process itself. */
const CLUSTER_FILES: readonly string[] = ["cursors", "subscriptions"];

/** Files that take longest, with their turns on each build. They begin first, so that no core is idle at the end. */
const LONG: readonly string[] = [
  "shipped",
  "npm_packages",
  "rpc_ways",
  "rpc_front",
  "acpx",
  "isolation",
  "delivery_slow",
  "canary",
  "worker_loss",
  "cluster_join",
  "cluster_losses",
  "cluster_across",
  "cluster_kill",
  "cluster_shared",
  "delivery_fleet",
  "stored_history",
  "tool_files",
  "delivery_snapshot",
  "parking",
  "clients",
  "extension_faults",
  "export",
  "logins",
  "shell_output",
  "traps",
  "fuzz",
  "crossing",
  "cli_run",
  "limits",
  "large_answers",
  "prompt",
  "idempotency",
  "process",
  "restart",
  "crash",
];

/** Every name that a list above has. */
export const NAMED_FILES: readonly string[] = [
  ...[...ALONE, ...QUIET, ...BUILD_MATTERS, ...RUNTIME_MATTERS],
  ...[...Object.keys(CASES_OF), ...NEWER_FILES, ...CLUSTER_FILES, ...LONG],
];

/** Where each file of the conformance suite is, by its name without `_test.ts`. Each folder holds one subject. */
export function conformancePaths(): ReadonlyMap<string, string> {
  const suite = "tests/conformance";
  const folders = [...Deno.readDirSync(path.join(root, suite))].filter(({ isDirectory }) => isDirectory);
  const files = folders.flatMap(({ name: folder }) =>
    [...Deno.readDirSync(path.join(root, suite, folder))].map(({ name }) => `${suite}/${folder}/${name}`)
  ).filter((file) => file.endsWith("_test.ts")).toSorted();
  return new Map(files.map((file) => [path.posix.basename(file, "_test.ts"), file]));
}

/** Names of all files of the conformance suite. */
export function conformanceFiles(): string[] {
  return [...conformancePaths().keys()].toSorted();
}

/** Whether a file runs on every build. */
export function onEveryBuild(file: string): boolean {
  return BUILD_MATTERS.has(file);
}

/** A number that the name alone decides. */
export function turnOfName(file: string): number {
  return [...file].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521, 7);
}

/**
 * The files that each build runs when every case is to run once: those in `BUILD_MATTERS` on every build, each other
 * one on one build. A file's name decides which, so another file changes nothing for it.
 */
export function spread(files: readonly string[], builds: readonly Target[]): Map<Target, string[]> {
  const cheap = builds.length > 1 ? builds.filter((build) => build !== "sources") : builds;
  const buildOf = (file: string): Target | undefined => {
    const own = CASES_OF[file];
    if (own !== undefined && builds.includes(own)) return own;
    const deno = builds.toReversed().find((build) => build !== "node");
    if (RUNTIME_MATTERS.has(file) && deno !== undefined) return deno;
    return cheap[turnOfName(file) % cheap.length];
  };
  const runs = (file: string, build: Target): boolean => onEveryBuild(file) || buildOf(file) === build;
  return new Map(builds.map((build) => [build, files.filter((file) => runs(file, build))]));
}

/** Whether a file runs through a gateway: those about clusters have their own, and some are about the process itself. */
export function runsThroughGateway(file: string): boolean {
  return !(file in FILES_OF_THE_PROCESS) && !file.startsWith("cluster");
}

/** Files of the conformance suite against one build, with its name in the report and further variables. */
export interface Share {
  readonly part: string;
  readonly target: string;
  readonly files: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The place of a file in the order of all: those alone, then the quiet ones one after the other, with the long ones beside. */
function turnOf(file: string): number {
  if (ALONE.has(file)) return -2;
  if (QUIET.has(file)) return -1;
  const turn = LONG.indexOf(file);
  return turn < 0 ? LONG.length : turn;
}

/** Runs the files of all shares beside each other; the outcome of each part. */
export async function conform(shares: readonly Share[]): Promise<Map<string, Outcome>> {
  const paths = conformancePaths();
  const runs = shares.flatMap(({ files, ...share }) => files.map((file) => ({ ...share, file })))
    .toSorted((a, b) => turnOf(a.file) - turnOf(b.file));
  const jobs = runs.map(({ part, target, file, env }): Job<Outcome> => {
    const name = `${part}: ${file}`;
    const variables = { ...env, PI_SERVER_TARGET: target };
    const manner = { heading: name, yields: !QUIET.has(file) && !ALONE.has(file) };
    const run = () => runTests([paths.get(file) ?? file], variables, manner);
    // What a file keeps on the machine for its cases, it keeps for each build.
    const key = QUIET.has(file) ? "quiet" : file;
    return { name, run, key, ...(ALONE.has(file) ? { places: PLACES } : {}) };
  });
  const results = await runPool(jobs, PLACES);
  return new Map(shares.map(({ part }) => {
    const own = runs.filter((run) => run.part === part).map(({ file }) => results.get(`${part}: ${file}`));
    return [part, total(own.filter((one) => one !== undefined))];
  }));
}

/** What the arguments ask for: the parts, and whether a build runs every file; undefined when they make no sense. */
export function chosen(args: readonly string[]): { parts: readonly string[]; every: boolean } | undefined {
  const [flag, part, ...more] = args[0]?.startsWith("--only=") ? ["--only", args[0].slice(7)] : args;
  if (flag === undefined) return { parts: PARTS, every: false };
  if (flag === "--all" && part === undefined) return { parts: PARTS, every: true };
  const known = flag === "--only" && part !== undefined && PARTS.includes(part) && more.length === 0;
  return known ? { parts: [part], every: true } : undefined;
}

/** Runs of unit tests; of these groups alone, where names are given. */
export function unitJobs(names?: readonly string[]): Job<Outcome>[] {
  return unitGroups().filter(({ name }) => names?.includes(name) ?? true).map((group) => {
    const name = `unit: ${group.name}`;
    return { name, run: () => runTests(groupArgs(group), {}, { heading: name }) };
  });
}

async function main(): Promise<number> {
  const asked = chosen(Deno.args);
  if (!asked) {
    console.error(`Use --all, or --only with one of ${PARTS.join(", ")}`);
    return 2;
  }
  const { parts, every } = asked;
  // Fetched before, so that no server under test does it while a case waits for its greeting.
  if (!await deno("install", "--quiet")) return 1;
  const built = new Map<Target, Built>();
  const targets = TARGETS.filter((target) => parts.includes(target));
  const builds = targets.map((target): Job<Outcome> => {
    const run = async () => {
      built.set(target, await build(target));
      return NOTHING;
    };
    return { name: `build ${target}`, key: "a build", run };
  });
  // Types are checked once, since no run of tests does. With a wrong type nothing more begins.
  const types: Job<Outcome> = {
    name: "types",
    run: async () => {
      const right = await deno("check", "--quiet", "mod.ts", "tests", "scripts", "src/console");
      return right ? NOTHING : { ...NOTHING, broken: "types are wrong" };
    },
    endsAll: ({ broken }) => broken !== undefined,
  };
  const units = parts.includes("unit") ? unitJobs() : [];
  const first = await runPool([...units.slice(0, 1), types, ...builds, ...units.slice(1)], PLACES);
  if (first.get(types.name)?.broken !== undefined) return 1;
  const outcomes = new Map<string, Outcome>();
  if (units.length > 0) outcomes.set("unit", total(units.flatMap(({ name }) => first.get(name) ?? [])));
  for (const [target, { kind, ...more }] of built) {
    const reason = "reason" in more ? more.reason : "";
    if (kind === "skipped") console.log(`${target} skipped: ${reason}`);
    if (kind === "failed") outcomes.set(target, { ...NOTHING, broken: reason });
  }
  const ready = targets.filter((target) => built.get(target)?.kind === "ready");
  const files = conformanceFiles();
  const spreadFiles = spread(files, ready);
  const shares = ready.map((target): Share => ({
    part: target,
    target,
    files: every ? files : spreadFiles.get(target) ?? [],
  }));
  if (ready.includes("sources")) {
    const env = { PI_SERVER_PI: "1.6" };
    shares.push({ part: "sources on pi 1.6", target: "sources", files: NEWER_FILES, env });
  }
  if (parts.includes(CLUSTER)) {
    if (WITHOUT_NATS === undefined) {
      const env = { PI_SERVER_THROUGH: "gateway" };
      const own = parts.length === 1 ? files.filter(runsThroughGateway) : CLUSTER_FILES;
      shares.push({ part: CLUSTER, target: "sources", files: own, env });
    } else console.log(`left out: ${CLUSTER} (${WITHOUT_NATS})`);
    if (parts.length === 1) {
      for (const [file, reason] of Object.entries(FILES_OF_THE_PROCESS)) {
        console.log(`left out of ${CLUSTER}: ${file} ${reason}`);
      }
    }
  }
  for (const [part, outcome] of await conform(shares)) outcomes.set(part, outcome);
  for (const [name, outcome] of outcomes) tell(name, outcome);
  const all = [...outcomes.values()];
  const sum = (of: (outcome: Outcome) => number) => all.reduce((total, outcome) => total + of(outcome), 0);
  tellCases(all);
  const passed = (name: Target) => `${name} ${outcomes.get(name)?.passed ?? 0}`;
  const failed = sum((outcome) => outcome.failed + (outcome.broken === undefined ? 0 : 1));
  console.log(`${TARGETS.map(passed).join(", ")}, left out ${sum((outcome) => outcome.ignored)}`);
  console.log(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
