// A build as a person gets it: the binary alone, or the npm tarball installed, in an empty folder outside any checkout.
// The name of the folder has a space. The home and the temporary folder are empty, and the environment holds nothing
// of this project. Used by the cases about what ships and by scripts/release/try_release.ts.

import * as path from "node:path";
import {
  commandOf,
  ENGINE,
  Home,
  NODE,
  NPM_BUILD,
  ServerProcess,
  type StartOptions,
  type Target,
} from "./server_process.ts";
import { deadline } from "../base/wait.ts";

const INSTALL_MS = 120_000;
const RUN_MS = 60_000;

/** What to try. */
export interface Shipment {
  readonly target: Target;
  /** The executable or the tarball; by default what this checkout has built. */
  readonly file?: string;
  /** The Node to run the tarball on; by default the one in the path. */
  readonly node?: string;
}

/** How a program ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without input. */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const output = new Deno.Command(program, {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env, clearEnv: true }),
    stdin: "null",
    signal: AbortSignal.timeout(INSTALL_MS),
  }).output();
  const { code, stdout, stderr } = await deadline(output, INSTALL_MS, () => `${program} ${args.join(" ")}`);
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out ?? "", stderr: error ?? "" };
}

async function npm(args: readonly string[], cwd: string): Promise<string> {
  // On Windows npm is a script, which only a shell starts.
  const [program, ...first] = Deno.build.os === "windows" ? ["cmd", "/c", "npm"] : ["npm"];
  const { code, stdout, stderr } = await run(program ?? "npm", [...first, ...args], { cwd });
  if (code !== 0) throw new Error(`npm ${args.join(" ")} failed:\n${stderr}`);
  return stdout.trim();
}

/** Packs what was built into that folder; the tarball's path. */
export async function packNpm(folder: string): Promise<string> {
  const args = ["pack", NPM_BUILD, "--silent", "--pack-destination", folder];
  const name = (await npm(args, folder)).split("\n").at(-1) ?? "";
  return path.join(folder, name);
}

/** Installs a tarball in that folder as anyone would; how to start it. */
async function installNpm(tarball: string, folder: string, node: string): Promise<StartOptions["command"]> {
  // Offline: whatever it depended on could not be had.
  await npm(
    ["install", "--offline", "--no-audit", "--no-fund", "--silent", "--prefix", folder, tarball],
    folder,
  );
  return { program: node, args: [`${folder}/node_modules/pi-server/bin/pi-server.js`] };
}

/** The Node in the path, or the one that was asked for. */
export async function nodeInPath(): Promise<string> {
  const { stdout } = await run(NODE, ["-p", "process.execPath"]);
  return stdout.trim();
}

function systemPath(): string {
  return Deno.build.os === "windows" ? Deno.env.get("PATH") ?? "" : "/usr/local/bin:/usr/bin:/bin";
}

/** Where a child looks for programs, with that Node first. */
function pathWith(node: string): string {
  return [path.dirname(node), systemPath()].join(path.delimiter);
}

/** A build in an empty folder; `await using` removes it all. */
export class Shipped implements AsyncDisposable {
  readonly target: Target;
  /** The folder that it was put in. */
  readonly folder: string;
  readonly command: { program: string; args: string[] };
  readonly #top: string;
  readonly #path: string;

  private constructor(
    top: string,
    folder: string,
    target: Target,
    command: { program: string; args: string[] },
    searchPath: string,
  ) {
    this.#top = top;
    this.folder = folder;
    this.target = target;
    this.command = command;
    this.#path = searchPath;
  }

  /** Puts it there. */
  static async make(shipment: Shipment): Promise<Shipped> {
    const { target } = shipment;
    const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-shipped-" }));
    try {
      const folder = path.join(top, "an empty folder");
      await Deno.mkdir(folder);
      const system = systemPath();
      if (target === "node") {
        const node = shipment.node ?? await nodeInPath();
        const tarball = shipment.file ?? await packNpm(top);
        const command = await installNpm(tarball, folder, node);
        if (command === undefined) throw new Error(`${tarball} was not installed`);
        return new Shipped(top, folder, target, command, pathWith(node));
      }
      const own = commandOf(target);
      if (target === "sources") return new Shipped(top, folder, target, own, system);
      const file = shipment.file ?? own.program;
      const program = path.join(folder, path.basename(file));
      await Deno.copyFile(file, program);
      return new Shipped(top, folder, target, { program, args: [] }, system);
    } catch (error) {
      await Deno.remove(top, { recursive: true });
      throw error;
    }
  }

  /** The same files on another Node, for as long as this one is there: npm installs them alike for each. */
  on(node: string): Shipped {
    const { target, folder, command } = this;
    if (target !== "node") throw new Error(`${target} does not run on Node`);
    return new Shipped(this.#top, folder, target, { ...command, program: node }, pathWith(node));
  }

  /** A fresh, empty home. */
  async home(): Promise<string> {
    const home = await Deno.makeTempDir({ dir: this.#top, prefix: "home " });
    await Deno.mkdir(path.join(home, "tmp"));
    return home;
  }

  /** All that a child finds in its environment. */
  environment(home: string, more: Record<string, string> = {}): Record<string, string> {
    const outer = Deno.env.toObject();
    const cache = outer["DENO_DIR"] ?? `${outer["XDG_CACHE_HOME"] ?? `${outer["HOME"]}/.cache`}/deno`;
    const temporary = path.join(home, "tmp");
    const windows = Deno.build.os === "windows"
      ? { USERPROFILE: home, SystemRoot: outer["SystemRoot"] ?? "", TEMP: temporary, TMP: temporary }
      : {};
    return {
      PATH: this.#path,
      HOME: home,
      TMPDIR: temporary,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      PI_OFFLINE: "1",
      ...windows,
      // A build chooses the engine by itself; the sources have one that is fixed.
      ...(this.target === "sources"
        ? { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1", PI_SERVER_PI: ENGINE }
        : {}),
      ...more,
    };
  }

  /** Runs it to its end. */
  run(home: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const { program, args: first } = this.command;
    const options = { cwd: this.folder, env: this.environment(home, env) };
    return deadline(run(program, [...first, ...args], options), RUN_MS, () => args.join(" "));
  }

  /** Starts it on stdin and stdout, with nothing else set. */
  start(home: string, args: readonly string[], env: Record<string, string> = {}): ServerProcess {
    return ServerProcess.spawn(Home.at(home), {
      mode: "stdio",
      bare: true,
      args: ["--no-ws", "--stdio", "on", ...args],
      command: this.command,
      cwd: this.folder,
      cleanEnv: this.environment(home, env),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#top, { recursive: true });
  }
}
