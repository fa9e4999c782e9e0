// Compiles the bundle to one executable for each system asked for: by default dist/pi-server for this machine, with
// --target dist/pi-server-NAME[.exe]; their SHA-256 sums go to dist/SHA256SUMS. `deno compile` needs a base runtime:
// its own download or, for this machine, the compile kit beside the checkout (PI_SERVER_COMPILE=official skips it).
// Where none can be had it says `not built: base runtime unreachable`, and ends with 3 unless --available is given.
// Usage: deno run -A scripts/build/compile.ts [--target all|NAME,…] [--available]

import { parseArgs } from "@std/cli/parse-args";
import * as path from "node:path";
import { bundle, ignoreMissing, repositoryRoot } from "./bundle.ts";
import { COMPILE_TARGETS, type CompileTarget, ownTarget, systemOf } from "./targets.ts";

/** For Linux; the other systems' runtimes have sizes of their own. */
const SIZE_LIMIT_BYTES = 115_000_000;
const COMPILE_TIMEOUT_MS = 180_000;
const WARM_RUNS = 5;
const EXIT_USAGE = 2;
const EXIT_NOT_BUILT = 3;

/** What compiles for one system, and with which environment. */
export interface Compiler {
  readonly name: string;
  readonly deno: string;
  readonly env: Record<string, string>;
  /** Whether `deno compile` has to fetch the base runtime. */
  readonly downloads: boolean;
}

/** The base runtime could not be had; anything else that goes wrong is a failure. */
class BaseRuntimeMissing extends Error {}

/** The kit's compiler; undefined where there is no kit. */
async function kitCompiler(root: string): Promise<Compiler | undefined> {
  const kit = path.resolve(root, "../shared/tools/compile-kit");
  try {
    await Deno.stat(kit);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { success, stdout, stderr } = await new Deno.Command("bash", { args: [kit] }).output();
  if (!success) throw new BaseRuntimeMissing(new TextDecoder().decode(stderr).trim());
  const env: Record<string, string> = {};
  for (const [, name, value] of new TextDecoder().decode(stdout).matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)) {
    if (name !== undefined && value !== undefined) env[name] = value;
  }
  const deno = env["COMPILE_DENO"];
  if (deno === undefined) throw new Error("the compile kit did not print COMPILE_DENO");
  return { name: "compile kit", deno, env, downloads: false };
}

async function chooseCompiler(target: CompileTarget): Promise<Compiler> {
  const deno = Deno.env.get("COMPILE_DENO") ?? Deno.execPath();
  const official = { name: "official base runtime", deno, env: {}, downloads: true };
  // A base runtime from elsewhere is one for this machine, and `deno compile` would take it for any other, too.
  if (target !== ownTarget() || Deno.env.get("PI_SERVER_COMPILE") === "official") return official;
  const base = Deno.env.get("DENORT_BIN");
  if (base !== undefined) return { name: "DENORT_BIN", deno, env: { DENORT_BIN: base }, downloads: false };
  return await kitCompiler(repositoryRoot()) ?? official;
}

