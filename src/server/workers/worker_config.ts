// What every host of a server is started with, made from the server's configuration.
import type { Config } from "../../config/config.ts";
import type { WorkerConfig } from "../../ipc/messages.ts";
import type { TrustStore } from "../state/trust_store.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** What it is made from. */
export interface WorkerConfigParts {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly trust: TrustStore;
  readonly stateDir: string;
  /** Bytes that a host may hold. */
  readonly memoryBytes: number;
  readonly outputDir: string;
  /** Tag of the processes that workers start. */
  readonly serverTag: string;
}

/** Makes it. What is a getter is read at each start of a host, also of one that takes the place of another. */
export function workerConfig(
  { config, runtime, trust, stateDir, outputDir, memoryBytes, serverTag }: WorkerConfigParts,
): WorkerConfig {
  const absolute = (path: string): string => runtime.absolute(path);
  return {
    cwd: absolute(config.cwd ?? "."),
    ...(config.roots === undefined ? {} : { roots: config.roots.map(absolute) }),
    closed: [stateDir],
    trustProjects: config.trustProjects,
    get trustedFolders(): readonly string[] {
      return trust.folders;
    },
    serverTag,
    demo: config.demo,
    memoryBytes,
    outputDir,
    pendingUi: config.limits.pendingUiPerSession,
    turnStallMs: config.limits.turnStallMs,
    ...(config.budget === undefined ? {} : { budget: config.budget }),
  };
}
