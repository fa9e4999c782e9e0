// Compiles dist/pi-server, one executable for this machine: bundle for Deno, then `deno compile` of the bundle.
// `deno compile` needs a base runtime: its own download or, where that cannot be had, the compile kit beside the
// checkout. Without either it prints `skipped: <reason>` and exits 3. PI_SERVER_COMPILE=official skips the kit.
// Usage: deno run -A scripts/compile.ts

import * as path from "node:path";
import { bundle, repositoryRoot } from "./bundle.ts";

const SIZE_LIMIT_BYTES = 105_000_000;
const COMPILE_TIMEOUT_MS = 180_000;
const WARM_RUNS = 5;
const EXIT_SKIPPED = 3;

interface Compiler {
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

async function chooseCompiler(root: string): Promise<Compiler> {
  const official = { name: "official base runtime", deno: Deno.execPath(), env: {}, downloads: true };
  if (Deno.env.get("PI_SERVER_COMPILE") === "official") return official;
  const deno = Deno.env.get("COMPILE_DENO");
  if (Deno.env.has("DENORT_BIN")) {
    return { name: "DENORT_BIN", deno: deno ?? Deno.execPath(), env: {}, downloads: false };
  }
  return await kitCompiler(root) ?? official;
}

async function compile(compiler: Compiler, bundleDir: string, output: string): Promise<void> {
  const included = ["worker.js", "chunks", "pi", "LICENSES.txt"].flatMap((name) => [
    "--include",
    path.join(bundleDir, name),
  ]);
  const command = new Deno.Command(compiler.deno, {
    // The bundle is complete: no configuration, lock file or package may find its way in.
    args: ["compile", "-A", "--no-check", "--no-config", "--no-lock", "--no-npm", "--unstable-worker-options"]
      .concat(included, ["--output", output, path.join(bundleDir, "mod.js")]),
    env: { ...compiler.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(COMPILE_TIMEOUT_MS),
  });
  const { success, stderr } = await command.output();
  if (success) return;
  const text = new TextDecoder().decode(stderr);
  const reason = /^.*(?:error sending request|denort|download|connect|dns error).*$/im.exec(text)?.[0].trim();
  if (compiler.downloads && reason !== undefined) {
    throw new BaseRuntimeMissing(`the base runtime cannot be downloaded (${reason.slice(0, 200)})`);
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

/** Compiles `root` to `output`; throws {@linkcode BaseRuntimeMissing} where this machine cannot. */
export async function compileBinary(output: string, root: string = repositoryRoot()): Promise<void> {
  const started = performance.now();
  const compiler = await chooseCompiler(root);
  const bundleDir = path.join(root, "dist/deno");
  await bundle({ outDir: bundleDir, platform: "deno", root });
  await compile(compiler, bundleDir, output);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const { size } = await Deno.stat(output);
  const { cold, warm, version } = await startTimes(output);
  console.log(
    `${path.relative(root, output)}: ${(size / 1e6).toFixed(1)} MB in ${seconds} s (${compiler.name})`,
  );
  console.log(`--version: ${version}, cold ${cold.toFixed(0)} ms, warm ${warm.toFixed(0)} ms`);
  if (size > SIZE_LIMIT_BYTES) throw new Error(`the binary is larger than ${SIZE_LIMIT_BYTES / 1e6} MB`);
}

if (import.meta.main) {
  const name = Deno.build.os === "windows" ? "pi-server.exe" : "pi-server";
  try {
    await compileBinary(path.join(repositoryRoot(), "dist", name));
  } catch (error) {
    if (!(error instanceof BaseRuntimeMissing)) throw error;
    console.log(`skipped: ${error.message}`);
    Deno.exit(EXIT_SKIPPED);
  }
}