async function compile(
  compiler: Compiler,
  target: CompileTarget,
  bundleDir: string,
  output: string,
): Promise<void> {
  const included = ["worker.js", "codemode_worker.js", "chunks", "pi", "pi-1.6", "LICENSES.txt"].flatMap((
    name,
  ) => [
    "--include",
    path.join(bundleDir, name),
  ]);
  const { DENORT_BIN: _, ...inherited } = Deno.env.toObject();
  const command = new Deno.Command(compiler.deno, {
    // The bundle is complete: no configuration, lock file or package may find its way in.
    args: [
      "compile",
      "-A",
      "--no-prompt",
      "--no-check",
      "--no-config",
      "--no-lock",
      "--no-npm",
      "--unstable-worker-options",
      // V8 ends the process when a thread's heap is full. The server ends a worker that holds too much itself, long
      // before (src/server/workers/memory_monitor.ts), but Deno lets it run on for two seconds. And under load V8 lets the space
      // for young objects grow to a multiple of what lives: twice 8 MB a thread is as fast (DECISIONS).
      "--v8-flags=--max-old-space-size=16384,--max-semi-space-size=8",
    ]
      .concat(included, ["--target", target.triple, "--output", output, path.join(bundleDir, "mod.js")]),
    clearEnv: true,
    env: { ...inherited, ...compiler.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(COMPILE_TIMEOUT_MS),
  });
  const { success, stderr } = await command.output();
  if (success) return;
  const text = new TextDecoder().decode(stderr);
  const reason = /^.*(?:error sending request|dns error|failed to download).*$/im.exec(text)?.[0].trim();
  if (compiler.downloads && reason !== undefined) {
    throw new BaseRuntimeMissing(reason.replace(/^\d+: /, "").slice(0, 120));
  }
  throw new Error(`deno compile failed:\n${text}`);
}

/** Milliseconds from spawn to exit of `--version`: the first run, and the fastest of the later ones. */
async function startTimes(binary: string): Promise<{ cold: number; warm: number; version: string }> {
  const home = await Deno.makeTempDir({ prefix: "pi-server-home-" });
  try {
    const times: number[] = [];
    let version = "";
    for (let run = 0; run <= WARM_RUNS; run++) {
      const start = performance.now();
      const { success, stdout, stderr } = await new Deno.Command(binary, {
        args: ["--version"],
        cwd: home,
        env: { HOME: home, TMPDIR: home },
      }).output();
      times.push(performance.now() - start);
      if (!success) throw new Error(`--version failed:\n${new TextDecoder().decode(stderr)}`);
      version = new TextDecoder().decode(stdout).trim();
    }
    const [cold = 0, ...later] = times;
    return { cold, warm: Math.min(...later), version };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** Throws when an executable is not for that system, or too large. */
async function inspect(output: string, target: CompileTarget): Promise<number> {
  const { size } = await Deno.stat(output);
  using file = await Deno.open(output);
  const head = new Uint8Array(4096);
  const found = systemOf(head.subarray(0, await file.read(head) ?? 0));
  if (found !== target.name) {
    throw new Error(`${output} is for ${found ?? "no system known"}, not for ${target.name}`);
  }
  if (target.os === "linux" && size > SIZE_LIMIT_BYTES) {
    throw new Error(
      `${output} has ${(size / 1e6).toFixed(1)} MB, more than ${
        SIZE_LIMIT_BYTES / 1e6
      } MB: see what the bundle took in`,
    );
  }
  return size;
}

/** Compiles one executable from the bundle; throws {@linkcode BaseRuntimeMissing} where this machine cannot. */
async function build(
  compiler: Compiler,
  target: CompileTarget,
  bundleDir: string,
  output: string,
): Promise<void> {
  const started = performance.now();
  await compile(compiler, target, bundleDir, output);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const size = await inspect(output, target);
  console.log(
    `${path.relative(repositoryRoot(), output)}: ${
      (size / 1e6).toFixed(1)
    } MB in ${seconds} s (${compiler.name})`,
  );
  if (target !== ownTarget()) return;
  const { cold, warm, version } = await startTimes(output);
  console.log(`--version: ${version}, cold ${cold.toFixed(0)} ms, warm ${warm.toFixed(0)} ms`);
}

/** One line as `sha256sum` prints and checks it. */
async function sumOf(file: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(file)));
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex}  ${path.basename(file)}\n`;
}

/** The systems asked for and the file of each; undefined when one has no such name. */
function wanted(names: string | undefined): Wanted[] | undefined {
  if (names === undefined) {
    const target = ownTarget();
    return target === undefined ? undefined : [{ target, file: `pi-server${target.suffix}` }];
  }
  const all = names === "all" ? COMPILE_TARGETS.map(({ name }) => name) : names.split(",");
  const targets = all.flatMap((name) => COMPILE_TARGETS.filter((target) => target.name === name.trim()));
  if (targets.length < all.length) return undefined;
  return targets.map((target) => ({ target, file: `pi-server-${target.name}${target.suffix}` }));
}

/** A system to compile for, and the name of its executable. */
export interface Wanted {
  readonly target: CompileTarget;
  readonly file: string;
}

/**
 * Compiles the bundle for each system whose base runtime can be had, and writes the sums of all that was built.
 * Returns how many could not be had; throws when anything else goes wrong.
 */
export async function buildAll(
  all: readonly Wanted[],
  { bundleDir, dist }: { bundleDir: string; dist: string },
  choose: (target: CompileTarget) => Promise<Compiler> = chooseCompiler,
): Promise<number> {
  const built: string[] = [];
  for (const { target, file } of all) {
    const output = path.join(dist, file);
    // What an earlier run left must not pass for this one's.
    await Deno.remove(output).catch(ignoreMissing);
    try {
      await build(await choose(target), target, bundleDir, output);
      built.push(output);
    } catch (error) {
      if (!(error instanceof BaseRuntimeMissing)) throw error;
      console.log(`${file}: not built: base runtime unreachable (${error.message})`);
    }
  }
  const sums = (await Promise.all(built.map(sumOf))).join("");
  await Deno.writeTextFile(path.join(dist, "SHA256SUMS"), sums);
  return all.length - built.length;
}

/** What the script ends with when so many systems' base runtimes could not be had. */
export function exitCode(missing: number, available: boolean): number {
  return missing > 0 && !available ? EXIT_NOT_BUILT : 0;
}

async function main(): Promise<number> {
  const { target, available, _: rest } = parseArgs(Deno.args, { string: ["target"], boolean: ["available"] });
  const all = rest.length > 0 ? undefined : wanted(typeof target === "string" ? target : undefined);
  if (all === undefined) {
    const names = COMPILE_TARGETS.map(({ name }) => name).join(", ");
    console.error(`Use --target with all or some of ${names}, separated by commas; and --available`);
    return EXIT_USAGE;
  }
  const root = repositoryRoot();
  const dist = path.join(root, "dist");
  const bundleDir = path.join(dist, "deno");
  await bundle({ outDir: bundleDir, platform: "deno", root });
  return exitCode(await buildAll(all, { bundleDir, dist }), available === true);
}

if (import.meta.main) Deno.exit(await main());
