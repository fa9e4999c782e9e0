// What Deno lets a host's thread do, made from the configuration when the host is started: the folders, hosts and
// programs that pi needs for the sessions that this server is for, and never the state folder. Not a wall around
// the agent: a shell that it starts has the rights of the server's user (docs/SECURITY.md).
import { isWithin } from "../../base/path_within.ts";
import type { Files, WorkerPermissions } from "../../runtime/runtime.ts";
import { CONTEXT_FILES, MORE_HOSTS } from "../../protocol/pi_package.ts";
import type { PiSettingsPaths } from "./pi_settings_paths.ts";
import { hostsIn, LOGIN_HOSTS, MODEL_HOSTS } from "./provider_hosts.ts";

/** What the permissions are made from; folders are absolute. */
export interface SandboxFacts {
  readonly files: Files;
  readonly cwd: string;
  /** Absent: the working directory and pi's session folders. */
  readonly roots?: readonly string[];
  /** pi's own folder. */
  readonly agentDir: string;
  /** pi's folder of sessions, where that is set apart. */
  readonly sessionDir?: string;
  readonly home: string;
  readonly temporary: string;
  /** Files in which providers' logins lie, outside pi's folder. */
  readonly credentials: readonly string[];
  /** Where our own code and pi's lie. */
  readonly program: readonly string[];
  readonly stateDir: string;
  /** What pi's settings name elsewhere; absent: nothing. */
  readonly named?: PiSettingsPaths;
  /** Hosts beyond those that every pi may need. */
  readonly allowNet: readonly string[];
  readonly allowAnyNet: boolean;
}

/** The permissions, and what an operator should know of them. */
export interface Sandbox {
  readonly permissions: WorkerPermissions;
  readonly warnings: readonly string[];
}

/** pi looks for these in the session's folder and in every folder above it. */
const MARKERS: readonly string[] = [".git", ".agents", ...CONTEXT_FILES];

/** What pi asks the machine about itself. */
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

function markersAbove(files: Files, folder: string): string[] {
  const found: string[] = [];
  for (let at = folder; files.parent(at) !== at;) {
    at = files.parent(at);
    found.push(...MARKERS.map((name) => files.join(at, name)));
  }
  return found;
}

/** Makes the permissions; looks links up, and reads pi's models.json for the hosts that it names. */
export async function makeSandbox(facts: SandboxFacts): Promise<Sandbox> {
  const { files, agentDir, sessionDir, home, temporary, program, stateDir } = facts;
  const real = async (path: string): Promise<string> =>
    await files.realpath(path).catch(() => undefined) ?? path;
  // A permission is for a name: a folder with two names needs both.
  const both = async (paths: readonly string[]): Promise<string[]> =>
    (await Promise.all(paths.map(async (path) => [path, await real(path)]))).flat();
  const work = await both(facts.roots ?? [facts.cwd]);
  const own = await both([agentDir, temporary, ...(sessionDir === undefined ? [] : [sessionDir])]);
  const models = await files.read(files.join(agentDir, "models.json")).catch(() => undefined);
  const net = [...MODEL_HOSTS, ...LOGIN_HOSTS, ...MORE_HOSTS, ...hostsIn(models ?? ""), ...facts.allowNet];
  const write = unique([...work, ...own]);
  const read = unique([
    ...write,
    ...await both(program),
    ...await both(facts.named?.read ?? []),
    files.join(home, ".agents"),
    ...await both(facts.credentials),
    "/bin/bash",
    ...work.flatMap((root) => markersAbove(files, root)),
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
      // pi ends a shell with its whole group, which Deno allows only where every program may be run.
      run: true,
      // pi hands its environment to the shells that it starts, and reads keys of providers from it.
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
