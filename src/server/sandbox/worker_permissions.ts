// Does: makes the Deno permissions of a worker from the configuration: folders, hosts and programs that pi needs.
// Used by: sandbox_mode.ts.
// Invariant: they never include the state folder. A shell still has the rights of the user (docs/SECURITY.md).
import { isWithin } from "../../base/path_within.ts";
import type { Files, WorkerPermissions } from "../../runtime/runtime.ts";
import type { PiPackage } from "../../protocol/pi_package.ts";
import type { PiSettingsPaths } from "./pi_settings_paths.ts";
import { hostsIn, LOGIN_HOSTS, MODEL_HOSTS } from "./provider_hosts.ts";

/** The input of the permissions. Folders are absolute. */
export interface SandboxFacts {
  readonly files: Files;
  readonly cwd: string;
  /** Absent: the working directory and pi's session folders. */
  readonly roots?: readonly string[];
  /** pi's own folder. */
  readonly agentDir: string;
  /** pi's folder of sessions, if it is a separate one. */
  readonly sessionDir?: string;
  readonly home: string;
  readonly temporary: string;
  /** Files with logins of providers, outside pi's folder. */
  readonly credentials: readonly string[];
  /** Folders of this program and of pi. */
  readonly program: readonly string[];
  readonly stateDir: string;
  /** Paths in pi's settings. Absent: none. */
  readonly named?: PiSettingsPaths;
  /** The pi that the workers load. */
  readonly pi: Pick<PiPackage, "contextFiles" | "hosts" | "projectFiles">;
  /** Hosts beside those of pi. */
  readonly allowNet: readonly string[];
  readonly allowAnyNet: boolean;
}

/** The permissions, and warnings for an operator. */
export interface Sandbox {
  readonly permissions: WorkerPermissions;
  readonly warnings: readonly string[];
}

/** pi looks for these in the session's folder and in every folder above it. */
const MARKERS: readonly string[] = [".git", ".agents"];

/** Facts about the machine that pi reads. */
const SYS = [
  "cpus",
  "gid",
  "homedir",
  "hostname",
  "loadavg",
  "osRelease",
  "osUptime",
  "systemMemoryInfo",
  "uid",
];

function markersAbove(files: Files, folder: string, names: readonly string[]): string[] {
  const found: string[] = [];
  for (let at = folder; files.parent(at) !== at;) {
    at = files.parent(at);
    found.push(...names.map((name) => files.join(at, name)));
  }
  return found;
}

/** Where modules of a folder look for their packages, as Node does. A refused look would hide that one is missing. */
function packagesAbove(files: Files, folder: string): string[] {
  const found: string[] = [];
  for (let at = folder; files.parent(at) !== at;) {
    at = files.parent(at);
    found.push(at.endsWith(`${files.separator}node_modules`) ? at : files.join(at, "node_modules"));
  }
  return found;
}

/** Makes the permissions. Follows links, and reads pi's files with models, logins and MCP servers for their hosts. */
export async function makeSandbox(facts: SandboxFacts): Promise<Sandbox> {
  const { files, agentDir, sessionDir, home, temporary, program, stateDir } = facts;
  const real = async (path: string): Promise<string> =>
    await files.realpath(path).catch(() => undefined) ?? path;
  // A permission is for a name, so a folder with two names needs both.
  const both = async (paths: readonly string[]): Promise<string[]> =>
    (await Promise.all(paths.map(async (path) => [path, await real(path)]))).flat();
  const work = await both(facts.roots ?? [facts.cwd]);
  const own = await both([agentDir, temporary, ...(sessionDir === undefined ? [] : [sessionDir])]);
  // A project's own files name hosts as well, but the project is not the operator.
  const naming = ["models.json", "auth.json", ...facts.pi.projectFiles].map((name) =>
    files.join(agentDir, name)
  );
  const texts = await Promise.all(naming.map((path) => files.read(path).catch(() => "")));
  const net = [
    ...MODEL_HOSTS,
    ...LOGIN_HOSTS,
    ...facts.pi.hosts,
    ...texts.flatMap((text) => hostsIn(text ?? "")),
    ...facts.allowNet,
  ];
  const write = unique([...work, ...own]);
  const named = await both(facts.named?.read ?? []);
  const read = unique([
    ...write,
    ...await both(program),
    ...named,
    ...await both([agentDir, ...named].flatMap((folder) => packagesAbove(files, folder))),
    files.join(home, ".agents"),
    ...await both(facts.credentials),
    "/bin/bash",
    ...work.flatMap((root) => markersAbove(files, root, [...MARKERS, ...facts.pi.contextFiles])),
  ]);
  const state = await real(stateDir);
  const open = read.find((path) => isWithin(state, path, files.separator));
  const reachable = open === undefined ? [] : [
    `the state folder ${state} lies in ${open}, which sessions may read; choose another --state-dir or --root`,
  ];
  return {
    permissions: {
      read,
      write,
      net: facts.allowAnyNet ? true : unique(net),
      // pi ends a shell with its whole group. Deno allows that only where every program may run.
      run: true,
      // pi passes its environment to shells, and reads the keys of providers from it.
      env: true,
      sys: SYS,
      ffi: false,
      import: false,
    },
    warnings: [...reachable, ...facts.named?.warnings ?? []],
  };
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)].sort();
}
