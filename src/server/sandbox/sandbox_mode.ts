// Does: decides whether Deno limits the permissions of workers, and to which.
// Used by: the start of the server, and `pi-server permissions`.
import { agentFolder, namedSessionFolder } from "../../base/pi_folders.ts";
import type { Config } from "../../config/config.ts";
import { makeSandbox, type Sandbox } from "./worker_permissions.ts";
import { credentialFiles } from "./credential_files.ts";
import { userPlaces } from "./pi_settings_paths.ts";
import { regionalHosts } from "./provider_hosts.ts";
import { type Engine, PI_PACKAGES } from "../../protocol/pi_package.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** Milliseconds that npm gets to name its folder. */
const ASKING_MS = 10_000;

/** The permissions, or why there are none. */
export type SandboxState =
  | { readonly on: true; readonly sandbox: Sandbox }
  | { readonly on: false; readonly reason: string };

/** Thrown when the requested permissions are not possible. */
export class SandboxError extends Error {
  override name = "SandboxError";
}

/** Folders of this program and of pi: the checkout, or the unpacked bundle. */
function programFolders(worker: URL, runtime: Runtime): string[] {
  if (worker.protocol !== "file:") return [];
  const { files } = runtime;
  const file = files.ofUrl(worker);
  const folder = files.parent(file);
  const checkout = file.endsWith(files.join("src", "worker", "worker.ts"));
  return [checkout ? files.parent(files.parent(folder)) : folder, runtime.program()];
}

function whyOff(config: Config, runtime: Runtime): string | undefined {
  if (config.sandbox === "off") return "--sandbox off";
  if (runtime.sandbox === "never") {
    if (config.sandbox === "on") {
      throw new SandboxError("--sandbox on: needs Deno; leave it out to run on Node");
    }
    return "Node has no permissions for threads";
  }
  if (config.workers === 0 && config.isolation === "shared") {
    return "--workers 0 runs sessions in the server's own thread";
  }
  if (config.sandbox === "on" || runtime.sandbox === "built-in") return undefined;
  return "start Deno with --unstable-worker-options, and the server with --sandbox on, as `deno task serve` does";
}

/** Decides. Throws `SandboxError` when the request is not possible. */
export async function resolveSandbox(
  config: Config,
  engine: Engine,
  runtime: Runtime,
  worker: URL,
  stateDir: string,
): Promise<SandboxState> {
  const reason = whyOff(config, runtime);
  if (reason !== undefined) return { on: false, reason };
  const absolute = (path: string): string => runtime.absolute(path);
  const [sessionDir, agentDir] = [namedSessionFolder(runtime), agentFolder(runtime)];
  const { files } = runtime;
  const home = runtime.home();
  const env = (name: string): string | undefined => runtime.env(name);
  const output = (command: readonly string[]): Promise<string> => runtime.output(command, ASKING_MS);
  const { extensions, skills, prompts } = config.resources;
  const asked = [...extensions, ...skills, ...prompts].map(absolute);
  const sandbox = await makeSandbox({
    files,
    named: await userPlaces({ files, agentDir, home, output, asked }),
    cwd: absolute(config.cwd ?? "."),
    ...(config.roots === undefined ? {} : { roots: config.roots.map(absolute) }),
    agentDir,
    ...(sessionDir === undefined ? {} : { sessionDir }),
    home,
    temporary: runtime.temporary(),
    credentials: credentialFiles(env, home, files).map(absolute),
    program: programFolders(worker, runtime),
    stateDir,
    pi: PI_PACKAGES[engine],
    allowNet: [...config.allowNet, ...regionalHosts(env)],
    allowAnyNet: config.allowAnyNet,
  });
  return { on: true, sandbox };
}

/** Host and port of an address of NATS. */
function natsHost(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === "" ? "4222" : port}`;
}

/** The output of `pi-server permissions`: JSON with one set for each kind of thread. */
export function describe(holding: SandboxState, config: Config, stateDir: string): string {
  const listens = config.ws ? [`${config.host}:${config.port}`] : [];
  const { servers = [], credsFile, caFile } = config.cluster ?? {};
  const named = [credsFile, caFile].filter((file) => file !== undefined);
  const router = {
    read: [stateDir, ...named],
    write: [stateDir],
    net: [...listens, ...servers.map(natsHost)],
    uses: "no more, though nothing holds it",
  };
  const hosts = holding.on ? holding.sandbox.permissions : "everything that the process may do";
  const why = holding.on ? {} : { reason: holding.reason };
  const warnings = holding.on && holding.sandbox.warnings.length > 0
    ? { warnings: holding.sandbox.warnings }
    : {};
  return `${
    JSON.stringify({ sandbox: holding.on ? "on" : "off", ...why, ...warnings, hosts, router }, null, 2)
  }\n`;
}
